/* weights/epoch<N>-<monitor>=<value>.safetensors of the run folder: the weights of the save_top_k best
 * epochs, as the option of that name of Lightning's ModelCheckpoint keeps them. weights/top.json lists
 * them, the best first, with what orders them: it is what a run that goes on knows of them. */
#include "error.h"
#include "jsonload.h"
#include "monitor.h"
#include "netmodel.h"
#include "path.h"
#include "str.h"
#include "text.h"
#include "watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LIST ((size_t)16 << 20)

/* An epoch that is kept. */
typedef struct place {
    uint64_t epoch;
    bool by_eval; /* its numbers are of the evaluation; false: of training */
    double loss, top1;
    double map;    /* of several labels; 0: images have one */
    bool outdated; /* measured on other images than those of this run: any other is better */
} place;

typedef struct top_k {
    const rs_run_info *run;
    char *list;   /* path of top.json */
    place *place; /* save_top_k, and one that comes before another goes; the best first */
    size_t count;
} top_k;

static void free_top_k(top_k *t)
{
    if (!t)
        return;
    free(t->list);
    free(t->place);
    free(t);
}

static rescl_epoch_event event_of(const top_k *t, const place *p)
{
    const rescl_metrics m = {.samples = 1,
                             .loss = p->loss,
                             .top1 = p->top1,
                             .map = p->map,
                             .multi_label = t->run->model->multi_label};
    rescl_epoch_event e = {.epoch = (size_t)p->epoch};
    *(p->by_eval ? &e.eval : &e.train) = m;
    return e;
}

static bool is_better(const top_k *t, const rescl_epoch_event *e, const place *than)
{
    const rescl_epoch_event old = event_of(t, than);
    rs_ckpt_progress best = {0};

    if (!than->outdated)
        rs_monitor_take_best(t->run->options->monitor, &old, &best);
    return rs_monitor_is_best(t->run->options->monitor, e, &best);
}

/* The name of the file in weights/. Heap; NULL when memory is short. */
static char *name_of(const top_k *t, const place *p)
{
    const rescl_epoch_event e = event_of(t, p);
    const char *name = rs_monitor_measured(t->run->options->monitor, &e);
    const double number = strcmp(name, "val_map") == 0 ? p->map
                          : strstr(name, "accuracy")   ? p->top1
                                                       : p->loss;
    char value[64];

    snprintf(value, sizeof value, "%.4f", number);
    rs_point_decimals(value);
    return rs_strf("epoch%" PRIu64 "-%s=%s.safetensors", p->epoch + 1, name, value);
}

static rescl_status path_of(const top_k *t, const place *p, char **out)
{
    rescl_status st = RESCL_OK;
    char *name = NULL;

    RS_OOM(name = name_of(t, p));
    RS_OOM(*out = rs_strf("%s/weights/%s", t->run->folder, name));
out:
    free(name);
    return st;
}

static rescl_status drop_file(const top_k *t, const place *p)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;

    RS_TRY(path_of(t, p, &path));
    RS_TRY(rs_file_remove(path));
out:
    free(path);
    return st;
}

/* ---- the list ---------------------------------------------------------------------------- */

static rescl_status write_list(const top_k *t)
{
    rescl_status st = RESCL_OK;
    char *text = NULL, *name = NULL;
    json_t *list = NULL, *entry = NULL;

    RS_OOM(list = json_array());
    for (size_t i = 0; i < t->count; i++) {
        const place *p = &t->place[i];
        RS_OOM(name = name_of(t, p));
        RS_OOM(entry = json_pack("{s:s, s:I, s:b, s:f, s:f, s:b}", "file", name, "epoch",
                                 (json_int_t)p->epoch + 1, "evaluated", p->by_eval, "loss", p->loss,
                                 "top1", p->top1, "outdated", p->outdated));
        if (t->run->model->multi_label)
            RS_OOM(json_object_set_new(entry, "map", json_real(p->map)) == 0 ? entry : NULL);
        free(name);
        name = NULL;
        RS_OOM(json_array_append_new(list, entry) == 0 ? list : NULL);
    }
    RS_TRY(rs_json_dump(list, JSON_INDENT(2) | JSON_REAL_PRECISION(17), &text));
    RS_TRY(rs_file_write(t->list, text, strlen(text)));
out:
    json_decref(list);
    free(name);
    free(text);
    return st;
}

static rescl_status read_place(const top_k *t, json_t *entry, place *p)
{
    rescl_status st = RESCL_OK;
    json_int_t epoch = 0;
    int by_eval = 0, outdated = 0;

    RS_FAIL_IF(json_unpack(entry, "{s:I, s:b, s:F, s:F, s:b, s?F}", "epoch", &epoch, "evaluated",
                           &by_eval, "loss", &p->loss, "top1", &p->top1, "outdated", &outdated,
                           "map", &p->map) != 0 ||
                   epoch < 1,
               RESCL_ERR_FORMAT,
               "%s: an entry of it is not one of a kept epoch; remove the file to begin a new list",
               t->list);
    p->epoch = (uint64_t)epoch - 1;
    p->by_eval = by_eval != 0;
    p->outdated = outdated != 0 || !t->run->has_best;
out:
    return st;
}

