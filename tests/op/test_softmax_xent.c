#include "op_harness.h"

#include "attr.h"
#include "choice.h"
#include "mixed.h"

#include <math.h>

static const rs_softmax_xent_attr plain = {0};
static const rs_softmax_xent_attr smooth = {.label_smoothing = 0.1f};

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

static rs_tensor upload(rs_shape shape, rs_dtype type, const void *host)
{
    rs_tensor t = {.shape = shape, .dtype = type};
    const size_t bytes = rs_shape_count(&shape) * rs_dtype_bytes(type);
    assert_ok(rs_buffer_create(rs_test_device(), bytes, &t.buf));
    assert_ok(rs_write(rs_test_device(), t.buf, 0, host, bytes));
    return t;
}

/* One number for all rows gives the bits of a diff_dst that holds it in each row. */
static void one_gradient_serves_all_rows(void **state)
{
    enum { ROWS = 5, COLUMNS = 7 };
    const rs_shape src[] = {rs_shape_2(ROWS, COLUMNS), rs_shape_1(ROWS)};
    float logits[ROWS * COLUMNS], probs[ROWS * COLUMNS], each[ROWS], out[2][ROWS * COLUMNS];
    const int32_t labels[ROWS] = {0, 6, 3, 3, 1};
    rs_plan plan = {0};
    rs_problem p;
    rs_args a;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_softmax_xent, &smooth, true, src, 2));
    p.want_diff[0] = true;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        logits[i] = (float)(i % 11) - 4.0f;
        probs[i] = 1.0f / (float)(i + 2);
    }
    for (int i = 0; i < ROWS; i++)
        each[i] = 1.0f / 3.0f;
    a = (rs_args){.src = {upload(src[0], RS_F32, logits), upload(src[1], RS_I32, labels)},
                  .ws = {upload(src[0], RS_F32, probs)},
                  .diff_src = {upload(src[0], RS_F32, logits)},
                  .diff_dst = upload(src[1], RS_F32, each)};
    rs_buffer *const all[] = {a.src[0].buf, a.src[1].buf, a.ws[0].buf, a.diff_src[0].buf,
                              a.diff_dst.buf};
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_BWD_DATA, NULL, &plan));
    assert_ok(rs_plan_build(&plan));
    for (int i = 0; i < 2; i++) {
        assert_ok(rs_plan_enqueue(&plan, &a));
        assert_ok(rs_read(rs_test_device(), a.diff_src[0].buf, 0, out[i], sizeof out[i]));
        assert_ok(rs_write(rs_test_device(), a.diff_src[0].buf, 0, logits, sizeof logits));
        a.diff_dst.buf = NULL;
        a.loss_diff = each[0];
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_memory_not_equal(out[0], logits, sizeof out[0]);
    for (size_t i = 0; i < RS_COUNT(all); i++)
        rs_buffer_release(all[i]);
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(one_gradient_serves_all_rows),
                                       cmocka_unit_test(agrees_with_torch),
                                       cmocka_unit_test(shapes_are_checked)};
    return op_suite_main(&rs_op_softmax_xent, extra, RS_COUNT(extra));
}
