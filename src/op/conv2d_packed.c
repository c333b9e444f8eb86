/* packed_gemm: register-tile products for CPUs; the host side of cl/conv2d_packed.cl.
 *
 * The kernels take shapes as arguments: one program serves every layer of a network. Here the work
 * is cut into groups: large enough that packing pixels pays, as many as the device's cores want. */
#include "conv2d.h"
#include "error.h"

#include <limits.h>

#define KERNEL_FILE "conv2d_packed"

/* kernel[] of a plan. */
enum { PRODUCT = 0, WEIGHTS };
enum { PARAMS = 0, SUM };

/* ---- tile sizes -------------------------------------------------------------------------- */

/* Up to SHALLOW_KC window values at a time a tile of pixels stays in the first cache while the panels
 * pass by it. With up to DEEP_KC a panel stays in the second one while tiles do. */
enum { SHALLOW_KC = 256, DEEP_KC = 1024 };

/* In training groups of the product pack their own panels where at most so many share the pixels: each
 * packs for itself. In a core's cache that takes a fourth of the time that panels in memory take. */
enum { MOST_PACKERS = 2 };

/* Tunables: none costs a program of its own, for the kernels' macros are upper bounds. */
enum { T_KC = 0, T_TILES, T_ROWS, T_PANELS, T_GROUPS };

#define PRODUCT_PASSES (1u << RS_FWD | 1u << RS_BWD_DATA)
#define PARAMS_PASS    (1u << RS_BWD_PARAMS)

static const rs_tunable tunables[] = {
    [T_KC] = {"kc", PRODUCT_PASSES, 16, DEEP_KC, {128, 256, 1024}}, /* window values at a time */
    [T_TILES] = {"tiles", PRODUCT_PASSES, 1, 16, {4, 16}},     /* most pixel tiles of a group */
    [T_ROWS] = {"rows", PARAMS_PASS, 12, 1536, {192, 384}},    /* most filter rows of a group */
    [T_PANELS] = {"panels", RS_CONV_PASSES, 1, 64, {4, 16}},   /* most panels of a group */
    [T_GROUPS] = {"groups", RS_CONV_PASSES, 1, 64, {1, 4, 8}}, /* per compute unit */
    {0}};

/* The kernels' macros, fixed for a device, and how much of them is used. */
typedef struct tiles {
    rs_regtile reg; /* rows of `multiply` are pixels, columns of `outer` filter rows */
    int kc, tb;     /* product: window values and pixel tiles in the scratch */
    int pb;         /* most pixel tiles of a group */
    int px, mb, jb; /* backward weights: pixels, filter rows and panels in the scratch */
    int most_kc;    /* of the tunables; 0: what suits the depth of the sums */
    int most_tiles, most_rows, most_panels;
    int want;              /* groups on the whole device */
    bool moments;          /* those of what the product makes are wanted */
    bool narrow;           /* activations of 16 bits */
    bool packs;            /* groups of the product pack their own panels */
    const rs_pairs *pairs; /* of bf16, which windows and panels then are; or NULL */
    bool emulates;
} tiles;

/* Whether the first factor's rows are tiles of an engine's. */
static bool takes_tiles(const tiles *t)
{
    return t->pairs && t->pairs->tiles;
}

/* Values between the rows of a tile: SHALLOW_KC of them lie in different sets of the first cache. Those of
 * an engine's tiles begin with a cache line. */
static int row_values(const tiles *t)
{
    return t->kc + (takes_tiles(t) ? 32 : t->kc > SHALLOW_KC ? 80 : 16);
}

/* Of a number in the scratch or in a panel. */
static size_t number_bytes(const tiles *t)
{
    return t->pairs ? sizeof(uint16_t) : sizeof(float);
}

static uint64_t product_bytes(const tiles *t)
{
    return (uint64_t)(t->tb * t->reg.mr * row_values(t)) * number_bytes(t);
}

