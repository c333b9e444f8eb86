/* `rescl tune`: a network's problems, the best way to do each, and the file that keeps it. */
#include "alloc.h"
#include "error.h"
#include "net.h"
#include "netmodel.h"
#include "path.h"
#include "tuner.h"
#include "tunetable.h"
#include <rescl/tune.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rescl_tune_options_default(rescl_tune_options *out)
{
    *out = (rescl_tune_options){.model = "resnet50",
                                .size = 224,
                                .batch = 32,
                                .classes = 1000,
                                .params = true,
                                .repeats = 7,
                                .min_seconds = 0.1,
                                .margin = 0.03};
}

/* ---- the problems of a network ----------------------------------------------------------- */

/* A distinct pass of a distinct problem. */
typedef struct work {
    const rs_plan *plan; /* of the outline; its choice does not matter here */
    char key[RS_TUNE_KEY];
    size_t count;
} work;

typedef struct worklist {
    rs_net *outline;
    work *item;
    size_t count, cap;
} worklist;

static void worklist_fini(worklist *w)
{
    free(w->item);
    rs_net_destroy(w->outline);
    *w = (worklist){0};
}

static rescl_status add_work(worklist *w, const rs_plan *plan)
{
    rescl_status st = RESCL_OK;
    work item = {.plan = plan, .count = 1};

    if (!plan || !rs_tune_key(&plan->problem, plan->pass, item.key))
        goto out;
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->item[i].key, item.key) == 0) {
            w->item[i].count++;
            goto out;
        }
    RS_TRY(rs_array_reserve(&w->item, &w->cap, w->count + 1, sizeof *w->item));
    w->item[w->count++] = item;
out:
    return st;
}

/* Asks a planned network, for what its layers really do: what was fused into them, which of them
 * add to a gradient. */
static rescl_status list_work(rescl_device *dev, const rescl_model *model,
                              const rescl_tune_options *o, worklist *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_net_outline(dev, model->graph, o->batch, o->train ? RS_MODE_TRAIN : RS_MODE_EVAL,
                          &out->outline));
    for (size_t i = 0; i < rs_net_nodes(out->outline); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++)
            RS_TRY(add_work(out, rs_net_plan_at(out->outline, i, (rs_pass)pass)));
out:
    return st;
}

/* ---- measuring and keeping --------------------------------------------------------------- */

static rescl_status keep_result(rs_tune_table *table, const char *key, const rs_tune_result *r)
{
    char note[RS_CHOICE + 64];
    if (strcmp(r->choice, RS_CHOICE_DEFAULT) == 0)
        snprintf(note, sizeof note, "%.4g ms: %s", r->best_ms, r->untuned);
    else if (isnan(r->default_ms))
        snprintf(note, sizeof note, "%.4g ms; wrong: %s", r->best_ms, r->untuned);
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
    RS_FAIL_IF(o->impl && !rs_impl_find(&rs_op_conv2d, o->impl) &&
                   !rs_impl_find(&rs_op_dense, o->impl),
               RESCL_ERR_ARG, "tune: no implementation is called '%s'", o->impl);
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

rescl_status rescl_tune(rescl_device *device, const rescl_tune_options *options, rescl_tune_fn fn,
                        void *user)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(device);
    const rescl_model_options about = {
        .name = options->model, .classes = options->classes, .image_size = options->size};
    rescl_model *model = NULL;
    worklist w = {0};
    rs_tune_table table = {0};
    char *path = NULL;

    RS_TRY(check_options(options));
    if (options->output)
        RS_OOM(path = strdup(options->output));
    else
        RS_TRY(rs_tune_path(info, &path));
    RS_TRY(read_old(&table, path, info));
    RS_TRY(rs_model_build(&about, &model));
    RS_TRY(list_work(device, model, options, &w));
    for (size_t i = 0; i < w.count; i++) {
        const work *item = &w.item[i];
        rs_tune_result r;
        st = rs_tune_problem(device, &item->plan->problem, item->plan->pass, options, &r);
        if (st != RESCL_OK) {
            rs_error_prefix("tune: %s", item->key);
            goto out;
        }
        RS_TRY(keep_result(&table, item->key, &r));
        RS_TRY(rs_tune_table_write(&table, path, info));
        const rescl_tune_row row = {.index = i,
                                    .total = w.count,
                                    .problem = item->key,
                                    .count = item->count,
                                    .untuned = r.untuned,
                                    .choice = r.choice,
                                    .default_ms = r.default_ms,
                                    .best_ms = r.best_ms,
                                    .error = r.error,
                                    .tried = r.tried,
                                    .rejected = r.rejected};
        RS_FAIL_IF(!fn(&row, user), RESCL_ERR_INTERRUPTED,
                   "stopped on request; %zu of %zu problems are in %s", i + 1, w.count, path);
    }
out:
    rs_tune_forget(device); /* what is planned from now on takes the new choices */
    free(path);
    rs_tune_table_fini(&table);
    worklist_fini(&w);
    rescl_model_destroy(model);
    return st;
}
