/* The energy that a device takes, by the counters of the system: RAPL's for CPUs (powercap), those of the
 * driver for GPUs (hwmon). Paths lie below RESCL_MACHINE_ROOT, as those of machine.h do. */
#ifndef RS_ENERGY_H
#define RS_ENERGY_H

#include "machine.h"

#include <rescl/device.h>

#define RS_ENERGY_ZONES 16

typedef struct rs_energy_zone {
    char path[128];
    double range; /* microjoules at which the counter starts from 0 again; 0: it does not */
} rs_energy_zone;

typedef struct rs_energy {
    bool power;   /* the zones tell microwatts, not microjoules */
    size_t zones; /* 0: nothing can be read, and `text` says why and what would help */
    rs_energy_zone zone[RS_ENERGY_ZONES];
    char text[384]; /* by what it is told: "package-0, package-1 (RAPL)" */
} rs_energy;

/* What there is to read for a device of the type. */
void rs_energy_find(rs_energy *e, rescl_device_type type);

/* What the zones say now. */
typedef struct rs_energy_reading {
    double value[RS_ENERGY_ZONES], seconds;
} rs_energy_reading;
rs_energy_reading rs_energy_read(const rs_energy *e);

/* Joules between two readings, of which a counter may have wrapped once. By power it is the mean of both
 * over the time. NaN where nothing can be told, and *why says why: a constant, or `e->text`. */
double rs_energy_between(const rs_energy *e, const rs_energy_reading *before,
                         const rs_energy_reading *after, const char **why);

#endif