static uint64_t params_bytes(const tiles *t)
{
    const uint64_t columns = (uint64_t)(t->jb * t->reg.nr), rows = (uint64_t)t->mb + 16;
    if (takes_tiles(t))
        return ((uint64_t)t->mb * (uint64_t)(t->px / 2 + 16) + (uint64_t)t->px / 2 * columns) * 4 +
               (uint64_t)t->pairs->step * rows * 2;
    return (uint64_t)t->px * (rows + columns) * number_bytes(t);
}

/* Numbers of a panel of k rows. */
static size_t panel_count(const tiles *t, int k)
{
    return (size_t)rs_round_up_int(k, t->pairs ? t->pairs->step : 1) * (size_t)t->reg.nr;
}

static tiles tiles_of(const rs_caps *caps, const rs_problem *p, rs_pass pass, const int *tune)
{
    const rs_pairs *pairs = p->src_type[0] == RS_BF16 ? rs_pairs_of(caps) : NULL;
    tiles t = {.reg = rs_regtile_of(caps),
               .moments = pass == RS_FWD && p->want_moments,
               .narrow = p->src_type[0] != RS_F32,
               .pairs = pairs,
               .emulates = caps->emulates,
               .kc = DEEP_KC,
               .tb = 8,
               .pb = 16,
               .px = pairs ? 256 : 128,
               .mb = 192,
               .jb = 8};
    if (pairs && pairs->rows)
        t.reg.mr = t.reg.mw = pairs->rows;
    if (takes_tiles(&t))
        t.kc = DEEP_KC / 2, t.tb = 16, t.px = 512;
    /* Half of the local memory, for a driver (Mesa's) counts a kernel's arrays twice; of that,
     * indices, flags and biases take up to 5 KiB, of twice as many pixels 10, with quads 11 and with tiles 18. */
    const uint64_t half = caps->local_bytes / 2;
    const uint64_t others = takes_tiles(&t)   ? 18432
                            : !pairs          ? 5120
                            : pairs->step > 2 ? 11264
                                              : 10240;
    const uint64_t room = half > others ? half - others : 0;
    while (takes_tiles(&t) && t.tb > 2 && product_bytes(&t) > room)
        t.tb /= 2;
    if (product_bytes(&t) > room)
        t.kc = SHALLOW_KC, t.tb = 1;
    while (t.kc > 32 && product_bytes(&t) > room)
        t.kc /= 2;
    while (t.jb > 1 && params_bytes(&t) > room)
        t.jb /= 2;
    while (t.mb > (takes_tiles(&t) ? 96 : 48) && params_bytes(&t) > room)
        t.mb /= 2;
    while (t.px > 8 && params_bytes(&t) > room)
        t.px /= 2;
    /* Sums of shorter sums round less: what forward rounds, the layers after it magnify. */
    const int kc = pass == RS_FWD && p->training && !t.narrow ? 128 : 0;
    t.most_kc = rs_min_int(rs_tuned(tune[T_KC], kc), t.kc);
    t.most_tiles = rs_tuned(tune[T_TILES], 8);
    t.most_rows = rs_tuned(tune[T_ROWS], 768); /* large groups pack less */
    if (pass == RS_BWD_PARAMS) {
        t.most_panels = rs_min_int(rs_tuned(tune[T_PANELS], t.jb), t.jb);
        t.want = rs_tuned(tune[T_GROUPS], 2) * (int)caps->compute_units;
    } else {
        /* What the second cache keeps while the group's pixels pass: 1 MiB, at 32 columns. */
        t.most_panels = rs_tuned(tune[T_PANELS], 32);
        t.want = rs_tuned(tune[T_GROUPS], 4) * (int)caps->compute_units;
    }
    return t;
}

