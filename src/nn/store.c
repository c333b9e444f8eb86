/* Parameters, gradients, running statistics and optimiser state of one replica, in arenas. */
#include "alloc.h"
#include "error.h"
#include "net_internal.h"

#include <stdlib.h>
#include <string.h>

/* Places each parameter of one kind behind those that are there; the first one opens an arena. */
static rescl_status lay_out(rs_store *s, bool trainable, int group, rs_layout *layout)
{
    rescl_status st = RESCL_OK;
    const size_t align = s->rule.align, limit = s->rule.limit;
    const size_t before = layout->arenas;
    for (size_t i = 0; i < s->graph->nparams; i++) {
        const rs_param *p = &s->graph->param[i];
        if (p->trainable != trainable || p->group != group)
            continue;
        const size_t bytes = rs_round_up(rs_shape_count(&p->spec.shape) * sizeof(float), align);
        RS_FAIL_IF(bytes > limit, RESCL_ERR_MEMORY,
                   "parameter %s takes %zu bytes, and %s allocates at most %zu at once", p->name,
                   bytes, rescl_device_get_info(s->dev)->name, limit);
        if (layout->arenas == before || layout->arena_bytes[layout->arenas - 1] + bytes > limit) {
            RS_FAIL_IF(layout->arenas == RS_MAX_ARENAS, RESCL_ERR_MEMORY,
                       "the parameters need more than %d allocations of %zu bytes", RS_MAX_ARENAS,
                       limit);
            layout->arena_bytes[layout->arenas++] = 0;
        }
        s->block[i].arena = layout->arenas - 1;
        s->block[i].offset = layout->arena_bytes[layout->arenas - 1];
        s->block[i].bytes = bytes;
        layout->arena_bytes[layout->arenas - 1] += bytes;
    }
    for (size_t a = before; trainable && a < layout->arenas; a++)
        s->group[a] = group;
out:
    return st;
}

/* The layout is the same for values, gradients and optimiser state, and no arena holds parameters
 * of two groups, so that one launch per arena updates everything. */
static rescl_status lay_out_all(rs_store *s)
{
    rescl_status st = RESCL_OK;
    for (int group = 0; group < RS_MAX_GROUPS; group++) {
        RS_TRY(lay_out(s, true, group, &s->trainable));
        RS_TRY(lay_out(s, false, group, &s->fixed));
    }
out:
    return st;
}

rescl_status rs_store_make_arenas(rs_store *s, const rs_layout *layout, rs_buffer **arena)
{
    rescl_status st = RESCL_OK;
    for (size_t a = 0; a < layout->arenas; a++) {
        RS_TRY(rs_buffer_create(s->dev, layout->arena_bytes[a], &arena[a]));
        RS_TRY(rs_fill_zero(s->dev, arena[a], 0, layout->arena_bytes[a]));
    }
out:
    return st;
}

static rescl_status create_views(rs_store *s)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < s->graph->nparams; i++) {
        const rs_param *p = &s->graph->param[i];
        const rs_block *b = &s->block[i];
        rs_buffer *const *arena = p->trainable ? s->param : s->fixed_value;
        s->value[i] = s->diff[i] = (rs_tensor){.shape = p->spec.shape, .dtype = RS_F32};
        RS_TRY(rs_buffer_view(arena[b->arena], b->offset, b->bytes, &s->value[i].buf));
        if (p->trainable && s->training)
            RS_TRY(rs_buffer_view(s->grad[b->arena], b->offset, b->bytes, &s->diff[i].buf));
    }
out:
    return st;
}

rs_store_rule rs_store_rule_of(const rescl_device *dev)
{
    return (rs_store_rule){rs_device_align(dev),
                           (size_t)rescl_device_get_info(dev)->max_alloc_bytes};
}

/* Alignments are powers of two. */
rs_store_rule rs_store_rule_of_all(rescl_device *const *devices, size_t count)
{
    rs_store_rule all = rs_store_rule_of(devices[0]);
    for (size_t i = 1; i < count; i++) {
        const rs_store_rule own = rs_store_rule_of(devices[i]);
        all.align = own.align > all.align ? own.align : all.align;
        all.limit = own.limit < all.limit ? own.limit : all.limit;
    }
    return all;
}

