#include "schedule.h"

#include "error.h"
#include "str.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [RS_SCHEDULE_CONSTANT] = "constant",
    [RS_SCHEDULE_STEP] = "steplr",
    [RS_SCHEDULE_COSINE] = "cosineannealinglr",
    [RS_SCHEDULE_EXPONENTIAL] = "exponentiallr",
    NULL,
};

const char *const *rs_schedule_names(void)
{
    return names;
}

rescl_status rs_schedule_parse(const char *name, rs_schedule_kind *out)
{
    rescl_status st = RESCL_OK;
    const char *near = NULL;
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (rs_schedule_kind)i;
            goto out;
        }
    near = rs_nearest(name, names);
    RS_FAIL(RESCL_ERR_ARG,
            "unknown learning-rate schedule '%s'%s%s%s; there are constant, steplr, "
            "cosineannealinglr and exponentiallr",
            name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
out:
    return st;
}

static double main_lr(const rs_schedule *s, size_t epoch, size_t epochs)
{
    switch (s->kind) {
    case RS_SCHEDULE_STEP:
        return s->lr * pow(s->gamma, (double)(s->step_size ? epoch / s->step_size : 0));
    case RS_SCHEDULE_COSINE: {
        const double done = epochs ? (double)epoch / (double)epochs : 0.0;
        return s->lr_min + (s->lr - s->lr_min) * (1.0 + cos(acos(-1.0) * done)) / 2.0;
    }
    case RS_SCHEDULE_EXPONENTIAL:
        return s->lr * pow(s->gamma, (double)epoch);
    case RS_SCHEDULE_CONSTANT:
        break;
    }
    return s->lr;
}

double rs_schedule_lr(const rs_schedule *s, size_t epoch)
{
    const size_t warmup = s->warmup_epochs;
    if (epoch < warmup) {
        const double done = (double)epoch / (double)warmup;
        return s->lr * (s->warmup_decay + (1.0 - s->warmup_decay) * done);
    }
    return main_lr(s, epoch - warmup, s->epochs > warmup ? s->epochs - warmup : 0);
}