static rescl_status add_kernel(rs_plan *plan, const tiles *t, const char *name)
{
    return rs_plan_kernel_add(
        plan, KERNEL_FILE, name, "-DKC=%d -DLDA=%d -DTB=%d -DPB=%d -DPX=%d -DMB=%d -DJB=%d%s%s%s",
        t->kc, row_values(t), t->tb, t->pb, t->px, t->mb, t->jb, rs_storage_options(&plan->problem),
        t->pairs ? t->pairs->option : "", t->pairs && t->emulates ? " -DEMULATE" : "");
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    const rs_conv v = rs_conv_of(p);
    const rs_conv_maps m = rs_conv_maps_of(&v, pass);
    const tiles t = tiles_of(caps, p, pass, rs_untuned);
    /* each grid's rows are rounded up to whole steps */
    const double more = t.pairs ? (double)t.pairs->step * (double)rs_conv_grids(&v, pass) : 0.0;
    const double packed =
        ((double)(v.r * v.s) * (double)m.c + more) * (double)(m.k + (size_t)t.reg.nr);
    if (p->src_type[0] != p->dst_type)
        return "made for one type of src and dst";
    if (v.groups > 1)
        return "does one group only";
    if (caps->local_bytes < 32768)
        return "needs 32 KiB of local memory";
    if (caps->float_width < 4)
        return "made for vectors of at least 4 floats";
    if (packed > INT_MAX / 2)
        return "the packed weights have more than 2^30 elements";
    return rs_conv_fits_int(&v);
}

/* ---- forward and backward data ----------------------------------------------------------- */

/* How backward weights are cut. */
typedef struct params {
    int rows, panels; /* filter rows and panels of a group */
    int groups_m, groups_j, parts;
    size_t part_floats; /* a partial result: weights, then biases */
} params;

/* What a plan keeps; each grid of a product is cut anew, for there may be many. */
typedef struct kept {
    rs_conv v;
    rs_conv_maps m;
    tiles t;
    size_t bias_first; /* in floats: the biases lie behind the packed weights */
    size_t
        slab_first; /* in floats: where groups pack, their slabs lie behind sums in the scratch */
    size_t scratch; /* bytes */
    params params;
} kept;

/* How one grid is cut. */
typedef struct product {
    rs_conv_grid grid;
    int panels; /* of all output channels */
    int kc;     /* window values at a time */
    int batch;  /* pixel tiles in the scratch at once */
    int tiles, group_panels;
    int groups_p, groups_j;
    bool position_major;
    size_t packed; /* numbers of packed weights */
    size_t sums;   /* floats of sums that y is too narrow for */
} product;

static product product_of(const rs_conv *v, rs_pass pass, size_t index, const tiles *t)
{
    const rs_conv_maps m = rs_conv_maps_of(v, pass);
    product d = {.grid = rs_conv_grid_at(v, pass, index)};
    const rs_conv_grid *g = &d.grid;
    const int c = (int)m.c, taps = g->rows * g->cols, total = taps * c;
    const int ntiles = rs_div_up_int((int)v->n * g->gh * g->gw, t->reg.mr);
    d.panels = rs_div_up_int((int)m.k, t->reg.nr);
    d.packed = (size_t)d.panels * panel_count(t, total);

    /* On small maps many windows reach into the padding. With the images of one position side by
     * side whole tiles share that, and skip it, provided that the pieces of the window are single
     * taps. */
    d.position_major = taps > 1 && g->gh * g->gw <= 64 && (int)v->n * 2 > t->reg.mr;
    const int whole = d.position_major && c >= 32 ? c : rs_max_int(total, 1);
    /* Sums of many values are updated seldom where there are pixels enough to pass by a panel. */
    const int step = t->pairs ? t->pairs->step : 1;
    const bool deep = (t->pairs && !t->packs) || (total >= DEEP_KC && ntiles > 16);
    const int suits = rs_min_int(deep ? DEEP_KC : SHALLOW_KC, t->kc);
    const int limit = t->most_kc > 0 ? t->most_kc : suits;
    const int most = rs_max_int(limit / step, 1) * step;
    const int kc = rs_div_up_int(whole, rs_div_up_int(whole, most));
    const int aligned = rs_max_int(t->reg.vw, step); /* rows of the scratch stay so */
    d.kc = rs_min_int(rs_round_up_int(kc, aligned), most);
    d.batch = d.kc > SHALLOW_KC || t->packs ? t->tb : 1;
    if (t->narrow && total > d.kc)
        d.sums = (size_t)(ntiles * t->reg.mr) * (size_t)(d.panels * t->reg.nr);

    /* Each further group of panels gathers all pixels again, each of tiles reads all weights, and
     * sums its own moments, whose number should not depend on the device. */
    int groups_p = rs_div_up_int(ntiles, t->most_tiles),
        groups_j = rs_div_up_int(d.panels, t->most_panels);
    const int most_p = t->moments || t->packs ? groups_p : ntiles;
    while (groups_p * groups_j < t->want && (groups_p < most_p || groups_j < d.panels)) {
        const bool panels_cost_less = t->packs || 2 * (int64_t)groups_j * ntiles * t->reg.mr <=
                                                      (int64_t)groups_p * d.panels * t->reg.nr;
        if (groups_p >= most_p || (groups_j < d.panels && panels_cost_less))
            groups_j = rs_min_int(2 * groups_j, d.panels);
        else
            groups_p = rs_min_int(2 * groups_p, most_p);
    }
    d.tiles = ntiles > 0 ? rs_div_up_int(ntiles, groups_p) : 1;
    d.group_panels = rs_div_up_int(d.panels, groups_j);
    d.groups_p = rs_div_up_int(ntiles, d.tiles);
    d.groups_j = rs_div_up_int(d.panels, d.group_panels);
    return d;
}

