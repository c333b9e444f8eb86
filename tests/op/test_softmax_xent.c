#include "op_harness.h"

#include "attr.h"

#include <math.h>

static const rs_softmax_xent_attr plain = {0};
static const rs_softmax_xent_attr smooth = {.label_smoothing = 0.1f};

enum { BAD_LABELS = 1, LARGE, MINUS_INFINITY };

static const op_case cases[] = {
    {.name = "one class", .src = {{2, {1, 1}}, {1, {1}}}, .attr = &plain},
    {.name = "six classes", .src = {{2, {32, 6}}, {1, {32}}}, .attr = &plain},
    {.name = "six classes, smooth", .src = {{2, {32, 6}}, {1, {32}}}, .attr = &smooth},
    {.name = "prime", .src = {{2, {5, 1009}}, {1, {5}}}, .attr = &smooth},
    {.name = "1000 classes", .src = {{2, {8, 1000}}, {1, {8}}}, .attr = &plain},
    {.name = "large logits",
     .src = {{2, {9, 33}}, {1, {9}}},
     .attr = &smooth,
     .variant = LARGE,
     .scale = 500},
    {.name = "logits of minus infinity",
     .src = {{2, {3, 20}}, {1, {3}}},
     .attr = &plain,
     .no_gradient = true,
     .variant = MINUS_INFINITY},
    {.name = "labels out of range",
     .src = {{2, {7, 19}}, {1, {7}}},
     .attr = &plain,
     .no_gradient = true,
     .variant = BAD_LABELS},
};

static void fill(const op_case *c, const rs_problem *p, op_data *d, rs_rng *rng)
{
    const size_t n = p->src[0].dim[0], classes = p->src[0].dim[1];
    for (size_t i = 0; i < n; i++)
        d->src[1][i] = rs_rng_below(rng, (uint32_t)classes);
    for (size_t i = 0; i < n * classes; i++)
        d->src[0][i] *= c->variant == LARGE ? 200 : 4;
    if (c->variant == BAD_LABELS) {
        d->src[1][0] = (double)classes;
        d->src[1][2] = -1;
        d->src[1][3] = INT32_MAX;
        d->src[1][6] = INT32_MIN;
    }
    if (c->variant == MINUS_INFINITY) {
        d->src[0][classes] = -INFINITY;
        d->src[0][classes + 18] = -INFINITY;
        d->src[1][1] = 5;
    }
}

/* From torch.nn.functional.cross_entropy(x, y, reduction="none", label_smoothing=0.1). */
static void agrees_with_torch(void **state)
{
    (void)state;
    const double x[] = {0.5, -1.0, 2.0, 3.0, 0.25, -0.75}, y[] = {2, 1};
    const rs_shape src[] = {rs_shape_2(2, 3), rs_shape_1(2)};
    double dst[2], probs[6];
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_softmax_xent, &smooth, true, src, 2));
    const rs_ref ref = {.src = {x, y}, .dst = dst, .ws = {probs}};
    p.op->reference(&p, RS_FWD, &ref);
    assert_true(fabs(dst[0] - 0.391311298892) < 1e-9);
    assert_true(fabs(dst[1] - 2.775498132033) < 1e-9);
}

static void shapes_are_checked(void **state)
{
    (void)state;
    const rs_shape src[] = {rs_shape_2(2, 3), rs_shape_1(3)};
    rs_problem p;
    assert_int_equal(rs_problem_init(&p, &rs_op_softmax_xent, &plain, true, src, 2),
                     RESCL_ERR_SHAPE);
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(agrees_with_torch),
                                       cmocka_unit_test(shapes_are_checked)};
    const op_suite s = {
        .op = &rs_op_softmax_xent, .cases = cases, .ncases = RS_COUNT(cases), .fill = fill};
    return op_suite_main(&s, extra, RS_COUNT(extra));
}