/* The tensors of each arena, for an optimiser that sums over them. */
static rescl_status create_tensors(rs_store *s)
{
    rescl_status st = RESCL_OK;
    rs_tensor_span *spans = NULL;

    if (!rs_optim_hyper_of(s->optim)->def->reference_tensor)
        goto out;
    RS_OOM(spans = calloc(s->graph->nparams + 1, sizeof *spans));
    for (size_t a = 0; a < s->trainable.arenas; a++) {
        size_t count = 0;
        for (size_t i = 0; i < s->graph->nparams; i++)
            if (s->graph->param[i].trainable && s->block[i].arena == a)
                spans[count++] = (rs_tensor_span){s->block[i].offset / sizeof(float),
                                                  s->block[i].bytes / sizeof(float)};
        RS_TRY(rs_tensor_sums_init(s->dev, spans, count, &s->tensors[a]));
    }
out:
    free(spans);
    return st;
}

rescl_status rs_store_create(rescl_device *dev, const rs_graph *g, const rs_optim_hyper *hyper,
                             rs_store **out)
{
    const rs_store_rule rule = rs_store_rule_of(dev);
    return rs_store_create_by(dev, g, hyper, &rule, out);
}

rescl_status rs_store_create_by(rescl_device *dev, const rs_graph *g, const rs_optim_hyper *hyper,
                                const rs_store_rule *rule, rs_store **out)
{
    rescl_status st = RESCL_OK;
    rs_store *s = NULL;

    RS_OOM(s = calloc(1, sizeof *s));
    s->dev = dev;
    s->graph = g;
    s->rule = *rule;
    s->training = hyper != NULL;
    s->version = 1;
    RS_OOM(s->block = calloc(g->nparams, sizeof *s->block));
    RS_OOM(s->value = calloc(g->nparams, sizeof *s->value));
    RS_OOM(s->diff = calloc(g->nparams, sizeof *s->diff));
    RS_TRY(lay_out_all(s));
    RS_TRY(rs_store_make_arenas(s, &s->trainable, s->param));
    RS_TRY(rs_store_make_arenas(s, &s->fixed, s->fixed_value));
    if (hyper) {
        s->nstates = rs_optim_states(hyper);
        RS_TRY(rs_optim_create(dev, hyper, &s->optim));
        RS_TRY(create_tensors(s));
        RS_TRY(rs_store_make_arenas(s, &s->trainable, s->grad));
        for (int i = 0; i < s->nstates; i++)
            RS_TRY(rs_store_make_arenas(s, &s->trainable, s->state[i]));
        RS_TRY(rs_store_set_buckets(s, RS_BUCKET_FIRST_BYTES, RS_BUCKET_BYTES));
    }
    RS_TRY(create_views(s));
    *out = s;
    s = NULL;
out:
    rs_store_destroy(s);
    return st;
}

void rs_store_destroy(rs_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->graph->nparams; i++) {
        if (s->value)
            rs_buffer_release(s->value[i].buf);
        if (s->diff)
            rs_buffer_release(s->diff[i].buf);
    }
    for (size_t a = 0; a < RS_MAX_ARENAS; a++) {
        rs_buffer_release(s->param[a]);
        rs_buffer_release(s->grad[a]);
        rs_buffer_release(s->fixed_value[a]);
        rs_buffer_release(s->kept[a]);
        rs_tensor_sums_fini(&s->tensors[a]);
        for (size_t i = 0; i < RS_OPTIM_STATES; i++)
            rs_buffer_release(s->state[i][a]);
    }
    rs_store_drop_sum(s);
    rs_store_drop_average(s);
    rs_clip_destroy(s->clip);
    rs_buffer_release(s->overflow);
    rs_optim_destroy(s->optim);
    free(s->bucket);
    free(s->bucket_of);
    free(s->block);
    free(s->value);
    free(s->diff);
    free(s);
}

rescl_status rs_store_bytes(rescl_device *dev, const rs_graph *g, const rs_optim_hyper *hyper,
                            bool accumulates, bool averages, uint64_t *out)
{
    rescl_status st = RESCL_OK;
    rs_store s = {.dev = dev, .graph = g, .rule = rs_store_rule_of(dev)};
    const uint64_t states = hyper ? (uint64_t)rs_optim_states(hyper) : 0;
    const uint64_t copies = 1 + (hyper ? 1 + states : 0) + accumulates + averages;

    RS_OOM(s.block = calloc(g->nparams, sizeof *s.block));
    RS_TRY(lay_out_all(&s));
    *out = copies * rs_layout_bytes(&s.trainable) +
           (averages ? 2 : 1) * (uint64_t)rs_layout_bytes(&s.fixed);
out:
    free(s.block);
    return st;
}