/* Floats of the panel in a group's slab, which one bias per channel follows. */
static size_t slab_panel(const product *d, const tiles *t)
{
    return panel_count(t, d->kc) * number_bytes(t) / sizeof(float);
}

static size_t slab_floats(const product *d, const tiles *t)
{
    return slab_panel(d, t) + (size_t)t->reg.nr;
}

/* `t` for groups that pack their own panels, where that pays and there are as many groups as compute
 * units: elsewhere than in training, panels serve again and again. */
static tiles packing_tiles(const rs_conv *v, const rs_problem *p, rs_pass pass, const rs_caps *caps,
                           const tiles *t)
{
    const int units = (int)caps->compute_units;
    tiles packing = *t;
    packing.packs = p->training;
    if (!t->moments)
        packing.most_tiles = t->tb;
    for (size_t i = 0; packing.packs && i < rs_conv_grids(v, pass); i++) {
        const product d = product_of(v, pass, i, &packing);
        packing.packs = d.groups_p <= MOST_PACKERS && d.tiles <= t->tb &&
                        (d.groups_p == 0 || d.groups_p * d.groups_j >= units);
    }
    return packing.packs ? packing : *t;
}

/* Groups of pixel tiles of forward. */
static size_t product_parts(const rs_conv *v, const tiles *t)
{
    return (size_t)product_of(v, RS_FWD, 0, t).groups_p;
}

/* What all grids need: where the biases lie, and scratch. */
static void add_up(kept *all, rs_pass pass)
{
    size_t packed = 0, sums = 0, slabs = 0;
    for (size_t i = 0; i < rs_conv_grids(&all->v, pass); i++) {
        const product d = product_of(&all->v, pass, i, &all->t);
        packed += d.packed;
        sums = d.sums > sums ? d.sums : sums;
        const size_t floats = (size_t)(d.groups_p * d.groups_j) * slab_floats(&d, &all->t);
        slabs = all->t.packs && floats > slabs ? floats : slabs;
    }
    all->bias_first = packed * number_bytes(&all->t) / sizeof(float);
    all->slab_first = sums;
    all->scratch = (sums + slabs) * sizeof(float);
}

