#include "history.h"

#include "error.h"
#include "jsonload.h"
#include "monitor.h"
#include "path.h"
#include "str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)256 << 20)

static const char *const columns[RS_HISTORY_COLUMNS] = {
    "epoch", "time",  "train_loss", "train_top1", "eval_loss", "eval_top1",
    "lr",    "img_s", "data_wait",  "mem_mib",    "eval_map"};

/* The file of a name in the folder; NULL where there is none. */
static rescl_status read_text(const rs_history *h, const char *name, char **out, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;

    *bytes = 0;
    RS_OOM(path = rs_path_join(h->folder, name));
    st = rs_file_read(path, MAX_BYTES, out, bytes);
    if (st == RESCL_ERR_NOT_FOUND)
        st = RESCL_OK;
out:
    free(path);
    return st;
}

static rescl_status read_json(const rs_history *h, const char *name, json_t **out)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    size_t bytes;
    json_error_t why;

    RS_TRY(read_text(h, name, &text, &bytes));
    if (!text)
        goto out;
    *out = rs_json_load(text, bytes, JSON_REJECT_DUPLICATES, &why);
    RS_FAIL_IF(!json_is_object(*out), RESCL_ERR_FORMAT, "%s/%s: is not a JSON object%s%s",
               h->folder, name, *out ? "" : ": ", *out ? "" : why.text);
out:
    free(text);
    return st;
}

/* ---- results.csv -------------------------------------------------------------------------- */

/* The next field of a line, which is cut there; NULL behind the last. */
static char *next_field(char **rest)
{
    char *field = *rest;

    if (!field)
        return NULL;
    *rest = strchr(field, ',');
    if (*rest)
        *(*rest)++ = '\0';
    return field;
}

enum { MOST_FIELDS = 32 };

/* Which column each field of the head is, or RS_HISTORY_COLUMNS. */
static size_t read_head(char *line, rs_history_column field[MOST_FIELDS])
{
    size_t count = 0;

    for (char *name; count < MOST_FIELDS && (name = next_field(&line)) != NULL; count++) {
        int c = 0;
        while (c < RS_HISTORY_COLUMNS && strcmp(columns[c], name) != 0)
            c++;
        field[count] = (rs_history_column)c;
    }
    return count;
}

static void read_row(rs_history *h, char *line, const rs_history_column *field, size_t fields)
{
    char *text;

    for (int c = 0; c < RS_HISTORY_COLUMNS; c++)
        h->column[c][h->epochs] = NAN;
    for (size_t i = 0; i < fields && (text = next_field(&line)) != NULL; i++) {
        double value = NAN;
        if (field[i] < RS_HISTORY_COLUMNS && rs_parse_f64(text, &value))
            h->column[field[i]][h->epochs] = value;
    }
    if (!isnan(h->column[RS_HISTORY_EPOCH][h->epochs]))
        h->epochs++;
}

static rescl_status read_results(rs_history *h, char *text)
{
    rescl_status st = RESCL_OK;
    rs_history_column field[MOST_FIELDS];
    size_t lines = 0, fields = 0;

    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    for (int c = 0; c < RS_HISTORY_COLUMNS; c++)
        RS_OOM(h->column[c] = calloc(lines + 1, sizeof *h->column[c]));
    for (char *line = text, *end; line && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0'; /* a last line without it was cut by a crash */
        if (fields == 0)
            fields = read_head(line, field);
        else
            read_row(h, line, field, fields);
    }
out:
    return st;
}

/* ---- the folder --------------------------------------------------------------------------- */

