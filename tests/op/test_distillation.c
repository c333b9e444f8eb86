#include "torch_losses.h"

#include "attr.h"

#include <math.h>

enum { N = TORCH_ROWS, CLASSES = TORCH_CLASSES };

static void check(const rs_st_file *f, const char *name, bool hard)
{
    static const rs_softmax_xent_attr xent = {0};
    const rs_distillation_attr attr = {.alpha = 0.3f, .tau = 2.5f, .hard = hard};
    const rs_shape logits = rs_shape_2(N, CLASSES), row = rs_shape_1(N);
    double x[N * CLASSES], y[N * CLASSES], labels[N], loss[N], gradient[N * CLASSES], own[N];
    double dst[N], probs[N * CLASSES], slope[N * CLASSES], diff[N * CLASSES] = {0}, of_own[N];
    double mean[N];
    int32_t label[N];
    rs_problem own_p, p;
    torch_losses_read(f, "logits", "", x, sizeof x);
    torch_losses_read(f, "teacher", "", y, sizeof y);
    torch_losses_read(f, "labels", "", label, sizeof label);
    torch_losses_read(f, name, ".loss", loss, sizeof loss);
    torch_losses_read(f, name, ".gradient", gradient, sizeof gradient);
    for (size_t i = 0; i < N; i++) {
        labels[i] = label[i];
        mean[i] = 1.0 / N;
    }
    assert_ok(rs_problem_init(&own_p, &rs_op_softmax_xent, &xent, true,
                              (const rs_shape[]){logits, row}, 2));
    assert_ok(rs_problem_init(&p, &rs_op_distillation, &attr, true,
                              (const rs_shape[]){logits, logits, row}, 3));
    assert_false(p.want_diff[1]);
    const rs_ref of_loss = {
        .src = {x, labels}, .dst = own, .ws = {probs}, .diff_dst = of_own, .diff_src = {diff}};
    const rs_ref ref = {.src = {x, y, own},
                        .dst = dst,
                        .ws = {slope},
                        .diff_dst = mean,
                        .diff_src = {diff, NULL, of_own}};
    own_p.op->reference(&own_p, RS_FWD, &of_loss);
    p.op->reference(&p, RS_FWD, &ref);
    p.op->reference(&p, RS_BWD_DATA, &ref);
    own_p.accumulate[0] = true;
    own_p.op->reference(&own_p, RS_BWD_DATA, &of_loss);
    for (size_t i = 0; i < N; i++)
        assert_true(fabs(dst[i] - loss[i]) < 1e-6);
    for (size_t i = 0; i < N * CLASSES; i++)
        assert_true(fabs(diff[i] - gradient[i]) < 1e-6);
}

static void is_as_in_torch(void **state)
{
    rs_st_file *f = torch_losses_open();
    (void)state;
    check(f, "distilled_soft", false);
    check(f, "distilled_hard", true);
    rs_st_close(f);
}

static void shapes_are_checked(void **state)
{
    static const rs_distillation_attr good = {.alpha = 0.5f, .tau = 1}, cold = {.alpha = 0.5f};
    const rs_shape other[] = {rs_shape_2(2, 3), rs_shape_2(2, 4), rs_shape_1(2)};
    const rs_shape fits[] = {rs_shape_2(2, 3), rs_shape_2(2, 3), rs_shape_1(2)};
    rs_problem p;
    (void)state;
    assert_fails(rs_problem_init(&p, &rs_op_distillation, &good, true, other, 3), RESCL_ERR_SHAPE,
                 "the teacher's logits");
    assert_fails(rs_problem_init(&p, &rs_op_distillation, &cold, true, fits, 3), RESCL_ERR_ARG,
                 "tau");
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(is_as_in_torch),
                                       cmocka_unit_test(shapes_are_checked)};
    return op_suite_main(&rs_op_distillation, extra, RS_COUNT(extra));
}
