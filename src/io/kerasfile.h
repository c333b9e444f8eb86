/* Keras' weights in HDF5, as save_weights("x.h5") and save("x.h5") of Keras 1 to 3 write them:
 *
 *   / or /model_weights   attributes layer_names, backend, keras_version
 *   <layer>/              attribute weight_names, whose names are paths below it:
 *   <layer>/<weight>      a dataset, such as conv1/conv1/kernel:0
 *
 * Lists of names longer than 64 KiB are split over layer_names0, layer_names1, ... A rescl_model
 * attribute is ours: rs_ckpt_model_text. */
#ifndef RS_KERASFILE_H
#define RS_KERASFILE_H

#include "h5file.h"

/* Indexes the weights of all layers in order. Arrays are named by their path; rs_keras_weight_name
 * gives "layer/role:0". Notes: RS_MODEL_KEY. */
rescl_status rs_keras_open(const char *path, rs_h5_file **out) RESCL_CHECK;

/* The last two components of an array's path. */
const char *rs_keras_weight_name(const rs_h5_array *a);

#endif