static rescl_status name_folder(const char *folder, rs_history *h)
{
    rescl_status st = RESCL_OK;
    char *whole = realpath(folder, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;

    RS_OOM(h->folder = strdup(folder));
    RS_OOM(h->name = strdup(slash && slash[1] ? slash + 1 : folder));
out:
    free(whole);
    return st;
}

rescl_status rs_history_read(const char *folder, rs_history *out)
{
    rescl_status st = RESCL_OK;
    char *results = NULL, no_results[] = "";
    size_t bytes;

    *out = (rs_history){0};
    RS_TRY(name_folder(folder, out));
    RS_FAIL_IF(!rs_path_is_dir(folder), RESCL_ERR_NOT_FOUND, "%s: no such folder", folder);
    RS_TRY(read_json(out, "env.json", &out->env));
    RS_TRY(read_text(out, "results.csv", &results, &bytes));
    RS_FAIL_IF(!out->env && !results, RESCL_ERR_NOT_FOUND,
               "%s: is not the folder of a run: it has neither env.json nor results.csv", folder);
    RS_TRY(read_results(out, results ? results : no_results));
    RS_TRY(read_json(out, "evaluation.json", &out->evaluation));
    RS_TRY(read_json(out, "evaluation-test.json", &out->test));
    RS_TRY(read_json(out, "report.json", &out->about));
    RS_TRY(read_json(out, "profile.json", &out->profile));
    RS_TRY(read_text(out, "args.ini", &out->args, &bytes));
    RS_TRY(read_text(out, "team.csv", &out->team, &bytes));
out:
    free(results);
    if (st != RESCL_OK)
        rs_history_fini(out);
    return st;
}

void rs_history_fini(rs_history *h)
{
    for (int c = 0; c < RS_HISTORY_COLUMNS; c++)
        free(h->column[c]);
    json_decref(h->env);
    json_decref(h->evaluation);
    json_decref(h->test);
    json_decref(h->about);
    json_decref(h->profile);
    free(h->args);
    free(h->team);
    free(h->folder);
    free(h->name);
    *h = (rs_history){0};
}

/* ---- the best epoch ----------------------------------------------------------------------- */

/* Whether max_steps ended the run within the epoch of a row. */
static bool is_partial(const rs_history *h, size_t row)
{
    const double epoch = h->column[RS_HISTORY_EPOCH][row],
                 most = rs_json_number(h->env, "options.max_steps"),
                 images = rs_json_number(h->env, "data.count"),
                 batch = rs_json_number(h->env, "options.batch_size");
    /* A last batch of one image is no batch of its own. */
    const double steps = floor(images / batch) + (fmod(images, batch) > 1 ? 1 : 0);

    return most > (epoch - 1) * steps && most < epoch * steps;
}

static rescl_epoch_event event_of(const rs_history *h, size_t row)
{
    const double top1 = h->column[RS_HISTORY_EVAL_TOP1][row];
    const double map = h->column[RS_HISTORY_EVAL_MAP][row];

    return (rescl_epoch_event){.epoch = row,
                               .train = {.samples = 1,
                                         .loss = h->column[RS_HISTORY_TRAIN_LOSS][row],
                                         .top1 = h->column[RS_HISTORY_TRAIN_TOP1][row]},
                               .eval = {.samples = (size_t)!isnan(top1),
                                        .loss = h->column[RS_HISTORY_EVAL_LOSS][row],
                                        .top1 = top1,
                                        .map = map,
                                        .multi_label = !isnan(map)}};
}

size_t rs_history_best(const rs_history *h)
{
    const double measured = rs_json_number(h->evaluation, "epoch");
    const char *named = rs_json_string(h->env, "options.monitor");
    const char *monitor = *named ? named : "auto"; /* older runs have none */
    rs_ckpt_progress best = {0};
    bool any_eval = false;

    for (size_t i = 0; i < h->epochs; i++) {
        if (h->column[RS_HISTORY_EPOCH][i] == measured)
            return i;
        any_eval = any_eval || !isnan(h->column[RS_HISTORY_EVAL_TOP1][i]);
    }
    for (size_t i = 0; i < h->epochs; i++) {
        const rescl_epoch_event e = event_of(h, i);
        if ((any_eval && e.eval.samples == 0) || (best.has_best && is_partial(h, i)) ||
            isnan(rs_monitor_value(monitor, &e)))
            continue;
        rs_monitor_take_best(monitor, &e, &best);
    }
    return best.has_best ? (size_t)best.best_epoch : SIZE_MAX;
}

bool rs_history_multi_label(const rs_history *h)
{
    for (size_t i = 0; i < h->epochs; i++)
        if (!isnan(h->column[RS_HISTORY_EVAL_MAP][i]))
            return true;
    return json_is_true(json_object_get(h->evaluation, "multi_label"));
}

/* ---- JSON --------------------------------------------------------------------------------- */

static const json_t *find(const json_t *object, const char *path)
{
    char key[64];

    while (object) {
        const size_t len = strcspn(path, ".");
        if (len >= sizeof key)
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        object = json_object_get(object, key);
        if (!path[len])
            return object;
        path += len + 1;
    }
    return NULL;
}

double rs_json_number(const json_t *object, const char *path)
{
    const json_t *value = find(object, path);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

const char *rs_json_string(const json_t *object, const char *path)
{
    const char *text = json_string_value(find(object, path));
    return text ? text : "";
}
