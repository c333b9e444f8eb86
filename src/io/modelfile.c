#include "modelfile.h"

#include "attr.h"
#include "error.h"
#include "exportfile.h"
#include "headclasses.h"
#include "layout.h"
#include "misfit.h"
#include "onnx.h"
#include "optionvalue.h"
#include "str.h"
#include "weightfile.h"

#include <rescl/weights.h>
#include <stdlib.h>
#include <string.h>

struct rescl_weights {
    rs_wfile *file;
};

struct rescl_match_list {
    rescl_match *item;
    size_t count, of[RS_MATCH_STATES];
    rescl_head_match head;
};

/* ---- what belongs to weights --------------------------------------------------------------- */

static double get_bn_eps(const rescl_model *m)
{
    for (size_t i = 0; i < m->graph->nnodes; i++)
        if (m->graph->node[i].op == &rs_op_batchnorm)
            return (double)((const rs_batchnorm_attr *)m->graph->node[i].attr)->eps;
    return 0.0;
}

void rs_model_take_over(rescl_model *m, rescl_preprocess preprocess,
                        const rescl_normalize *normalize, double bn_eps)
{
    m->preprocess = preprocess;
    if (preprocess == RESCL_PREPROCESS_NORMALIZE)
        m->normalize = rs_model_normalize(m, normalize);
    for (size_t i = 0; i < m->graph->nnodes && bn_eps > 0.0; i++)
        if (m->graph->node[i].op == &rs_op_batchnorm)
            ((rs_batchnorm_attr *)m->graph->node[i].attr)->eps = (float)bn_eps;
}

/* ---- saving -------------------------------------------------------------------------------- */

rs_ckpt_model rs_ckpt_model_of(const rescl_model *m)
{
    return (rs_ckpt_model){.name = m->name,
                           .classes = m->classes,
                           .image_size = m->image_size,
                           .channels = m->channels,
                           .bit_depth = m->graph->bit_depth,
                           .hidden = m->hidden,
                           .dropout = m->dropout,
                           .label_smoothing = m->label_smoothing,
                           .loss = m->loss,
                           .multi_label = m->multi_label,
                           .bce_target_thresh = m->bce_target_thresh,
                           .focal_gamma = m->focal_gamma,
                           .focal_alpha = m->focal_alpha,
                           .stochastic_depth = m->stochastic_depth,
                           .bn_eps = get_bn_eps(m),
                           .seed = m->seed,
                           .preprocess = m->preprocess,
                           .normalize = m->normalize,
                           .resize = m->resize,
                           .class_name = (const char *const *)m->class_name,
                           .frozen = m->frozen ? m->frozen : "",
                           .norm_eval = m->norm_eval,
                           .trained_on = m->trained_on,
                           .sample_bits = m->sample_bits};
}

rescl_status rescl_model_save(const rescl_model *model, const char *path)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_model about = rs_ckpt_model_of(model);
    RS_TRY(rs_model_need_weights(model));
    RS_TRY(rs_checkpoint_write(path, model->graph, &model->weights, &about, NULL));
out:
    return st;
}

rescl_status rescl_model_export_onnx(const rescl_model *model, const char *path)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_model about = rs_ckpt_model_of(model);
    RS_TRY(rs_model_need_weights(model));
    RS_TRY(rs_onnx_write(path, model->graph, &model->weights, &about));
out:
    return st;
}

bool rescl_model_in_library(const rescl_model *model, const char *names)
{
    rs_naming naming;
    return rs_naming_parse(names, &naming) && rs_model_is_published(model, naming);
}

void rescl_export_options_init(rescl_export_options *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_export_options){0}, sizeof *out);
}

rescl_status rescl_model_export(const rescl_model *model, const char *path,
                                const rescl_export_options *options)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_model about = rs_ckpt_model_of(model);
    rescl_export_options given = {0};
    rs_export_options o = {0};
    if (options)
        RS_TRY(rs_options_take(&given, sizeof given, options, "rescl_export_options"));
    RS_TRY(rs_model_need_weights(model));
    RS_TRY(rs_export_settle(path, &given, &o));
    RS_TRY(rs_export(path, model->graph, &model->weights, &about, &o));
out:
    return st;
}

/* ---- a file -------------------------------------------------------------------------------- */

