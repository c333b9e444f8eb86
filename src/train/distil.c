#include "distil.h"

#include "error.h"
#include "hash.h"
#include "loader.h"
#include "log.h"
#include "modelfile.h"

#include <rescl/weights.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KEPT "teacher_hash"

const char *const *rs_distillation_names(void)
{
    static const char *const names[] = {"soft", "hard", NULL};
    return names;
}

/* What the file says of itself against the student. */
static rescl_status check_file(const rescl_weights_info *f, const rescl_train_options *o,
                               const rescl_model *student)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(!f->model && !o->teacher_model, RESCL_ERR_ARG,
               "its file does not say what model it is: give teacher_model, such as resnet50");
    RS_FAIL_IF(f->classes > 0 && f->classes != student->classes, RESCL_ERR_ARG,
               "it has %zu classes, and the student %zu: both have to know the same ones",
               f->classes, student->classes);
    RS_FAIL_IF(f->image_size > 0 && f->image_size != student->image_size, RESCL_ERR_ARG,
               "it takes images of %zux%zu, and the student of %zux%zu: give the student that size",
               f->image_size, f->image_size, student->image_size, student->image_size);
    RS_FAIL_IF(f->channels > 0 && f->channels != student->channels, RESCL_ERR_ARG,
               "it takes images of %zu channels, and the student of %zu: give the student as many",
               f->channels, student->channels);
    RS_FAIL_IF(
        f->multi_label, RESCL_ERR_ARG,
        "it gives an image any number of labels (multi_label), and the student chooses one class: "
        "give a teacher that chooses one");
out:
    return st;
}

/* Weights of another number of channels would be taken by their sums or shares. */
static rescl_status check_channels(const rescl_match_list *taken, const rescl_model *student)
{
    rescl_status st = RESCL_OK;
    rescl_match m;

    for (size_t i = 0; rescl_match_list_get(taken, i, &m); i++)
        RS_FAIL_IF(m.spread || m.summed || m.repeated, RESCL_ERR_ARG,
                   "'%s' is made for images of another number of channels than the student's %zu: "
                   "give the student as many",
                   m.tensor.name, student->channels);
out:
    return st;
}

/* The bytes of a batch are in the student's order of channels. */
static rescl_status check_order(const rescl_model *teacher, const rescl_model *student)
{
    rescl_status st = RESCL_OK;
    const bool one = teacher->preprocess == RESCL_PREPROCESS_CAFFE;
    const bool other = student->preprocess == RESCL_PREPROCESS_CAFFE;

    RS_FAIL_IF(one != other && student->channels != 1, RESCL_ERR_ARG,
               "it takes %s first (%s), and the student %s (%s): give the student the same "
               "preprocess",
               one ? "blue" : "red", rescl_preprocess_name(teacher->preprocess),
               other ? "blue" : "red", rescl_preprocess_name(student->preprocess));
out:
    return st;
}

static rescl_status check_finite(const rescl_model *m)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < m->weights.count; i++)
        for (size_t k = 0; k < m->weights.elems[i]; k++)
            RS_FAIL_IF(!isfinite(m->weights.data[i][k]), RESCL_ERR_NUMERIC,
                       "'%s' holds NaN or infinity", m->graph->param[i].name);
out:
    return st;
}

static rescl_status load(const rescl_train_options *o, const rescl_model *student, rs_distil *out)
{
    rescl_status st = RESCL_OK;
    rescl_weights *w = NULL;
    rescl_match_list *taken = NULL;
    rescl_model_options options;
    rescl_weights_info info;
    rescl_model *m = NULL;

    RS_TRY(rescl_weights_open(o->teacher, &w));
    rescl_weights_get_info(w, &info);
    RS_TRY(check_file(&info, o, student));
    rescl_model_options_default(&options);
    options.name = o->teacher_model ? o->teacher_model : info.model;
    options.classes = student->classes;
    options.class_names = (const char *const *)student->class_name;
    options.image_size = student->image_size;
    options.channels = student->channels;
    options.bit_depth = student->graph->bit_depth;
    options.hidden = info.hidden;
    RS_TRY(rescl_model_create(&options, &m));
    out->loss = info.loss;
    out->unknown = !info.has_preprocess;
    out->usual = info.has_preprocess && !info.says_preprocess;
    if (out->unknown) {
        m->preprocess = student->preprocess;
        m->normalize = student->normalize;
    }
    RS_TRY(rescl_weights_load(w, m, RESCL_LOAD_STRICT, &taken));
    RS_TRY(check_channels(taken, student));
    RS_TRY(check_order(m, student));
    RS_TRY(check_finite(m));
    out->unnamed = rescl_match_list_head(taken) == RESCL_HEAD_UNNAMED;
    out->model = m, m = NULL;
out:
    rescl_match_list_destroy(taken);
    rescl_model_destroy(m);
    rescl_weights_close(w);
    return st;
}

