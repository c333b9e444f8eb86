/* conv2d: src (n,h,w,c), weight (r,s,c,k), bias (k) -> dst (n,h',w',k),
 *
 *     dst[n,a,b,k] = bias[k] + sum over r,s,c of weight[r,s,c,k] *
 *                    src[n, a * stride_h - pad_top + r, b * stride_w - pad_left + s, c]
 *
 * (with groups c runs over the channels of k's group: weight is (r,s,c/groups,k), as Keras' and
 * torch's with other axes first) and in inference [relu](that [+ residual]), with
 *
 *     h' = (h + pad_top + pad_bottom - kernel_h) / stride_h + 1, rounded down. */
#include "conv2d.h"

#include "alloc.h"
#include "error.h"
#include "spread.h"

#include <limits.h>
#include <stdio.h>

/* ---- the problem ------------------------------------------------------------------------- */

/* *out = how often a window fits. */
static rescl_status out_size(const char *what, size_t in, size_t pad0, size_t pad1, size_t kernel,
                             size_t stride, size_t *out)
{
    rescl_status st = RESCL_OK;
    size_t padded;
    RS_FAIL_IF(kernel == 0 || stride == 0, RESCL_ERR_ARG,
               "conv2d: kernel and stride must be at least 1; the %s has kernel %zu, stride %zu",
               what, kernel, stride);
    RS_FAIL_IF(!rs_add_size(in, pad0, &padded) || !rs_add_size(padded, pad1, &padded),
               RESCL_ERR_SHAPE, "conv2d: %s %zu with padding %zu and %zu is too large", what, in,
               pad0, pad1);
    RS_FAIL_IF(padded < kernel, RESCL_ERR_SHAPE,
               "conv2d: the kernel's %s %zu exceeds the input's %zu with padding %zu and %zu", what,
               kernel, in, pad0, pad1);
    *out = (padded - kernel) / stride + 1;
out:
    return st;
}

static rescl_status conv2d_infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_conv2d_attr *a = p->attr;
    const rs_shape *src = &p->src[0];
    char text[96], other[96];
    const size_t groups = a->groups ? a->groups : 1;
    size_t oh, ow, area, fan_in, fan_out;

    RS_FAIL_IF(src->ndim != 4, RESCL_ERR_SHAPE, "conv2d: takes (n,h,w,c), got %s",
               rs_shape_text(src, text));
    RS_FAIL_IF(a->filters == 0, RESCL_ERR_ARG, "conv2d: the number of filters must be at least 1");
    RS_FAIL_IF(src->dim[3] % groups != 0 || a->filters % groups != 0, RESCL_ERR_SHAPE,
               "conv2d: %zu groups do not divide the %zu channels and %zu filters", groups,
               src->dim[3], a->filters);
    const size_t channels = src->dim[3] / groups; /* that a filter reads */
    RS_TRY(
        out_size("height", src->dim[1], a->pad_top, a->pad_bottom, a->kernel_h, a->stride_h, &oh));
    RS_TRY(
        out_size("width", src->dim[2], a->pad_left, a->pad_right, a->kernel_w, a->stride_w, &ow));
    RS_FAIL_IF(!rs_mul_size(a->kernel_h, a->kernel_w, &area) ||
                   !rs_mul_size(area, channels, &fan_in) ||
                   !rs_mul_size(area, a->filters, &fan_out),
               RESCL_ERR_SHAPE, "conv2d: a kernel of %zu x %zu for %zu channels is too large",
               a->kernel_h, a->kernel_w, channels);
    p->dst = rs_shape_4(src->dim[0], oh, ow, a->filters);
    RS_FAIL_IF(p->training && (a->relu || p->nsrc == 2), RESCL_ERR_ARG,
               "conv2d: relu and residual are for inference");
    RS_FAIL_IF(p->nsrc == 2 && !rs_shape_equal(&p->src[1], &p->dst), RESCL_ERR_SHAPE,
               "conv2d: the residual is %s, the output %s", rs_shape_text(&p->src[1], text),
               rs_shape_text(&p->dst, other));
    p->param[p->nparam++] =
        (rs_param_spec){.role = "weight",
                        .shape = rs_shape_4(a->kernel_h, a->kernel_w, channels, a->filters),
                        .init = RS_INIT_WEIGHT,
                        .fan_in = fan_in,
                        .fan_out = fan_out};
    if (a->bias)
        p->param[p->nparam++] = (rs_param_spec){.role = "bias",
                                                .shape = rs_shape_1(a->filters),
                                                .init = RS_INIT_BIAS,
                                                .fan_in = fan_in,
                                                .fan_out = fan_out};
