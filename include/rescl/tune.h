/**
 * @file tune.h
 * Tuning: measuring, for each problem of a network, which implementation is fastest on a device.
 *
 * Results lie in a text file of the device and its driver and are taken by whatever is planned on
 * the device later. docs/tuning.md describes the file and where it is looked for.
 */
#ifndef RESCL_TUNE_H
#define RESCL_TUNE_H

#include <rescl/device.h>
#include <rescl/precision.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A choice of a problem. */
typedef struct rescl_tune_choice {
    const char *problem, *choice; /**< as in rescl_tune_row */
} rescl_tune_choice;

/**
 * What the choices of a network gain in whole steps: forward for inference; forward, backward and update
 * for training. Steps without and with them are timed in turns, and each pair gives the share of the step
 * that is saved. Strings and arrays are borrowed for the call.
 */
typedef struct rescl_tune_proof {
    size_t choices; /**< other than the defaults, that were put to the proof */
    size_t kept;    /**< of them, those that gain and stay in the file */
    size_t open;    /**< of them, those that stay there and are not proven: see `reason` */
    size_t pairs;   /**< 0: no comparison was made, and the five below are NaN */
    double untuned_ms,
        tuned_ms; /**< medians of steps without any, and with those that are kept; with
                                  * all of them where none is, or where some are open */
    double gain;  /**< share of the step that is saved: median of the pairs */
    double gain_low, gain_high; /**< within which it lies with a chance of 95 % */
    size_t dropped; /**< those that gain nothing; the file has defaults in their place */
    const rescl_tune_choice *drop; /**< all `dropped` of them */
    bool before;                   /**< they were proven before: nothing was measured */
    const char *reason;            /**< why not all was decided; "" */
} rescl_tune_proof;

typedef void (*rescl_tune_proof_fn)(const rescl_tune_proof *proof, void *user);

typedef struct rescl_tune_options {
    size_t struct_size; /**< see rescl/status.h */
    const char *model;  /**< a name of rescl_model_names() */
    size_t size, batch, classes;
    bool train;         /**< the passes of training steps; else inference */
    const char *impl;   /**< only this implementation beside the default; NULL: all */
    bool params;        /**< also the numbers of implementations, not only which one */
    size_t repeats;     /**< timed rounds of a comparison at least; default 7 */
    double min_seconds; /**< and at least so long; default 0.1 */
    double margin;      /**< what beats the default has to be faster by this share; default 0.03 */
    const char *output; /**< the file; NULL: rescl_tune_path */
    /** Seconds; 0: none. Then nothing new begins; what was measured is kept. A third of them is left for
     * the proof. */
    double time_limit;
    bool force; /**< measure what the file has a choice for, too; with `impl` that is so anyway */
    const char *precision; /**< a rescl_precision_name(); default "fp32", which NULL is, too */
    bool prove; /**< in the end, in whole steps, and drop what does not gain there; default true */
    rescl_tune_proof_fn
        proved; /**< called with what came of it and the `user` of the call; NULL: no */
    bool (*stop)(
        void *stop_user); /**< asked between two timings, from any thread: true ends the call.
                                    * NULL: only `fn` can */
    void *stop_user;
} rescl_tune_options;

RESCL_API void rescl_tune_options_init(rescl_tune_options *out, size_t struct_size);
static inline void rescl_tune_options_default(rescl_tune_options *out)
{
    rescl_tune_options_init(out, sizeof *out);
}

/** One way to do a pass that was tried. */
typedef struct rescl_tune_candidate {
    const char *choice;  /**< "default", or such as "winograd block=8" */
    double ms;           /**< median of its last rounds, or its first run where that was too slow to
                          * be timed again; NaN: it did not come so far */
    double error;        /**< 1: all that is tolerated; NaN: it was not judged */
    rescl_status status; /**< RESCL_ERR_NUMERIC: its result is wrong; others: it failed */
    const char *reason;  /**< why; "" when the status is RESCL_OK */
} rescl_tune_candidate;

/** One problem, measured. Strings are borrowed for the call. */
typedef struct rescl_tune_row {
    size_t index, total;  /**< of the problems: 0 ... total - 1, kept ones first */
    const char *problem;  /**< such as "conv2d fwd train 8x56x56x64 -> 56x56x64, 3x3/1x1 pad 1x1" */
    size_t count;         /**< how often the network has it */
    const char *untuned;  /**< what is taken without tuning, such as "packed_gemm" */
    const char *choice;   /**< what was written: "default", or such as "winograd block=8" */
    double default_ms;    /**< median without tuning; NaN when it failed or its result was wrong */
    double best_ms;       /**< median of the choice, in the same rounds */
    double error;         /**< of the choice's result; 1: all that is tolerated */
    size_t tried;         /**< candidates that ran, the default among them */
    const char *rejected; /**< those whose result was wrong or that failed, and why; "" */
    const rescl_tune_candidate *candidate; /**< all `tried` of them, the default first */
    bool kept; /**< the file had its choice: nothing was measured, and all numbers are NaN */
} rescl_tune_row;

/** Returns false to stop. */
typedef bool (*rescl_tune_fn)(const rescl_tune_row *row, void *user);

/**
 * Measures the candidates for every distinct problem of a model's convolutions and dense layers, in
 * turns so that drift hits all alike, and keeps the fastest whose result is within the tolerance.
 * One that fails, the default among them, is rejected; when none is left, a warning is logged, the
 * other problems go on, and the call fails in the end.
 * What beats the default has to do so again, by options->margin, in rounds of their own. The file
 * is written after each problem, and keeps what it holds for others; `fn` is called after that.
 * Problems that the file has a choice for are not measured again, so that a run that was stopped goes
 * on. Devices other than CPUs are timed by their own clock where they have one, and what the
 * candidates of several problems need is compiled before them, side by side.
 * RESCL_ERR_INTERRUPTED when `fn` returned false or the time limit came, RESCL_ERR_FORMAT when the
 * file is no tuning file, RESCL_ERR_UNSUPPORTED when it is another device's; nothing is lost.
 */
RESCL_API rescl_status rescl_tune(rescl_device *device, const rescl_tune_options *options,
                                  rescl_tune_fn fn, void *user) RESCL_CHECK;

/**
 * The file that rescl_tune writes unless told otherwise, into `path` of `bytes` bytes.
 * RESCL_ERR_ARG when it does not fit.
 */
RESCL_API rescl_status rescl_tune_path(const rescl_device *device, char *path, size_t bytes)
    RESCL_CHECK;

/** The tuning that plans on a device take. */
typedef struct rescl_tuning_info {
    size_t problems;      /**< that it has a choice for; 0: nothing was tuned */
    const char *source;   /**< the files that it came from; "" when there are none. Borrowed until
                           * the device is closed or tuned. */
    char fingerprint[33]; /**< of its choices; "" when there are none */
} rescl_tuning_info;

/** For the thread that opened the device. */
RESCL_API void rescl_device_get_tuning(rescl_device *device, rescl_tuning_info *out);

#ifdef __cplusplus
}
#endif
#endif
