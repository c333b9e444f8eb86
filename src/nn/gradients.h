/* What becomes of gradients between backward and the update: those of several batches are added up, and
 * they are clipped. Everything enqueues; nothing waits. */
#ifndef RS_GRADIENTS_H
#define RS_GRADIENTS_H

#include "net.h"

/* Takes memory for another set of gradients, for a store that trains. */
rescl_status rs_store_prepare_sum(rs_store *s) RESCL_CHECK;
/* After a backward pass: `first`, its gradients are the first of those that are added up; `last`, the store's
 * gradients become the sum. Nothing where both are true. */
rescl_status rs_store_add_up(rs_store *s, bool first, bool last) RESCL_CHECK;
/* The sum so far, for a run that goes on. */
rescl_status rs_store_upload_sum(rs_store *s, const rs_weights *w) RESCL_CHECK;
rescl_status rs_store_download_sum(rs_store *s, rs_weights *w) RESCL_CHECK;

/* Takes what rs_store_clip needs: see rs_clip_create. */
rescl_status rs_store_prepare_clip(rs_store *s, double norm, double value) RESCL_CHECK;
/* Before an update; nothing where it was not prepared. */
rescl_status rs_store_clip(rs_store *s) RESCL_CHECK;

#endif
