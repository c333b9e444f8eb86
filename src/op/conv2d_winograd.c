/* winograd: 3x3 convolutions of stride 1 on CPUs with a quarter of the products; the host side of
 * cl/conv2d_winograd.cl, which says how.
 *
 * Here the work is cut into groups, each with a slab of scratch that its core's own cache holds. */
#include "conv2d.h"
#include "error.h"

#include <limits.h>

#define KERNEL_FILE "conv2d_winograd"

/* Groups per compute unit: each has a slab of scratch, so no more than uneven ones need. */
enum { GROUPS_PER_UNIT = 2, POSITIONS = 36 };

/* kernel[] of a plan. */
enum { PRODUCT = 0, WEIGHTS };
enum { PARAMS = 0, SUM, BIAS };

enum { T_BLOCK = 0, T_CHUNK, T_ROWS, T_PANELS, T_TILES, T_GROUPS };

#define PRODUCT_PASSES (1u << RS_FWD | 1u << RS_BWD_DATA)
#define PARAMS_PASS    (1u << RS_BWD_PARAMS)

static const rs_tunable tunables[] = {
    [T_BLOCK] = {"block", PRODUCT_PASSES, 1, 16, {1, 3, 8}}, /* rows of tiles at a time, of MR */
    [T_CHUNK] = {"chunk", PRODUCT_PASSES, 1, 16, {2, 8}},    /* panels at a time */
    [T_ROWS] = {"rows", PARAMS_PASS, 1, 256, {32, 128}},     /* filter rows of an item of work */
    [T_PANELS] = {"panels", PARAMS_PASS, 1, 8, {1, 4}},      /* and panels */
    [T_TILES] = {"tiles", PARAMS_PASS, 1, 256, {16, 64}},    /* tiles at a time */
    [T_GROUPS] = {"groups", RS_CONV_PASSES, 1, 16, {1, 4}},  /* per compute unit */
    {0}};

/* ODD_VECTORS of the kernels: whole vectors, an odd number of them. */
static size_t odd_vectors(const rs_regtile *t, size_t n)
{
    const size_t vw = (size_t)t->vw;
    return ((n + vw - 1) / vw | 1) * vw;
}

/* MW of the kernels. */
static int row_tile(const rs_regtile *t)
{
    return t->vw >= 16 ? 8 : 6;
}

static int tile_count(const rs_conv *v, rs_pass pass)
{
    const rs_conv_maps m = rs_conv_maps_of(v, pass == RS_BWD_PARAMS ? RS_FWD : pass);
    return (int)v->n * rs_div_up_int((int)m.oh, 4) * rs_div_up_int((int)m.ow, 4);
}

/* Whether the transforms pay, in products for each pair of channels. Of a plain sum those whose tap
 * meets the map count; of ours all, and a fifth for transforming pixels. A transformed filter is four
 * times the filter: to read it once takes as long as 20 products, to write it 60, which in training
 * happens every step; to add to the sums of backward weights takes 40. Measured with AVX-512. Our
 * products are of floats; `rate` times as many of those of a plain sum take as long. */
static bool pays(const rs_conv *v, rs_pass pass, bool training, int mr, double rate)
{
    double rows = 0, cols = 0;
    for (size_t r = 0; r < 3; r++)
        for (size_t a = 0; a < v->oh; a++)
            rows += a + r >= v->pad_top && a + r < v->h + v->pad_top;
    for (size_t s = 0; s < 3; s++)
        for (size_t b = 0; b < v->ow; b++)
            cols += b + s >= v->pad_left && b + s < v->w + v->pad_left;
    const double plain = ((double)v->n * rows * cols + 9 * 20) / rate;
    const int tiles = tile_count(v, pass);
    if (pass == RS_BWD_PARAMS)
        return POSITIONS * (1.2 * tiles + 40) < plain;
    return POSITIONS * (1.2 * rs_round_up_int(tiles, mr) + (training ? 80 : 20)) < plain;
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    const rs_conv v = rs_conv_of(p);
    const rs_conv_maps m = rs_conv_maps_of(&v, pass);
    const rs_regtile t = rs_regtile_of(caps);
    if (p->src_type[0] != p->dst_type)
        return "made for one type of src and dst";
    if (v.groups > 1)
        return "does one group only";
    if (v.r != 3 || v.s != 3 || v.stride_h != 1 || v.stride_w != 1)
        return "made for 3x3 filters of stride 1";
    if (v.pad_top > 2 || v.pad_left > 2)
        return "made for paddings up to 2";
    if (caps->float_width < 4)
        return "made for vectors of at least 4 floats";
    if (v.c < 16 || v.k < 16)
        return "below 16 channels its transforms cost more than they save";
    if (v.c > 4096 || v.k > 4096)
        return "above 4096 channels its scratch is too large";
    if ((double)POSITIONS * (double)m.c * (double)(m.k + (size_t)t.nr) > INT_MAX / 2)
        return "the packed weights have more than 2^30 elements";
    return rs_conv_fits_int(&v);
}

