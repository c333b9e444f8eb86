/* What a device can do at most, a file for each kind of limit: the kernels of cl/peak.cl, timed and
 * checked. */
#ifndef RS_PEAK_H
#define RS_PEAK_H

#include "cldevice.h"
#include "measure.h"

#define RS_PEAK_ROUNDS   5
#define RS_PEAK_ROUND_MS 40.0 /* a round of a kernel without memory takes at least so long */
#define RS_PEAK_BUDGET_S 5.0  /* all rounds not much longer, on however slow a device */

typedef struct rs_peak {
    rescl_device *dev;
    rs_grid grid;
    size_t items, width; /* work-items; floats in a vector */
    rs_buffer *out;      /* a vector for each work-item */
    /* What rescl_bench_peaks was called with. */
    const rescl_bench_options *o;
    double deadline;
    rescl_bench_fn fn;
    void *user;
} rs_peak;

rescl_status rs_peak_open(rs_peak *p, rescl_device *dev) RESCL_CHECK;
void rs_peak_close(rs_peak *p);
rescl_status rs_peak_kernel(const rs_peak *p, const char *name, rs_kernel **out) RESCL_CHECK;

/* What a limit is measured by. */
typedef struct rs_limit {
    const char *what;
    rescl_precision precision;
    double amount; /* of `unit` in a sample: rs_row_rate */
    const char *unit, *checked;
    double flop, bytes; /* of a sample */
    double error, tolerance;
} rs_limit;

/* Times `run` (or `time`) as p->o says, each contender being what its limit says. `check`, if not NULL,
 * is called when all is timed and sets the error; what is above its tolerance is told as wrong. */
rescl_status rs_peak_measure(const rs_peak *p, const rs_rounds *how, rs_limit *limits, size_t count,
                             rescl_status (*check)(void *user, rs_limit *limits)) RESCL_CHECK;

/* Doubles *loops until a run takes long enough to be timed. */
rescl_status rs_peak_calibrate(const rs_rounds *run, int *loops) RESCL_CHECK;

/* GFLOP/s of fp32 and GB/s alone, in a few rounds. */
rescl_status rs_peak_fma_quick(rs_peak *p, double *gflops) RESCL_CHECK;
rescl_status rs_peak_memory_quick(rs_peak *p, double *read_gbs, double *triad_gbs) RESCL_CHECK;

/* Each tells of its limits. A failure is of the device itself. */
rescl_status rs_peak_fma(rs_peak *p) RESCL_CHECK;
rescl_status rs_peak_local(rs_peak *p) RESCL_CHECK;
rescl_status rs_peak_launch(rs_peak *p) RESCL_CHECK;
rescl_status rs_peak_memory(rs_peak *p) RESCL_CHECK;
rescl_status rs_peak_transfer(rs_peak *p) RESCL_CHECK;

#endif