out:
    return st;
}

rs_conv rs_conv_of(const rs_problem *p)
{
    const size_t *in = p->src[0].dim;
    if (p->op == &rs_op_dense) {
        const size_t *weight = p->param[0].shape.dim;
        return (rs_conv){.n = in[0],
                         .h = 1,
                         .w = 1,
                         .c = weight[0],
                         .oh = 1,
                         .ow = 1,
                         .k = weight[1],
                         .r = 1,
                         .s = 1,
                         .stride_h = 1,
                         .stride_w = 1,
                         .groups = 1,
                         .bias = p->nparam > 1,
                         .accumulate = p->accumulate[0]};
    }
    const rs_conv2d_attr *a = p->attr;
    return (rs_conv){.n = in[0],
                     .h = in[1],
                     .w = in[2],
                     .c = in[3],
                     .oh = p->dst.dim[1],
                     .ow = p->dst.dim[2],
                     .k = a->filters,
                     .r = a->kernel_h,
                     .s = a->kernel_w,
                     .stride_h = a->stride_h,
                     .stride_w = a->stride_w,
                     .pad_top = a->pad_top,
                     .pad_left = a->pad_left,
                     .groups = a->groups ? a->groups : 1,
                     .bias = a->bias,
                     .residual = p->nsrc == 2,
                     .relu = a->relu,
                     .accumulate = p->accumulate[0]};
}

unsigned rs_conv_reads(const rs_problem *p, rs_pass pass)
{
    (void)p;
    return pass == RS_BWD_PARAMS ? RS_READS_SRC(0) : 0;
}

double rs_conv_macs(const rs_problem *p)
{
    const rs_conv v = rs_conv_of(p);
    return (double)rs_conv_dst_count(&v) * (double)(v.r * v.s * rs_conv_group_in(&v));
}

size_t rs_conv_reduction(const rs_problem *p, rs_pass pass)
{
    const rs_conv v = rs_conv_of(p);
    switch (pass) {
    case RS_FWD:
        return v.r * v.s * rs_conv_group_in(&v) + v.bias + v.residual;
    case RS_BWD_PARAMS:
        return v.n * v.oh * v.ow;
    default:
        return v.r * v.s * rs_conv_group_out(&v) + v.accumulate;
    }
}

/* ---- reference --------------------------------------------------------------------------- */

/* Each number of a result is its own sum; the whole is all of them. */

/* The channel of src that filter k meets as its c-th. */
static size_t channel_of(const rs_conv *v, size_t k, size_t c)
{
    return k / rs_conv_group_out(v) * rs_conv_group_in(v) + c;
}

/* The source pixel, within its image, that output pixel (a, b) meets through filter tap (r, s);
 * false: none, it lies in the padding. */
static bool source_of(const rs_conv *v, size_t a, size_t b, size_t r, size_t s, size_t *pixel)
{
    const size_t y = a * v->stride_h + r, x = b * v->stride_w + s;
    *pixel = (y - v->pad_top) * v->w + x - v->pad_left;
    return y >= v->pad_top && y - v->pad_top < v->h && x >= v->pad_left && x - v->pad_left < v->w;
}

/* Element i of a tensor that lies in an array, or comes number by number. */
static inline double get(const rs_ref *ref, const double *array, rs_role role, size_t i)
{
    return array ? array[i] : ref->number(role, i);
}

static double src_at(const rs_ref *ref, size_t i)
{
    return get(ref, ref->src[0], RS_ROLE_SRC, i);
}

static double weight_at(const rs_ref *ref, size_t i)
{
    return get(ref, ref->param[0], RS_ROLE_PARAM, i);
}

static double diff_dst_at(const rs_ref *ref, size_t i)
{
    return get(ref, ref->diff_dst, RS_ROLE_DIFF_DST, i);
}

