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

/** The version of what a row says: it grows when a member changes its meaning or goes. */
#define RESCL_BENCH_SCHEMA 1

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
    /** rescl_bench_model, rescl_profile_create: the input goes up anew for each step, while the device works
     * on the one before, as in training on a data set; else it lies on the device from the first on. */
    bool host_input;
    const char *precision; /**< a rescl_precision_name(); default "fp32", which NULL is, too */
    /** What rescl_bench_row.noise and, on CPUs, .others may be; default 0.05. Above it is measured
     * again: up to three times, or until time_limit where there is one. 0: never again. */
    double max_noise;
    bool energy;            /**< also read what the device took, where the system tells */
    double target_accuracy; /**< rescl_bench_train: default 0.9 */
    size_t epochs;          /**< rescl_bench_train: at most; default 30 */
    const char *data_path;  /**< rescl_bench_load: data to load; NULL: images that it draws */
    size_t channels;        /**< of a network's input; 0: 3. See rescl_model_options */
} rescl_bench_options;

RESCL_API void rescl_bench_options_init(rescl_bench_options *out, size_t struct_size);
static inline void rescl_bench_options_default(rescl_bench_options *out)
{
    rescl_bench_options_init(out, sizeof *out);
}

/**
 * One measurement of any kind. Strings and samples are borrowed until the function that is told of the
 * row returns. What a row does not have is NULL, 0, or NaN for numbers that are measured.
 */
typedef struct rescl_bench_row {
    const char *kind; /**< "peak", "op", "product", "model", "train" or "load" */
    /** The model, the limit, or the problem of an operation such as "conv2d:32x16x16x64->256,3x3/1". */
    const char *what;
    const char *precision; /**< a rescl_precision_name() */
    const char *mode;      /**< of a model: "train" or "infer"; of "load": "decode" or "augment" */
    const char *input;     /**< of a model: where the input lies, "device" or "host" */
    const char *opt;       /**< the optimiser of training steps */
    const char *model;     /**< of a model, and of an operation: that has it */
    size_t size, batch;
    const char *op, *pass, *impl; /**< of an operation */
    size_t count;                 /**< how often the model has the problem */
    size_t threads;               /**< of "load": that load, beside the one that takes */
    size_t images;                /**< of "load" and "train": in a sample, an epoch */
    bool preferred;               /**< the implementation that a network on this device would use */

    const double *samples_ms; /**< every measured time, in the order of measuring */
    size_t samples;           /**< 0: there are none; `reason` says why */
    double median_ms, min_ms, max_ms;
    double mad_ms;         /**< median absolute deviation from the median */
    double flop;           /**< operations of a sample, a multiply-add being two; 0: not counted */
    double bytes;          /**< bytes that a sample has to move at least; 0: not counted */
    double rate;           /**< what `rate_unit` counts, over the median */
    const char *rate_unit; /**< "img/s", "GFLOP/s", "GB/s" or "1/s" */
    double
        first_ms; /**< of a model, from opening to the end of the first step: planning and compiling */
    uint64_t peak_bytes; /**< of a model: device memory */
    /* of "train", of which a sample is an epoch: */
    size_t epochs;   /**< until the accuracy was reached */
    double seconds;  /**< until then, evaluations included, planning and compiling not */
    double accuracy; /**< that was reached; also where it is too little */

    /** How it was made sure that what was timed computes what it should, in words; NULL: it was not, and
     * there are no times. */
    const char *checked;
    /** What the check found and what it allows; NaN where it is no number. Of an operation: the relative
     * L2 distance of numbers drawn from the result to what is right, computed in double. */
    double error, tolerance;
    /** Not RESCL_OK: it failed; RESCL_ERR_NUMERIC: its result is wrong; RESCL_ERR_INTERRUPTED: the
     * time limit came first; RESCL_ERR_UNSUPPORTED: it cannot be done or cannot be checked here;
     * RESCL_ERR_NOT_FOUND: it did not reach its target. There are no times then, and no error unless
     * the result is wrong. */
    rescl_status status;
    const char *reason; /**< why, as rescl_last_error() says it too until the call returns; or "" */

    /** How far the median of another such run may lie from this one, as a share of it: the larger of
     * the spread of the medians of the four quarters of the samples, and of the interval of 95 % that
     * the MAD gives for a difference of two such medians. NaN with fewer than 4 samples. */
    double noise;
    bool noisy;                     /**< it, or `others` on a CPU, is above what was asked for */
    const char *noise_cure;         /**< what it would take; "" unless noisy */
    size_t attempts;                /**< measurements that were made; the least noisy one is told */
    double load_before, load_after; /**< the system's load average over a minute */
    double others;         /**< share of the processors' time that other processes took meanwhile */
    double energy_j;       /**< joules of the device for a sample, all that it did meanwhile */
    const char *energy_by; /**< what told it, or why nothing did; NULL: not asked for */
    double clock_mhz;      /**< of the processors after it, where the system tells; of a GPU, NaN */
} rescl_bench_row;

