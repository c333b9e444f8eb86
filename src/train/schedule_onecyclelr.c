/* As torch.optim.lr_scheduler.OneCycleLR with its cosine and two phases (Smith and Topin,
 * "Super-Convergence", 2018): it changes with each step, and the momentum goes the other way. */
#include "error.h"
#include "schedule.h"

#include <math.h>

enum { PCT_START, DIV_FACTOR, FINAL_DIV_FACTOR, BASE_MOMENTUM, MAX_MOMENTUM };

static const rescl_option pct_start = {.name = "lr_pct_start",
                                       .type = RESCL_OPTION_REAL,
                                       .value = "0.3",
                                       .range = "[0,1]",
                                       .group = "schedule",
                                       .metavar = "F",
                                       .help = "onecyclelr: share of the steps in which the rate "
                                               "rises to --lr"};
static const rescl_option div_factor = {.name = "lr_div_factor",
                                        .type = RESCL_OPTION_REAL,
                                        .value = "25",
                                        .range = "[1,1e9]",
                                        .limits = "[1,inf)",
                                        .group = "schedule",
                                        .metavar = "F",
                                        .help = "onecyclelr: --lr over the first rate"};
static const rescl_option final_div_factor = {.name = "lr_final_div_factor",
                                              .type = RESCL_OPTION_REAL,
                                              .value = "10000",
                                              .range = "[1,1e9]",
                                              .limits = "[1,inf)",
                                              .group = "schedule",
                                              .metavar = "F",
                                              .help = "onecyclelr: the first rate over the last"};
static const rescl_option base_momentum = {.name = "lr_base_momentum",
                                           .type = RESCL_OPTION_REAL,
                                           .value = "0.85",
                                           .range = "[0,1)",
                                           .group = "schedule",
                                           .metavar = "M",
                                           .help =
                                               "onecyclelr: momentum (of Adam beta1) where the "
                                               "rate is --lr; 0: that of the optimiser, always"};
static const rescl_option max_momentum = {.name = "lr_max_momentum",
                                          .type = RESCL_OPTION_REAL,
                                          .value = "0.95",
                                          .range = "[0,1)",
                                          .group = "schedule",
                                          .metavar = "M",
                                          .help = "onecyclelr: momentum at both ends"};

static rescl_status check(const double *number)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(
        number[BASE_MOMENTUM] > 0.0 && !(number[MAX_MOMENTUM] > 0.0), RESCL_ERR_ARG,
        "lr_max_momentum is %g and lr_base_momentum %g; give a maximum above 0, or a base of "
        "0, which leaves the optimiser's momentum alone",
        number[MAX_MOMENTUM], number[BASE_MOMENTUM]);
out:
    return st;
}

static double anneal(double from, double to, double done)
{
    return to + (from - to) / 2.0 * (cos(acos(-1.0) * done) + 1.0);
}

/* From `low` to `high` and, in the second phase, to `last`. */
static double cycle(const rs_schedule_ask *ask, const double *number, double low, double high,
                    double last)
{
    const double step = (double)(ask->epoch * ask->steps + ask->step);
    const double all = (double)(ask->epochs * ask->steps);
    const double top = number[PCT_START] * all - 1.0, end = all - 1.0;

    if (step <= top)
        return anneal(low, high, top > 0.0 ? step / top : 1.0);
    return anneal(high, last, end > top ? fmin((step - top) / (end - top), 1.0) : 1.0);
}

static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double first = ask->lr / number[DIV_FACTOR];
    return cycle(ask, number, first, ask->lr, first / number[FINAL_DIV_FACTOR]);
}

static double momentum(const rs_schedule_ask *ask, const double *number)
{
    const double most = number[MAX_MOMENTUM];
    if (!(number[BASE_MOMENTUM] > 0.0))
        return 0.0;
    return cycle(ask, number, most, number[BASE_MOMENTUM], most);
}

const rs_schedule_def rs_schedule_onecyclelr = {
    .name = "onecyclelr",
    .about = "by steps: up to lr by half a cosine, then down to nearly 0 by another",
    .options = {&pct_start, &div_factor, &final_div_factor, &base_momentum, &max_momentum},
    .check = check,
    .rate = rate,
    .momentum = momentum,
};
