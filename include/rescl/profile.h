/**
 * @file profile.h
 * Profiling: where the time of a step goes, kernel by kernel, and what it waits for.
 */
#ifndef RESCL_PROFILE_H
#define RESCL_PROFILE_H

#include <rescl/bench.h>
#include <rescl/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A kernel of a layer's pass, or all kernels of an operation's pass; everything per step. */
typedef struct rescl_profile_row {
    const char *op, *pass; /**< such as "conv2d", "bwd_data"; pass is "" outside of the network */
    const char *layer;     /**< "" in a row of an operation */
    const char *kernel;    /**< "" in a row of an operation */
    double calls, ms;      /**< ms: on the device's own clock */
    /** What the pass computes (a multiply-add is two) and moves at least: each number of its tensors
     * once. Of several kernels of a pass the longest has it; the others have 0. */
    double flop, bytes;
    /** The time that `flop` and `bytes` take at the measured limits, whichever is longer, as a share of
     * ms; NaN without them. More than 1 where caches are faster than memory, or an algorithm needs fewer
     * operations than are counted. */
    double of_limit;
    bool memory_bound; /**< by bytes rather than flop */
} rescl_profile_row;

typedef enum rescl_profile_track {
    RESCL_TRACK_HOST = 0, /**< what the host thread does */
    RESCL_TRACK_QUEUE,    /**< commands of the device's queue */
    RESCL_TRACK_UPLOADS   /**< batches that go up beside it */
} rescl_profile_track;

/** Something that happened, for a time line. */
typedef struct rescl_profile_event {
    rescl_profile_track track;
    const char *name;              /**< a kernel, "download", "backward", ... */
    const char *op, *pass, *layer; /**< of a kernel; else "" */
    double begin_us, us;           /**< since the first step, on the host's clock */
    uint64_t bytes;                /**< of a transfer */
    size_t step;                   /**< from 0 */
} rescl_profile_event;

/**
 * Steps on a device. A step lasts by the host's clock from its first call until the device is idle, and
 * is the sum of its parts: what it waited for data; until its first command began; kernels; transfers;
 * the time between commands in which the queue stood still; and from the end of the last one until
 * the host knew. All times are means over the steps.
 */
typedef struct rescl_profile {
    size_t steps;
    double step_ms, data_wait_ms, lead_ms, kernel_ms, transfer_ms, gap_ms, tail_ms;
    double bare_ms;               /**< of as many steps that were not profiled */
    double upload_ms;             /**< of uploads, which run beside the rest */
    double calls;                 /**< kernels in a step */
    rescl_bench_limits limits;    /**< 0 where they are not known */
    const rescl_profile_row *row; /**< of kernels, the longest first; `rows` of them */
    size_t rows;
    const rescl_profile_row *op; /**< of operations and passes, the longest first; `ops` of them */
    size_t ops;
    const rescl_profile_event *event; /**< by track and time; `events` of them */
    size_t events;
    char advice[400]; /**< a sentence on what would make the step shorter */
} rescl_profile;

/**
 * Profiles options->repeats steps of a model as rescl_bench_model runs them; of the options, those of
 * timing but warmup and repeats do not count. With `data` (else NULL) each step takes a batch of it,
 * which `workers` threads read as a training reads it. `limits` are those of rescl_bench_peak; NULL: they
 * are not known, and nothing says what is near them. RESCL_ERR_UNSUPPORTED where the driver does not
 * measure kernels.
 */
RESCL_API rescl_status rescl_profile_create(rescl_device *device,
                                            const rescl_bench_options *options,
                                            const rescl_dataset *data, size_t workers,
                                            const rescl_bench_limits *limits, rescl_profile **out)
    RESCL_CHECK;
RESCL_API void rescl_profile_destroy(rescl_profile *profile);

#ifdef __cplusplus
}
#endif
#endif
