/* Finding the fastest right way to do one pass of one problem. */
#ifndef RS_TUNER_H
#define RS_TUNER_H

#include "op.h"
#include <rescl/tune.h>

typedef struct rs_tune_result {
    char untuned[RS_CHOICE], choice[RS_CHOICE]; /* choice: RS_CHOICE_DEFAULT, or what beats it */
    double default_ms, best_ms;                 /* default_ms: NaN when its result was wrong */
    double error;                               /* of the choice, see rs_judge_result */
    size_t tried;
    char rejected[512]; /* "name: why; ..." */
} rs_tune_result;

/* Measures the default, each implementation that is made for the device's class and can serve, and
 * with options->params the numbers of those that come near the fastest. RESCL_ERR_NUMERIC when no
 * result is right. */
rescl_status rs_tune_problem(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rescl_tune_options *options, rs_tune_result *out) RESCL_CHECK;

#endif
