/* Writing weights in the forms of other libraries. */
#ifndef RS_EXPORTFILE_H
#define RS_EXPORTFILE_H

#include "format.h"

#include <rescl/weights.h>

typedef struct rs_export_options {
    const rs_format *format;
    rs_naming naming;
    rs_st_dtype dtype; /* F32, F16 or BF16 */
    bool no_top;       /* without the head */
} rs_export_options;

/* What was asked for, with what the path and the format imply. RESCL_ERR_ARG names what there is. */
rescl_status rs_export_settle(const char *path, const rescl_export_options *o,
                              rs_export_options *out) RESCL_CHECK;

/* Writes a file, whole or not at all. Filters are turned to the library's layout. Where its batch
 * normalisation has another epsilon than `model->bn_eps`, running variances are shifted by the
 * difference, so that the network stays the same function. RESCL_ERR_ARG when the format does not go with the
 * names or the type. */
rescl_status rs_export(const char *path, const rs_graph *g, const rs_weights *w,
                       const rs_ckpt_model *model, const rs_export_options *options) RESCL_CHECK;

#endif
