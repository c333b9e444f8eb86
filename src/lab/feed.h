/* Batches of a dataset without end, read by threads as a training reads them. */
#ifndef RS_FEED_H
#define RS_FEED_H

#include "normalize.h"

#include <rescl/data.h>

typedef struct rs_feed rs_feed;

/* Borrows the dataset. RESCL_ERR_ARG if it has fewer images than a batch. */
rescl_status rs_feed_create(const rescl_dataset *set, size_t batch, size_t size, size_t channels,
                            size_t workers, rs_feed **out) RESCL_CHECK;
void rs_feed_destroy(rs_feed *f);

/* Labels are below it. */
size_t rs_feed_classes(const rs_feed *f);

/* Waits for the next batch, which is valid until the next call. */
rescl_status rs_feed_next(rs_feed *f, rs_images *out) RESCL_CHECK;

#endif