static const char *doubt(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    const rs_conv v = rs_conv_of(p);
    const rs_regtile t = rs_regtile_of(caps);
    const rs_pairs *pairs = p->src_type[0] == RS_BF16 ? rs_pairs_of(caps) : NULL;
    return pays(&v, pass, p->training, t.mr, pairs ? pairs->rate : 1.0)
               ? NULL
               : "on maps so few or small its transforms cost more than they save";
}

/* The errors are twice those of a plain sum; in backward weights, of one over whole tiles, also where
 * the map fills a part of them: A3' M A3 has to cancel what the transforms spread over the rest. Held
 * against the mean square of the results, the variance of a corner tap's error is 1.6 times that of
 * 4x4 maps for maps of 3x3, and 3.3 times for 2x2; counting whole tiles allows 16/9 and 4 times. */
static size_t terms(const rs_problem *p, rs_pass pass)
{
    const rs_conv v = rs_conv_of(p);
    return 4 * (pass == RS_BWD_PARAMS ? 4 * 4 * (size_t)tile_count(&v, pass)
                                      : rs_conv_reduction(p, pass));
}

/* How forward and backward data are cut. */
typedef struct product {
    int panels; /* of all output channels */
    int block;  /* tiles transformed at a time, whose moments are a part */
    int blocks;
    int chunk; /* panels at a time */
    int group_blocks, group_panels;
    int groups_t, groups_j;
    size_t slab; /* floats */
} product;

/* How backward weights are cut. */
typedef struct params {
    int rows, panels; /* filter rows and panels of an item of work */
    int parts;        /* of the tiles */
    int groups, block;
    size_t slab, part_floats; /* a partial result */
} params;

/* What a plan keeps. */
typedef struct kept {
    rs_conv v;
    rs_conv_maps m;
    rs_regtile t;
    size_t packed; /* floats of packed weights before the biases */
    product product;
    params params;
} kept;

/* ---- forward and backward data ----------------------------------------------------------- */

/* Floats of packed weights before the biases. */
static size_t packed_floats(const rs_conv *v, rs_pass pass, const rs_regtile *t)
{
    const rs_conv_maps m = rs_conv_maps_of(v, pass);
    return POSITIONS * m.c * (size_t)rs_round_up_int((int)m.k, t->nr);
}

/* A block is large where the filters' transforms, read once for each, do not stay in a core's own
 * cache, which PoCL reports as local memory. Few tiles are left whole, and their panels divided. */
static product product_of(const rs_conv *v, rs_pass pass, const rs_caps *caps, const int *tune)
{
    const rs_conv_maps m = rs_conv_maps_of(v, pass);
    const rs_regtile t = rs_regtile_of(caps);
    const int want = rs_tuned(tune[T_GROUPS], GROUPS_PER_UNIT) * (int)caps->compute_units;
    const int tiles = tile_count(v, pass);
    const bool cached = packed_floats(v, pass, &t) * sizeof(float) <= caps->local_bytes / 2;
    const int most = rs_tuned(tune[T_BLOCK], cached ? 2 : 5) * t.mr;
    product d = {.panels = rs_div_up_int((int)m.k, t.nr)};

    d.chunk = rs_min_int(rs_tuned(tune[T_CHUNK], 4), d.panels);
    d.block = rs_round_up_int(rs_div_up_int(tiles, rs_div_up_int(tiles, most)), t.mr);
    d.blocks = rs_div_up_int(tiles, d.block);
    d.group_blocks = rs_div_up_int(d.blocks, rs_min_int(want, d.blocks));
    d.groups_t = rs_div_up_int(d.blocks, d.group_blocks);
    d.group_panels = rs_div_up_int(d.panels, rs_div_up_int(want, d.groups_t));
    d.groups_j = rs_div_up_int(d.panels, d.group_panels);
    d.slab = POSITIONS * ((size_t)t.vw + odd_vectors(&t, (size_t)d.block * odd_vectors(&t, m.c)) +
                          odd_vectors(&t, (size_t)(d.block * d.chunk * t.nr)));
    return d;
}

