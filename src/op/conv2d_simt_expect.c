/* What the tiles of simt_gemm and mma_gemm should take by the roofline model, and the tiles that should take
 * the least; and what simt_gemm's cost. */
#include "conv2d_simt.h"
#include "error.h"

#include <math.h>
#include <string.h>

/* Instructions of a work-item, counted in what compilers for NVIDIA and AMD make of the kernels: in each
 * step; for a piece of 4 numbers that it brings in a step, in backward weights (which find the pixel of
 * each) and where they do not lie side by side; for a jump of the loop over terms. */
enum { STEP = 27, PIECE = 14, WEIGHTS_PIECE = 28, SCATTERED_PIECE = 55, JUMP = 3 };

/* Its registers: for a piece and where it comes from, more for one that comes from four places, and for
 * what is neither that nor a number. */
enum {
    PIECE_REGISTERS = 9,
    SCATTERED_REGISTERS = 3,
    WEIGHTS_REGISTERS = 14,
    PRODUCT_REGISTERS = 28
};

/* Parts: steps that each has at least, so that it is worth its partial results, and how much all those
 * may be. */
enum { PRODUCT_STEPS = 8, WEIGHTS_STEPS = 16, MOST_PRODUCT_PARTS = 32, MOST_WEIGHTS_PARTS = 1024 };
#define MOST_SCRATCH 0x1p26

/* The tiles among which the model chooses, few so that a network compiles few kernels; of those that
 * should take the same time the first. */
static const rs_simt_tiles shapes[] = {
    {128, 128, 16, 8, 8, 16, 1}, {128, 128, 16, 8, 8, 4, 1}, {128, 128, 8, 8, 8, 4, 1},
    {128, 128, 16, 8, 8, 1, 1},  {128, 128, 8, 8, 8, 1, 1},  {128, 64, 16, 8, 8, 16, 1},
    {128, 64, 16, 8, 8, 4, 1},   {128, 64, 16, 8, 4, 4, 1},  {64, 128, 16, 8, 8, 16, 1},
    {64, 128, 16, 8, 8, 4, 1},   {64, 128, 16, 8, 4, 4, 1},  {64, 64, 16, 8, 8, 16, 1},
    {64, 64, 16, 8, 8, 4, 1},    {64, 64, 16, 8, 4, 4, 1},   {64, 64, 16, 4, 4, 4, 1},
    {32, 64, 16, 4, 4, 4, 1},    {64, 32, 16, 4, 4, 4, 1},   {32, 32, 16, 4, 4, 4, 1},
};

/* A pass on a device. */
typedef struct pending {
    const rs_simt_kind *kind;
    const rs_caps *caps;
    const rs_problem *problem;
    const rs_conv *v;
    rs_pass pass;
    rs_simt_product p;
    double src_bytes, dst_bytes; /* of a number of src and of dst */
} pending;

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* ---- what simt_gemm's cost --------------------------------------------------------------- */

/* Pieces of a factor that an item brings in a step. */
static double pieces(int numbers, const rs_simt_tiles *t)
{
    return fmax(1.0, numbers / 4.0 / (double)rs_simt_items(t));
}

/* The share of an item's instructions that multiply. */
static double share_of(const rs_simt_product *p, rs_pass pass, const rs_simt_tiles *t)
{
    const double fmas = t->tk * t->rm * t->rn, loads = t->tk * (t->rm + t->rn) / 4.0;
    const double whole = pass == RS_BWD_PARAMS ? WEIGHTS_PIECE : PIECE;
    const double a = p->depth % 4 ? SCATTERED_PIECE : whole;
    const double b = p->width % 4 ? SCATTERED_PIECE : whole;
    return fmas / (fmas + loads + (double)JUMP * t->tk / t->unroll + STEP +
                   a * pieces(t->tm * t->tk, t) + b * pieces(t->tn * t->tk, t));
}

static double piece_registers(size_t channels)
{
    return PIECE_REGISTERS + (channels % 4 ? SCATTERED_REGISTERS : 0);
}

