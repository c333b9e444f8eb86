/* Timing that says how far it can be trusted: every sample, the noise, what else the machine did
 * meanwhile; and again where that was too much. */
#ifndef RS_MEASURE_H
#define RS_MEASURE_H

#include "energy.h"
#include "rounds.h"

#include <rescl/bench.h>

/* What one series of rounds gave; {0} is empty. */
typedef struct rs_measured {
    size_t contenders;
    rs_stats *stats;
    rs_samples samples;
    rs_noise *noise;
    double others, load_before, load_after, clock_mhz, joules;
    const char *no_joules; /* why they are NaN */
} rs_measured;

typedef struct rs_measurement {
    rescl_device *dev;
    double max_noise; /* as in rescl_bench_options */
    bool wants_energy;
    bool on_host;     /* what is timed runs on the processors, whatever the device is */
    rs_measured best; /* the least noisy attempt */
    size_t attempts;
    rs_energy energy;
    /* How the machine was when an attempt began. */
    rs_machine_time time;
    rs_energy_reading counters;
    char cure[256]; /* of the row that was told last */
} rs_measurement;

/* Times as rs_rounds_time does, up to three times until no contender is noisier than m->max_noise; with a
 * deadline, within half of the time that is left until then, too. `m` has dev, max_noise and wants_energy: rs_measurement_of. */
rescl_status rs_measure(rs_measurement *m, const rs_rounds *rounds, size_t contenders) RESCL_CHECK;
/* Around what is timed otherwise, once: `ms`, in the order of measuring, is what it took. */
void rs_measurement_begin(rs_measurement *m);
rescl_status rs_measurement_end(rs_measurement *m, const double *ms, size_t count) RESCL_CHECK;

rs_measurement rs_measurement_of(rescl_device *dev, const rescl_bench_options *o);
void rs_measurement_fini(rs_measurement *m);

/* Fills in what is measured of contender i: times, noise, the machine. Borrows from m. The rate and
 * what it counts are the caller's: rs_row_rate. */
void rs_measurement_tell(rs_measurement *m, size_t i, rescl_bench_row *row);

/* A row of which nothing is measured. */
rescl_bench_row rs_row_empty(const char *kind, const char *what);
/* `amount` of `unit` in each sample. */
void rs_row_rate(rescl_bench_row *row, double amount, const char *unit);

#endif