static rescl_status product_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept all;
    RS_PLAN_RECALL(plan, all);
    const tiles t = all.t;
    const rs_conv v = all.v;
    const rs_conv_maps m = all.m;
    const bool fwd = plan->pass == RS_FWD, add = !fwd && v.accumulate;
    size_t first = 0;

    for (size_t i = 0; i < rs_conv_grids(&v, plan->pass); i++) {
        const product d = product_of(&v, plan->pass, i, &t);
        const rs_conv_grid *g = &d.grid;
        const rs_grid grid = {.items = {(size_t)d.groups_p, (size_t)d.groups_j, 1},
                              .group = {1, 1, 1}};
        const size_t slab = all.slab_first; /* in floats */
        if (d.groups_p > 0 && !(add && d.packed == 0))
            RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[PRODUCT].kernel, grid,
                             RS_BUF(fwd ? args->src[0].buf : args->diff_dst.buf),
                             RS_BUF(t.packs ? args->scratch : args->packed),
                             RS_INT(t.packs ? slab * sizeof(float) / number_bytes(&t) : first),
                             RS_INT(t.packs ? slab + slab_panel(&d, &t) : all.bias_first),
                             RS_BUF(fwd ? args->src[1].buf : NULL),
                             RS_BUF(fwd ? args->dst.buf : args->diff_src[0].buf),
                             RS_BUF(plan->moments_parts ? args->moments : NULL),
                             RS_BUF(d.sums ? args->scratch : NULL), RS_CONV_GRID_ARGS(&v, &m, g),
                             RS_INT(d.kc), RS_INT(d.tiles), RS_INT(d.batch), RS_INT(d.group_panels),
                             RS_INT((add ? RS_CONV_ACCUMULATE : 0) |
                                    (d.position_major ? RS_CONV_POSITION_MAJOR : 0) |
                                    (v.relu ? RS_CONV_RELU : 0)),
                             RS_BUF(t.packs ? args->param[0].buf : NULL),
                             RS_BUF(t.packs && fwd && v.bias ? args->param[1].buf : NULL),
                             RS_INT(slab_floats(&d, &t)), RS_CONV_TAPS_ARGS(&v, &m, g)));
        first += d.packed;
    }
out:
    return st;
}

/* The first grid that has weights packs the biases. */
static rescl_status pack(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept all;
    RS_PLAN_RECALL(plan, all);
    const tiles t = all.t;
    const rs_conv v = all.v;
    const rs_conv_maps m = all.m;
    size_t first = 0;

    for (size_t i = 0; i < rs_conv_grids(&v, plan->pass); i++) {
        const product d = product_of(&v, plan->pass, i, &t);
        const rs_conv_grid *g = &d.grid;
        const int blocks = rs_div_up_int(g->rows * g->cols * (int)m.c, d.kc);
        const rs_grid grid = {.items = {(size_t)d.panels, (size_t)blocks, 1}, .group = {1, 1, 1}};
        if (d.packed > 0)
            RS_TRY(RS_LAUNCH(
                plan->dev, plan->kernel[WEIGHTS].kernel, grid, RS_BUF(args->param[0].buf),
                RS_BUF(plan->pass == RS_FWD && v.bias ? args->param[1].buf : NULL),
                RS_BUF(args->packed), RS_INT(first),
                RS_INT(first == 0 ? (int64_t)all.bias_first : -1), RS_CONV_GRID_ARGS(&v, &m, g),
                RS_CONV_TAPS_ARGS(&v, &m, g), RS_INT(d.kc)));
        first += d.packed;
    }
out:
    return st;
}

/* ---- backward weights -------------------------------------------------------------------- */

/* Groups of up to `rows` by `panels`. */
static params params_cut(const rs_conv *v, const tiles *t, int rows, int panels)
{
    params d = {0};
    const int all_rows = (int)(v->r * v->s * v->c),
              all_panels = rs_div_up_int((int)v->k, t->reg.nr);
    /* Groups that lie within one tap leave out the pixels which that tap does not reach. */
    const int whole = v->c > (size_t)rows ? (int)v->c : all_rows;
    d.rows = rs_div_up_int(rs_div_up_int(whole, rs_div_up_int(whole, rows)), t->reg.mw) * t->reg.mw;
    d.panels = rs_min_int(panels, all_panels);
    d.groups_m = rs_div_up_int(all_rows, d.rows);
    d.groups_j = rs_div_up_int(all_panels, d.panels);
    return d;
}