/* Where the loop is unrolled, terms are read ahead. */
static double registers_of(const rs_simt_product *p, rs_pass pass, const rs_simt_tiles *t)
{
    const double ahead = least(1.0 + 0.4 * (t->unroll - 1), 5.5);
    return (pass == RS_BWD_PARAMS ? WEIGHTS_REGISTERS : PRODUCT_REGISTERS) + t->rm * t->rn +
           ahead * (t->rm + t->rn) + piece_registers(p->depth) * pieces(t->tm * t->tk, t) +
           piece_registers(p->width) * pieces(t->tn * t->tk, t);
}

static void cost(const rs_caps *caps, const rs_problem *problem, rs_pass pass,
                 const rs_simt_tiles *t, rs_work *out)
{
    const rs_conv v = rs_conv_of(problem);
    const rs_simt_product p = rs_simt_product_of(&v, pass);
    (void)caps;
    out->items = rs_simt_items(t);
    out->local_bytes = rs_simt_local_bytes(t);
    out->registers = registers_of(&p, pass, t);
    out->share = share_of(&p, pass, t);
}

static rs_simt_tiles fit(const rs_caps *caps, const rs_problem *p, rs_pass pass, rs_simt_tiles t)
{
    (void)p, (void)pass;
    return rs_simt_fitting(caps, t);
}

const rs_simt_kind rs_simt_items_kind = {
    .impl = &rs_conv_simt, .shapes = shapes, .nshapes = RS_COUNT(shapes), .fit = fit, .cost = cost};

/* ---- one way to cut a pass --------------------------------------------------------------- */

static pending pending_of(const rs_simt_kind *kind, const rs_caps *caps, const rs_problem *p,
                          const rs_conv *v, rs_pass pass)
{
    return (pending){.kind = kind,
                     .caps = caps,
                     .problem = p,
                     .v = v,
                     .pass = pass,
                     .p = rs_simt_product_of(v, pass),
                     .src_bytes = (double)rs_dtype_bytes(p->src_type[0]),
                     .dst_bytes = (double)rs_dtype_bytes(p->dst_type)};
}

/* Numbers that are made, and bytes of one where they are whole. */
static double result_of(const pending *w)
{
    return (double)(w->pass == RS_BWD_PARAMS ? rs_conv_weight_count(w->v)
                    : w->pass == RS_FWD      ? rs_conv_dst_count(w->v)
                                             : rs_conv_src_count(w->v));
}

static double result_bytes(const pending *w)
{
    return w->pass == RS_BWD_PARAMS ? sizeof(float)
           : w->pass == RS_FWD      ? w->dst_bytes
                                    : w->src_bytes;
}

/* Bytes that are read. A window smaller than its steps leaves pixels of src out. */
static double sources_of(const pending *w)
{
    const rs_conv *v = w->v;
    const double met = least(1.0, (double)(v->r * v->s) / (double)(v->stride_h * v->stride_w));
    const double src = w->src_bytes * met * (double)rs_conv_src_count(v);
    const double dst = w->dst_bytes * (double)rs_conv_dst_count(v);
    const bool adds = w->pass == RS_FWD ? v->residual : v->accumulate;
    if (w->pass == RS_BWD_PARAMS)
        return src + dst;
    return sizeof(float) * (double)rs_conv_weight_count(v) + (w->pass == RS_FWD ? src : dst) +
           (adds ? w->src_bytes * result_of(w) : 0.0);
}

/* Of a group; residues of backward data have different numbers of them. */
static double terms_of(const pending *w)
{
    return w->pass == RS_BWD_DATA ? (double)(w->v->r * w->v->s * w->p.depth) / (double)w->p.residues
                                  : (double)w->p.terms;
}

static double expected_ns(const pending *w, const rs_simt_tiles *t)
{
    const double result = result_of(w), made = t->tm * t->tn;
    const double steps = ceil(terms_of(w) / t->tk / t->parts);
    const double written = t->parts > 1 ? (double)t->parts * sizeof(float) : result_bytes(w);
    const double read_a = w->pass == RS_BWD_DATA ? w->dst_bytes : w->src_bytes;
    const double read_b = w->pass == RS_BWD_PARAMS ? w->dst_bytes : sizeof(float);
    rs_work work = {.groups = (double)(rs_simt_groups(&w->p, t) * (size_t)t->parts),
                    .steps = steps,
                    .step_fmas = made * t->tk,
                    .group_bytes =
                        steps * t->tk * (read_a * t->tm + read_b * t->tn) + sizeof(float) * made,
                    .bytes = sources_of(w) + written * result};
    w->kind->cost(w->caps, w->problem, w->pass, t, &work);
    double ns = rs_roofline_ns(w->caps, &work);
    if (t->parts > 1)
        ns += rs_roofline_copy_ns(w->caps, (written + result_bytes(w)) * result);
    return ns;
}

