/* Classes of labels that are texts, as tables and archives have them. */
#ifndef RS_LABELTEXTS_H
#define RS_LABELTEXTS_H

#include "dataset.h"

/* Makes each text once a class of the set: in the order of their bytes, or of their values if all are whole
 * numbers. `labels` gets the class of each of the `count` texts, of which there is one at least. `origin`
 * stands in messages. */
rescl_status rs_label_texts(const char *origin, const char *const *text, size_t count,
                            rescl_dataset *set, int32_t *labels) RESCL_CHECK;

#endif
