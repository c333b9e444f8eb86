/**
 * @file precision.h
 * In which numbers a network is computed.
 */
#ifndef RESCL_PRECISION_H
#define RESCL_PRECISION_H

#include <rescl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How activations and their gradients are stored, and how products are computed. Whatever it is,
 * sums are float, and so are parameters and their gradients, the statistics of normalisations, the
 * optimiser's state, and what follows the last pooling: dense layers, softmax and loss. Files hold
 * float values. Every device serves all four: one without instructions for a type converts.
 */
typedef enum rescl_precision {
    RESCL_PRECISION_FP32 = 0, /**< float throughout */
    RESCL_PRECISION_TF32,     /**< float in memory; products may round their factors to 10 bits of
                               * mantissa, where the device has an engine for that */
    RESCL_PRECISION_BF16,     /**< 16 bits: float's range, 7 bits of mantissa */
    RESCL_PRECISION_FP16 /**< 16 bits: numbers up to 65504, 10 bits of mantissa. Training scales
                               * the loss, so that small gradients do not vanish */
} rescl_precision;

/** "fp32", "tf32", "bf16", "fp16"; NULL past the last one. */
RESCL_API const char *rescl_precision_name(rescl_precision precision);
/** The precision of that name. RESCL_ERR_ARG lists them and suggests the nearest. */
RESCL_API rescl_status rescl_precision_find(const char *name, rescl_precision *out) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