/* ---- the ways there are ------------------------------------------------------------------ */

/* Sets t->parts to the number that should take the least time, which it returns. */
static double choose_parts(const pending *w, rs_simt_tiles *t)
{
    const bool weights = w->pass == RS_BWD_PARAMS;
    const double steps = terms_of(w) / t->tk / (weights ? WEIGHTS_STEPS : PRODUCT_STEPS);
    const double room =
        least(MOST_SCRATCH, (double)w->caps->max_alloc_bytes) / sizeof(float) / result_of(w);
    const int most =
        (int)least(least(steps, room), weights ? MOST_WEIGHTS_PARTS : MOST_PRODUCT_PARTS);
    rs_simt_tiles way = *t;
    t->parts = 1;
    double best = expected_ns(w, t);
    /* 2, 3, 4, 6, 8, 12, ... */
    for (int n = 2; n <= most; n += (n & (n - 1)) != 0 ? n / 3 : n / 2) {
        way.parts = n;
        const double ns = expected_ns(w, &way);
        if (ns < best) {
            best = ns;
            t->parts = n;
        }
    }
    return best;
}

/* Tiles with what `tune` says. */
static rs_simt_tiles tuned(rs_simt_tiles t, const int *tune)
{
    t.tm = rs_tuned(tune[RS_SIMT_TM], t.tm);
    t.tn = rs_tuned(tune[RS_SIMT_TN], t.tn);
    t.tk = rs_tuned(tune[RS_SIMT_TK], t.tk);
    t.rm = rs_tuned(tune[RS_SIMT_RM], t.rm);
    t.rn = rs_tuned(tune[RS_SIMT_RN], t.rn);
    t.unroll = rs_tuned(tune[RS_SIMT_UNROLL], t.unroll);
    return t;
}

rs_simt_tiles rs_simt_tiles_of(const rs_simt_kind *kind, const rs_caps *caps, const rs_problem *p,
                               rs_pass pass, const int *tune)
{
    const rs_conv v = rs_conv_of(p);
    const pending w = pending_of(kind, caps, p, &v, pass);
    rs_simt_tiles best = {0};
    double least_ns = INFINITY;
    for (size_t i = 0; i < kind->nshapes; i++) {
        rs_simt_tiles t = kind->fit(caps, p, pass, tuned(kind->shapes[i], tune));
        const double ns = choose_parts(&w, &t);
        if (i == 0 || ns < least_ns) {
            best = t;
            least_ns = ns;
        }
    }
    return best;
}

static bool known(const rs_expected *ways, size_t count, const rs_choice *c)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(ways[i].choice.tune, c->tune, sizeof c->tune) == 0)
            return true;
    return false;
}

size_t rs_simt_expect(const rs_simt_kind *kind, const rs_problem *problem, rs_pass pass,
                      const rs_caps *caps, rs_expected *out, size_t most)
{
    const rs_conv v = rs_conv_of(problem);
    const pending w = pending_of(kind, caps, problem, &v, pass);
    size_t count = 0;
    for (size_t i = 0; i < kind->nshapes; i++) {
        rs_simt_tiles t = kind->fit(caps, problem, pass, kind->shapes[i]);
        const rs_expected way = {.choice = {.impl = kind->impl,
                                            .tune = {[RS_SIMT_TM] = t.tm,
                                                     [RS_SIMT_TN] = t.tn,
                                                     [RS_SIMT_TK] = t.tk,
                                                     [RS_SIMT_RM] = t.rm,
                                                     [RS_SIMT_RN] = t.rn,
                                                     [RS_SIMT_UNROLL] = t.unroll}},
                                 .ns = choose_parts(&w, &t)};
        if (!known(out, count, &way.choice))
            count = rs_roofline_insert(out, count, most, &way);
    }
    return count;
}