static double fwd_at(const rs_conv *v, const rs_ref *ref, size_t index)
{
    const size_t k = index % v->k, b = index / v->k % v->ow, a = index / v->k / v->ow % v->oh;
    const size_t n = index / v->k / v->ow / v->oh, depth = rs_conv_group_in(v);
    double sum = v->bias ? get(ref, ref->param[1], RS_ROLE_PARAM + 1, k) : 0.0;
    size_t in;
    for (size_t tap = 0; tap < v->r * v->s; tap++)
        if (source_of(v, a, b, tap / v->s, tap % v->s, &in))
            for (size_t c = 0; c < depth; c++)
                sum += src_at(ref, (n * v->h * v->w + in) * v->c + channel_of(v, k, c)) *
                       weight_at(ref, (tap * depth + c) * v->k + k);
    sum += v->residual ? get(ref, ref->src[1], RS_ROLE_SRC + 1, index) : 0.0;
    return v->relu && sum < 0.0 ? 0.0 : sum;
}

/* fwd_at of all, without groups: the same sums in the same order, side by side over the filters. */
static void fwd_all(const rs_conv *v, const rs_ref *ref, double *dst)
{
    const size_t pixels = v->n * v->oh * v->ow;
    size_t in;
    for (size_t i = 0; i < pixels * v->k; i++)
        dst[i] = v->bias ? ref->param[1][i % v->k] : 0.0;
    for (size_t tap = 0; tap < v->r * v->s; tap++)
        for (size_t c = 0; c < v->c; c++)
            for (size_t out = 0; out < pixels; out++) {
                const double *w = ref->param[0] + (tap * v->c + c) * v->k;
                double *y = dst + out * v->k;
                if (!source_of(v, out / v->ow % v->oh, out % v->ow, tap / v->s, tap % v->s, &in))
                    continue;
                const double x = ref->src[0][(out / v->ow / v->oh * v->h * v->w + in) * v->c + c];
                for (size_t k = 0; k < v->k; k++)
                    y[k] += x * w[k];
            }
    for (size_t i = 0; i < pixels * v->k; i++) {
        dst[i] += v->residual ? ref->src[1][i] : 0.0;
        dst[i] = v->relu && dst[i] < 0.0 ? 0.0 : dst[i];
    }
}

static double bwd_params_at(const rs_conv *v, const rs_ref *ref, size_t index)
{
    const size_t depth = rs_conv_group_in(v), k = index % v->k, c = index / v->k % depth;
    const size_t tap = index / v->k / depth;
    double sum = 0.0;
    size_t in;
    for (size_t out = 0; out < v->n * v->oh * v->ow; out++)
        if (source_of(v, out / v->ow % v->oh, out % v->ow, tap / v->s, tap % v->s, &in))
            sum +=
                src_at(ref, (out / v->ow / v->oh * v->h * v->w + in) * v->c + channel_of(v, k, c)) *
                diff_dst_at(ref, out * v->k + k);
    return sum;
}

static double bwd_data_at(const rs_conv *v, const rs_ref *ref, size_t index)
{
    const size_t depth = rs_conv_group_in(v), width = rs_conv_group_out(v);
    const size_t channel = index % v->c, x = index / v->c % v->w, y = index / v->c / v->w % v->h;
    const size_t n = index / v->c / v->w / v->h, first = channel / depth * width;
    double sum = v->accumulate ? get(ref, ref->diff_src[0], RS_ROLE_DIFF_SRC, index) : 0.0;
    for (size_t tap = 0; tap < v->r * v->s; tap++) {
        const size_t r = tap / v->s, s = tap % v->s;
        if (y + v->pad_top < r || x + v->pad_left < s)
            continue;
        const size_t down = y + v->pad_top - r, right = x + v->pad_left - s;
        const size_t a = down / v->stride_h, b = right / v->stride_w;
        if (down % v->stride_h || right % v->stride_w || a >= v->oh || b >= v->ow)
            continue;
        for (size_t k = first; k < first + width; k++)
            sum += diff_dst_at(ref, ((n * v->oh + a) * v->ow + b) * v->k + k) *
                   weight_at(ref, (tap * depth + channel % depth) * v->k + k);
    }
    return sum;
}

