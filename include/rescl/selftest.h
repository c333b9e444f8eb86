/**
 * @file selftest.h
 * Whether a device computes rightly: what is launched there, on small problems of odd shapes, against a
 * reference on the host in double.
 *
 * A trainer, a predictor and rescl_bench_model check what they select when they are created: once for each
 * device, driver, version of rescl and source of the kernels, after which the cache on disk remembers. That is
 * done by the program rescl, in a process of its own that may crash or hang (for a library without the program
 * beside it nothing is checked). What fails is left out with a warning to the log, and the next
 * implementation takes its place; with none left, creating fails with RESCL_ERR_UNSUPPORTED. Steps
 * themselves are not checked and take no longer. RESCL_SELFTEST=off in the environment leaves it out, a
 * number gives the seconds after which a kernel is taken to hang (60).
 */
#ifndef RESCL_SELFTEST_H
#define RESCL_SELFTEST_H

#include <rescl/device.h>
#include <rescl/precision.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rescl_selftest_options {
    size_t struct_size;    /**< see rescl/status.h */
    const char *model;     /**< what its training and evaluation select; default "resnet50" */
    const char *precision; /**< a rescl_precision_name(); default "fp32" */
    const char *op;        /**< only this operation, such as "conv2d"; NULL: all */
    bool full;   /**< every implementation, case and type that the device can serve instead */
    bool recall; /**< nothing is done: what is known from earlier checks */
} rescl_selftest_options;

RESCL_API void rescl_selftest_options_init(rescl_selftest_options *out, size_t struct_size);
static inline void rescl_selftest_options_default(rescl_selftest_options *out)
{
    rescl_selftest_options_init(out, sizeof *out);
}

/** One check: a way to do a pass, on one problem. Strings are borrowed for the call. */
typedef struct rescl_selftest_row {
    size_t index, total;
    const char *op, *pass; /**< such as "conv2d", "bwd_data" */
    const char *choice;    /**< implementation and numbers, such as "packed_gemm kc=128" */
    const char *types;     /**< of what is read and written, such as "f32", "bf16-f32", "tf32" */
    const char *problem;   /**< the case, such as "3x3 stride 2" */
    bool training;
    rescl_status
        status; /**< RESCL_OK: right; RESCL_ERR_NUMERIC: wrong numbers; RESCL_ERR_BUILD: it does
                          * not compile; RESCL_ERR_DEVICE: it fails, crashes or hangs;
                          * RESCL_ERR_NOT_FOUND: nothing is known of it */
    const char *reason; /**< why not right; "" */
} rescl_selftest_row;

/** Returns false to stop. */
typedef bool (*rescl_selftest_fn)(const rescl_selftest_row *row, void *user);

/**
 * Checks the device anew, whatever is remembered, and remembers what came of it. `fn` is told of each check.
 * RESCL_ERR_DEVICE when one of them failed, RESCL_ERR_INTERRUPTED when `fn` returned false, and
 * RESCL_ERR_UNSUPPORTED when the program rescl is not near the library or the device cannot serve the
 * precision.
 */
RESCL_API rescl_status rescl_selftest(rescl_device *device, const rescl_selftest_options *options,
                                      rescl_selftest_fn fn, void *user) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
