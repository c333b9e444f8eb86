/**
 * @file bench.h
 * Measuring: whole models, single operations, and the limits of the device.
 */
#ifndef RESCL_BENCH_H
#define RESCL_BENCH_H

#include <rescl/device.h>
#include <rescl/precision.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rescl_bench_options {
    size_t struct_size; /**< see rescl/status.h */
    const char *model;  /**< a name of rescl_model_names() */
    size_t size, batch, classes;
    bool train;         /**< training steps; else inference */
    const char *opt;    /**< optimiser of training steps, with its usual numbers: "sgd" */
    size_t warmup;      /**< steps before timing starts; default 2 */
    size_t repeats;     /**< timed steps at least; default 7 */
    double min_seconds; /**< and at least so long */
    double time_limit;  /**< seconds; 0: none. Nothing but what is under way goes on later. */
    /** rescl_bench_model, rescl_bench_step: the input goes up anew for each step, while the device works
     * on the one before, as in training on a data set; else it lies on the device from the first on. */
    bool host_input;
    const char *precision; /**< a rescl_precision_name(); default "fp32", which NULL is, too */
} rescl_bench_options;

RESCL_API void rescl_bench_options_init(rescl_bench_options *out, size_t struct_size);
static inline void rescl_bench_options_default(rescl_bench_options *out)
{
    rescl_bench_options_init(out, sizeof *out);
}

typedef struct rescl_bench_model_row {
    size_t repeats;
    double median_ms, min_ms, max_ms, mad_ms; /**< of a step; mad: median absolute deviation */
    double img_s;                             /**< batch / median */
    double gflops;       /**< 2 x MACs of the pass(es), 3 x forward for training, over the median */
    double first_ms;     /**< from opening to the end of the first step: planning and compiling */
    uint64_t peak_bytes; /**< device memory */
} rescl_bench_model_row;

/** Times steps of a model on synthetic input. Each step ends with the device idle. */
RESCL_API rescl_status rescl_bench_model(rescl_device *device, const rescl_bench_options *options,
                                         rescl_bench_model_row *out) RESCL_CHECK;

/** One (problem, pass, implementation) of a model's convolutions and dense layers, or a product. */
typedef struct rescl_bench_op_row {
    const char *op, *pass, *impl;
    char shape[96]; /**< such as "32x16x16x64 -> 256, 3x3/1", with ", bf16" where it is so */
    size_t count;   /**< how often the model has it */
    bool preferred; /**< the implementation that a network on this device would use */
    double median_ms, min_ms, gflops;
    /** Relative L2 distance of the result to what is right, over numbers drawn from it, corners and
     * borders of tiles among them, and computed in double; infinity where any number of it is not
     * finite or was not written. */
    double error;
    /** Not RESCL_OK: it failed; RESCL_ERR_NUMERIC: its result is wrong; RESCL_ERR_INTERRUPTED: the
     * time limit came first. Its times are NaN, and its error is unless the result is wrong. */
    rescl_status status;
    const char *reason; /**< why, as rescl_last_error() says it too until `fn` returns; "" */
} rescl_bench_op_row;

typedef void (*rescl_bench_op_fn)(const rescl_bench_op_row *row, void *user);

/**
 * Times every distinct convolution and dense layer of a model, each pass, with each implementation
 * that can serve, in turns so that drift hits all alike. `impl`, if not NULL, names the only one
 * that is timed; "preferred" is whichever a network would use. Calls `fn` for each row; an
 * implementation that fails, or whose result is wrong, does not stop the others.
 * With options->train the time of a forward or backward-data pass includes packing the weights, as
 * they change between two steps; without, they are packed once before timing starts.
 * Devices other than CPUs are timed by their own clock where they have one: from the start of a
 * pass's first kernel to the end of its last.
 * RESCL_ERR_ARG when no implementation has the name `impl`; RESCL_ERR_INTERRUPTED when the time limit
 * left problems out: the message says how many.
 */
RESCL_API rescl_status rescl_bench_ops(rescl_device *device, const rescl_bench_options *options,
                                       const char *impl, rescl_bench_op_fn fn, void *user)
    RESCL_CHECK;

/**
 * Times the matrix product C = A * B of A (m, k) and B (k, n), row-major, as rescl_bench_ops times
 * a dense layer: m samples of k inputs, n units. Of `options` train, warmup, repeats and
 * min_seconds count. Without train the row is "fwd": C, with B packed before timing starts. With
 * train B is packed in each timed call, and the other two products of a layer follow: "bwd_data", C
 * (m, n) * transposed B, and "bwd_params", transposed A * C. Each is 2 m n k operations.
 * RESCL_ERR_SHAPE or RESCL_ERR_ARG when a size is 0 or a matrix too large for memory.
 */
RESCL_API rescl_status rescl_bench_product(rescl_device *device, size_t m, size_t n, size_t k,
                                           const rescl_bench_options *options, const char *impl,
                                           rescl_bench_op_fn fn, void *user) RESCL_CHECK;

/** Where the time of a step goes: one kernel of one layer. Strings are borrowed for the call. */
typedef struct rescl_bench_step_row {
    const char *op, *pass, *layer, *kernel;
    double launches; /**< per step */
    double ms;       /**< per step, on the device's own clock, mean of the repeats */
} rescl_bench_step_row;

typedef void (*rescl_bench_step_fn)(const rescl_bench_step_row *row, void *user);

/**
 * Runs steps as rescl_bench_model does and calls `fn` for each kernel of each layer, the longest
 * first. RESCL_ERR_ARG unless the device was opened with RESCL_DEVICE_PROFILE.
 */
RESCL_API rescl_status rescl_bench_step(rescl_device *device, const rescl_bench_options *options,
                                        rescl_bench_step_fn fn, void *user) RESCL_CHECK;

/**
 * What the device can do at most, measured through OpenCL: medians of several rounds, fewer and
 * with less work where those would take more than seconds.
 */
typedef struct rescl_bench_limits {
    double fma_gflops; /**< independent fma() chains in registers */
    /** Global memory, arrays much larger than the caches where they fit and the device is not too
     * slow for them. */
    double read_gbs, triad_gbs;
} rescl_bench_limits;

RESCL_API rescl_status rescl_bench_peak(rescl_device *device, rescl_bench_limits *out) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
