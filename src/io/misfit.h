/* Whether a file's tensors are those of a model, and if not, what the file is of. */
#ifndef RS_MISFIT_H
#define RS_MISFIT_H

#include "netmodel.h"
#include "str.h"
#include "weightfile.h"

#include <rescl/weights.h>

/* Fails where the mode does not accept what was found: RESCL_ERR_NOT_FOUND when a parameter is
 * missing, RESCL_ERR_SHAPE when one has another shape, RESCL_ERR_FORMAT when a tensor is unexpected
 * or the file says that it is of another model. The message tells what was found, as
 * the file has it, and the models that it fits. */
rescl_status rs_misfit_check(const rs_wfile *f, const rescl_model *model, const rs_matching *m,
                             rescl_load_mode mode) RESCL_CHECK;

/* "a, b": the models that the file's tensors fill but for the last layer, at any number of classes;
 * nothing if there are none. */
rescl_status rs_misfit_list_fitting(const rs_wfile *f, rs_str *out) RESCL_CHECK;

#endif