/* bwd_data_at of all, without groups: the same sums in the same order, several channels at a time. */
static void bwd_data_all(const rs_conv *v, const rs_ref *ref, double *diff)
{
    enum { SIDE_BY_SIDE = 4 };
    size_t in;
    if (!v->accumulate)
        memset(diff, 0, rs_conv_src_count(v) * sizeof *diff);
    for (size_t tap = 0; tap < v->r * v->s; tap++)
        for (size_t c = 0; c < v->c; c += SIDE_BY_SIDE)
            for (size_t out = 0; out < v->n * v->oh * v->ow; out++) {
                const size_t most = v->c - c < SIDE_BY_SIDE ? v->c - c : SIDE_BY_SIDE;
                const double *w = ref->param[0] + (tap * v->c + c) * v->k;
                const double *g = ref->diff_dst + out * v->k;
                double sum[SIDE_BY_SIDE] = {0};
                if (!source_of(v, out / v->ow % v->oh, out % v->ow, tap / v->s, tap % v->s, &in))
                    continue;
                double *to = diff + (out / v->ow / v->oh * v->h * v->w + in) * v->c + c;
                memcpy(sum, to, most * sizeof *sum);
                if (most == SIDE_BY_SIDE)
                    for (size_t k = 0; k < v->k; k++)
                        for (size_t i = 0; i < SIDE_BY_SIDE; i++)
                            sum[i] += g[k] * w[i * v->k + k];
                else
                    for (size_t i = 0; i < most; i++)
                        for (size_t k = 0; k < v->k; k++)
                            sum[i] += g[k] * w[i * v->k + k];
                memcpy(to, sum, most * sizeof *sum);
            }
}

static double number_at(const rs_conv *v, rs_pass pass, const rs_ref *ref, size_t index)
{
    return pass == RS_FWD          ? fwd_at(v, ref, index)
           : pass == RS_BWD_PARAMS ? bwd_params_at(v, ref, index)
                                   : bwd_data_at(v, ref, index);
}

double rs_conv_reference_at(const rs_problem *p, rs_pass pass, const rs_ref *ref, size_t index)
{
    const rs_conv v = rs_conv_of(p);
    return number_at(&v, pass, ref, index);
}

void rs_conv_reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_conv v = rs_conv_of(p);
    const size_t count = pass == RS_FWD          ? rs_conv_dst_count(&v)
                         : pass == RS_BWD_PARAMS ? rs_conv_weight_count(&v)
                                                 : rs_conv_src_count(&v);
    double *out = pass == RS_FWD          ? ref->dst
                  : pass == RS_BWD_PARAMS ? ref->diff_param[0]
                                          : ref->diff_src[0];
    if (pass == RS_BWD_DATA && !p->want_diff[0])
        return;
    if (pass == RS_FWD && v.groups == 1)
        fwd_all(&v, ref, out);
    else if (pass == RS_BWD_DATA && v.groups == 1)
        bwd_data_all(&v, ref, out);
    else
        for (size_t i = 0; i < count; i++)
            out[i] = number_at(&v, pass, ref, i);
    for (size_t k = 0; pass == RS_BWD_PARAMS && v.bias && k < v.k; k++) {
        ref->diff_param[1][k] = 0.0;
        for (size_t i = k; i < rs_conv_dst_count(&v); i += v.k)
            ref->diff_param[1][k] += ref->diff_dst[i];
    }
}

/* ---- tuning ------------------------------------------------------------------------------ */

const int rs_untuned[RS_PLAN_TUNABLES];

/* "32x56x56x64 -> 56x56x64, 3x3/1x1 pad 1x1 bias relu". */
void rs_conv_key(const rs_problem *p, char *text, size_t size)
{
    const rs_conv v = rs_conv_of(p);
    char groups[32] = "", ws[32] = "";
    if (v.groups > 1)
        snprintf(groups, sizeof groups, " groups %zu", v.groups);
    if (p->nws > 0)
        snprintf(ws, sizeof ws, " keeps %d", p->nws);
    snprintf(text, size, "%zux%zux%zux%zu -> %zux%zux%zu, %zux%zu/%zux%zu pad %zux%zu%s%s%s%s%s%s",
             v.n, v.h, v.w, v.c, v.oh, v.ow, v.k, v.r, v.s, v.stride_h, v.stride_w, v.pad_top,
             v.pad_left, groups, v.bias ? " bias" : "", v.residual ? " residual" : "",
             v.relu ? " relu" : "", v.accumulate ? " add" : "", ws);
}

/* ---- the grids --------------------------------------------------------------------------- */

