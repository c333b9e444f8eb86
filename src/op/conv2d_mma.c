/* mma_gemm: implicit matrix products by a matrix engine, of factors of 16 bits or of TF32 with sums of 32;
 * the host side of cl/conv2d_mma.cl and cl/conv2d_mma_weights.cl. Passes, parts and what comes after a
 * product are simt_gemm's (conv2d_simt.h), whose kernels have the same parameters.
 *
 * Weights stay floats: a packed copy has them as the engine takes them, along the sum. */
#include "conv2d_simt.h"
#include "error.h"

#include <limits.h>
#include <stdio.h>

enum { LEAST_TILE = 32, MOST_TILE = 128, LEAST_WORDS = 8, MOST_WORDS = 16, GAP = 8 };

static const rs_tunable tunables[] = {
    [RS_SIMT_TM] = {"tm", RS_CONV_PASSES, LEAST_TILE, MOST_TILE, {64, 128}},
    [RS_SIMT_TN] = {"tn", RS_CONV_PASSES, LEAST_TILE, MOST_TILE, {64, 128}},
    [RS_SIMT_TK] = {"tk", RS_CONV_PASSES, LEAST_WORDS, 2 * MOST_WORDS, {16, 32}},
    {0}};

/* A step takes up to 16 words: 32 numbers of 16 bits. */
static const rs_simt_tiles shapes[] = {
    {.tm = 128, .tn = 128, .tk = 32, .parts = 1}, {.tm = 128, .tn = 64, .tk = 32, .parts = 1},
    {.tm = 64, .tn = 128, .tk = 32, .parts = 1},  {.tm = 64, .tn = 64, .tk = 32, .parts = 1},
    {.tm = 32, .tn = 64, .tk = 32, .parts = 1},   {.tm = 64, .tn = 32, .tk = 32, .parts = 1},
};

/* ---- engines ----------------------------------------------------------------------------- */

/* What cl/engine_<name>.clh says of its fragments, and the most rows and columns that a sub-group makes: as
 * many as it has registers for. */
typedef struct engine {
    const char *option;
    int lanes, rows, cols, factor_words; /* those of A and B together */
    int part_m, part_n;
} engine;

static const engine nv = {"NV", 32, 16, 8, 6, 64, 64};
static const engine wmma = {"WMMA", 32, 16, 16, 16, 64, 32};
static const engine mfma = {"MFMA", 64, 16, 16, 4, 64, 64};
static const engine dpas8 = {"DPAS", 8, 8, 8, 16, 32, 16};
static const engine dpas16 = {"DPAS", 16, 8, 16, 12, 32, 16};

/* The type of the factors, of which weights are packed; RS_F32: TF32. */
static rs_dtype factor_type(const rs_problem *p, rs_pass pass)
{
    return pass == RS_BWD_DATA ? p->dst_type : p->src_type[0];
}

/* NULL where there is none for these factors. */
static const engine *engine_of(const rs_caps *caps, rs_dtype type)
{
    const rs_engine by_type = type == RS_F32    ? RS_ENGINE_nv_tf32
                              : type == RS_BF16 ? RS_ENGINE_nv_bf16
                                                : RS_ENGINE_nv_f16;
    if (rs_has_engine(caps, by_type))
        return &nv;
    if (type == RS_F32)
        return NULL;
    if (rs_has_engine(caps, RS_ENGINE_amd_wmma))
        return &wmma;
    if (rs_has_engine(caps, RS_ENGINE_amd_mfma))
        return &mfma;
    if (rs_has_engine(caps, RS_ENGINE_intel_dpas))
        return caps->subgroup == 8 ? &dpas8 : caps->subgroup == 16 ? &dpas16 : NULL;
    return NULL;
}

static int per_word(rs_dtype type)
{
    return type == RS_F32 ? 1 : 2;
}

/* ---- tiles ------------------------------------------------------------------------------- */

/* Sub-groups along a tile: two, or as many as it takes. */
static int subs_of(int tile, int most, int fragment)
{
    return tile / rs_max_int(rs_min_int(most, tile / 2), fragment);
}

typedef struct division {
    int subs_m, subs_n;
    size_t items;
} division;

static division divide(const engine *e, const rs_simt_tiles *t)
{
    division d = {.subs_m = subs_of(t->tm, e->part_m, e->rows),
                  .subs_n = subs_of(t->tn, e->part_n, e->cols)};
    d.items = (size_t)(e->lanes * d.subs_m * d.subs_n);
    return d;
}