static rescl_status product_enqueue(const rs_plan *plan, const rs_args *args)
{
    kept all;
    RS_PLAN_RECALL(plan, all);
    const rs_conv v = all.v;
    const rs_conv_maps m = all.m;
    const product d = all.product;
    const bool fwd = plan->pass == RS_FWD, add = !fwd && v.accumulate;
    const rs_grid grid = {.items = {(size_t)d.groups_t, (size_t)d.groups_j, 1}, .group = {1, 1, 1}};
    return RS_LAUNCH(plan->dev, plan->kernel[PRODUCT].kernel, grid,
                     RS_BUF(fwd ? args->src[0].buf : args->diff_dst.buf), RS_BUF(args->packed),
                     RS_INT(all.packed), RS_BUF(fwd ? args->src[1].buf : NULL),
                     RS_BUF(fwd ? args->dst.buf : args->diff_src[0].buf),
                     RS_BUF(plan->moments_parts ? args->moments : NULL), RS_BUF(args->scratch),
                     RS_CONV_MAPS_ARGS(&v, &m), RS_INT(fwd ? v.pad_top : 2 - v.pad_top),
                     RS_INT(fwd ? v.pad_left : 2 - v.pad_left), RS_INT(d.block),
                     RS_INT(d.group_blocks), RS_INT(d.group_panels), RS_INT(d.chunk),
                     RS_ULONG(d.slab),
                     RS_INT((add ? RS_CONV_ACCUMULATE : 0) | (v.relu ? RS_CONV_RELU : 0)));
}

static rescl_status pack(const rs_plan *plan, const rs_args *args)
{
    kept all;
    RS_PLAN_RECALL(plan, all);
    const rs_regtile t = all.t;
    const rs_conv v = all.v;
    const rs_conv_maps m = all.m;
    const bool fwd = plan->pass == RS_FWD;
    const rs_grid grid = {
        .items = {(size_t)rs_div_up_int((int)m.k, t.nr), (size_t)rs_div_up_int((int)m.c, t.vw), 1},
        .group = {1, 1, 1}};
    return RS_LAUNCH(plan->dev, plan->kernel[WEIGHTS].kernel, grid, RS_BUF(args->param[0].buf),
                     RS_BUF(fwd && v.bias ? args->param[1].buf : NULL), RS_BUF(args->packed),
                     RS_INT(all.packed), RS_INT(m.c), RS_INT(m.k), RS_INT(!fwd), RS_INT(m.step_c),
                     RS_INT(m.step_q));
}

/* ---- backward weights -------------------------------------------------------------------- */

static params params_of(const rs_conv *v, const rs_caps *caps, const int *tune)
{
    const rs_regtile t = rs_regtile_of(caps);
    const int want = rs_tuned(tune[T_GROUPS], GROUPS_PER_UNIT) * (int)caps->compute_units;
    const int tiles = tile_count(v, RS_BWD_PARAMS), npanels = rs_div_up_int((int)v->k, t.nr);
    const int rows = rs_tuned(tune[T_ROWS], t.vw == 16 ? 64 : 48);
    params d = {.rows = rs_round_up_int(rs_min_int(rows, (int)v->c), row_tile(&t)),
                .panels = rs_min_int(rs_tuned(tune[T_PANELS], 2), npanels),
                .part_floats = rs_conv_weight_count(v)};
    d.block = rs_min_int(rs_tuned(tune[T_TILES], 32), tiles);
    const int items = rs_div_up_int((int)v->c, d.rows) * rs_div_up_int(npanels, d.panels);
    d.parts =
        rs_min_int((int)rs_conv_weight_parts(v, (size_t)items), rs_div_up_int(tiles, d.block));
    d.groups = rs_min_int(items * d.parts, want);
    const size_t u = odd_vectors(&t, (size_t)(d.rows * d.panels * t.nr));
    d.slab = POSITIONS *
             ((size_t)t.vw + odd_vectors(&t, (size_t)d.block * odd_vectors(&t, (size_t)d.rows)) +
              odd_vectors(&t, (size_t)(d.block * d.panels * t.nr)) + u);
    return d;
}

