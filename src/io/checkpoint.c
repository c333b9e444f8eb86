#include "checkpoint.h"

#include "error.h"
#include "jsonload.h"
#include "jsonvalue.h"
#include "lossjson.h"
#include "pixel.h"
#include "safetensors.h"
#include "str.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_NAME    "rescl"
#define FORMAT_VERSION "1"
#define LAYOUT         "RSCK"
#define STATE_PREFIX   "optimizer."
#define SUM            "gradient_sum"
#define AVERAGE        "average" /* statistics have one, too */
#define SKETCH_DIGITS  12        /* of a hash, hexadecimal */

/* ---- writing ----------------------------------------------------------------------------- */

static json_t *resize_json(const rescl_resize *r)
{
    return json_pack("{s:I, s:s, s:b}", "size", (json_int_t)r->resize_size, "interpolation",
                     rescl_interpolation_name(r->interpolation), "keep_exact", r->keep_exact);
}

/* What the weights were trained on; null where that is not known. */
static json_t *trained_on_json(const rescl_trained_on *t)
{
    if (!t->fingerprint[0])
        return json_null();
    char sketch[RESCL_SKETCH_HASHES * SKETCH_DIGITS + 1] = "";
    for (size_t i = 0; i < t->sketch.count; i++)
        snprintf(sketch + i * SKETCH_DIGITS, SKETCH_DIGITS + 1, "%012" PRIx64, t->sketch.hash[i]);
    return json_pack("{s:s, s:f, s:o, s:s*}", "fingerprint", t->fingerprint, "validation_split",
                     t->validation_split, "seed", rs_json_u64(t->seed), "sketch",
                     *sketch ? sketch : NULL);
}

