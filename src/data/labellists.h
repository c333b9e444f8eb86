/* Labels of images of which each has any number, from texts such as "cat; dog". */
#ifndef RS_LABELLISTS_H
#define RS_LABELLISTS_H

#include "dataset.h"

/* Labels of image i: label[first[i]] to before label[first[i + 1]], ascending, each once. {0} is empty. */
typedef struct rs_label_lists {
    int32_t *label;
    size_t *first;   /* (count + 1) */
    size_t repeated; /* images of which a label was named more than once */
} rs_label_lists;

/* Divides each text, which is changed, at its semicolons. Blanks around a label and labels without letters
 * are left out, so that "" is an image without any. Classes are named, numbered and checked as
 * rs_label_texts does it; RESCL_ERR_FORMAT where no image has a label. */
rescl_status rs_label_lists_init(rs_label_lists *l, const char *origin, char *const *text,
                                 size_t count, rescl_dataset *set) RESCL_CHECK;
/* How many labels image `row` has, and in *out those. */
size_t rs_label_lists_get(const rs_label_lists *l, size_t row, const int32_t **out);
/* Its first label; -1: it has none. */
int32_t rs_label_lists_first(const rs_label_lists *l, size_t row);
void rs_label_lists_fini(rs_label_lists *l);

#endif
