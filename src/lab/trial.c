#include "trial.h"

#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "half.h"
#include "rng.h"
#include "rounds.h"
#include "spread.h"

#define FILE_STEM   "trial"
#define STREAM_DATA 0x626f7073u
/* Seeds of what no result depends on: outputs, and what forward keeps. */
#define SEED_OTHERS RS_ROLE_COUNT

/* ---- numbers ----------------------------------------------------------------------------- */

static double number_f32(rs_role role, size_t index)
{
    uint32_t word[4];
    rs_philox((uint64_t)role, STREAM_DATA, index / 4, word);
    return (double)(word[index % 4] >> 8) * 0x1p-23 - 1.0;
}

static double number_bf16(rs_role role, size_t index)
{
    return (double)rs_float_of_bf16(rs_bf16_of_float((float)number_f32(role, index)));
}

static double number_f16(rs_role role, size_t index)
{
    return (double)rs_float_of_f16(rs_f16_of_float((float)number_f32(role, index)));
}

rs_trial_number rs_trial_numbers(const rs_problem *p)
{
    return p->dst_type == RS_BF16 ? number_bf16 : p->dst_type == RS_F16 ? number_f16 : number_f32;
}

const char *rs_trial_storage(rs_dtype type)
{
    return type == RS_BF16 ? "-DDST_BF16" : type == RS_F16 ? "-DDST_F16" : "";
}

/* Work-items that take all quads of a tensor in turns. */
static rs_grid quads_grid(const rescl_device *dev, size_t count)
{
    const rs_caps *caps = rs_device_caps(dev);
    const size_t group = rs_group_size(caps, 256), quads = (count + 3) / 4;
    const size_t most = group * 64 * (caps->compute_units > 0 ? caps->compute_units : 1);
    return (rs_grid){.items = {quads < most ? quads : most, 1, 1}, .group = {group, 1, 1}};
}

static rescl_status fill(rescl_device *dev, const rs_tensor *t, uint64_t seed, const char *options)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    const rs_grid grid = quads_grid(dev, count);
    rs_kernel *k = NULL;

    RS_TRY(rs_kernel_get(dev, FILE_STEM, options, "trial_fill", &k));
    RS_TRY(RS_LAUNCH(dev, k, grid, RS_BUF(t->buf), RS_ULONG(count), RS_ULONG(seed),
                     RS_ULONG(STREAM_DATA)));
out:
    return st;
}

rescl_status rs_trial_fill(rescl_device *dev, const rs_tensor *t, uint64_t seed)
{
    return fill(dev, t, seed, rs_trial_storage(t->dtype));
}

rescl_status rs_trial_spoil(rescl_device *dev, const rs_tensor *t)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    const rs_grid grid = quads_grid(dev, count);
    rs_kernel *k = NULL;

    RS_TRY(rs_kernel_get(dev, FILE_STEM, rs_trial_storage(t->dtype), "trial_spoil", &k));
    RS_TRY(RS_LAUNCH(dev, k, grid, RS_BUF(t->buf), RS_ULONG(count)));
out:
    return st;
}

/* ---- tensors ----------------------------------------------------------------------------- */

static rescl_status make_tensor(rescl_device *dev, const rs_shape *shape, rs_dtype type,
                                uint64_t seed, rs_tensor *out)
{
    rescl_status st = RESCL_OK;

    *out = (rs_tensor){.shape = *shape, .dtype = type};
    RS_TRY(rs_buffer_create(dev, rs_shape_count(shape) * rs_dtype_bytes(type), &out->buf));
    RS_TRY(rs_trial_fill(dev, out, seed));
out:
    return st;
}

/* Of f32, with numbers that `type` has: implementations may keep their copies of parameters in it. */
static rescl_status make_param(rescl_device *dev, const rs_shape *shape, rs_dtype type,
                               uint64_t seed, rs_tensor *out)
{
    rescl_status st = RESCL_OK;

    *out = (rs_tensor){.shape = *shape, .dtype = RS_F32};
    RS_TRY(rs_buffer_create(dev, rs_shape_count(shape) * sizeof(float), &out->buf));
    RS_TRY(fill(dev, out, seed,
                type == RS_BF16  ? "-DSRC_BF16"
                : type == RS_F16 ? "-DSRC_F16"
                                 : ""));
out:
    return st;
}

rescl_status rs_trial_args_make(rescl_device *dev, const rs_problem *p, bool backward, rs_args *out)
{
    rescl_status st = RESCL_OK;
    uint64_t other = SEED_OTHERS;

    *out = (rs_args){0};
    for (int i = 0; i < p->nsrc; i++)
        RS_TRY(
            make_tensor(dev, &p->src[i], p->src_type[i], RS_ROLE_SRC + (uint64_t)i, &out->src[i]));
    RS_TRY(make_tensor(dev, &p->dst, p->dst_type, other++, &out->dst));
    for (int i = 0; i < p->nparam; i++)
        RS_TRY(make_param(dev, &p->param[i].shape, p->src_type[0], RS_ROLE_PARAM + (uint64_t)i,
                          &out->param[i]));
    for (int i = 0; i < p->nws; i++)
        RS_TRY(make_tensor(dev, &p->ws[i], RS_F32, other++, &out->ws[i]));
    if (!backward)
        goto out;
    RS_TRY(make_tensor(dev, &p->dst, p->dst_type, RS_ROLE_DIFF_DST, &out->diff_dst));
    RS_TRY(make_tensor(dev, &p->src[0], p->src_type[0], RS_ROLE_DIFF_SRC, &out->diff_src[0]));
    for (int i = 0; i < p->nparam; i++)
        RS_TRY(make_tensor(dev, &p->param[i].shape, RS_F32, other++, &out->diff_param[i]));
out:
    if (st != RESCL_OK)
        rs_trial_args_release(out);
    return st;
}