/* One axis of a grid. */
typedef struct axis {
    int g, first, ostep, taps, d, istep, tap0, tap_step;
} axis;

static axis axis_fwd(size_t out, size_t kernel, size_t stride, size_t pad)
{
    return (axis){.g = (int)out,
                  .first = 0,
                  .ostep = 1,
                  .taps = (int)kernel,
                  .d = -(int)pad,
                  .istep = (int)stride,
                  .tap0 = 0,
                  .tap_step = 1};
}

/* Source pixel i = first + stride * g meets output pixel (i + pad - t) / stride for the taps t that
 * leave no remainder: t = low + stride * j, that is output pixel g + (first + pad - low) / stride -
 * j. Turned round, so that output pixels ascend. */
static axis axis_bwd(size_t in, size_t kernel, size_t stride, size_t pad, size_t first)
{
    const size_t low = (first + pad) % stride;
    const int taps = low < kernel ? (int)((kernel - low + stride - 1) / stride) : 0;
    return (axis){.g = first < in ? (int)((in - first + stride - 1) / stride) : 0,
                  .first = (int)first,
                  .ostep = (int)stride,
                  .taps = taps,
                  .d = (int)((first + pad - low) / stride) - (taps - 1),
                  .istep = 1,
                  .tap0 = (int)low + (int)stride * (taps - 1),
                  .tap_step = -(int)stride};
}

size_t rs_conv_grids(const rs_conv *v, rs_pass pass)
{
    return pass == RS_FWD ? 1 : v->stride_h * v->stride_w;
}

rs_conv_grid rs_conv_grid_at(const rs_conv *v, rs_pass pass, size_t index)
{
    axis y, x;
    if (pass == RS_FWD) {
        y = axis_fwd(v->oh, v->r, v->stride_h, v->pad_top);
        x = axis_fwd(v->ow, v->s, v->stride_w, v->pad_left);
    } else {
        y = axis_bwd(v->h, v->r, v->stride_h, v->pad_top, index / v->stride_w);
        x = axis_bwd(v->w, v->s, v->stride_w, v->pad_left, index % v->stride_w);
    }
    const bool taps = y.taps > 0 && x.taps > 0;
    return (rs_conv_grid){.gh = y.g,
                          .gw = x.g,
                          .first_h = y.first,
                          .first_w = x.first,
                          .ostep_h = y.ostep,
                          .ostep_w = x.ostep,
                          .rows = taps ? y.taps : 0,
                          .cols = taps ? x.taps : 0,
                          .dh = y.d,
                          .dw = x.d,
                          .istep_h = y.istep,
                          .istep_w = x.istep,
                          .r0 = y.tap0,
                          .s0 = x.tap0,
                          .rstep = y.tap_step,
                          .sstep = x.tap_step};
}

rs_conv_maps rs_conv_maps_of(const rs_conv *v, rs_pass pass)
{
    const size_t tap = rs_conv_group_in(v) * v->k;
    if (pass == RS_FWD)
        return (rs_conv_maps){v->h, v->w, v->c, v->oh, v->ow, v->k, tap, v->k, 1};
    return (rs_conv_maps){v->oh, v->ow, v->k, v->h, v->w, v->c, tap, 1, v->k};
}

const char *rs_conv_fits_int(const rs_conv *v)
{
    const size_t most = INT_MAX / 2; /* the other half is for sums of indices */
    if (rs_conv_src_count(v) > most || rs_conv_dst_count(v) > most)
        return "an activation has more than 2^30 elements";
    if (rs_conv_weight_count(v) > most)
        return "the weights have more than 2^30 elements";
    /* Indices within a row, counted from the padding on. */
    const double wide = (double)v->w + (double)v->pad_left + (double)v->ow * (double)v->stride_w;
    const double high = (double)v->h + (double)v->pad_top + (double)v->oh * (double)v->stride_h;
    if (wide * (double)(v->c > v->k ? v->c : v->k) > (double)most || high > (double)most)
        return "a padded row has more than 2^30 elements";
    return NULL;
}

/* ---- storage ------------------------------------------------------------------------------ */

const char *rs_conv_storage_options(const rs_problem *p, rs_pass pass)
{
    const rs_problem back = {.src_type = {p->dst_type}, .dst_type = p->src_type[0]};
    return rs_storage_options(pass == RS_BWD_DATA ? &back : p);
}