static size_t local_bytes(const engine *e, const rs_caps *caps, const rs_simt_tiles *t, int per,
                          rs_pass pass)
{
    const division d = divide(e, t);
    const int words = t->tk / per, wm = (int)d.items / (t->tn / 4);
    const int a = pass == RS_BWD_PARAMS ? words * (t->tm + GAP) : t->tm * (words + 4);
    const int factors = 2 * (a + words * (t->tn + GAP));
    const int slice = e->rows * d.subs_m * (t->tn + GAP), sums = (wm + 1) * t->tn;
    const int exchange =
        caps->emulates ? d.subs_m * d.subs_n * (e->rows + e->cols) * LEAST_WORDS : 0;
    return sizeof(float) * (size_t)(rs_max_int(factors, rs_max_int(slice, sums)) + exchange);
}

static rs_simt_tiles fit(const rs_caps *caps, const rs_problem *p, rs_pass pass, rs_simt_tiles t)
{
    const rs_dtype type = factor_type(p, pass);
    const engine *e = engine_of(caps, type);
    const int per = per_word(type);
    const rs_conv v = rs_conv_of(p);
    const size_t depth = pass == RS_BWD_DATA ? v.k : v.c;
    t.tm = rs_simt_power(t.tm, LEAST_TILE, MOST_TILE);
    t.tn = rs_simt_power(t.tn, LEAST_TILE, MOST_TILE);
    t.tk = rs_simt_power(t.tk, LEAST_WORDS * per, MOST_WORDS * per);
    if (pass != RS_BWD_PARAMS && depth % (size_t)t.tk != 0)
        t.tk = LEAST_WORDS * per;
    while ((divide(e, &t).items > caps->max_group ||
            local_bytes(e, caps, &t, per, pass) > caps->local_bytes) &&
           t.tm * t.tn > LEAST_TILE * LEAST_TILE) {
        if (t.tm >= t.tn)
            t.tm /= 2;
        else
            t.tn /= 2;
    }
    return t;
}

/* A work-item has its share of the tile, fragments of the factors, what it brings of the next step, and
 * some for where that comes from. */
static void cost(const rs_caps *caps, const rs_problem *p, rs_pass pass, const rs_simt_tiles *t,
                 rs_work *out)
{
    enum { OTHER_REGISTERS = 48 };
    const rs_dtype type = factor_type(p, pass);
    const engine *e = engine_of(caps, type);
    const int per = per_word(type);
    const division d = divide(e, t);
    const double items = (double)d.items, words = (double)t->tk / per;
    out->items = d.items;
    out->local_bytes = local_bytes(e, caps, t, per, pass);
    out->registers = (t->tm * t->tn + words * (t->tm + t->tn)) / items +
                     (double)e->factor_words * t->tn / d.subs_n / e->cols / 2.0 + OTHER_REGISTERS;
    out->registers = out->registers < caps->item_registers ? out->registers : caps->item_registers;
    out->share = 0.7;
    out->engine = (caps->engine_lanes ? caps->engine_lanes : 4.0 * caps->unit_lanes) * per / 2.0;
}

static const rs_simt_kind kind = {
    .impl = &rs_conv_mma, .shapes = shapes, .nshapes = RS_COUNT(shapes), .fit = fit, .cost = cost};

/* ---- what it can do ---------------------------------------------------------------------- */

static const char *refuses_channels(const rs_conv *v, rs_pass pass, int per)
{
    const size_t whole = (size_t)(pass == RS_BWD_PARAMS ? 4 * per : LEAST_WORDS * per);
    const size_t depth = pass == RS_BWD_DATA ? v->k : v->c;
    const size_t width = pass == RS_BWD_DATA ? v->c : v->k;
    if (depth % whole != 0)
        return "the channels that are summed over are not whole steps of the engine";
    if (width % (pass == RS_BWD_PARAMS ? whole : 4) != 0)
        return "the channels that are made are not whole vectors";
    return NULL;
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    const rs_conv v = rs_conv_of(p);
    const rs_dtype type = factor_type(p, pass);
    const engine *e = engine_of(caps, type);
    if (type == RS_F32 && p->math != RS_MATH_TF32)
        return "products of floats are to be exact";
    if (!e)
        return "the device has no matrix engine for the type (rescl devices --probe)";
    if (p->src_type[0] != p->dst_type)
        return "src and dst are stored in different types";
    if (v.groups > 1)
        return "serves no groups";
    const rs_simt_tiles least =
        fit(caps, p, pass, (rs_simt_tiles){.tm = LEAST_TILE, .tn = LEAST_TILE, .tk = LEAST_WORDS});
    if (divide(e, &least).items > caps->max_group ||
        local_bytes(e, caps, &least, per_word(type), pass) > caps->local_bytes)
        return "the device's work-groups or their local memory are too small";
    const char *why = refuses_channels(&v, pass, per_word(type));
    return why ? why : rs_conv_fits_int(&v);
}