static rescl_status params_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept all;
    RS_PLAN_RECALL(plan, all);
    const rs_conv v = all.v;
    const params d = all.params;
    const size_t partial = (size_t)d.groups * d.slab;
    const rs_grid grid = {.items = {(size_t)d.groups, 1, 1}, .group = {1, 1, 1}};

    RS_TRY(RS_LAUNCH(
        plan->dev, plan->kernel[PARAMS].kernel, grid, RS_BUF(args->src[0].buf),
        RS_BUF(args->diff_dst.buf), RS_BUF(d.parts > 1 ? args->scratch : args->diff_param[0].buf),
        RS_ULONG(d.parts > 1 ? partial : 0), RS_BUF(args->scratch), RS_CONV_MAPS_ARGS(&v, &v),
        RS_INT(v.pad_top), RS_INT(v.pad_left), RS_INT(d.rows), RS_INT(d.panels), RS_INT(d.parts),
        RS_INT(d.block), RS_ULONG(d.part_floats), RS_ULONG(d.slab)));
    RS_TRY(rs_conv_sum_params(plan, &v, SUM, BIAS, args, partial, (size_t)d.parts));
out:
    return st;
}

/* ---- all passes -------------------------------------------------------------------------- */

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    const rs_regtile t = rs_regtile_of(caps);
    const rs_conv v = rs_conv_of(&plan->problem);
    const char *storage = rs_storage_options(&plan->problem);
    kept all = {.v = v, .t = t};
    if (plan->pass == RS_BWD_PARAMS) {
        const params d = all.params = params_of(&v, caps, plan->choice.tune);
        plan->scratch_bytes = (size_t)d.groups * d.slab * sizeof(float) +
                              rs_conv_parts_bytes(&v, caps, (size_t)d.parts);
        RS_TRY(rs_plan_kernel_add(plan, KERNEL_FILE, "conv2d_winograd_bwd_params", "%s", storage));
        RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_sum", "%s", ""));
        if (v.bias)
            RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_bwd_bias", "%s", storage));
    } else {
        const rs_conv_maps m = all.m = rs_conv_maps_of(&v, plan->pass);
        const product d = all.product = product_of(&v, plan->pass, caps, plan->choice.tune);
        all.packed = packed_floats(&v, plan->pass, &t);
        plan->scratch_bytes = (size_t)(d.groups_t * d.groups_j) * d.slab * sizeof(float);
        plan->packed_bytes = (all.packed + (size_t)rs_round_up_int((int)m.k, t.nr)) * sizeof(float);
        if (plan->pass == RS_FWD && plan->problem.want_moments)
            plan->moments_parts = (size_t)d.blocks;
        RS_TRY(rs_plan_kernel_add(plan, KERNEL_FILE, "conv2d_winograd_product", "%s", storage));
        RS_TRY(rs_plan_kernel_add(plan, KERNEL_FILE, "conv2d_winograd_weights", "%s", storage));
    }
    RS_PLAN_KEEP(plan, all);
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? params_enqueue(plan, args) : product_enqueue(plan, args);
}

const rs_impl rs_conv_winograd = {.name = "winograd",
                                  .passes = RS_CONV_PASSES,
                                  .types = RS_STORAGE_TYPES,
                                  .prefers = 1u << RESCL_DEVICE_CPU,
                                  .terms = terms,
                                  .tunables = tunables,
                                  .can = can,
                                  .doubt = doubt,
                                  .plan = plan,
                                  .pack = pack,
                                  .enqueue = enqueue};