void rs_store_set_recompute(rs_store *s, bool recompute)
{
    s->recompute = recompute;
}

/* Copies the parameters that lie in one arena between `w` and the arena's image on the host. */
static void copy_arena(const rs_store *s, bool trainable, size_t arena, const rs_weights *w,
                       bool to_device, char *image)
{
    for (size_t i = 0; i < w->count; i++) {
        const rs_block *b = &s->block[i];
        const size_t bytes = w->elems[i] * sizeof(float);
        if (b->arena != arena || s->graph->param[i].trainable != trainable)
            continue;
        if (to_device)
            memcpy(image + b->offset, w->data[i], bytes);
        else
            memcpy(w->data[i], image + b->offset, bytes);
    }
}

static rescl_status upload(rs_store *s, const rs_layout *layout, rs_buffer *const *arena,
                           const rs_weights *w)
{
    rescl_status st = RESCL_OK;
    char *image = NULL;
    size_t most = 0;
    for (size_t a = 0; a < layout->arenas; a++)
        most = layout->arena_bytes[a] > most ? layout->arena_bytes[a] : most;
    if (most == 0)
        goto out;
    RS_OOM(image = rs_aligned_calloc(most, 1));
    for (size_t a = 0; a < layout->arenas; a++) {
        memset(image, 0, layout->arena_bytes[a]); /* what lies between parameters stays 0 */
        copy_arena(s, layout == &s->trainable, a, w, true, image);
        RS_TRY(rs_write(s->dev, arena[a], 0, image, layout->arena_bytes[a]));
    }
out:
    rs_aligned_free(image);
    return st;
}

/* Reads arenas into images, on the heap also after a failure. */
static rescl_status read_arenas(rs_store *s, const rs_layout *layout, rs_buffer *const *arena,
                                char **image)
{
    rescl_status st = RESCL_OK;
    for (size_t a = 0; a < layout->arenas; a++) {
        RS_OOM(image[a] = rs_aligned_calloc(layout->arena_bytes[a], 1));
        RS_TRY(rs_read(s->dev, arena[a], 0, image[a], layout->arena_bytes[a]));
    }
out:
    return st;
}

static rescl_status check_count(const rs_store *s, const rs_weights *w)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(w->count != s->graph->nparams, RESCL_ERR_ARG,
               "%zu weight tensors were given, the model has %zu", w->count, s->graph->nparams);
out:
    return st;
}

rescl_status rs_store_put(rs_store *s, rs_buffer *const *trainable, rs_buffer *const *fixed,
                          const rs_weights *w)
{
    rescl_status st = RESCL_OK;
    RS_TRY(check_count(s, w));
    RS_TRY(upload(s, &s->trainable, trainable, w));
    if (fixed)
        RS_TRY(upload(s, &s->fixed, fixed, w));
out:
    return st;
}

rescl_status rs_store_take(rs_store *s, rs_buffer *const *trainable, rs_buffer *const *fixed,
                           rs_weights *w)
{
    rescl_status st = RESCL_OK;
    char *image[2][RS_MAX_ARENAS] = {{NULL}};
    RS_TRY(check_count(s, w));
    RS_TRY(read_arenas(s, &s->trainable, trainable, image[0]));
    if (fixed)
        RS_TRY(read_arenas(s, &s->fixed, fixed, image[1]));
    for (size_t a = 0; a < s->trainable.arenas; a++)
        copy_arena(s, true, a, w, false, image[0][a]);
    for (size_t a = 0; fixed && a < s->fixed.arenas; a++)
        copy_arena(s, false, a, w, false, image[1][a]);
out:
    for (size_t a = 0; a < RS_MAX_ARENAS; a++) {
        rs_aligned_free(image[0][a]);
        rs_aligned_free(image[1][a]);
    }
    return st;
}

rescl_status rs_store_upload(rs_store *s, const rs_weights *w)
{
    s->version++;
    return rs_store_put(s, s->param, s->fixed_value, w);
}

rescl_status rs_store_download(rs_store *s, rs_weights *w)
{
    return rs_store_take(s, s->param, s->fixed_value, w);
}

rescl_status rs_store_upload_grads(rs_store *s, const rs_weights *w)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    RS_TRY(rs_store_put(s, s->grad, NULL, w));
out:
    return st;
}

rescl_status rs_store_download_grads(rs_store *s, rs_weights *w)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    RS_TRY(rs_store_take(s, s->grad, NULL, w));
out:
    return st;
}

