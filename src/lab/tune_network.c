/* `rescl tune`: a network's problems, the best way to do each, and the file that keeps it. */
#include "candidates.h"
#include "error.h"
#include "log.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "path.h"
#include "rounds.h"
#include "trial.h"
#include "tune_problem.h"
#include "tune_step.h"
#include "tunefile.h"
#include "tuning.h"
#include "worklist.h"

#include <errno.h>
#include <math.h>
#include <rescl/tune.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For so many problems programs are compiled together: enough to keep all processors busy, and few
 * enough that a time limit leaves results. Later problems share most of theirs with earlier ones. */
#define AHEAD 8

#define PROOF_SHARE (1.0 / 3.0) /* of the time limit, that is left for the proof */

void rescl_tune_options_init(rescl_tune_options *out, size_t struct_size)
{
    const rescl_tune_options usual = {.model = "resnet50",
                                      .size = 224,
                                      .batch = 32,
                                      .classes = 1000,
                                      .params = true,
                                      .repeats = 7,
                                      .min_seconds = 0.1,
                                      .margin = 0.03,
                                      .precision = "fp32",
                                      .prove = true};
    rs_options_init(out, struct_size, &usual, sizeof usual);
}

static rescl_status check_options(const rescl_tune_options *o)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(o->batch == 0 || o->repeats == 0, RESCL_ERR_ARG,
               "tune: batch %zu, repeats %zu: expected at least 1", o->batch, o->repeats);
    RS_FAIL_IF(!(o->margin >= 0.0 && o->margin < 1.0), RESCL_ERR_ARG,
               "tune: margin %g: expected a share in [0,1)", o->margin);
    st = o->impl ? rs_worklist_check_impl(o->impl, NULL) : RESCL_OK;
    if (st != RESCL_OK)
        rs_error_prefix("impl");
out:
    return st;
}

/* What the file holds already. One that holds something else is not overwritten. */
static rescl_status read_old(rs_tune_table *table, const char *path, const rescl_device_info *dev)
{
    rescl_status st = rs_tune_table_read(table, path, dev, RS_TUNE_DEVICE);
    if (st == RESCL_ERR_NOT_FOUND)
        st = RESCL_OK;
    if (st != RESCL_OK)
        rs_error_prefix("the tuning cannot be added to what is there (name another file)");
    return st;
}

/* One run, and what it adds its results to. */
typedef struct tuning {
    rescl_device *dev;
    const rescl_tune_options *o;
    rs_worklist list;
    size_t *open; /* items of the list that are to be measured */
    size_t opens, told;
    bool stopped;        /* by `fn` */
    size_t failed;       /* problems that nothing could serve */
    rescl_error failure; /* of the last of them */
    double deadline;     /* of measuring problems */
    rs_tune_table table;
    char *path;
    rescl_tune_fn fn;
    void *user;
} tuning;

static bool asked_to_stop(const tuning *t)
{
    return t->stopped || (t->o->stop && t->o->stop(t->o->stop_user));
}

/* What was measured when the search ended, and what was not. */
static rescl_status explain_end(tuning *t)
{
    rescl_status st = RESCL_OK;
    const size_t all = t->list.count, left = all - t->told - t->failed;

    RS_FAIL_IF(asked_to_stop(t), RESCL_ERR_INTERRUPTED,
               "stopped on request; %zu of %zu problems are in %s%s", t->told, all, t->path,
               t->o->prove ? "; what was chosen is not proven in whole steps" : "");
    RS_FAIL_IF(
        left > 0, RESCL_ERR_INTERRUPTED,
        "the time limit is reached: %zu of %zu problems were not measured; the next run goes "
        "on there",
        left, all);
out:
    return st;
}

/* Tells of a problem, RESCL_ERR_INTERRUPTED where that is to be the last. */
static rescl_status tell(tuning *t, const rs_work *work, rescl_tune_row *row)
{
    row->index = t->failed + t->told++;
    row->total = t->list.count;
    row->problem = work->key;
    row->count = work->count;
    t->stopped = !t->fn(row, t->user);
    return t->stopped ? explain_end(t) : RESCL_OK;
}

/* Tells of the problems that the file has a choice for, and collects the others. */
static rescl_status sort_out(tuning *t)
{
    rescl_status st = RESCL_OK;

    RS_OOM(t->open = calloc(t->list.count + 1, sizeof *t->open));
    for (size_t i = 0; i < t->list.count; i++) {
        const rs_work *work = &t->list.item[i];
        const char *choice = rs_tune_table_get(&t->table, work->key);
        rescl_tune_row row = {.untuned = "",
                              .choice = choice,
                              .default_ms = NAN,
                              .best_ms = NAN,
                              .error = NAN,
                              .rejected = "",
                              .kept = true};
        if (choice && !t->o->force && !t->o->impl)
            RS_TRY(tell(t, work, &row));
        else
            t->open[t->opens++] = i;
    }
out:
    return st;
}

static rescl_status keep_result(tuning *t, const char *key, const rs_tune_result *r)
{
    const rs_tune_note measured = {.best_ms = r->best_ms,
                                   .default_ms = r->default_ms,
                                   .untuned = r->untuned,
                                   .failed = r->failed,
                                   .is_default = strcmp(r->choice, RS_CHOICE_DEFAULT) == 0};
    char note[RS_TUNE_NOTE];

    rs_tune_note_write(&measured, note);
    return rs_tune_table_update(&t->table, t->path, rescl_device_get_info(t->dev), key, r->choice,
                                note);
}