rescl_status rescl_weights_open(const char *path, rescl_weights **out)
{
    rescl_status st = RESCL_OK;
    rescl_weights *w = NULL;
    RS_OOM(w = calloc(1, sizeof *w));
    RS_TRY(rs_wfile_open(path, &w->file));
    *out = w;
    w = NULL;
out:
    rescl_weights_close(w);
    return st;
}

void rescl_weights_close(rescl_weights *weights)
{
    if (weights)
        rs_wfile_close(weights->file);
    free(weights);
}

void rescl_weights_get_info(const rescl_weights *weights, rescl_weights_info *out)
{
    const rs_wfile_about *a = rs_wfile_describe(weights->file);
    const bool named = a->model && !rs_are_numbers(a->model->class_name, a->model->classes);
    *out = (rescl_weights_info){.path = a->path,
                                .format = a->format,
                                .names = rs_naming_get(a->naming)->name,
                                .prefix = a->prefix,
                                .head = a->head,
                                .model = a->model ? a->model->name : NULL,
                                .classes = a->classes,
                                .class_names = named ? a->model->class_name : NULL,
                                .hidden = a->model ? a->model->hidden : 0,
                                .dropout = a->model ? a->model->dropout : 0.0,
                                .frozen = a->model && a->model->frozen[0] ? a->model->frozen : NULL,
                                .image_size = a->image_size,
                                .tensors = rs_wfile_count(weights->file),
                                .has_preprocess = a->has_preprocess,
                                .preprocess = a->preprocess,
                                .normalize = a->normalize,
                                .says_preprocess = a->says_preprocess,
                                .sample_bits = a->model ? a->model->sample_bits : 0,
                                .channels = a->model ? a->model->channels : 0,
                                .bit_depth = a->model ? a->model->bit_depth : 0,
                                .loss = a->model ? a->model->loss : RESCL_LOSS_CROSS_ENTROPY,
                                .multi_label = a->model && a->model->multi_label,
                                .bn_eps = a->bn_eps};
}

bool rescl_weights_get_tensor_info(const rescl_weights *weights, size_t index,
                                   rescl_tensor_info *out)
{
    const rs_wfile_tensor *t = rs_wfile_at(weights->file, index);
    *out = (rescl_tensor_info){0};
    if (!t)
        return false;
    out->name = t->name;
    out->dtype = rs_st_dtype_name(t->dtype);
    out->ndim = t->ndim;
    memcpy(out->shape, t->dim, sizeof out->shape);
    return true;
}

/* ---- a file and a model -------------------------------------------------------------------- */

const char *rescl_match_state_name(rescl_match_state state)
{
    static const char *const names[RS_MATCH_STATES] = {"matched", "missing", "reshaped",
                                                       "unexpected"};
    return state >= RESCL_MATCHED && state <= RESCL_UNEXPECTED ? names[state] : NULL;
}

static rescl_status make_report(const rescl_weights *w, const rs_graph *g, const rs_matching *m,
                                rescl_match_list **out)
{
    rescl_status st = RESCL_OK;
    rescl_match_list *r = NULL;
    RS_OOM(r = calloc(1, sizeof *r));
    RS_OOM(r->item = calloc(m->count + 1, sizeof *r->item));
    r->count = m->count;
    memcpy(r->of, m->of, sizeof r->of);
    for (size_t i = 0; i < m->count; i++) {
        rescl_match *to = &r->item[i];
        to->state = (rescl_match_state)m->item[i].state;
        (void)rescl_weights_get_tensor_info(w, m->item[i].tensor, &to->tensor);
        if (m->item[i].param < 0)
            continue;
        const rs_param *p = &g->param[m->item[i].param];
        to->param = p->name;
        to->spread = m->item[i].spread;
        to->summed = m->item[i].summed;
        to->repeated = m->item[i].repeated;
        to->param_ndim = (size_t)p->spec.shape.ndim;
        memcpy(to->param_shape, p->spec.shape.dim, sizeof to->param_shape);
        if (rs_wfile_describe(w->file)->kcrs)
            rs_layout_dims_to_kcrs(to->param_ndim, p->spec.shape.dim, to->param_shape);
    }
    *out = r;
    r = NULL;
out:
    rescl_match_list_destroy(r);
    return st;
}

rescl_status rescl_weights_match(const rescl_weights *weights, const rescl_model *model,
                                 rescl_match_list **out)
{
    rescl_status st = RESCL_OK;
    rs_matching m = {0};
    RS_TRY(rs_wfile_match(weights->file, model->graph, &m));
    RS_TRY(make_report(weights, model->graph, &m, out));
out:
    rs_matching_fini(&m);
    return st;
}

