/* The order in which an epoch takes the images of a set. */
#ifndef RS_SAMPLER_H
#define RS_SAMPLER_H

#include "dataset.h"

#include <stdatomic.h>

typedef struct rs_sampler {
    uint64_t seed;
    size_t count;           /* of the set, and of an epoch */
    uint32_t *order;        /* of the epoch that was drawn */
    const atomic_int *stop; /* see rs_loader_options */
    /* where classes are balanced: */
    uint32_t *of_class;     /* images, class behind class */
    size_t *first, classes; /* (classes + 1): of those that have images */
} rs_sampler;

/* An epoch takes each image once; `balanced`: as many images of each class that has any, one more or less,
 * each image of a class once before any comes again. */
rescl_status rs_sampler_init(rs_sampler *s, const rescl_dataset *set, bool balanced, uint64_t seed,
                             const atomic_int *stop) RESCL_CHECK;
void rs_sampler_fini(rs_sampler *s);

/* Draws an epoch. RESCL_ERR_INTERRUPTED when *stop is set; it can be drawn again. */
rescl_status rs_sampler_draw(rs_sampler *s, uint64_t epoch) RESCL_CHECK;

#endif