static json_t *numbers_json(const double *value, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++)
        if (json_array_append_new(list, json_real(value[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *model_json(const rs_ckpt_model *m)
{
    json_t *names = json_array();
    for (size_t i = 0; names && i < m->classes; i++)
        if (json_array_append_new(names, rs_json_text(m->class_name[i])) != 0) {
            json_decref(names);
            return NULL;
        }
    const double *mean = m->normalize.mean, *std = m->normalize.std;
    const size_t channels = m->channels ? m->channels : 3;
    json_t *normalize = m->preprocess != RESCL_PREPROCESS_NORMALIZE
                            ? NULL
                            : json_pack("{s:o, s:o}", "mean", numbers_json(mean, channels), "std",
                                        numbers_json(std, channels));
    return json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:s, s:o*, s:o, s:o, s:o, s:b, s:o, "
                     "s:o*, s:o*, s:o*, s:o*, s:o*}",
                     "name", m->name, "classes", (json_int_t)m->classes, "image_size",
                     (json_int_t)m->image_size, "hidden", (json_int_t)m->hidden, "dropout",
                     m->dropout, "label_smoothing", m->label_smoothing, "bn_eps", m->bn_eps, "seed",
                     rs_json_u64(m->seed), "preprocess", rescl_preprocess_name(m->preprocess),
                     "normalize", normalize, "resize", resize_json(&m->resize), "class_names",
                     names, "frozen", rs_json_text(m->frozen ? m->frozen : ""), "norm_eval",
                     m->norm_eval, "trained_on", trained_on_json(&m->trained_on), "sample_bits",
                     m->sample_bits ? json_integer((json_int_t)m->sample_bits) : NULL, "loss",
                     rs_loss_json(m), "stochastic_depth",
                     m->stochastic_depth > 0.0 ? json_real(m->stochastic_depth) : NULL, "channels",
                     channels != 3 ? json_integer((json_int_t)channels) : NULL, "bit_depth",
                     m->bit_depth == 16 ? json_integer(16) : NULL);
}

/* What the schedule keeps; null if nothing. */
static json_t *schedule_json(const rs_ckpt_progress *p)
{
    json_t *all = json_array();
    bool any = false;

    for (size_t i = 0; all && i < RS_CKPT_SCHEDULE; i++) {
        any = any || !(p->schedule[i] >= 0.0 && p->schedule[i] <= 0.0);
        if (json_array_append_new(all, json_real(p->schedule[i])) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    if (any)
        return all;
    json_decref(all);
    return json_null();
}

/* NULL where the loss is not scaled. */
static json_t *loss_scale_json(const rs_loss_scale *s)
{
    if (!(s->scale > 0.0))
        return NULL;
    return json_pack("{s:f, s:I, s:I}", "scale", s->scale, "good", (json_int_t)s->good, "skipped",
                     (json_int_t)s->skipped);
}

/* NULL before an epoch was seen. */
static json_t *stopping_json(const rs_ckpt_stopping *s)
{
    return s->seen ? json_pack("{s:f, s:I}", "best", s->best, "waited", (json_int_t)s->waited)
                   : NULL;
}

/* NULL for a run on one device. */
static json_t *team_json(const rs_ckpt_team *t)
{
    json_t *all = t->count > 0 ? json_array() : NULL;
    for (size_t i = 0; all && i < t->count; i++)
        json_array_append_new(all, json_integer((json_int_t)t->share[i]));
    return all;
}

static json_t *training_json(const rs_ckpt_training *t)
{
    const rs_ckpt_progress *p = &t->progress;
    json_t *best = p->has_best
                       ? json_pack("{s:b, s:I, s:f, s:f, s:f, s:f}", "by_eval", p->best_by_eval,
                                   "epoch", (json_int_t)p->best_epoch, "top1", p->best_top1, "map",
                                   p->best_map, "loss", p->best_loss, "value", p->best_value)
                       : json_null();
    json_t *sums = json_pack("{s:I, s:I, s:I, s:f, s:f, s:f}", "samples", (json_int_t)p->samples,
                             "top1", (json_int_t)p->top1, "top5", (json_int_t)p->top5, "loss",
                             p->loss_sum, "seconds", p->seconds, "data_wait", p->data_wait);
    const char *eval = t->data.eval_fingerprint;
    json_t *data =
        json_pack("{s:o, s:I, s:s, s:I, s:s*}", "name", rs_json_text(t->data.name), "count",
                  (json_int_t)t->data.count, "fingerprint", t->data.fingerprint, "eval_count",
                  (json_int_t)t->data.eval_count, "eval_fingerprint", eval && *eval ? eval : NULL);
    return json_pack("{s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:O, s:o, s:o*, s:o*, s:o*, s:s*, s:o*, "
                     "s:s*, s:i, s:i}",
                     "epoch", (json_int_t)p->epoch, "batch", (json_int_t)p->batch, "step",
                     (json_int_t)p->step, "time", p->time, "epoch_sums", sums, "best", best, "data",
                     data, "options", t->options, "schedule", schedule_json(p), "loss_scale",
                     loss_scale_json(&p->scale), "early_stopping", stopping_json(&p->stopping),
                     "shares", team_json(&p->team), "share_devices",
                     *p->team.devices ? p->team.devices : NULL, "given_lr",
                     p->lr_is_given ? json_real(p->given_lr) : NULL, "plan", t->plan,
                     "compute_units", (int)t->units, "float_width", (int)t->width);
}

static bool has_state(const rs_param *p, const char *state)
{
    return p->trainable || strcmp(state, AVERAGE) == 0;
}

/* Adds the parameters of `w` under their names, or, with a state's name, those that have it under
 * "optimizer.<state>.<param>". Names that are made here are also put into `made`. */
static rescl_status add_tensors(rs_st_source *list, size_t *count, char **made, const rs_graph *g,
                                const rs_weights *w, const char *state)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < g->nparams; i++) {
        const rs_param *p = &g->param[i];
        rs_st_source *t = &list[*count];
        if (state && !has_state(p, state))
            continue;
        *t = (rs_st_source){.name = p->name, .dtype = RS_ST_F32, .data = w->data[i]};
        t->ndim = (size_t)p->spec.shape.ndim;
        memcpy(t->dim, p->spec.shape.dim, t->ndim * sizeof *t->dim);
        if (state) {
            RS_OOM(made[*count] = rs_strf(STATE_PREFIX "%s.%s", state, p->name));
            t->name = made[*count];
        }
        ++*count;
    }
out:
    return st;
}

/* Of a document that began with an errno of 0: what is left out of it where memory was short shows
 * there. Frees it. */
static rescl_status dump(json_t *value, char **out)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(errno == ENOMEM, RESCL_ERR_MEMORY, "out of host memory");
    RS_FAIL_IF(!value, RESCL_ERR_ARG,
               "a name or a number of the run cannot be stored (not UTF-8, or not finite)");
    RS_TRY(rs_json_dump(value, JSON_COMPACT | JSON_REAL_PRECISION(17), out));
out:
    json_decref(value);
    return st;
}

rescl_status rs_ckpt_model_text(const rs_ckpt_model *m, char **out)
{
    errno = 0;
    return dump(model_json(m), out);
}

rescl_status rs_checkpoint_write(const char *path, const rs_graph *g, const rs_weights *w,
                                 const rs_ckpt_model *model, const rs_ckpt_training *training)
{
    rescl_status st = RESCL_OK;
    const int nstates = training ? training->nstates : 0;
    const size_t most = g->nparams * (3 + (size_t)nstates);
    rs_st_source *list = NULL;
    char **made = NULL, *model_text = NULL, *training_text = NULL;
    size_t count = 0;

    RS_OOM(list = calloc(most + 1, sizeof *list));
    RS_OOM(made = calloc(most + 1, sizeof *made));
    RS_TRY(add_tensors(list, &count, made, g, w, NULL));
    for (int i = 0; i < nstates; i++)
        RS_TRY(add_tensors(list, &count, made, g, &training->state[i], training->state_name[i]));
    if (training && training->sum)
        RS_TRY(add_tensors(list, &count, made, g, training->sum, SUM));
    if (training && training->average)
        RS_TRY(add_tensors(list, &count, made, g, training->average, AVERAGE));
    RS_TRY(rs_ckpt_model_text(model, &model_text));
    errno = 0;
    if (training)
        RS_TRY(dump(training_json(training), &training_text));
    rs_st_meta meta[] = {{"format", FORMAT_NAME},
                         {"format_version", FORMAT_VERSION},
                         {"filter_layout", LAYOUT},
                         {"model", model_text},
                         {"training", training_text}};
    RS_TRY(rs_st_write(path, meta, RS_COUNT(meta) - (training ? 0 : 1), list, count));
out:
    for (size_t i = 0; made && i < count; i++)
        free(made[i]);
    free(made);
    free(list);
    free(model_text);
    free(training_text);
    if (st != RESCL_OK)
        rs_error_prefix("cannot save %s", path);
    return st;
}

/* ---- reading ----------------------------------------------------------------------------- */

struct rs_checkpoint {
    rs_st_file *file;
    bool of_rescl, has_training;
    rs_ckpt_doc model;
    json_t *training_doc; /* owns the strings of what follows */
    rs_ckpt_progress progress;
    rs_ckpt_data data;
};

static rescl_status parse_document(const char *text, const char *path, const char *key,
                                   json_t **out)
{
    rescl_status st = RESCL_OK;
    json_error_t why;

    *out = rs_json_load(text, strlen(text), JSON_REJECT_DUPLICATES, &why);
    RS_FAIL_IF(!*out && rs_json_why(&why) == RESCL_ERR_MEMORY, RESCL_ERR_MEMORY, "%s", why.text);
    RS_FAIL_IF(!json_is_object(*out), RESCL_ERR_FORMAT, "%s: metadata '%s' is damaged: %s", path,
               key, *out ? "not an object" : why.text);
out:
    return st;
}

static bool get_count(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *v = json_object_get(object, key);
    *out = (uint64_t)json_integer_value(v);
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool get_real(const json_t *object, const char *key, double *out)
{
    const json_t *v = json_object_get(object, key);
    *out = json_number_value(v);
    return json_is_number(v);
}

static bool get_preprocess(const json_t *v, rescl_preprocess *out)
{
    const char *name;
    for (int i = 0; (name = rescl_preprocess_name((rescl_preprocess)i)) != NULL; i++)
        if (json_is_string(v) && strcmp(name, json_string_value(v)) == 0) {
            *out = (rescl_preprocess)i;
            return true;
        }
    return false;
}

/* Older files do not say. `size`: of the input. */
static rescl_status parse_resize(const json_t *d, size_t size, const char *path, rescl_resize *out)
{
    rescl_status st = RESCL_OK;
    const char *name = json_string_value(json_object_get(d, "interpolation")), *known;
    uint64_t side = 0;
    bool found = false;

    *out = (rescl_resize){0};
    if (!d)
        goto out;
    for (int i = 0; name && (known = rescl_interpolation_name((rescl_interpolation)i)) != NULL; i++)
        if (strcmp(name, known) == 0) {
            out->interpolation = (rescl_interpolation)i;
            found = true;
        }
    RS_FAIL_IF(!found || !get_count(d, "size", &side) || (side != 0 && side < size) || side > 65535,
               RESCL_ERR_FORMAT,
               "%s: metadata 'model' has a resize without a valid size or interpolation", path);
    out->resize_size = (size_t)side;
    out->keep_exact = json_is_true(json_object_get(d, "keep_exact"));
out:
    return st;
}

/* A number within [0,1] for each of the channels, of which one stands for all. */
static bool get_channels(const json_t *list, size_t channels, double out[RS_PIXEL_CHANNELS])
{
    const size_t count = channels == 1 ? RS_PIXEL_CHANNELS : channels;
    bool ok = json_array_size(list) == channels;
    for (size_t c = 0; ok && c < count; c++) {
        const json_t *v = json_array_get(list, c % channels);
        out[c] = json_number_value(v);
        ok = json_is_number(v) && out[c] >= 0.0 && out[c] <= 1.0;
    }
    return ok;
}

static rescl_status parse_normalize(const json_t *d, const char *path, rs_ckpt_model *m)
{
    rescl_status st = RESCL_OK;
    const json_t *n = json_object_get(d, "normalize");
    double *std = m->normalize.std;
    if (m->preprocess != RESCL_PREPROCESS_NORMALIZE)
        goto out;
    RS_FAIL_IF(
        !get_channels(json_object_get(n, "mean"), m->channels, m->normalize.mean) ||
            !get_channels(json_object_get(n, "std"), m->channels, std) ||
            !(std[0] > 0.0 && std[1] > 0.0 && std[2] > 0.0 && (m->channels != 4 || std[3] > 0.0)),
        RESCL_ERR_FORMAT,
        "%s: metadata 'model' has no 'normalize' with a mean and a std of %s, from 0 to 1", path,
        m->channels == 1   ? "one channel"
        : m->channels == 4 ? "four channels"
                           : "three channels");
out:
    return st;
}

/* Hashes of 12 digits, ascending; a file may have none. */
static bool get_sketch(const json_t *v, rescl_sketch *out)
{
    const char *text = json_string_value(v);
    const size_t digits = json_string_length(v);
    bool ok = !v || (text && digits % SKETCH_DIGITS == 0 &&
                     digits / SKETCH_DIGITS <= RESCL_SKETCH_HASHES &&
                     strspn(text, "0123456789abcdef") == digits);
    for (size_t i = 0; ok && i < digits / SKETCH_DIGITS; i++) {
        char hash[SKETCH_DIGITS + 1] = "";
        memcpy(hash, text + i * SKETCH_DIGITS, SKETCH_DIGITS);
        out->hash[i] = strtoull(hash, NULL, 16);
        ok = i == 0 || out->hash[i] > out->hash[i - 1];
        out->count = i + 1;
    }
    return ok;
}

static rescl_status parse_trained_on(const json_t *d, const char *path, rescl_trained_on *out)
{
    rescl_status st = RESCL_OK;
    const json_t *fingerprint = json_object_get(d, "fingerprint");
    *out = (rescl_trained_on){0};
    if (!d || json_is_null(d))
        goto out;
    RS_FAIL_IF(
        !json_is_string(fingerprint) ||
            json_string_length(fingerprint) >= sizeof out->fingerprint ||
            !get_real(d, "validation_split", &out->validation_split) ||
            !(out->validation_split >= 0.0 && out->validation_split < 1.0) ||
            !rs_json_get_u64(json_object_get(d, "seed"), &out->seed) ||
            !get_sketch(json_object_get(d, "sketch"), &out->sketch),
        RESCL_ERR_FORMAT,
        "%s: metadata 'model' has a trained_on without a valid fingerprint, validation_split, seed "
        "or sketch",
        path);
    memcpy(out->fingerprint, json_string_value(fingerprint), json_string_length(fingerprint) + 1);
out:
    return st;
}

/* The number of classes is bounded by the names that are really in the file. */
static rescl_status parse_model(rs_ckpt_doc *doc, const char *path)
{
    rescl_status st = RESCL_OK;
    const json_t *d = doc->json, *names = json_object_get(d, "class_names");
    const json_t *frozen = json_object_get(d, "frozen"), *units = json_object_get(d, "hidden");
    rs_ckpt_model *m = &doc->model;
    const json_t *bits = json_object_get(d, "sample_bits");
    uint64_t classes = 0, size = 0, hidden = 0, sample_bits = 0, channels = 3, depth = 8;

    m->name = json_string_value(json_object_get(d, "name"));
    RS_FAIL_IF(!m->name || !get_count(d, "classes", &classes) ||
                   !get_count(d, "image_size", &size) || !get_real(d, "dropout", &m->dropout) ||
                   !get_real(d, "label_smoothing", &m->label_smoothing) ||
                   !rs_json_get_u64(json_object_get(d, "seed"), &m->seed) ||
                   !get_preprocess(json_object_get(d, "preprocess"), &m->preprocess),
               RESCL_ERR_FORMAT,
               "%s: metadata 'model' lacks one of name, classes, image_size, dropout, "
               "label_smoothing, seed, preprocess",
               path);
    RS_FAIL_IF((units && !get_count(d, "hidden", &hidden)) || (frozen && !json_is_string(frozen)),
               RESCL_ERR_FORMAT, "%s: metadata 'model' has a wrong type at hidden or frozen", path);
    if (json_object_get(d, "stochastic_depth"))
        RS_FAIL_IF(!get_real(d, "stochastic_depth", &m->stochastic_depth) ||
                       !(m->stochastic_depth >= 0.0 && m->stochastic_depth < 1.0),
                   RESCL_ERR_FORMAT,
                   "%s: metadata 'model' has a stochastic_depth that is no number in [0,1)", path);
    RS_FAIL_IF(rs_has_control(m->name), RESCL_ERR_FORMAT,
               "%s: the name of the model holds a control character: '%.80s'", path, m->name);
    RS_FAIL_IF(!json_is_array(names) || json_array_size(names) != classes || classes == 0,
               RESCL_ERR_FORMAT, "%s: metadata 'model' has %zu class names for %llu classes", path,
               json_array_size(names), (unsigned long long)classes);
    RS_FAIL_IF(size == 0 || size > 65536, RESCL_ERR_FORMAT,
               "%s: metadata 'model' has an image_size of %llu", path, (unsigned long long)size);
    if (json_object_get(d, "bn_eps")) /* files before version 0.2 do not say */
        RS_FAIL_IF(!get_real(d, "bn_eps", &m->bn_eps) || !(m->bn_eps >= 0.0 && m->bn_eps < 1.0),
                   RESCL_ERR_FORMAT,
                   "%s: metadata 'model' has a bn_eps that is not a valid epsilon", path);
    RS_FAIL_IF(
        bits && (!get_count(d, "sample_bits", &sample_bits) || sample_bits < 8 || sample_bits > 16),
        RESCL_ERR_FORMAT, "%s: metadata 'model' has sample_bits that are not a number from 8 to 16",
        path);
    RS_FAIL_IF(json_object_get(d, "channels") &&
                   (!get_count(d, "channels", &channels) ||
                    (channels != 1 && channels != 3 && channels != 4)),
               RESCL_ERR_FORMAT, "%s: metadata 'model' has channels that are not 1, 3 or 4", path);
    RS_FAIL_IF(json_object_get(d, "bit_depth") &&
                   (!get_count(d, "bit_depth", &depth) || (depth != 8 && depth != 16)),
               RESCL_ERR_FORMAT, "%s: metadata 'model' has a bit_depth that is neither 8 nor 16",
               path);
    m->bit_depth = (size_t)depth;
    m->channels = (size_t)channels;
    m->sample_bits = (size_t)sample_bits;
    m->classes = (size_t)classes;
    m->image_size = (size_t)size;
    RS_TRY(parse_normalize(d, path, m));
    RS_TRY(rs_loss_parse(d, path, m));
    RS_TRY(parse_resize(json_object_get(d, "resize"), m->image_size, path, &m->resize));
    m->hidden = (size_t)hidden;
    m->frozen = frozen ? json_string_value(frozen) : "";
    m->norm_eval = json_is_true(json_object_get(d, "norm_eval"));
    RS_TRY(parse_trained_on(json_object_get(d, "trained_on"), path, &m->trained_on));
    RS_OOM(doc->class_name = calloc(m->classes, sizeof *doc->class_name));
    for (size_t i = 0; i < m->classes; i++) {
        doc->class_name[i] = json_string_value(json_array_get(names, i));
        RS_FAIL_IF(!doc->class_name[i], RESCL_ERR_FORMAT, "%s: class name %zu is not a string",
                   path, i);
        RS_FAIL_IF(rs_has_control(doc->class_name[i]), RESCL_ERR_FORMAT,
                   "%s: the name of class %zu holds a control character: '%.80s'", path, i,
                   doc->class_name[i]);
    }
    m->class_name = doc->class_name;
out:
    return st;
}

rescl_status rs_ckpt_model_parse(const char *text, const char *path, rs_ckpt_doc *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(parse_document(text, path, "model", &out->json));
    RS_TRY(parse_model(out, path));
out:
    if (st != RESCL_OK)
        rs_ckpt_doc_fini(out);
    return st;
}

void rs_ckpt_doc_fini(rs_ckpt_doc *doc)
{
    json_decref(doc->json);
    free(doc->class_name);
    *doc = (rs_ckpt_doc){0};
}

/* Files of before schedules kept anything do not say: all are 0. */
static bool get_schedule(const json_t *all, rs_ckpt_progress *p)
{
    bool ok = !all || json_is_null(all) || json_array_size(all) == RS_CKPT_SCHEDULE;
    for (size_t i = 0; ok && i < json_array_size(all); i++) {
        const json_t *v = json_array_get(all, i);
        ok = json_is_number(v);
        p->schedule[i] = json_number_value(v);
    }
    return ok;
}

/* Only runs in fp16 have one. */
static bool get_loss_scale(const json_t *o, rs_loss_scale *out)
{
    return !o || (get_real(o, "scale", &out->scale) && out->scale >= RS_LOSS_SCALE_LEAST &&
                  out->scale <= RS_LOSS_SCALE_MOST && get_count(o, "good", &out->good) &&
                  out->good < RS_LOSS_SCALE_STEPS && get_count(o, "skipped", &out->skipped));
}

/* Files of before there was early stopping do not have it. */
static bool get_stopping(const json_t *o, rs_ckpt_stopping *out)
{
    out->seen = o != NULL;
    return !o || (get_real(o, "best", &out->best) && get_count(o, "waited", &out->waited));
}

/* Files of runs on one device do not say. */
static bool get_team(const json_t *o, rs_ckpt_team *out)
{
    const json_t *all = json_object_get(o, "shares");
    const char *devices = json_string_value(json_object_get(o, "share_devices"));
    snprintf(out->devices, sizeof out->devices, "%s", devices ? devices : "");
    bool ok = !all || (json_is_array(all) && json_array_size(all) <= RS_CKPT_TEAM);
    for (size_t i = 0; ok && i < json_array_size(all); i++) {
        const json_t *v = json_array_get(all, i);
        ok = json_is_integer(v) && json_integer_value(v) >= 0;
        out->share[i] = (uint64_t)json_integer_value(v);
        out->count = i + 1;
    }
    return ok;
}

static rescl_status parse_training(rs_checkpoint *c)
{
    rescl_status st = RESCL_OK;
    const json_t *d = c->training_doc, *sums = json_object_get(d, "epoch_sums");
    const json_t *best = json_object_get(d, "best"), *data = json_object_get(d, "data");
    rs_ckpt_progress *p = &c->progress;
    bool ok =
        get_count(d, "epoch", &p->epoch) && get_count(d, "batch", &p->batch) &&
        get_count(d, "step", &p->step) && get_real(d, "time", &p->time) &&
        get_count(sums, "samples", &p->samples) && get_count(sums, "top1", &p->top1) &&
        get_count(sums, "top5", &p->top5) && get_real(sums, "loss", &p->loss_sum) &&
        get_real(sums, "seconds", &p->seconds) && get_real(sums, "data_wait", &p->data_wait) &&
        get_schedule(json_object_get(d, "schedule"), p) &&
        get_stopping(json_object_get(d, "early_stopping"), &p->stopping) && get_team(d, &p->team) &&
        get_loss_scale(json_object_get(d, "loss_scale"), &p->scale) && p->scale.skipped <= p->step;

    p->has_best = json_is_object(best);
    if (p->has_best) {
        p->best_by_eval = json_is_true(json_object_get(best, "by_eval"));
        ok = ok && get_count(best, "epoch", &p->best_epoch) &&
             get_real(best, "top1", &p->best_top1) && get_real(best, "loss", &p->best_loss);
        (void)get_real(best, "map", &p->best_map);
        (void)get_real(best, "value", &p->best_value); /* older files have only "auto" */
    }
    p->lr_is_given = get_real(d, "given_lr", &p->given_lr);
    c->data.name = json_string_value(json_object_get(data, "name"));
    c->data.fingerprint = json_string_value(json_object_get(data, "fingerprint"));
    c->data.eval_fingerprint = json_string_value(json_object_get(data, "eval_fingerprint"));
    (void)get_count(data, "eval_count", &c->data.eval_count);
    ok = ok && c->data.name && c->data.fingerprint && get_count(data, "count", &c->data.count) &&
         json_is_object(json_object_get(d, "options"));
    RS_FAIL_IF(!ok, RESCL_ERR_FORMAT, "%s: metadata 'training' is incomplete", rs_st_path(c->file));
    c->has_training = true;
out:
    return st;
}

rescl_status rs_checkpoint_open(const char *path, rs_checkpoint **out)
{
    rescl_status st = RESCL_OK;
    rs_checkpoint *c = NULL;
    const char *format, *version, *layout, *text;

    RS_OOM(c = calloc(1, sizeof *c));
    RS_TRY(rs_st_open(path, &c->file));
    format = rs_st_meta_get(c->file, "format");
    version = rs_st_meta_get(c->file, "format_version");
    layout = rs_st_meta_get(c->file, "filter_layout");
    c->of_rescl = format && strcmp(format, FORMAT_NAME) == 0;
    if (c->of_rescl) {
        RS_FAIL_IF(!version || strcmp(version, FORMAT_VERSION) != 0, RESCL_ERR_UNSUPPORTED,
                   "%s: format version %.16s, this rescl (%s) reads version " FORMAT_VERSION, path,
                   version ? version : "missing", rescl_version());
        RS_FAIL_IF(!layout || strcmp(layout, LAYOUT) != 0, RESCL_ERR_FORMAT,
                   "%s: the filter layout is %s%.32s, expected " LAYOUT
                   " (metadata 'filter_layout')",
                   path, layout ? "" : "not given", layout ? layout : "");
        if ((text = rs_st_meta_get(c->file, "model")) != NULL)
            RS_TRY(rs_ckpt_model_parse(text, path, &c->model));
        if ((text = rs_st_meta_get(c->file, "training")) != NULL) {
            RS_TRY(parse_document(text, path, "training", &c->training_doc));
            RS_TRY(parse_training(c));
        }
    }
    *out = c, c = NULL;
out:
    rs_checkpoint_close(c);
    return st;
}

void rs_checkpoint_close(rs_checkpoint *c)
{
    if (!c)
        return;
    rs_st_close(c->file);
    rs_ckpt_doc_fini(&c->model);
    json_decref(c->training_doc);
    free(c);
}

const char *rs_checkpoint_path(const rs_checkpoint *c)
{
    return rs_st_path(c->file);
}

bool rs_checkpoint_of_rescl(const rs_checkpoint *c)
{
    return c->of_rescl;
}

const rs_st_file *rs_checkpoint_tensors(const rs_checkpoint *c)
{
    return c->file;
}

const rs_ckpt_model *rs_checkpoint_model(const rs_checkpoint *c)
{
    return c->model.json ? &c->model.model : NULL;
}

const rs_ckpt_progress *rs_checkpoint_progress(const rs_checkpoint *c)
{
    return c->has_training ? &c->progress : NULL;
}

const rs_ckpt_data *rs_checkpoint_data(const rs_checkpoint *c)
{
    return c->has_training ? &c->data : NULL;
}

const char *rs_checkpoint_plan(const rs_checkpoint *c)
{
    return json_string_value(json_object_get(c->training_doc, "plan"));
}

bool rs_checkpoint_device(const rs_checkpoint *c, unsigned *units, unsigned *width)
{
    uint64_t u = 0, w = 0;
    const bool said = get_count(c->training_doc, "compute_units", &u) &&
                      get_count(c->training_doc, "float_width", &w) && u > 0 && w > 0;
    *units = (unsigned)u;
    *width = (unsigned)w;
    return said && u <= UINT_MAX && w <= UINT_MAX;
}

const json_t *rs_checkpoint_options(const rs_checkpoint *c)
{
    return json_object_get(c->training_doc, "options");
}

bool rs_checkpoint_is_state(const char *name)
{
    return strncmp(name, STATE_PREFIX, sizeof STATE_PREFIX - 1) == 0;
}

static const char *dims_text(size_t ndim, const size_t *dim, rs_str *out)
{
    rescl_status st = rs_str_append(out, "(");
    for (size_t i = 0; i < ndim && st == RESCL_OK; i++)
        st = rs_str_appendf(out, i ? ", %zu" : "%zu", dim[i]);
    if (st == RESCL_OK)
        st = rs_str_append(out, ")");
    return st == RESCL_OK ? out->text : "?";
}

/* The tensor `name` of the file, which must be as the parameter is. */
static rescl_status find_param(const rs_checkpoint *c, const rs_param *p, const char *name,
                               const rs_st_tensor **out)
{
    rescl_status st = RESCL_OK;
    const rs_st_tensor *t = rs_st_find(c->file, name);
    const rs_shape *want = &p->spec.shape;
    rs_str found = {0}, expected = {0};

    RS_FAIL_IF(!t, RESCL_ERR_NOT_FOUND, "%s: holds no tensor '%s'; is it of another model?",
               rs_st_path(c->file), name);
    RS_FAIL_IF(t->ndim != (size_t)want->ndim ||
                   memcmp(t->dim, want->dim, t->ndim * sizeof *t->dim) != 0,
               RESCL_ERR_SHAPE, "%s: tensor '%s' has shape %s, the model needs %s",
               rs_st_path(c->file), name, dims_text(t->ndim, t->dim, &found),
               dims_text((size_t)want->ndim, want->dim, &expected));
    RS_FAIL_IF(t->dtype != RS_ST_F32, RESCL_ERR_FORMAT, "%s: tensor '%s' is %s, rescl reads F32",
               rs_st_path(c->file), name, rs_st_dtype_name(t->dtype));
    *out = t;
out:
    rs_str_fini(&found);
    rs_str_fini(&expected);
    return st;
}

rescl_status rs_checkpoint_fits(const rs_checkpoint *c, const rs_graph *g)
{
    rescl_status st = RESCL_OK;
    const rs_st_tensor *t;

    for (size_t i = 0; i < g->nparams; i++)
        RS_TRY(find_param(c, &g->param[i], g->param[i].name, &t));
    for (size_t i = 0; i < rs_st_count(c->file); i++) {
        const char *name = rs_st_at(c->file, i)->name;
        RS_FAIL_IF(!rs_checkpoint_is_state(name) && rs_graph_find_param(g, name) < 0,
                   RESCL_ERR_FORMAT,
                   "%s: the model has no parameter '%.80s'; is the file of another model?",
                   rs_st_path(c->file), name);
    }
out:
    return st;
}

rescl_status rs_checkpoint_read_weights(const rs_checkpoint *c, const rs_graph *g, rs_weights *w)
{
    rescl_status st = RESCL_OK;
    const rs_st_tensor *t;

    RS_TRY(rs_checkpoint_fits(c, g));
    for (size_t i = 0; i < g->nparams; i++) {
        RS_TRY(find_param(c, &g->param[i], g->param[i].name, &t));
        RS_TRY(rs_st_read(c->file, t, w->data[i]));
    }
out:
    return st;
}

rescl_status rs_checkpoint_read_state(const rs_checkpoint *c, const rs_graph *g, const char *name,
                                      rs_weights *w)
{
    rescl_status st = RESCL_OK;
    const rs_st_tensor *t;
    char *full = NULL;

    for (size_t i = 0; i < g->nparams; i++) {
        if (!has_state(&g->param[i], name))
            continue;
        free(full);
        RS_OOM(full = rs_strf(STATE_PREFIX "%s.%s", name, g->param[i].name));
        RS_TRY(find_param(c, &g->param[i], full, &t));
        RS_TRY(rs_st_read(c->file, t, w->data[i]));
    }
out:
    free(full);
    return st;
}

rescl_status rs_checkpoint_read_sum(const rs_checkpoint *c, const rs_graph *g, rs_weights *w)
{
    return rs_checkpoint_read_state(c, g, SUM, w);
}

rescl_status rs_checkpoint_read_average(const rs_checkpoint *c, const rs_graph *g, rs_weights *w)
{
    return rs_checkpoint_read_state(c, g, AVERAGE, w);
}