/* An epoch that is to come again goes, with its file; one whose file is gone too. */
static rescl_status take_place(top_k *t, json_t *entry)
{
    rescl_status st = RESCL_OK;
    place p = {0};
    char *path = NULL;

    RS_TRY(read_place(t, entry, &p));
    RS_TRY(path_of(t, &p, &path));
    if (p.epoch >= t->run->epoch)
        RS_TRY(rs_file_remove(path));
    else if (access(path, F_OK) == 0)
        t->place[t->count++] = p;
out:
    free(path);
    return st;
}

/* Drops those behind the best save_top_k. */
static rescl_status prune(top_k *t)
{
    rescl_status st = RESCL_OK;

    if (t->count <= t->run->options->save_top_k)
        goto out;
    while (t->count > t->run->options->save_top_k) {
        RS_TRY(drop_file(t, &t->place[t->count - 1]));
        t->count--;
    }
    RS_TRY(write_list(t));
out:
    return st;
}

static rescl_status read_list(top_k *t)
{
    rescl_status st = RESCL_OK;
    json_t *list = NULL;
    json_error_t why = {0};
    char *text = NULL;
    size_t bytes = 0;

    st = rs_file_read(t->list, MAX_LIST, &text, &bytes);
    if (st == RESCL_ERR_NOT_FOUND) {
        st = RESCL_OK;
        goto out;
    }
    RS_TRY(st);
    list = rs_json_load(text, bytes, JSON_REJECT_DUPLICATES, &why);
    RS_FAIL_IF(!list, rs_json_why(&why), "%s: line %d: %s; remove the file to begin a new list",
               t->list, why.line, why.text);
    RS_FAIL_IF(!json_is_array(list), RESCL_ERR_FORMAT,
               "%s: expected a list of kept epochs; remove the file to begin a new one", t->list);
    const size_t found = json_array_size(list), most = t->run->options->save_top_k;
    free(t->place);
    RS_OOM(t->place = calloc((found > most ? found : most) + 1, sizeof *t->place));
    for (size_t i = 0; i < found; i++)
        RS_TRY(take_place(t, json_array_get(list, i)));
    RS_TRY(prune(t));
out:
    json_decref(list);
    free(text);
    return st;
}

/* ---- the run ------------------------------------------------------------------------------ */

static rescl_status open_top_k(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    top_k *t = NULL;

    if (!run->folder || !run->train_set || run->options->save_top_k == 0)
        goto out;
    RS_OOM(t = calloc(1, sizeof *t));
    t->run = run;
    RS_OOM(t->list = rs_path_join(run->folder, "weights/top.json"));
    RS_OOM(t->place = calloc(run->options->save_top_k + 1, sizeof *t->place));
    if (run->epoch > 0)
        RS_TRY(read_list(t));
    *self = t, t = NULL;
out:
    free_top_k(t);
    return st;
}

/* Whether it is one of those that the best is chosen of: measured, and not because max_steps ends the run. */
static bool competes(const rs_run_info *run, const rescl_epoch_event *e)
{
    const bool due = !run->eval_set || (e->epoch + 1) % run->options->eval_freq == 0 ||
                     e->epoch + 1 >= run->options->epochs;

    return !e->partial && due && (!run->eval_set || e->eval.samples > 0);
}

/* Before the checkpoint that says that the epoch is done: who comes here again writes the same. What is
 * too much then stays until that is written. */
static rescl_status save_epoch(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    top_k *t = self;
    const bool by_eval = rs_monitor_by_eval(t->run->options->monitor) && e->eval.samples > 0;
    const rescl_metrics *m = by_eval ? &e->eval : &e->train;
    const place p = {.epoch = e->epoch,
                     .by_eval = by_eval,
                     .loss = m->loss,
                     .top1 = m->top1,
                     .map = m->multi_label && by_eval ? m->map : 0};
    size_t at = 0;
    char *path = NULL;

    (void)stop;
    if (!competes(t->run, e) || !isfinite(m->loss))
        goto out;
    while (at < t->count && !is_better(t, e, &t->place[at]))
        at++;
    if (at >= t->run->options->save_top_k)
        goto out;
    RS_TRY(path_of(t, &p, &path));
    RS_TRY(rs_run_save_weights(t->run, path));
    memmove(&t->place[at + 1], &t->place[at], (t->count - at) * sizeof *t->place);
    t->place[at] = p;
    t->count++;
    RS_TRY(write_list(t));
out:
    free(path);
    return st;
}

static rescl_status prune_saved(void *self, const rescl_epoch_event *e, bool *stop)
{
    (void)e;
    (void)stop;
    return prune(self);
}

static rescl_status close_top_k(void *self, rescl_status st)
{
    (void)st;
    free_top_k(self);
    return RESCL_OK;
}

const rs_watcher rs_watcher_top_k = {.name = "top_k",
                                     .open = open_top_k,
                                     .epoch = save_epoch,
                                     .saved = prune_saved,
                                     .close = close_top_k};
