/* Weights in HDF5 as Keras writes them, which is in one of two forms. Keras 1 to 3 write the first as
 * save_weights("x.h5") and save("x.h5"):
 *
 *   / or /model_weights   attributes layer_names, backend, keras_version
 *   <layer>/              attribute weight_names, whose names are paths below it:
 *   <layer>/<weight>      a dataset, such as conv1/conv1/kernel:0
 *
 * Lists of names longer than 64 KiB are split over layer_names0, layer_names1, ... A whole model's
 * root has the attribute model_config (kerasconfig.h). A rescl_model attribute is ours:
 * rs_ckpt_model_text. The other is save_weights("x.weights.h5") of Keras 3, and what a .keras file
 * contains:
 *
 *   layers/<class>_<n>/vars     attribute name, of the layer; Keras before 3.6 leaves it out
 *   layers/<class>_<n>/vars/0   the first of its weights
 *   layers/<class>_<n>/layers   those of a model that is a layer of this one
 *
 * HDF5 itself runs in child processes only: see h5file.h. */
#ifndef RS_KERASFILE_H
#define RS_KERASFILE_H

#include "format.h"

/* The members of a format for such files (format.h). `shown` is what messages call the file, `config`
 * the JSON of its model, or NULL when it is elsewhere or nowhere. */
rescl_status rs_keras_open(const char *path, const char *shown, const char *config,
                           rs_wfile_list *out) RESCL_CHECK;
rescl_status rs_keras_read(void *file, size_t source, void *dst) RESCL_CHECK;
void rs_keras_close(void *file);

#endif