typedef void (*rescl_bench_fn)(const rescl_bench_row *row, void *user);

/**
 * Times steps of a model on synthetic input; calls `fn` once. Each step ends with the device idle.
 * `flop` is 2 x MACs of the pass(es), 3 x forward for training.
 */
RESCL_API rescl_status rescl_bench_model(rescl_device *device, const rescl_bench_options *options,
                                         rescl_bench_fn fn, void *user) RESCL_CHECK;

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
                                       const char *impl, rescl_bench_fn fn, void *user) RESCL_CHECK;

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
                                           rescl_bench_fn fn, void *user) RESCL_CHECK;

/**
 * Times one problem as rescl_bench_ops times those of a model: all passes, or, without train, "fwd"
 * alone. `problem` is text as rescl_bench_row.what has it, such as "conv2d:32x56x56x64->256,3x3/1" (n x h
 * x w x channels -> filters, kernel / stride; behind that ",8groups", ",pad0" where padding is not half
 * the kernel, and a type such as ",bf16", which options->precision gives otherwise) or
 * "dense:32x2048->1000". Blanks count for nothing. RESCL_ERR_ARG, saying what was expected.
 */
RESCL_API rescl_status rescl_bench_problem(rescl_device *device, const char *problem,
                                           const rescl_bench_options *options, const char *impl,
                                           rescl_bench_fn fn, void *user) RESCL_CHECK;

/**
 * Trains a model on the built-in "handsigns" data until it names options->target_accuracy of the test
 * images, which it is not trained on, with the usual options of training: the time that this takes.
 * `model`, `size`, `batch`, `precision` and `epochs` count; the seed is fixed, so that a device repeats its
 * epochs. Calls `fn` once; a target that is not reached is a row without times.
 */
RESCL_API rescl_status rescl_bench_train(rescl_device *device, const rescl_bench_options *options,
                                         rescl_bench_fn fn, void *user) RESCL_CHECK;

/**
 * Loads images as training does: decodes and resizes them to options->size in batches, without ("decode")
 * and with augmentation ("augment": random crops, mirroring, colour), by 1, 2, 4, ... threads up to the
 * processors. The images are drawn ones as JPEG and as PNG in memory, or those of options->data_path. Calls
 * `fn` for each; each has to give the same pixels as one thread does.
 */
RESCL_API rescl_status rescl_bench_load(rescl_device *device, const rescl_bench_options *options,
                                        rescl_bench_fn fn, void *user) RESCL_CHECK;

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

/**
 * The same and more, a row for each limit; of `options` repeats, min_seconds, time_limit and max_noise
 * count. One that cannot be measured or checked is a row without times.
 */
RESCL_API rescl_status rescl_bench_peaks(rescl_device *device, const rescl_bench_options *options,
                                         rescl_bench_fn fn, void *user) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
