#include "watch.h"

#include "error.h"
#include "log.h"
#include "netmodel.h"

#include <stdlib.h>

static const rs_watcher *const all_watchers[] = {
#define RS_WATCHER(stem) &rs_watcher_##stem,
#include "watchers.def"
#undef RS_WATCHER
    NULL};

struct rs_watching {
    const rs_watcher *watcher;
    void *self;
};

/* Calls a function of each watcher that has it, until one fails. */
#define TELL(w, call, ...)                                                                         \
    for (size_t i = 0; i < (w)->count; i++)                                                        \
        if ((w)->at[i].watcher->call)                                                              \
    RS_TRY((w)->at[i].watcher->call((w)->at[i].self, __VA_ARGS__))

rescl_status rs_watch_open(rs_watch *w, const rs_watcher *const *watchers, const rs_run_info *run)
{
    rescl_status st = RESCL_OK;
    size_t count = 0;

    if (!watchers)
        watchers = all_watchers;
    while (watchers[count])
        count++;
    RS_OOM(w->at = calloc(count + 1, sizeof *w->at));
    for (size_t i = 0; i < count; i++) {
        void *self = NULL;
        RS_TRY(watchers[i]->open(run, &self));
        if (self)
            w->at[w->count++] = (struct rs_watching){watchers[i], self};
    }
out:
    return st;
}

rescl_status rs_watch_samples(const rs_watch *w, const rs_samples *s)
{
    rescl_status st = RESCL_OK;

    TELL(w, samples, s);
out:
    return st;
}

rescl_status rs_watch_lost(const rs_watch *w, const rescl_dataset *set, int32_t label)
{
    rescl_status st = RESCL_OK;

    TELL(w, lost, set, label);
out:
    return st;
}

rescl_status rs_watch_step(const rs_watch *w, const rescl_step_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;

    TELL(w, step, e, stop);
out:
    return st;
}

rescl_status rs_watch_epoch(const rs_watch *w, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;

    TELL(w, epoch, e, stop);
out:
    return st;
}

rescl_status rs_watch_saved(const rs_watch *w, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;

    TELL(w, saved, e, stop);
out:
    return st;
}

rescl_status rs_watch_close(rs_watch *w, rescl_status st)
{
    rescl_error first = *rescl_last_error();
    bool failed = st != RESCL_OK;

    for (size_t i = 0; i < w->count; i++) {
        const rs_watcher *by = w->at[i].watcher;
        const rescl_status closed = by->close ? by->close(w->at[i].self, st) : RESCL_OK;
        if (closed == RESCL_OK)
            continue;
        if (failed) {
            rs_log(RESCL_LOG_WARN, "%s: %s", by->name, rescl_last_error()->message);
            continue;
        }
        first = *rescl_last_error();
        st = closed;
        failed = true;
    }
    if (failed)
        rs_error_restore(&first);
    free(w->at);
    *w = (rs_watch){0};
    return st;
}

rescl_status rs_run_save_weights(const rs_run_info *run, const char *path)
{
    rescl_model model = *run->model;

    if (run->average)
        model.weights = *run->average;
    return rescl_model_save(&model, path);
}
