/* A moving average of the parameters and running statistics of a store, which may take their place: as
 * torch.optim.swa_utils.AveragedModel with use_buffers keeps one. Everything but transfers enqueues. */
#ifndef RS_AVERAGE_H
#define RS_AVERAGE_H

#include "net.h"

/* Takes memory for it. It starts as zeros. */
rescl_status rs_store_prepare_average(rs_store *s) RESCL_CHECK;
/* average += gain * (value - average); gain 1 copies. */
rescl_status rs_store_update_average(rs_store *s, double gain) RESCL_CHECK;
/* The average takes the place of the values, and they its own; twice: as before. */
rescl_status rs_store_swap_average(rs_store *s) RESCL_CHECK;
rescl_status rs_store_upload_average(rs_store *s, const rs_weights *w) RESCL_CHECK;
rescl_status rs_store_download_average(rs_store *s, rs_weights *w) RESCL_CHECK;

#endif
