/* clblast_gemm: convolution as CLBlast's matrix product; with cl/conv2d.cl for the column matrices.
 *
 * A 1x1 convolution of stride 1 without padding is a product already. Others go through a column
 * matrix (im2col) of as many images as fit the scratch, one chunk after the other. */
#include "conv2d.h"

#include "alloc.h"
#include "error.h"
#include "roofline.h"
#include "spread.h"

#include <math.h>

/* kernel[] of a plan. */
enum { COLUMNS = 0, FWD_BIAS, FWD_EPILOGUE };
enum { PARAMS_SUM = 1, PARAMS_BIAS };
#define MOST_SCRATCH ((size_t)64 << 20)

/* How images are cut into chunks. */
typedef struct chunks {
    bool columns;  /* false: no column matrix, one chunk */
    size_t images; /* of a chunk, the last may have fewer */
    size_t width;  /* of the column matrix: r * s * c */
    size_t floats; /* of the column matrix */
} chunks;

/* What a plan keeps. */
typedef struct kept {
    rs_conv v;
    chunks d;
} kept;

static chunks chunks_of(const rs_conv *v, const rs_caps *caps)
{
    chunks d = {.columns = !rs_conv_is_matrix(v), .images = v->n, .width = v->r * v->s * v->c};
    if (!d.columns)
        return d;
    const size_t image = v->oh * v->ow * d.width;
    size_t room =
        caps->max_alloc_bytes < MOST_SCRATCH ? (size_t)caps->max_alloc_bytes : MOST_SCRATCH;
    const size_t bias = rs_conv_bwd_bias_bytes(v, caps);
    room = room > bias ? room - bias : 0;
    d.images = room / sizeof(float) / image;
    if (d.images < 1)
        d.images = 1;
    if (d.images > v->n)
        d.images = v->n;
    d.floats = d.images * image;
    return d;
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)pass;
    const rs_conv v = rs_conv_of(p);
    const char *why = rs_conv_fits_int(&v);
    if (v.groups > 1)
        return "does one group only";
    if (why)
        return why;
    const double image = (double)(v.oh * v.ow) * (double)(v.r * v.s * v.c);
    if (!rs_conv_is_matrix(&v) && image * sizeof(float) > (double)caps->max_alloc_bytes)
        return "the column matrix of one image exceeds the largest allocation";
    if (!rs_conv_is_matrix(&v) && image > INT32_MAX / 2)
        return "the column matrix of one image has more than 2^30 elements";
    return NULL;
}

static rescl_status enqueue_columns(const rs_plan *plan, const rs_args *args, const rs_conv *v,
                                    size_t first, size_t images)
{
    const rs_grid grid = rs_conv_items(plan->dev, images * v->oh * v->ow * v->r * v->s * v->c, 1);
    rs_conv chunk = *v;
    chunk.n = images;
    return RS_LAUNCH(plan->dev, plan->kernel[COLUMNS].kernel, grid, RS_BUF(args->src[0].buf),
                     RS_BUF(args->scratch), RS_CONV_SHAPE_ARGS(&chunk), RS_INT(first));
}

static rescl_status fwd_chunk(const rs_plan *plan, const rs_args *args, const rs_conv *v,
                              const chunks *d, size_t first, size_t images)
{
    rescl_status st = RESCL_OK;
    const size_t pixels = v->oh * v->ow;
    if (d->columns)
        RS_TRY(enqueue_columns(plan, args, v, first, images));
    const rs_gemm g = {.m = images * pixels,
                       .n = v->k,
                       .k = d->width,
                       .alpha = 1.0f,
                       .beta = v->bias ? 1.0f : 0.0f,
                       .a = d->columns ? args->scratch : args->src[0].buf,
                       .lda = d->width,
                       .b = args->param[0].buf,
                       .ldb = v->k,
                       .c = args->dst.buf,
                       .c_offset = first * pixels * v->k,
                       .ldc = v->k};
    RS_TRY(rs_blas_gemm(plan->dev, &g));
out:
    return st;
}

static rescl_status bwd_params_chunk(const rs_plan *plan, const rs_args *args, const rs_conv *v,
                                     const chunks *d, size_t first, size_t images)
{
    rescl_status st = RESCL_OK;
    const size_t pixels = v->oh * v->ow;
    if (d->columns)
        RS_TRY(enqueue_columns(plan, args, v, first, images));
    const rs_gemm g = {.trans_a = true,
                       .m = d->width,
                       .n = v->k,
                       .k = images * pixels,
                       .alpha = 1.0f,
                       .beta = first > 0 ? 1.0f : 0.0f,
                       .a = d->columns ? args->scratch : args->src[0].buf,
                       .lda = d->width,
                       .b = args->diff_dst.buf,
                       .b_offset = first * pixels * v->k,
                       .ldb = v->k,
                       .c = args->diff_param[0].buf,
                       .ldc = v->k};
    RS_TRY(rs_blas_gemm(plan->dev, &g));
out:
    return st;
}