void rescl_match_list_destroy(rescl_match_list *report)
{
    if (report)
        free(report->item);
    free(report);
}

size_t rescl_match_list_count(const rescl_match_list *report, rescl_match_state state)
{
    return rescl_match_state_name(state) ? report->of[state] : 0;
}

rescl_head_match rescl_match_list_head(const rescl_match_list *report)
{
    return report->head;
}

bool rescl_match_list_get(const rescl_match_list *report, size_t index, rescl_match *out)
{
    *out = index < report->count ? report->item[index] : (rescl_match){0};
    return index < report->count;
}

static void take_over(const rescl_weights *w, rescl_model *model)
{
    const rs_wfile_about *a = rs_wfile_describe(w->file);
    rs_model_take_over(model, a->has_preprocess ? a->preprocess : model->preprocess,
                       a->says_preprocess ? &a->normalize : &model->normalize, a->bn_eps);
}

/* A report says what the mode refuses: there is none where the values cannot be read. */
static void drop_report(rescl_match_list **report)
{
    if (!report)
        return;
    rescl_match_list_destroy(*report);
    *report = NULL;
}

rescl_status rescl_weights_load(const rescl_weights *weights, rescl_model *model,
                                rescl_load_mode mode, rescl_match_list **report)
{
    rescl_status st = RESCL_OK;
    rs_matching m = {0};
    rs_weights fresh = {0};
    rs_head head = {0};
    bool accepted = false;
    if (report)
        *report = NULL;
    RS_FAIL_IF((unsigned)mode > RESCL_LOAD_COMPLETE_BODY, RESCL_ERR_ARG,
               "there is no load mode number %d", (int)mode);
    RS_TRY(rs_model_need_weights(model));
    RS_TRY(rs_wfile_match(weights->file, model->graph, &m));
    RS_TRY(rs_head_settle(weights->file, model, mode, &m, &head));
    if (report) {
        RS_TRY(make_report(weights, model->graph, &m, report));
        (*report)->head = head.match;
    }
    RS_TRY(rs_head_check(weights->file, model, mode, &head));
    RS_TRY(rs_misfit_check(weights->file, model, &m, mode));
    accepted = true;
    RS_TRY(rs_weights_create(model->graph, &fresh));
    for (size_t i = 0; i < fresh.count; i++)
        memcpy(fresh.data[i], model->weights.data[i], fresh.elems[i] * sizeof(float));
    RS_TRY(rs_wfile_load(weights->file, model->graph, &m, &fresh));
    RS_TRY(rs_head_reorder(&head, model->graph, &fresh));
    const rs_weights old = model->weights;
    model->weights = fresh;
    fresh = old;
    take_over(weights, model);
out:
    if (st != RESCL_OK && accepted)
        drop_report(report);
    rs_weights_fini(&fresh);
    rs_head_fini(&head);
    rs_matching_fini(&m);
    return st;
}

/* ---- the model of a file ------------------------------------------------------------------- */

/* rescl's own text of a model's name; NULL where there is no such model. */
static const char *find_model(const char *name)
{
    for (const char *const *known = rescl_model_names(); *known; known++)
        if (name && strcmp(*known, name) == 0)
            return *known;
    return NULL;
}

