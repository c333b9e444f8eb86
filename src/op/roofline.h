/* How long a kernel should take on a GPU that nobody has measured: as long as its arithmetic or its
 * traffic, whichever takes longer, each at the rate that the device reaches with the work-groups that it
 * holds at once. What is chosen where nothing was tuned goes by it.
 *
 *   S. Williams, A. Waterman, D. Patterson: Roofline: an insightful visual performance model for
 *     multicore architectures. CACM 52 (2009): the larger of the two.
 *   NVIDIA: Matrix Multiplication Background User's Guide: tiles that do not fill the matrix, and
 *     groups that do not fill the units.
 *   V. Volkov: Understanding latency hiding on GPUs. Berkeley (2016): what waits is hidden by other
 *     work of the same unit.
 *
 * Pure functions. What they give is for comparing one way with another on the same device. */
#ifndef RS_ROOFLINE_H
#define RS_ROOFLINE_H

#include "op.h"

/* A launch of groups that take steps: in each a group loads what the next one needs, multiplies, and
 * waits for its slowest work-item. */
typedef struct rs_work {
    double groups;        /* work-groups */
    size_t items;         /* work-items of a group */
    uint64_t local_bytes; /* local memory of a group */
    double registers;     /* of 4 bytes, of a work-item */
    double steps;         /* of a group */
    double step_fmas;     /* float multiply-adds of a group in a step, those in vain included */
    double share;         /* of the instructions of a step that are multiply-adds */
    double engine; /* multiply-adds of a unit in a clock, by a matrix engine of which `share` is
                           * reached; 0: its lanes make them */
    double group_bytes; /* that a group reads and writes, most of them in the device's cache */
    double bytes;       /* of global memory that all groups touch, each counted once */
} rs_work;

/* Groups that a compute unit holds at once; 0: it cannot run them. */
unsigned rs_roofline_resident(const rs_caps *caps, const rs_work *w);

/* Expected nanoseconds, from the launch on; infinity where it cannot run. */
double rs_roofline_ns(const rs_caps *caps, const rs_work *w);

/* The same for a kernel that moves `bytes` and computes next to nothing. */
double rs_roofline_copy_ns(const rs_caps *caps, double bytes);

/* Puts a way at its place among the `count` fastest, of which `most` are kept; returns how many there are
 * then. Of equals the first stays first. */
size_t rs_roofline_insert(rs_expected *ways, size_t count, size_t most, const rs_expected *way);

#endif