static rescl_status find_view(const rs_store *s, size_t index, bool gradient, rs_buffer **buf,
                              size_t *bytes)
{
    rescl_status st = RESCL_OK;
    const rs_tensor *view = gradient ? &s->diff[index] : &s->value[index];

    RS_FAIL_IF(!view->buf, RESCL_ERR_ARG, "%s is not trained and has no gradient",
               s->graph->param[index].name);
    *buf = view->buf;
    *bytes = rs_shape_count(&view->shape) * sizeof(float);
out:
    return st;
}

rescl_status rs_store_read_param(rs_store *s, size_t index, bool gradient, float *values)
{
    rescl_status st = RESCL_OK;
    rs_buffer *buf = NULL;
    size_t bytes = 0;

    RS_TRY(find_view(s, index, gradient, &buf, &bytes));
    RS_TRY(rs_read(s->dev, buf, 0, values, bytes));
out:
    return st;
}

rescl_status rs_store_write_param(rs_store *s, size_t index, bool gradient, const float *values)
{
    rescl_status st = RESCL_OK;
    rs_buffer *buf = NULL;
    size_t bytes = 0;

    RS_TRY(find_view(s, index, gradient, &buf, &bytes));
    if (!gradient)
        s->version++;
    RS_TRY(rs_write(s->dev, buf, 0, values, bytes));
out:
    return st;
}

rescl_status rs_store_keep_statistics(rs_store *s)
{
    rescl_status st = RESCL_OK;
    for (size_t a = 0; a < s->fixed.arenas; a++) {
        const size_t bytes = s->fixed.arena_bytes[a];
        if (!s->kept[a])
            RS_TRY(rs_buffer_create(s->dev, bytes, &s->kept[a]));
        RS_TRY(rs_copy(s->dev, s->fixed_value[a], 0, s->kept[a], 0, bytes));
    }
out:
    return st;
}

rescl_status rs_store_restore_statistics(rs_store *s)
{
    rescl_status st = RESCL_OK;
    for (size_t a = 0; a < s->fixed.arenas; a++)
        RS_TRY(rs_copy(s->dev, s->kept[a], 0, s->fixed_value[a], 0, s->fixed.arena_bytes[a]));
out:
    return st;
}

int rs_store_states(const rs_store *s)
{
    return s->nstates;
}

rescl_status rs_store_upload_state(rs_store *s, int i, const rs_weights *w)
{
    return rs_store_put(s, s->state[i], NULL, w);
}

rescl_status rs_store_download_state(rs_store *s, int i, rs_weights *w)
{
    return rs_store_take(s, s->state[i], NULL, w);
}

/* ---- updates ----------------------------------------------------------------------------- */

rs_rates rs_rates_uniform(double lr, double weight_decay)
{
    rs_rates r = {.momentum = 0.0};
    for (int i = 0; i < RS_MAX_GROUPS; i++) {
        r.group[i].lr = lr;
        r.group[i].weight_decay = weight_decay;
    }
    return r;
}

rs_update rs_rates_of(const rs_rates *r, int group, uint64_t step)
{
    return (rs_update){.lr = r->group[group].lr,
                       .weight_decay = r->group[group].weight_decay,
                       .step = step,
                       .momentum = r->momentum};
}

const char *rs_store_update_label(int group)
{
    return group == RS_GROUP_BODY   ? "optim update body"
           : group == RS_GROUP_HEAD ? "optim update head"
                                    : "optim update others";
}

double rs_store_update_bytes(const rs_store *s, int group)
{
    double bytes = 0.0;
    for (size_t a = 0; a < s->trainable.arenas; a++)
        if (s->group[a] == group)
            bytes += (double)s->trainable.arena_bytes[a] * (3 + 2 * s->nstates);
    return bytes;
}

rescl_status rs_store_update(rs_store *s, const rs_rates *rates, uint64_t step)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    s->version++; /* even if only some arenas change */
    for (size_t a = 0; a < s->trainable.arenas; a++) {
        const int group = s->group[a];
        const rs_update u = rs_rates_of(rates, group, step);
        rs_buffer *state[RS_OPTIM_STATES];
        for (size_t i = 0; i < RS_OPTIM_STATES; i++)
            state[i] = s->state[i][a];
        rs_profile_label(s->dev, rs_store_update_label(group));
        RS_TRY(rs_optim_enqueue(s->optim, s->param[a], s->grad[a], state,
                                s->trainable.arena_bytes[a] / sizeof(float), &s->tensors[a], &u));
    }
out:
    return st;
}
