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
    .help = "steplr, exponentiallr, both reducelronplateau: factor of a decay"};

const rescl_option rs_schedule_min = {
    .name = "lr_min",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1000]",
    .limits = "[0,inf)",
    .group = "schedule",
    .metavar = "RATE",
    .help = "cosineannealinglr: final rate; both reducelronplateau: lowest rate"};

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

double rs_schedule_rate(const rs_schedule *s, const rs_schedule_ask *ask)
{
    const size_t warmup = s->warmup_epochs;
    rs_schedule_ask main = *ask;
    main.table = &s->table;

    if (ask->epoch < warmup) {
        const double done = (double)ask->epoch / (double)warmup;
        return ask->lr * (s->warmup_decay + (1.0 - s->warmup_decay) * done);
    }
    main.epoch = ask->epoch - warmup;
    main.epochs = ask->epochs > warmup ? ask->epochs - warmup : 0;
    return s->def->rate(&main, s->number);
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