static rescl_status settle_options(const rescl_weights *w, const rescl_model_options *given,
                                   rescl_model_options *o)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_about *a = rs_wfile_describe(w->file);
    rs_str fitting = {0};
    rescl_model_options_init(o, sizeof *o);
    if (given)
        RS_TRY(rs_options_take(o, sizeof *o, given, "rescl_model_options"));
    const bool same = a->model && (!o->name || strcmp(o->name, a->model->name) == 0);
    if (!o->name && !a->model) {
        RS_TRY(rs_misfit_list_fitting(w->file, &fitting));
        if (a->keras) /* the whole network, and not its tensors alone */
            o->name = find_model(fitting.text);
        RS_FAIL_IF(!o->name, RESCL_ERR_ARG, "%s: does not say which model it is of, so name it%s%s",
                   a->path,
                   fitting.len ? "; its tensors fit "
                   : a->keras  ? "; it is the network of none that rescl has"
                               : "; its tensors fit none that rescl has",
                   fitting.len ? fitting.text : "");
    }
    if (same) {
        o->name = a->model->name;
        o->image_size = o->image_size ? o->image_size : a->model->image_size;
        o->channels = o->channels ? o->channels : a->model->channels;
        o->bit_depth = o->bit_depth ? o->bit_depth : a->model->bit_depth;
        o->hidden = o->hidden ? o->hidden : a->model->hidden;
        o->dropout = o->dropout > 0.0 ? o->dropout : a->model->dropout;
        if (!(o->stochastic_depth > 0.0))
            o->stochastic_depth = a->model->stochastic_depth;
        if (!(o->label_smoothing > 0.0))
            o->label_smoothing = a->model->label_smoothing;
        if (o->loss == RESCL_LOSS_CROSS_ENTROPY) {
            o->loss = a->model->loss;
            o->multi_label = o->multi_label || a->model->multi_label;
            o->bce_target_thresh = a->model->bce_target_thresh;
            o->focal_gamma = a->model->focal_gamma;
            o->focal_alpha = a->model->focal_alpha;
        }
        if (o->seed == 0)
            o->seed = a->model->seed;
    }
    if (o->classes == 0)
        o->classes = a->classes;
    if (!a->model) {
        o->image_size = o->image_size ? o->image_size : a->image_size;
        o->hidden = o->hidden ? o->hidden : a->hidden;
    }
    if (!o->class_names && a->model && a->model->classes == o->classes)
        o->class_names = a->model->class_name;
out:
    rs_str_fini(&fitting);
    return st;
}

/* Of 8 pixels, ImageNet's usual centre crop shows 7. */
static size_t usual_resize(size_t image_size)
{
    return image_size * 8 / 7;
}

/* How images are resized for the weights, in proportion to a size that is not the file's. */
static rescl_resize resize_of(const rescl_weights *w, size_t image_size)
{
    const rs_ckpt_model *said = rs_wfile_describe(w->file)->model;
    if (!said)
        return (rescl_resize){.resize_size = usual_resize(image_size), .keep_exact = true};
    rescl_resize resize = said->resize;
    if (image_size != said->image_size)
        resize.resize_size = resize.resize_size * image_size / said->image_size;
    return resize;
}

rescl_status rescl_weights_create_model(const rescl_weights *weights,
                                        const rescl_model_options *options, rescl_load_mode mode,
                                        rescl_match_list **report, rescl_model **out)
{
    rescl_status st = RESCL_OK;
    rescl_model *model = NULL;
    rescl_model_options o;
    rs_matching m = {0};
    bool accepted = false;
    if (report)
        *report = NULL;
    RS_TRY(settle_options(weights, options, &o));
    RS_TRY(rs_model_build(&o, &model));
    RS_TRY(rs_wfile_match(weights->file, model->graph, &m));
    if (report)
        RS_TRY(make_report(weights, model->graph, &m, report));
    RS_TRY(rs_misfit_check(weights->file, model, &m, mode)); /* before the weights take memory */
    accepted = true;
    RS_TRY(rs_weights_create(model->graph, &model->weights));
    rs_weights_init(model->graph, &model->weights, model->seed);
    RS_TRY(rs_wfile_load(weights->file, model->graph, &m, &model->weights));
    take_over(weights, model);
    model->resize = resize_of(weights, model->image_size);
    if (rs_wfile_describe(weights->file)->model) {
        model->trained_on = rs_wfile_describe(weights->file)->model->trained_on;
        model->sample_bits = rs_wfile_describe(weights->file)->model->sample_bits;
    }
    *out = model;
    model = NULL;
out:
    if (st != RESCL_OK && accepted)
        drop_report(report);
    rs_matching_fini(&m);
    rescl_model_destroy(model);
    return st;
}

/* ---- in one call --------------------------------------------------------------------------- */

rescl_status rescl_model_load(const char *path, rescl_model **out)
{
    rescl_status st = RESCL_OK;
    rescl_weights *w = NULL;
    RS_TRY(rescl_weights_open(path, &w));
    RS_TRY(rescl_weights_create_model(w, NULL, RESCL_LOAD_STRICT, NULL, out));
out:
    rescl_weights_close(w);
    return st;
}

rescl_status rescl_model_load_weights(rescl_model *model, const char *path)
{
    rescl_status st = RESCL_OK;
    rescl_weights *w = NULL;
    RS_TRY(rescl_weights_open(path, &w));
    RS_TRY(rescl_weights_load(w, model, RESCL_LOAD_STRICT, NULL));
out:
    rescl_weights_close(w);
    return st;
}
