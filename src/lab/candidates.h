/* Which ways to do one pass of one problem are worth measuring, and compiling what they need.
 *
 * Every implementation that is made for the device's class is tried with the numbers of its own rule.
 * Where it is known what the ways should take (rs_choice_rank; on GPUs, whose compilers take seconds
 * for a kernel), the few that should be fastest are tried too, with their numbers. Elsewhere numbers
 * are searched for by measuring, one after the other. */
#ifndef RS_CANDIDATES_H
#define RS_CANDIDATES_H

#include "worklist.h"

#include <rescl/tune.h>

typedef struct rs_candidates {
    char (*choice)[RS_CHOICE]; /* as rs_choice_make takes them; the first is RS_CHOICE_DEFAULT */
    size_t count, cap;
    bool ranked; /* their numbers are chosen already */
} rs_candidates;

void rs_candidates_fini(rs_candidates *c);

/* Heeds options->impl and params. No two make the same plan. Pure. `out` is {0}. */
rescl_status rs_candidates_list(rescl_device *dev, const rs_problem *p, rs_pass pass,
                                const rescl_tune_options *options, rs_candidates *out) RESCL_CHECK;

/* Compiles the programs of the candidates of list->item[i], for each i of `which`, side by side, and
 * begins none after the deadline (of rounds.h) or where options->stop says so. What does not compile fails again where it is needed. */
rescl_status rs_candidates_build(rescl_device *dev, const rs_worklist *list, const size_t *which,
                                 size_t count, const rescl_tune_options *options, double deadline)
    RESCL_CHECK;

#endif
