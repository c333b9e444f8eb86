/* Classes of two sets of names, matched by name and never by position. */
#ifndef RS_CLASSMAP_H
#define RS_CLASSMAP_H

#include "dataset.h"

/* The classes that labels have to count: a model's, or those of another set. */
typedef struct rs_class_list {
    const char *const *name;
    const char *const *other; /* a second name of each, such as WordNet's; NULL: they have none */
    size_t count;
    const char *owner; /* "the model", for messages */
} rs_class_list;

/* Whether each class of the set is called as one of the list. */
rescl_status rs_classes_within(const rescl_dataset *set, const rs_class_list *list, bool *out)
    RESCL_CHECK;

/* For each class of the set the number that the list gives to it, on the heap; NULL when they are
 * the same. `what` names the kind of set in messages: "evaluation set"; NULL: nothing is
 * logged, as where that was done before.
 *
 * A class that the list does not have is a RESCL_ERR_FORMAT that names it and what may be meant.
 * Only where the names of one side are mere numbers, and both have as many classes, are they taken
 * in their order, which is logged; RESCL_ERR_ARG if one of them has more. Classes of the list that
 * the set does not have are logged. */
rescl_status rs_class_map(const rescl_dataset *set, const char *what, const rs_class_list *list,
                          int32_t **out) RESCL_CHECK;

#endif
