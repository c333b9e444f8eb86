/* Learning-rate schedules, with torchvision's reference flags and torch.optim.lr_scheduler's
 * formulas. Pure.
 *
 * A schedule is an object, rs_schedule_<name>, at the end of schedule_<name>.c, and a line of
 * schedules.def. Its numbers are training options, which it declares. */
#ifndef RS_SCHEDULE_H
#define RS_SCHEDULE_H

#include "ratetable.h"

#include <rescl/option.h>
#include <rescl/status.h>
#include <stdbool.h>

#define RS_SCHEDULE_NUMBERS 5 /* options at most */
#define RS_SCHEDULE_STATES  4
#define RS_SCHEDULE_SEEN    0 /* of the states of a schedule that observes */

/* What a schedule is asked before a step. */
typedef struct rs_schedule_ask {
    double lr;            /* the rate that it starts from */
    size_t epoch, epochs; /* from 0; for the schedule itself, those of the warm-up do not count */
    size_t step, steps;   /* of the epoch, from 0: the optimiser's, not batches */
    const double *state;  /* what `observe` made of it; may be NULL for a schedule without */
    double head_lr;       /* of a table, whose rates are the head's: that of the head */
    /* The schedule's own; rs_schedule_rate sets them. */
    const rs_rate_table *table, *milestones;
} rs_schedule_ask;

typedef struct rs_schedule_def {
    const char *name;                                 /* as in schedules.def */
    const char *about;                                /* its formula in one line */
    const rescl_option *options[RS_SCHEDULE_NUMBERS]; /* of its numbers, in this order; NULL ends
                                                       * them. Schedules may share an option. */
    /* Refuses numbers that do not go together; each one is in its range. May be NULL. */
    rescl_status (*check)(const double *number);
    double (*rate)(const rs_schedule_ask *ask, const double *number);
    /* The optimiser's momentum, or Adam's beta1, of a step, in place of its own; 0: its own. NULL: 0. */
    double (*momentum)(const rs_schedule_ask *ask, const double *number);
    /* Takes note of what is monitored of an epoch, the smaller the better, in `state`: RS_SCHEDULE_STATES
     * numbers that are 0 at first and that checkpoints keep. state[RS_SCHEDULE_SEEN] is 0 as long as no
     * value is to be compared with. NULL: the rate does not depend on it. */
    void (*observe)(const double *number, double *state, double value);
} rs_schedule_def;

#define RS_SCHEDULE(name) extern const rs_schedule_def rs_schedule_##name;
#include "schedules.def"
#undef RS_SCHEDULE

/* Options that several schedules have. */
extern const rescl_option rs_schedule_gamma;    /* "lr_gamma" */
extern const rescl_option rs_schedule_min;      /* "lr_min" */
extern const rescl_option rs_schedule_patience; /* "lr_patience" */

/* All of them, and their names; both end with NULL. */
const rs_schedule_def *const *rs_schedules(void);
const char *const *rs_schedule_names(void);
/* RESCL_ERR_ARG lists them and suggests the nearest name. */
rescl_status rs_schedule_find(const char *name, const rs_schedule_def **out) RESCL_CHECK;

/* A schedule with its numbers, behind a warm-up: in its epochs the rate climbs in a line from
 * warmup_decay * lr to lr, and the schedule starts after them, as torchvision's SequentialLR of a LinearLR
 * has it; `warmup_beside`: its epochs pass meanwhile, as timm has it. Or a warm-up of steps, which lies
 * in the schedule: its rates are multiplied by what climbs from warmup_decay to 1, as a LinearLR does
 * that is stepped with each batch beside the schedule. One of both numbers is 0. */
typedef struct rs_schedule {
    const rs_schedule_def *def;
    double number[RS_SCHEDULE_NUMBERS];
    rs_rate_table table, milestones;
    size_t warmup_epochs, warmup_steps;
    double warmup_decay;
    bool warmup_beside;
} rs_schedule;

/* Its rate for a step; `ask` counts the epochs of the whole run. */
double rs_schedule_rate(const rs_schedule *s, const rs_schedule_ask *ask);
/* The momentum of that step; 0: the optimiser's own. */
double rs_schedule_momentum(const rs_schedule *s, const rs_schedule_ask *ask);

/* Tells it what is monitored of an epoch of the run that has ended. */
void rs_schedule_observe(const rs_schedule *s, size_t epoch, double value, double *state);

/* What it was told is not comparable with what comes: the next value is taken as the first. The rate stays. */
void rs_schedule_forget(const rs_schedule *s, double *state);

#endif
