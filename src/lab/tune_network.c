/* `rescl tune`: a network's problems, the best way to do each, and the file that keeps it. */
#include "error.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "path.h"
#include "tune_problem.h"
#include "tunefile.h"
#include "tuning.h"
#include "worklist.h"

#include <math.h>
#include <rescl/tune.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rescl_tune_options_init(rescl_tune_options *out, size_t struct_size)
{
    const rescl_tune_options usual = {.model = "resnet50",
                                      .size = 224,
                                      .batch = 32,
                                      .classes = 1000,
                                      .params = true,
                                      .repeats = 7,
                                      .min_seconds = 0.1,
                                      .margin = 0.03};
    rs_options_init(out, struct_size, &usual, sizeof usual);
}

static rescl_status keep_result(rs_tune_table *table, const char *key, const rs_tune_result *r)
{
    char note[RS_CHOICE + 64];
    if (strcmp(r->choice, RS_CHOICE_DEFAULT) == 0)
        snprintf(note, sizeof note, "%.4g ms: %s", r->best_ms, r->untuned);
    else if (isnan(r->default_ms))
        snprintf(note, sizeof note, "%.4g ms; %s: %s", r->best_ms, r->failed ? "failed" : "wrong",
                 r->untuned);
    else
        snprintf(note, sizeof note, "%.4g ms; %.4g ms: %s", r->best_ms, r->default_ms, r->untuned);
    return rs_tune_table_set(table, key, r->choice, note);
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

/* What a run adds its results to. */
typedef struct keeper {
    rs_tune_table table;
    char *path;
    rescl_tune_fn fn;
    void *user;
} keeper;

static rescl_status tune_work(rescl_device *dev, const rescl_tune_options *o,
                              const rs_worklist *list, size_t at, keeper *k)
{
    rescl_status st = RESCL_OK;
    const rs_work *work = &list->item[at];
    rs_tune_result r = {0};

    st = rs_tune_problem(dev, &work->problem, work->pass, o, &r);
    if (st != RESCL_OK) {
        rs_error_prefix("%s", work->key);
        goto out;
    }
    RS_TRY(keep_result(&k->table, work->key, &r));
    RS_TRY(rs_tune_table_write(&k->table, k->path, rescl_device_get_info(dev)));
    const rescl_tune_row row = {.index = at,
                                .total = list->count,
                                .problem = work->key,
                                .count = work->count,
                                .untuned = r.untuned,
                                .choice = r.choice,
                                .default_ms = r.default_ms,
                                .best_ms = r.best_ms,
                                .error = r.error,
                                .tried = r.tried,
                                .rejected = r.rejected};
    RS_FAIL_IF(!k->fn(&row, k->user), RESCL_ERR_INTERRUPTED,
               "stopped on request; %zu of %zu problems are in %s", at + 1, list->count, k->path);
out:
    rs_tune_result_fini(&r);
    return st;
}

rescl_status rescl_tune(rescl_device *device, const rescl_tune_options *options, rescl_tune_fn fn,
                        void *user)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(device);
    rescl_tune_options o;
    rescl_model_options about = {0};
    rescl_model *model = NULL;
    rs_worklist list = {0};
    keeper k = {.fn = fn, .user = user};

    rescl_tune_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_tune_options"));
    about.name = o.model;
    about.classes = o.classes;
    about.image_size = o.size;
    RS_TRY(check_options(&o));
    if (o.output)
        RS_OOM(k.path = strdup(o.output));
    else
        RS_TRY(rs_tune_path(info, &k.path));
    RS_TRY(read_old(&k.table, k.path, info));
    RS_TRY(rs_model_build(&about, &model));
    RS_TRY(rs_worklist_add_network(&list, device, model->graph, o.batch, o.train));
    for (size_t i = 0; i < list.count; i++)
        RS_TRY(tune_work(device, &o, &list, i, &k));
out:
    rs_tuning_forget(device); /* what is planned from now on takes the new choices */
    free(k.path);
    rs_tune_table_fini(&k.table);
    rs_worklist_fini(&list);
    rescl_model_destroy(model);
    return st;
}
