/* Folders that would be classes but are rather splits under other names: what --format folder overrules. */
#ifndef RS_FOLDERDOUBT_H
#define RS_FOLDERDOUBT_H

#include "dataset.h"

/* RESCL_ERR_FORMAT where the classes' names are those of several splits, with words beside them:
 * training_set and test_set; train and test1. */
rescl_status rs_check_class_names(const char *root, const rescl_dataset *set) RESCL_CHECK;

/* RESCL_ERR_FORMAT where two classes hold folders of the same two names or more, as splits hold classes;
 * for sets whose images all lie in such folders. */
rescl_status rs_check_class_folders(const char *root, const rescl_dataset *set) RESCL_CHECK;

#endif
