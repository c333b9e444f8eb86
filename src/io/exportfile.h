/* Writing weights in the forms of other libraries. */
#ifndef RS_EXPORTFILE_H
#define RS_EXPORTFILE_H

#include "checkpoint.h"
#include "naming.h"

typedef struct rs_export_options {
    bool hdf5; /* else safetensors */
    rs_naming naming;
    rs_st_dtype dtype; /* F32, F16 or BF16 (safetensors only) */
    bool no_top;       /* without the head */
} rs_export_options;

/* Writes a file, whole or not at all. Filters are turned to the library's layout. Where its batch
 * normalisation has another epsilon than `model->bn_eps`, running variances are shifted by the
 * difference, so that the network stays the same function. */
rescl_status rs_export(const char *path, const rs_graph *g, const rs_weights *w,
                       const rs_ckpt_model *model, const rs_export_options *options) RESCL_CHECK;

/* ---- what is written ----------------------------------------------------------------------- */

typedef struct rs_export_tensor {
    const char *layer;
    rs_st_source source; /* its name and data are owned */
} rs_export_tensor;

/* As Keras' save_weights: layers in the order of the tensors. RESCL_ERR_UNSUPPORTED in builds
 * without HDF5. */
rescl_status rs_keras_write(const char *path, const char *model, const rs_export_tensor *tensor,
                            size_t count) RESCL_CHECK;

#endif