/* The other problems go on, unless the time limit came or memory of the host is short. */
static rescl_status keep_failure(tuning *t, rescl_status st)
{
    if (st == RESCL_ERR_INTERRUPTED || rescl_last_error()->sys_errno == ENOMEM)
        return st;
    t->failure = *rescl_last_error();
    t->failed++;
    rs_log(RESCL_LOG_WARN, "%s", t->failure.message);
    return RESCL_OK;
}

static rescl_status tune_work(tuning *t, const rs_work *work)
{
    rescl_status st = RESCL_OK;
    rescl_tune_options o = *t->o;
    rs_tune_result r = {0};

    /* What is left of the time; not 0, which is no limit. */
    if (o.time_limit > 0.0)
        o.time_limit = fmax(t->deadline - rs_rounds_clock(), 1e-9);
    st = rs_tune_problem(t->dev, &work->problem, work->pass, &o, &r);
    if (st != RESCL_OK) {
        rs_error_prefix("%s", work->key);
        st = keep_failure(t, st);
        goto out;
    }
    RS_TRY(keep_result(t, work->key, &r));
    rescl_tune_row row = {.untuned = r.untuned,
                          .choice = r.choice,
                          .default_ms = r.default_ms,
                          .best_ms = r.best_ms,
                          .error = r.error,
                          .tried = r.rows,
                          .rejected = r.rejected,
                          .candidate = r.row};
    RS_TRY(tell(t, work, &row));
out:
    rs_tune_result_fini(&r);
    return st;
}

/* All that are open, unless the time limit comes first. */
static rescl_status tune_open(tuning *t)
{
    rescl_status st = RESCL_OK;
    const bool cpu = rs_device_caps(t->dev)->type == RESCL_DEVICE_CPU;

    RS_TRY(rs_trial_clock_begin(t->dev));
    for (size_t i = 0; i < t->opens; i++) {
        const size_t ahead = t->opens - i < AHEAD ? t->opens - i : AHEAD;
        if (!cpu && i % AHEAD == 0)
            RS_TRY(rs_candidates_build(t->dev, &t->list, t->open + i, ahead, t->o, t->deadline));
        st = tune_work(t, &t->list.item[t->open[i]]);
        if (st == RESCL_ERR_INTERRUPTED)
            st = explain_end(t);
        RS_TRY(st);
    }
    if (t->failed > 0) {
        rs_error_restore(&t->failure);
        rs_error_prefix("%zu of %zu problems could not be tuned", t->failed, t->list.count);
        st = t->failure.status;
    }
out:
    rs_trial_clock_end(t->dev);
    return st;
}

/* Also what a time limit left of the measuring: `st` is how that ended. */
static rescl_status prove(tuning *t, rescl_precision precision, double deadline, rescl_status st)
{
    const rescl_error why = *rescl_last_error();
    const rs_tune_proof_job job = {.dev = t->dev,
                                   .o = t->o,
                                   .precision = precision,
                                   .list = &t->list,
                                   .table = &t->table,
                                   .path = t->path,
                                   .deadline = deadline,
                                   .user = t->user};
    const rescl_status proven = rs_tune_prove(&job);

    if (proven == RESCL_OK && st != RESCL_OK)
        rs_error_restore(&why);
    return proven != RESCL_OK ? proven : st;
}

rescl_status rescl_tune(rescl_device *device, const rescl_tune_options *options, rescl_tune_fn fn,
                        void *user)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(device);
    rescl_tune_options o;
    rescl_model_options about = {0};
    rescl_model *model = NULL;
    rescl_precision precision = RESCL_PRECISION_FP32;
    tuning t = {.dev = device, .o = &o, .fn = fn, .user = user};

    rescl_tune_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_tune_options"));
    const double deadline = rs_deadline_after(o.time_limit);
    t.deadline = rs_deadline_after(o.time_limit * (o.prove ? 1.0 - PROOF_SHARE : 1.0));
    about.name = o.model;
    about.classes = o.classes;
    about.image_size = o.size;
    RS_TRY(check_options(&o));
    RS_TRY(rs_precision_take(o.precision, &precision));
    if (o.output)
        RS_OOM(t.path = strdup(o.output));
    else
        RS_TRY(rs_tune_path(info, &t.path));
    RS_TRY(read_old(&t.table, t.path, info));
    RS_TRY(rs_model_build(&about, &model));
    RS_TRY(rs_worklist_add_network(&t.list, device, model->graph, o.batch, o.train, precision));
    RS_TRY(sort_out(&t));
    if (t.opens > 0)
        st = tune_open(&t);
    if (o.prove && (st == RESCL_OK || (st == RESCL_ERR_INTERRUPTED && !asked_to_stop(&t))))
        st = prove(&t, precision, deadline, st);
out:
    rs_tuning_forget(device); /* what is planned from now on takes the new choices */
    free(t.path);
    free(t.open);
    rs_tune_table_fini(&t.table);
    rs_worklist_fini(&t.list);
    rescl_model_destroy(model);
    return st;
}
