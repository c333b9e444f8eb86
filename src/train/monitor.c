#include "monitor.h"

#include <string.h>

static const char *const names[] = {"auto",    "val_loss", "val_accuracy", "loss", "accuracy",
                                    "val_map", NULL};

const char *const *rs_monitor_names(void)
{
    return names;
}

bool rs_monitor_by_eval(const char *monitor)
{
    return strcmp(monitor, "loss") != 0 && strcmp(monitor, "accuracy") != 0;
}

/* Whether more of it is better. */
static bool rises(const char *monitor)
{
    return strstr(monitor, "accuracy") || strcmp(monitor, "val_map") == 0;
}

/* What it is a number of. */
static const rescl_metrics *metrics_of(const char *monitor, const rescl_epoch_event *e)
{
    return rs_monitor_by_eval(monitor) && e->eval.samples > 0 ? &e->eval : &e->train;
}

const char *rs_monitor_measured(const char *monitor, const rescl_epoch_event *e)
{
    const bool by_eval = metrics_of(monitor, e) == &e->eval;

    if (strcmp(monitor, "auto") == 0)
        return !by_eval ? "loss" : e->eval.multi_label ? "val_map" : "val_accuracy";
    if (strcmp(monitor, "val_map") == 0)
        return monitor;
    if (strstr(monitor, "accuracy"))
        return by_eval ? "val_accuracy" : "accuracy";
    return by_eval ? "val_loss" : "loss";
}

double rs_monitor_value(const char *monitor, const rescl_epoch_event *e)
{
    const rescl_metrics *m = metrics_of(monitor, e);
    if (strcmp(monitor, "val_map") == 0)
        return -m->map;
    return rises(monitor) ? -m->top1 : m->loss;
}

bool rs_monitor_is_best(const char *monitor, const rescl_epoch_event *e, const rs_ckpt_progress *p)
{
    const rescl_metrics *m = metrics_of(monitor, e);

    if (!p->has_best)
        return true;
    if (strcmp(monitor, "auto") != 0)
        return rs_monitor_value(monitor, e) < p->best_value;
    if (e->eval.samples == 0)
        return m->loss < p->best_loss;
    const double value = m->multi_label ? m->map : m->top1;
    const double best = m->multi_label ? p->best_map : p->best_top1;
    return value > best || (value >= best && m->loss < p->best_loss);
}

bool rs_monitor_take_best(const char *monitor, const rescl_epoch_event *e, rs_ckpt_progress *p)
{
    const rescl_metrics *m = e->eval.samples > 0 ? &e->eval : &e->train;

    if (!rs_monitor_is_best(monitor, e, p))
        return false;
    p->has_best = true;
    p->best_by_eval = m == &e->eval;
    p->best_epoch = e->epoch;
    p->best_top1 = m->top1;
    p->best_map = m->multi_label && m == &e->eval ? m->map : 0;
    p->best_loss = m->loss;
    p->best_value = rs_monitor_value(monitor, e);
    return true;
}

/* Whether a number is better than the baseline too, where there is one. */
static bool beats_baseline(const rescl_train_options *o, double value)
{
    const double baseline = rises(o->monitor) ? -o->baseline : o->baseline;
    return o->baseline <= 0.0 || value + o->min_delta < baseline;
}

void rs_early_stopping_observe(const rescl_train_options *o, const rescl_epoch_event *e,
                               rs_ckpt_stopping *s)
{
    const double value = rs_monitor_value(o->monitor, e);

    s->waited++;
    if (s->seen && !(value + o->min_delta < s->best))
        return;
    s->seen = true;
    s->best = value;
    if (beats_baseline(o, value))
        s->waited = 0;
    else if (o->patience > 0 && s->waited >= o->patience)
        s->waited = o->patience - 1; /* an epoch that is better than those before it ends no run */
}

bool rs_early_stopping_ends(const rescl_train_options *o, const rs_ckpt_stopping *s)
{
    return o->patience > 0 && s->waited >= o->patience;
}
