#include "op_harness.h"

#include <math.h>

static const op_case cases[] = {
    {.name = "one element", .src = {{1, {1}}}},
    {.name = "prime", .src = {{4, {1, 7, 11, 13}}}},
    {.name = "vectors only", .src = {{2, {32, 64}}}},
    {.name = "several chunks and a tail", .src = {{4, {3, 33, 31, 17}}}},
    {.name = "NaN and zeros", .src = {{1, {40}}}, .no_gradient = true, .variant = 1},
};

static void fill(const op_case *c, const rs_problem *p, op_data *d, rs_rng *rng)
{
    (void)p, (void)rng;
    if (c->variant == 1) {
        d->src[0][3] = NAN;
        d->src[0][17] = d->src[0][39] = 0;
        d->src[0][20] = INFINITY;
        d->src[0][21] = -INFINITY;
        d->diff_dst[5] = NAN;
    }
}

int main(void)
{
    const op_suite s = {.op = &rs_op_relu, .cases = cases, .ncases = RS_COUNT(cases), .fill = fill};
    return op_suite_main(&s, NULL, 0);
}