static rescl_status bwd_data_chunk(const rs_plan *plan, const rs_args *args, const rs_conv *v,
                                   const chunks *d, size_t first, size_t images)
{
    rescl_status st = RESCL_OK;
    const size_t pixels = v->oh * v->ow, in_pixels = images * v->h * v->w;
    const rs_gemm g = {.trans_b = true,
                       .m = images * pixels,
                       .n = d->width,
                       .k = v->k,
                       .alpha = 1.0f,
                       .beta = !d->columns && v->accumulate ? 1.0f : 0.0f,
                       .a = args->diff_dst.buf,
                       .a_offset = first * pixels * v->k,
                       .lda = v->k,
                       .b = args->param[0].buf,
                       .ldb = v->k,
                       .c = d->columns ? args->scratch : args->diff_src[0].buf,
                       .ldc = d->width};
    RS_TRY(rs_blas_gemm(plan->dev, &g));
    if (d->columns) {
        const rs_grid grid = rs_conv_items(plan->dev, in_pixels * v->c, 1);
        rs_conv chunk = *v;
        chunk.n = images;
        RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[COLUMNS].kernel, grid, RS_BUF(args->scratch),
                         RS_BUF(args->diff_src[0].buf), RS_CONV_SHAPE_ARGS(&chunk), RS_INT(first),
                         RS_INT(v->accumulate)));
    }
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept all;
    RS_PLAN_RECALL(plan, all);
    const rs_conv v = all.v;
    const chunks d = all.d;
    const size_t vw = rs_vector_width(rs_device_caps(plan->dev), NULL);

    if (plan->pass == RS_FWD && v.bias) {
        const size_t pixels = v.n * v.oh * v.ow, blocks = rs_div_up(v.k, vw);
        const rs_grid grid = rs_conv_items(plan->dev, pixels * blocks, 1);
        RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[FWD_BIAS].kernel, grid, RS_BUF(args->param[1].buf),
                         RS_BUF(args->dst.buf), RS_INT(pixels), RS_INT(v.k),
                         RS_DIVISOR(rs_divisor_of(blocks))));
    }
    for (size_t first = 0; first < v.n; first += d.images) {
        const size_t images = v.n - first < d.images ? v.n - first : d.images;
        if (plan->pass == RS_FWD)
            RS_TRY(fwd_chunk(plan, args, &v, &d, first, images));
        else if (plan->pass == RS_BWD_PARAMS)
            RS_TRY(bwd_params_chunk(plan, args, &v, &d, first, images));
        else
            RS_TRY(bwd_data_chunk(plan, args, &v, &d, first, images));
    }
    if (plan->pass == RS_FWD && (v.relu || v.residual)) {
        const size_t count = rs_conv_dst_count(&v);
        const rs_grid grid = rs_conv_items(plan->dev, rs_div_up(count, vw), 1);
        RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[FWD_EPILOGUE].kernel, grid,
                         RS_BUF(args->src[1].buf), RS_BUF(args->dst.buf), RS_INT(count),
                         RS_INT(v.relu)));
    }
    if (plan->pass == RS_BWD_PARAMS && v.bias)
        RS_TRY(rs_conv_bwd_bias(plan, &v, PARAMS_BIAS, PARAMS_SUM, args, d.floats));
out:
    return st;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    const rs_conv v = rs_conv_of(&plan->problem);
    const kept all = {.v = v, .d = chunks_of(&v, caps)};
    RS_PLAN_KEEP(plan, all);
    plan->scratch_bytes = all.d.floats * sizeof(float);
    RS_TRY(rs_plan_kernel_add(
        plan, "conv2d", plan->pass == RS_BWD_DATA ? "conv2d_col2im" : "conv2d_im2col", "%s", ""));
    if (plan->pass == RS_FWD) {
        char vectors[RS_VECTOR_OPTIONS];
        rs_vector_options(caps, NULL, v.k, vectors);
        RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_bias_rows", "%s", vectors));
        RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_epilogue", "%s", vectors));
    }
    if (plan->pass == RS_BWD_PARAMS) {
        plan->scratch_bytes += rs_conv_bwd_bias_bytes(&v, caps);
        RS_TRY(rs_conv_sum_kernels_add(plan, &v, caps, all.d.floats, 1));
    }
out:
    return st;
}

/* As products of 64 x 64 numbers a group, by kernels that were not made for the device, that copy factors
 * whose sizes do not suit them. */
static size_t expect(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                     size_t most)
{
    enum { TILE = 64, ITEMS = 64, TERMS = 16, REGISTERS = 96 };
    const rs_conv v = rs_conv_of(p);
    const chunks d = chunks_of(&v, caps);
    const double pixels = (double)(d.images * v.oh * v.ow), width = (double)d.width,
                 k = (double)v.k;
    const double rows = pass == RS_BWD_PARAMS ? width : pixels;
    const double cols = pass == RS_BWD_DATA ? width : k;
    const double terms = pass == RS_FWD ? width : pass == RS_BWD_PARAMS ? pixels : k;
    const double bytes = sizeof(float) * (rows * terms + terms * cols + rows * cols);
    const rs_work work = {.groups = ceil(rows / TILE) * ceil(cols / TILE),
                          .items = ITEMS,
                          .local_bytes = sizeof(float) * 2 * TILE * TERMS,
                          .registers = REGISTERS,
                          .steps = ceil(terms / TERMS),
                          .step_fmas = TILE * TILE * TERMS,
                          .share = 0.5,
                          .group_bytes = sizeof(float) * 2.0 * TILE * terms,
                          .bytes = bytes};
    double ns = rs_roofline_ns(caps, &work) + rs_roofline_copy_ns(caps, 2 * bytes);
    if (d.columns)
        ns += rs_roofline_copy_ns(caps, 2 * sizeof(float) * pixels * width);
    const rs_expected way = {.choice = {.impl = &rs_conv_clblast},
                             .ns = ns * ceil((double)v.n / (double)d.images)};
    return rs_roofline_insert(out, 0, most, &way);
}

const rs_impl rs_conv_clblast = {.name = "clblast_gemm",
                                 .passes = RS_CONV_PASSES,
                                 .can = can,
                                 .expect = expect,
                                 .plan = plan,
                                 .enqueue = enqueue};
