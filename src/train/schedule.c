/* The registry of schedules, and the warm-up before any of them. */
#include "schedule.h"

#include "error.h"
#include "str.h"

#include <string.h>

static const rs_schedule_def *const defs[] = {
#define RS_SCHEDULE(name) &rs_schedule_##name,
#include "schedules.def"
#undef RS_SCHEDULE
    NULL};

static const char *const names[] = {
#define RS_SCHEDULE(name) #name,
#include "schedules.def"
#undef RS_SCHEDULE
    NULL};

const rescl_option rs_schedule_gamma = {
    .name = "lr_gamma",
    .type = RESCL_OPTION_REAL,
    .value = "0.1",
    .range = "(0,1]",
    .limits = "[0,inf)",
    .group = "schedule",
    .metavar = "G",
    .help = "steplr, multisteplr, exponentiallr, both reducelronplateau: factor of a decay"};

const rescl_option rs_schedule_min = {
    .name = "lr_min",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1000]",
    .limits = "[0,inf)",
    .group = "schedule",
    .metavar = "RATE",
    .help = "cosineannealinglr, polynomiallr: final rate; cosineannealingwarmrestarts, both "
            "reducelronplateau: lowest rate"};

const rescl_option rs_schedule_patience = {
    .name = "lr_patience",
    .type = RESCL_OPTION_SIZE,
    .value = "10",
    .range = "[0,1000000]",
    .limits = "[0,inf)",
    .group = "schedule",
    .metavar = "N",
    .help = "both reducelronplateau: epochs to wait for something better"};

const rs_schedule_def *const *rs_schedules(void)
{
    return defs;
}

const char *const *rs_schedule_names(void)
{
    return names;
}

rescl_status rs_schedule_find(const char *name, const rs_schedule_def **out)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    if (!names[i])
        RS_TRY(rs_no_such_name("learning-rate schedule", name, names));
    *out = defs[i];
out:
    return st;
}

/* What the schedule itself is asked: in a warm-up before it, its first step. */
static rs_schedule_ask ask_of(const rs_schedule *s, const rs_schedule_ask *ask)
{
    const size_t before = s->warmup_beside ? 0 : s->warmup_epochs;
    rs_schedule_ask own = *ask;

    own.table = &s->table;
    own.milestones = &s->milestones;
    own.epoch = ask->epoch > before ? ask->epoch - before : 0;
    own.epochs = ask->epochs > before ? ask->epochs - before : 0;
    if (ask->epoch < before)
        own.step = 0;
    return own;
}

/* The share of its rate after `done` of `all` parts of a warm-up. */
static double climbed(const rs_schedule *s, double done, double all)
{
    return s->warmup_decay + (1.0 - s->warmup_decay) * (done / all);
}

double rs_schedule_rate(const rs_schedule *s, const rs_schedule_ask *ask)
{
    const rs_schedule_ask own = ask_of(s, ask);
    const size_t step = ask->epoch * ask->steps + ask->step;

    if (ask->epoch < s->warmup_epochs)
        return ask->lr * climbed(s, (double)ask->epoch, (double)s->warmup_epochs);
    const double rate = s->def->rate(&own, s->number);
    return step < s->warmup_steps ? rate * climbed(s, (double)step, (double)s->warmup_steps) : rate;
}

double rs_schedule_momentum(const rs_schedule *s, const rs_schedule_ask *ask)
{
    const rs_schedule_ask own = ask_of(s, ask);
    return s->def->momentum ? s->def->momentum(&own, s->number) : 0.0;
}

void rs_schedule_observe(const rs_schedule *s, size_t epoch, double value, double *state)
{
    if (s->def->observe && epoch >= s->warmup_epochs)
        s->def->observe(s->number, state, value);
}

void rs_schedule_forget(const rs_schedule *s, double *state)
{
    if (s->def->observe)
        state[RS_SCHEDULE_SEEN] = 0.0;
}