/* Floats that are rounded to TF32 err in each term as a sum of so many floats does. */
static size_t terms(const rs_problem *p, rs_pass pass)
{
    const double ratio = rs_dtype_roundoff(RS_F16) / rs_dtype_roundoff(RS_F32);
    return rs_conv_reduction(p, pass) +
           (factor_type(p, pass) == RS_F32 ? (size_t)(ratio * ratio) : 0);
}

static size_t expect(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                     size_t most)
{
    return rs_simt_expect(&kind, p, pass, caps, out, most);
}

/* ---- plans ------------------------------------------------------------------------------- */

static rescl_status add_kernel(rs_plan *plan, const rs_simt_kept *d, const char *file,
                               const char *name, const char *more)
{
    static const char *const factors[] = {[RS_F32] = "TF32", [RS_BF16] = "BF16", [RS_F16] = "F16"};
    const rs_caps *caps = rs_device_caps(plan->dev);
    const rs_dtype type = factor_type(&plan->problem, plan->pass);
    const engine *e = engine_of(caps, type);
    const division by = divide(e, &d->t);
    char width[32] = "";
    if (e == &dpas8 || e == &dpas16)
        snprintf(width, sizeof width, " -DSUBGROUP=%d", e->lanes);
    return rs_plan_kernel_add(
        plan, file, name,
        "-DENGINE_%s -DMMA_%s -DTM=%d -DTN=%d -DTK=%d -DSUBS_M=%d -DSUBS_N=%d%s%s%s%s", e->option,
        factors[type], d->t.tm, d->t.tn, d->t.tk / per_word(type), by.subs_m, by.subs_n, more,
        width, caps->emulates ? " -DEMULATE" : "",
        rs_conv_storage_options(&plan->problem, plan->pass));
}

static size_t packed_words(const rs_plan *plan, const rs_simt_kept *d)
{
    const int per = per_word(factor_type(&plan->problem, plan->pass));
    return rs_conv_weight_count(&d->v) / (size_t)per;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    const rs_simt_tiles t = rs_simt_tiles_of(&kind, caps, p, plan->pass, plan->choice.tune);
    const engine *e = engine_of(caps, factor_type(p, plan->pass));
    const rs_simt_kept d = rs_simt_kept_of(plan, caps, t, divide(e, &t).items);
    char more[32];
    RS_PLAN_KEEP(plan, d);
    plan->math = p->math;
    if (plan->pass == RS_BWD_PARAMS) {
        plan->scratch_bytes = rs_conv_parts_bytes(&d.v, caps, (size_t)t.parts);
        RS_TRY(add_kernel(plan, &d, "conv2d_mma_weights", "conv2d_mma_bwd_params", ""));
        RS_TRY(rs_conv_sum_kernels_add(plan, &d.v, caps, 0, (size_t)t.parts));
        goto out;
    }
    rs_simt_product_options(plan, &d, more);
    RS_TRY(add_kernel(plan, &d, "conv2d_mma", "conv2d_mma_product", more));
    RS_TRY(rs_simt_product_plan(plan, &d));
    RS_TRY(add_kernel(plan, &d, "conv2d_mma", "conv2d_mma_pack", more));
    plan->packed_bytes = packed_words(plan, &d) * sizeof(uint32_t);
out:
    return st;
}

static rescl_status pack(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    rs_simt_kept d;
    RS_PLAN_RECALL(plan, d);
    if (plan->packed_bytes > 0) {
        const size_t count = packed_words(plan, &d);
        const rs_grid grid = rs_conv_items(plan->dev, count, 1);
        RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[plan->nkernels - 1].kernel, grid,
                         RS_BUF(args->param[0].buf), RS_BUF(args->packed), RS_INT(count),
                         RS_INT(d.p.depth), RS_INT(d.p.width)));
    }
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? rs_simt_weights_enqueue(plan, args)
                                       : rs_simt_product_enqueue(plan, args);
}

const rs_impl rs_conv_mma = {.name = "mma_gemm",
                             .passes = RS_CONV_PASSES,
                             .types = RS_STORAGE_TYPES,
                             .prefers = 1u << RESCL_DEVICE_GPU | 1u << RESCL_DEVICE_ACCELERATOR,
                             .tunables = tunables,
                             .can = can,
                             .terms = terms,
                             .expect = expect,
                             .plan = plan,
                             .pack = pack,
                             .enqueue = enqueue};