void rs_trial_args_release(rs_args *a)
{
    for (int i = 0; i < RS_OP_SRC; i++)
        rs_buffer_release(a->src[i].buf);
    rs_buffer_release(a->dst.buf);
    rs_buffer_release(a->diff_dst.buf);
    rs_buffer_release(a->diff_src[0].buf);
    for (int i = 0; i < RS_OP_PARAM; i++) {
        rs_buffer_release(a->param[i].buf);
        rs_buffer_release(a->diff_param[i].buf);
    }
    for (int i = 0; i < RS_OP_WS; i++)
        rs_buffer_release(a->ws[i].buf);
    *a = (rs_args){0};
}

const rs_tensor *rs_trial_result(const rs_args *args, rs_pass pass)
{
    return pass == RS_FWD          ? &args->dst
           : pass == RS_BWD_PARAMS ? &args->diff_param[0]
                                   : &args->diff_src[0];
}

/* The normalisation that made src[0], for a pass that sums for it. */
static rescl_status make_norm(rescl_device *dev, const rs_problem *p, rs_trial *t)
{
    rescl_status st = RESCL_OK;
    const size_t channels = p->src[0].dim[p->src[0].ndim - 1];
    const rs_shape each = rs_shape_1(channels);

    RS_TRY(rs_buffer_create(dev, rs_sums_bytes(t->plan.sums_parts, channels), &t->sums));
    for (size_t i = 0; i < RS_COUNT(t->norm); i++)
        RS_TRY(make_tensor(dev, &each, RS_F32, SEED_OTHERS + i, &t->norm[i]));
out:
    return st;
}

rescl_status rs_trial_init(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *choice,
                           rs_trial *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_choice_plan(dev, p, pass, choice, &out->plan));
    RS_TRY(rs_plan_build(&out->plan));
    if (out->plan.scratch_bytes)
        RS_TRY(rs_buffer_create(dev, out->plan.scratch_bytes, &out->scratch));
    if (out->plan.packed_bytes)
        RS_TRY(rs_buffer_create(dev, out->plan.packed_bytes, &out->packed));
    if (out->plan.moments_parts)
        RS_TRY(rs_buffer_create(
            dev, rs_moments_bytes(out->plan.moments_parts, p->dst.dim[p->dst.ndim - 1]),
            &out->moments));
    if (out->plan.sums_parts)
        RS_TRY(make_norm(dev, p, out));
out:
    return st;
}

void rs_trial_fini(rs_trial *t)
{
    rs_buffer_release(t->scratch);
    rs_buffer_release(t->packed);
    rs_buffer_release(t->moments);
    rs_buffer_release(t->sums);
    for (size_t i = 0; i < RS_COUNT(t->norm); i++)
        rs_buffer_release(t->norm[i].buf);
    *t = (rs_trial){0};
}

rescl_status rs_trial_clock_begin(rescl_device *dev)
{
    const rescl_status st =
        rs_device_caps(dev)->type == RESCL_DEVICE_CPU ? RESCL_OK : rs_profile_begin(dev);
    return st == RESCL_ERR_UNSUPPORTED ? RESCL_OK : st;
}

void rs_trial_clock_end(rescl_device *dev)
{
    rs_profile_end(dev);
}

rescl_status rs_trial_run(const rs_trial *t, rs_args *args, bool pack, double *ms)
{
    rescl_status st = RESCL_OK;
    rescl_device *dev = t->plan.dev;
    const bool events = ms && rs_profile_is_on(dev);
    const double start = rs_rounds_clock();

    args->scratch = t->scratch;
    args->packed = t->packed;
    args->moments = t->moments;
    args->sums = t->sums;
    args->norm = (rs_norm){.src = args->src[0].buf,
                           .gamma = t->norm[0].buf,
                           .beta = t->norm[1].buf,
                           .mean = t->norm[2].buf,
                           .inv_std = t->norm[3].buf,
                           .relu = true};
    if (events)
        rs_profile_reset(dev);
    if (pack)
        RS_TRY(rs_plan_pack(&t->plan, args));
    RS_TRY(rs_plan_enqueue(&t->plan, args));
    RS_TRY(rs_finish(dev));
    if (ms)
        *ms = (rs_rounds_clock() - start) * 1e3;
    if (events)
        RS_TRY(rs_profile_span(dev, ms));
out:
    return st;
}
