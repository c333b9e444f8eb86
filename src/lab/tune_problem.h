/* Finding the fastest right way to do one pass of one problem. */
#ifndef RS_TUNE_PROBLEM_H
#define RS_TUNE_PROBLEM_H

#include "op.h"

#include <rescl/tune.h>

typedef struct rs_tune_result {
    char untuned[RS_CHOICE], choice[RS_CHOICE]; /* choice: RS_CHOICE_DEFAULT, or what beats it */
    double default_ms, best_ms;                 /* default_ms: NaN when it failed or was wrong */
    bool failed;                                /* the default could not be run */
    double error;                               /* of the choice: rs_verdict.share */
    rescl_tune_candidate *row;                  /* of what was tried, the default first; owned */
    size_t rows;
    char *rejected; /* "name: why; ..."; owned */
} rs_tune_result;

void rs_tune_result_fini(rs_tune_result *r);

/* Measures the default and the candidates of candidates.h, and with options->params, where those leave
 * them open, the numbers of those that come near the fastest. When no candidate is left fails with the
 * default's failure, or RESCL_ERR_NUMERIC when its result was wrong; with RESCL_ERR_INTERRUPTED when
 * options->time_limit, counted from here, came first. Then there is nothing to free. */
rescl_status rs_tune_problem(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rescl_tune_options *options, rs_tune_result *out) RESCL_CHECK;

/* RESCL_ERR_INTERRUPTED when a search is to end: options->stop says so, or the deadline (of rounds.h; 0:
 * none) has passed. */
rescl_status rs_tune_may_go_on(const rescl_tune_options *options, double deadline) RESCL_CHECK;

#endif