/* ---- register tiles ---------------------------------------------------------------------- */

rs_regtile rs_regtile_of(const rs_caps *caps)
{
    const int vw = caps->float_width >= 16 ? 16 : caps->float_width >= 8 ? 8 : 4;
    return (rs_regtile){.vw = vw, .nr = 2 * vw, .mr = vw == 16 ? 14 : 6, .mw = vw == 16 ? 12 : 6};
}

const rs_pairs *rs_pairs_of(const rs_caps *caps)
{
    /* The rates: on Sapphire Rapids; on Zen 5; a guess, for none was timed. */
    static const rs_pairs x86_amx = {" -DENGINE_X86_AMX", 16, 32, 32, true, 8.0},
                          x86_bf16 = {" -DENGINE_X86_BF16", 16, 2, 0, false, 1.6},
                          arm_bf16 = {" -DENGINE_ARM_BF16", 4, 8, 12, false, 2.0};
    const rs_pairs *is =
        rs_has_engine(caps, RS_ENGINE_x86_amx) && caps->local_bytes >= RS_TILES_LOCAL ? &x86_amx
        : rs_has_engine(caps, RS_ENGINE_x86_bf16)                                     ? &x86_bf16
        : rs_has_engine(caps, RS_ENGINE_arm_bf16)                                     ? &arm_bf16
                                                                                      : NULL;
    return is && (caps->emulates || rs_regtile_of(caps).vw == is->vw) ? is : NULL;
}

/* ---- shared launches --------------------------------------------------------------------- */

rs_grid rs_conv_items(const rescl_device *dev, size_t x, size_t y)
{
    return (rs_grid){.items = {x, y, 1}, .group = {rs_group_size(rs_device_caps(dev), 64), 1, 1}};
}

/* Sums of columns: ITEMS of cl/conv2d.cl at most, and rows that one of them should take. */
enum { SUM_ITEMS = 128, SUM_ROWS = 8, LEAST_LANES = 8 };

static size_t sum_items(const rs_caps *caps)
{
    return rs_tree_size(caps, SUM_ITEMS, rs_vector_width(caps, NULL));
}

/* A launch over `count` columns of `rows` rows, by `parts`; *lanes: those of cl/conv2d.cl. */
static rs_grid sum_grid(const rescl_device *dev, size_t count, size_t rows, size_t parts,
                        int *lanes)
{
    const rs_caps *caps = rs_device_caps(dev);
    const size_t vw = rs_vector_width(caps, NULL), blocks = rs_div_up(count, vw);
    const size_t items = sum_items(caps);
    size_t n = items;
    if (caps->type == RESCL_DEVICE_CPU) {
        *lanes = 1;
        return rs_conv_items(dev, count, parts);
    }
    while (n > 1 && (n / 2 >= blocks || (n > LEAST_LANES && rows * n > SUM_ROWS * items)))
        n /= 2;
    *lanes = (int)n;
    return (rs_grid){.items = {rs_div_up(blocks, n) * items, parts, 1}, .group = {items, 1, 1}};
}

rescl_status rs_conv_sum_kernels_add(rs_plan *plan, const rs_conv *v, const rs_caps *caps,
                                     size_t first, size_t parts)
{
    rescl_status st = RESCL_OK;
    char options[96], vectors[RS_VECTOR_OPTIONS] = "", items[24] = "";
    if (caps->type != RESCL_DEVICE_CPU) {
        snprintf(items, sizeof items, "-DITEMS=%zu", sum_items(caps));
        rs_vector_options(caps, NULL, v->k | first, vectors);
    }
    snprintf(options, sizeof options, "%s%s%s", items, vectors,
             v->bias ? rs_storage_options(&plan->problem) : "");
    if (parts > 1 || v->bias)
        RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_sum", "%s", options));
    if (v->bias)
        RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_bwd_bias", "%s", options));
out:
    return st;
}

rescl_status rs_conv_sum(const rs_plan *plan, int sum, rs_buffer *partial, size_t first,
                         rs_buffer *out, size_t count, size_t parts, size_t stride)
{
    int lanes;
    const rs_grid grid = sum_grid(plan->dev, count, parts, 1, &lanes);
    return RS_LAUNCH(plan->dev, plan->kernel[sum].kernel, grid, RS_BUF(partial), RS_INT(first),
                     RS_BUF(out), RS_INT(count), RS_INT(parts), RS_ULONG(stride), RS_INT(lanes));
}