static params params_of(const rs_conv *v, const tiles *t)
{
    params d = params_cut(v, t, t->most_rows, t->most_panels);
    const int parts = (int)rs_conv_weight_parts(v, (size_t)(d.groups_m * d.groups_j));
    /* Fewer rows would change which pixels a group leaves out, and so the order of its sums. */
    while (d.groups_m * d.groups_j * parts < t->want && d.panels > 1)
        d = params_cut(v, t, t->most_rows, rs_div_up_int(d.panels, 2));
    d.parts = parts;
    d.part_floats = rs_conv_weight_count(v) + (v->bias ? v->k : 0);
    return d;
}

static rescl_status params_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept all;
    RS_PLAN_RECALL(plan, all);
    const rs_conv v = all.v;
    const params d = all.params;
    const size_t weights = rs_conv_weight_count(&v);
    const rs_grid grid = {.items = {(size_t)d.groups_m, (size_t)d.groups_j, (size_t)d.parts},
                          .group = {1, 1, 1}};
    rs_buffer *dw = d.parts > 1 ? args->scratch : args->diff_param[0].buf;
    rs_buffer *dbias = !v.bias ? NULL : d.parts > 1 ? args->scratch : args->diff_param[1].buf;

    RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[PARAMS].kernel, grid, RS_BUF(args->src[0].buf),
                     RS_BUF(args->diff_dst.buf), RS_BUF(dw), RS_BUF(dbias), RS_CONV_SHAPE_ARGS(&v),
                     RS_INT(d.rows), RS_INT(d.panels), RS_INT(d.parts), RS_ULONG(d.part_floats),
                     RS_INT(d.parts > 1 ? weights : 0)));
    if (d.parts > 1)
        RS_TRY(rs_conv_sum(plan, SUM, args->scratch, 0, args->diff_param[0].buf, weights,
                           (size_t)d.parts, d.part_floats));
    if (d.parts > 1 && v.bias)
        RS_TRY(rs_conv_sum(plan, SUM, args->scratch, weights, args->diff_param[1].buf, v.k,
                           (size_t)d.parts, d.part_floats));
out:
    return st;
}

/* ---- all passes -------------------------------------------------------------------------- */

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    const rs_conv v = rs_conv_of(&plan->problem);
    tiles t = tiles_of(caps, &plan->problem, plan->pass, plan->choice.tune);
    if (plan->pass != RS_BWD_PARAMS)
        t = packing_tiles(&v, &plan->problem, plan->pass, caps, &t);
    kept all = {.v = v, .t = t};
    if (plan->pass == RS_BWD_PARAMS) {
        const params d = all.params = params_of(&v, &t);
        plan->scratch_bytes = d.parts > 1 ? (size_t)d.parts * d.part_floats * sizeof(float) : 0;
        RS_TRY(add_kernel(plan, &t, "conv2d_packed_bwd_params"));
        RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_sum", "%s", ""));
    } else {
        const rs_conv_maps m = all.m = rs_conv_maps_of(&v, plan->pass);
        const size_t biases = (size_t)(rs_div_up_int((int)m.k, t.reg.nr) * t.reg.nr);
        add_up(&all, plan->pass);
        plan->scratch_bytes = all.scratch;
        plan->packed_bytes = t.packs ? 0 : (all.bias_first + biases) * sizeof(float);
        if (plan->pass == RS_FWD && plan->problem.want_moments)
            plan->moments_parts = product_parts(&v, &t);
        RS_TRY(add_kernel(plan, &t, "conv2d_packed_product"));
        if (!t.packs) {
            RS_TRY(add_kernel(plan, &t, "conv2d_packed_weights"));
            plan->kernel[plan->nkernels - 1].moves = true;
        }
    }
    RS_PLAN_KEEP(plan, all);
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? params_enqueue(plan, args) : product_enqueue(plan, args);
}

const rs_impl rs_conv_packed = {.name = "packed_gemm",
                                .passes = RS_CONV_PASSES,
                                .types = RS_STORAGE_TYPES,
                                .prefers = 1u << RESCL_DEVICE_CPU,
                                .tunables = tunables,
                                .can = can,
                                .plan = plan,
                                .pack = pack,
                                .enqueue = enqueue};