/* Of the numbers, of what is computed with them, and of how images are prepared for it. */
static void hash_teacher(const rs_distil *d, char out[33])
{
    const rescl_model *m = d->model;
    const double bn_eps = rs_ckpt_model_of(m).bn_eps;
    rs_hash weights[2] = {{0}}; /* of those so far, and of the next ones */
    char parts[3][33];

    for (size_t i = 0; i < m->weights.count; i++) {
        weights[1] = rs_hash_bytes(m->weights.data[i], m->weights.elems[i] * sizeof(float));
        weights[0] = rs_hash_bytes(weights, sizeof weights);
    }
    rs_hash_hex(weights[0], parts[0]);
    rs_hash_hex(rs_hash_bytes(d->table, rs_pixel_samples(m->channels) * sizeof d->table[0]),
                parts[1]);
    rs_hash_hex(rs_hash_bytes(&bn_eps, sizeof bn_eps), parts[2]);
    const char *const all[] = {m->name, parts[0], parts[1], parts[2]};
    rs_hash_hex(rs_hash_strings(all, RS_COUNT(all)), out);
}

static rs_distillation_attr loss_of(const rescl_train_options *o)
{
    return (rs_distillation_attr){.alpha = (float)o->distillation_alpha,
                                  .tau = (float)o->distillation_tau,
                                  .hard = strcmp(o->distillation_type, "hard") == 0};
}

rescl_status rs_distil_init(const rescl_train_options *o, const rescl_model *student,
                            rs_distil *out)
{
    rescl_status st = RESCL_OK;

    *out = (rs_distil){0};
    if (!o->teacher)
        goto out;
    st = load(o, student, out);
    if (st == RESCL_OK)
        st = rs_preprocess_table(out->model->preprocess, &out->model->normalize,
                                 out->model->channels, out->table);
    if (st != RESCL_OK) {
        rs_error_prefix("teacher %s", o->teacher);
        goto out;
    }
    hash_teacher(out, out->hash);
out:
    if (st != RESCL_OK)
        rs_distil_fini(out);
    else if (out->model)
        out->plan = (rs_teacher_plan){.graph = out->model->graph,
                                      .weights = &out->model->weights,
                                      .table = (const float(*)[256])out->table,
                                      .loss = loss_of(o)};
    return st;
}

void rs_distil_fini(rs_distil *d)
{
    rescl_model_destroy(d->model);
    *d = (rs_distil){0};
}

void rs_distil_tell(const rs_distil *d, const char *teacher)
{
    if (!d->model)
        return;
    if (d->loss != RESCL_LOSS_CROSS_ENTROPY)
        rs_log(RESCL_LOG_WARN,
               "the teacher %s was trained by the loss %s, which takes each class by itself; its "
               "probabilities are taken to be the softmax of its logits all the same",
               teacher, rescl_loss_name(d->loss));
    if (d->unnamed)
        rs_log(RESCL_LOG_INFO,
               "the teacher %s does not name its %zu classes; they are taken to be the student's, "
               "in their order",
               teacher, d->model->classes);
    if (d->usual || d->unknown)
        rs_log(RESCL_LOG_INFO,
               "the teacher %s does not say how its images are prepared; '%s' is assumed, %s. If "
               "it was trained otherwise, give one that says so: rescl convert --preprocess",
               teacher, rescl_preprocess_name(d->model->preprocess),
               d->usual ? "as files with such names usually take it" : "as the student's are");
}

const rs_teacher_plan *rs_distil_plan(const rs_distil *d)
{
    return d->model ? &d->plan : NULL;
}

/* ---- checkpoints ------------------------------------------------------------------------- */

rescl_status rs_distil_keep(const rs_distil *d, json_t *options)
{
    rescl_status st = RESCL_OK;
    json_t *hash = NULL;

    if (!d->model)
        goto out;
    RS_OOM(hash = json_string(d->hash));
    RS_OOM(json_object_set(options, KEPT, hash) == 0 ? options : NULL);
out:
    json_decref(hash);
    return st;
}

rescl_status rs_distil_match(const rs_distil *d, const json_t *options, const char *teacher,
                             const char *path)
{
    rescl_status st = RESCL_OK;
    const char *was = json_string_value(json_object_get(options, KEPT));
    const char *where = json_string_value(json_object_get(options, "teacher"));

    RS_FAIL_IF(!was && d->model, RESCL_ERR_ARG,
               "cannot resume from %s: it was trained without a teacher, this run has %s; start a "
               "new run from its weights",
               path, teacher);
    RS_FAIL_IF(was && !d->model, RESCL_ERR_ARG,
               "cannot resume from %s: it was trained with the teacher %s, this run has none; give "
               "that as teacher",
               path, where ? where : "");
    RS_FAIL_IF(was && strcmp(was, d->hash) != 0, RESCL_ERR_ARG,
               "cannot resume from %s: the teacher %s computes otherwise than the one that it was "
               "trained with (%s); give that file as it was, or start a new run from its weights",
               path, teacher, where ? where : "");
out:
    return st;
}