enum { MOST_PARTS = 32, PART_PIXELS = 512, PARTS_FLOATS = 512 * 1024 };

/* Each part sums at least so many pixels: with a work-item to a channel, or with a group. */
enum { ITEM_PIXELS = 16, GROUP_PIXELS = 256 };

static size_t bias_parts(const rs_conv *v, const rs_caps *caps)
{
    const size_t least = caps->type == RESCL_DEVICE_CPU ? ITEM_PIXELS : GROUP_PIXELS;
    const size_t most = v->n * v->oh * v->ow / least, want = 16 * rs_sum_units(caps);
    return most < 1 ? 1 : most < want ? most : want;
}

size_t rs_conv_bwd_bias_bytes(const rs_conv *v, const rs_caps *caps)
{
    const size_t parts = v->bias ? bias_parts(v, caps) : 0;
    return parts > 1 ? parts * v->k * sizeof(float) : 0;
}

rescl_status rs_conv_bwd_bias(const rs_plan *plan, const rs_conv *v, int bias, int sum,
                              const rs_args *args, size_t first)
{
    rescl_status st = RESCL_OK;
    const size_t parts = bias_parts(v, rs_device_caps(plan->dev));
    const size_t pixels = v->n * v->oh * v->ow;
    int lanes;
    const rs_grid grid = sum_grid(plan->dev, v->k, pixels / parts, parts, &lanes);
    rs_buffer *out = args->diff_param[1].buf;
    RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[bias].kernel, grid, RS_BUF(args->diff_dst.buf),
                     RS_BUF(parts > 1 ? args->scratch : out), RS_INT(parts > 1 ? first : 0),
                     RS_INT(pixels), RS_INT(v->k), RS_INT(parts), RS_INT(lanes)));
    if (parts > 1)
        RS_TRY(rs_conv_sum(plan, sum, args->scratch, first, out, v->k, parts, v->k));
out:
    return st;
}

/* A part has pixels enough to be worth its partial sums, which stay in the caches together. */
size_t rs_conv_weight_parts(const rs_conv *v, size_t groups)
{
    const size_t pixels = v->n * v->oh * v->ow, weights = rs_conv_weight_count(v);
    size_t parts = 1;
    while (2 * parts * groups <= MOST_PARTS && 2 * parts * PART_PIXELS <= pixels &&
           2 * parts * weights <= PARTS_FLOATS)
        parts *= 2;
    return parts;
}

static size_t parts_floats(const rs_conv *v, size_t parts)
{
    return parts > 1 ? parts * rs_conv_weight_count(v) : 0;
}

size_t rs_conv_parts_bytes(const rs_conv *v, const rs_caps *caps, size_t parts)
{
    return parts_floats(v, parts) * sizeof(float) + rs_conv_bwd_bias_bytes(v, caps);
}

rescl_status rs_conv_sum_params(const rs_plan *plan, const rs_conv *v, int sum, int bias,
                                const rs_args *args, size_t first, size_t parts)
{
    rescl_status st = RESCL_OK;
    const size_t weights = rs_conv_weight_count(v);
    if (parts > 1)
        RS_TRY(rs_conv_sum(plan, sum, args->scratch, first, args->diff_param[0].buf, weights, parts,
                           weights));
    if (v->bias)
        RS_TRY(rs_conv_bwd_bias(plan, v, bias, sum, args, first + parts_floats(v, parts)));
out:
    return st;
}

/* ---- the op ------------------------------------------------------------------------------ */

#define RS_CONV_IMPL(stem, who) &rs_conv_##stem,
static const rs_impl *const impls[] = {
#include "conv_impls.def"
    NULL};
#undef RS_CONV_IMPL

const rs_op rs_op_conv2d = {.name = "conv2d",
                            .layer = "Conv2D",
                            .src_min = 1,
                            .src_max = 2,
                            .infer = conv2d_infer,
                            .reads = rs_conv_reads,
                            .reference = rs_conv_reference,
                            .macs = rs_conv_macs,
                            .reduction = rs_conv_reduction,
                            .key = rs_conv_key,
                            .reference_at = rs_conv_reference_at,
                            .impls = impls,
                            .cases = &rs_conv2d_cases};
