/* Writing a network as an ONNX model (https://github.com/onnx/onnx, onnx/onnx.proto), for
 * inference.
 *
 *   input    "input", float (N, 3, height, width), N free, pixels prepared as metadata_props say
 *   output   "logits", float (N, classes), before any softmax
 *   nodes    named as the layers; normalisation by the running statistics, no dropout
 *   weights  initialisers with torchvision's names and layouts; a layer that torchvision lacks
 *            keeps its own name
 *
 * Operator set 13, IR version 7. metadata_props: model, preprocess, preprocess_input (that
 * preparation in words), image_size, classes (a JSON list of their names). */
#ifndef RS_ONNX_H
#define RS_ONNX_H

#include "checkpoint.h"

/* The file appears whole or not at all. RESCL_ERR_UNSUPPORTED for a layer without a counterpart,
 * RESCL_ERR_ARG beyond the 2 GiB that a protocol buffer can have. */
rescl_status rs_onnx_write(const char *path, const rs_graph *g, const rs_weights *w,
                           const rs_ckpt_model *about) RESCL_CHECK;

#endif
