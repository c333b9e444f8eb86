/* The tiles of simt_gemm: conv2d_simt.h. */
#include "conv2d_simt.h"

#include "alloc.h"

/* Columns of a block of several groups: enough to fill a narrow tile, few enough that zeros are. */
enum { BLOCK_COLS = 32, MOST_BLOCK_COLS = 128 };

enum { LEAST = 4, MOST_TILE = 256, MOST_TK = 32 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- the product ------------------------------------------------------------------------- */

/* Groups that a block gathers: the fewest that give it BLOCK_COLS channels on its narrower side. */
static size_t groups_of_block(const rs_conv *v)
{
    const size_t narrow = min_size(rs_conv_group_in(v), rs_conv_group_out(v));
    size_t best = 1;
    for (size_t n = 1; n <= v->groups && best * narrow < BLOCK_COLS; n++)
        if (v->groups % n == 0 && (n == 1 || n * narrow <= MOST_BLOCK_COLS))
            best = n;
    return best;
}

rs_simt_product rs_simt_product_of(const rs_conv *v, rs_pass pass)
{
    const size_t gathered = groups_of_block(v);
    const size_t in = gathered * rs_conv_group_in(v), out = gathered * rs_conv_group_out(v);
    rs_simt_product p = {.blocks = v->groups / gathered, .residues = 1};
    if (pass == RS_BWD_DATA) {
        const size_t high = rs_div_up(v->h, v->stride_h), wide = rs_div_up(v->w, v->stride_w);
        p.residues = v->stride_h * v->stride_w;
        p.rows = v->n * high * wide;
        p.depth = out;
        p.width = in;
        p.terms = rs_div_up(v->r, v->stride_h) * rs_div_up(v->s, v->stride_w) * out;
    } else {
        p.rows = v->n * v->oh * v->ow;
        p.depth = in;
        p.width = out;
        p.terms = v->r * v->s * in;
    }
    p.cols = p.width;
    if (pass == RS_BWD_PARAMS) {
        const size_t pixels = p.rows;
        p.rows = p.terms;
        p.terms = pixels;
    }
    return p;
}

size_t rs_simt_groups(const rs_simt_product *p, const rs_simt_tiles *t)
{
    return p->blocks * p->residues * rs_div_up(p->rows, (size_t)t->tm) *
           rs_div_up(p->cols, (size_t)t->tn);
}

/* ---- tiles that the kernels can do ------------------------------------------------------- */

size_t rs_simt_local_bytes(const rs_simt_tiles *t)
{
    const size_t factors = 2 * (size_t)t->tk * (size_t)(t->tm + t->tn + 8);
    const size_t sums = (size_t)((t->tm / t->rm + 1) * t->tn);
    return sizeof(float) * (factors > sums ? factors : sums);
}

int rs_simt_power(int value, int least, int most)
{
    int p = least;
    while (p < most && 2 * p <= value)
        p *= 2;
    return p;
}

/* Items must bring whole rows of each factor: a row of B, or of A in backward weights, in one turn, and
 * a column of a step. */
static void square_up(rs_simt_tiles *t)
{
    t->rm = rs_simt_power(t->rm, LEAST, rs_min_int(2 * LEAST, t->tm));
    t->rn = rs_simt_power(t->rn, LEAST, rs_min_int(2 * LEAST, t->tn));
    if (t->tm == t->rm)
        t->rn = LEAST;
    if (t->tn == t->rn)
        t->rm = LEAST;
    t->tk = rs_min_int(t->tk, 4 * (int)rs_simt_items(t));
    t->unroll = rs_simt_power(t->unroll, 1, t->tk);
}

rs_simt_tiles rs_simt_fitting(const rs_caps *caps, rs_simt_tiles t)
{
    t.tm = rs_simt_power(t.tm, LEAST, MOST_TILE);
    t.tn = rs_simt_power(t.tn, LEAST, MOST_TILE);
    t.tk = rs_simt_power(t.tk, LEAST, MOST_TK);
    square_up(&t);
    while (rs_simt_items(&t) > caps->max_group ||
           (rs_simt_local_bytes(&t) > caps->local_bytes && t.tm * t.tn > LEAST * LEAST)) {
        if (rs_simt_items(&t) <= caps->max_group && t.tk > 2 * LEAST)
            t.tk /= 2;
        else if (t.tm >= t.tn)
            t.tm /= 2;
        else
            t.tn /= 2;
        square_up(&t);
    }
    return t;
}

rs_simt_tiles rs_simt_join_tiles(const rs_caps *caps)
{
    return rs_simt_fitting(
        caps, (rs_simt_tiles){.tm = 32, .tn = 32, .tk = LEAST, .rm = 4, .rn = 4, .unroll = 1});
}
