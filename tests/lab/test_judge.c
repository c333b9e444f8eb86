#include "fixtures.h"
#include "testing.h"

#include "attr.h"
#include "error.h"
#include "judge.h"
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A convolution whose result is larger than what is drawn from it, and no multiple of a block. */
static rs_problem problem(size_t batch)
{
    static const rs_conv2d_attr attr = {.filters = 9,
                                        .kernel_h = 3,
                                        .kernel_w = 3,
                                        .stride_h = 1,
                                        .stride_w = 1,
                                        .pad_top = 1,
                                        .pad_bottom = 1,
                                        .pad_left = 1,
                                        .pad_right = 1};
    const rs_shape src = rs_shape_4(batch, 25, 21, 5);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, &attr, true, &src, 1));
    return p;
}

static float *read_tensor(const rs_tensor *t)
{
    const size_t count = rs_shape_count(&t->shape);
    float *v = malloc(count * sizeof *v);
    assert_non_null(v);
    assert_ok(rs_read(rs_test_device(), t->buf, 0, v, count * sizeof *v));
    return v;
}

static void the_device_fills_what_the_host_knows(void **state)
{
    (void)state;
    const rs_problem p = problem(1);
    rs_args args;
    assert_ok(rs_trial_args_make(rs_test_device(), &p, true, &args));
    const struct {
        const rs_tensor *tensor;
        rs_role role;
    } known[] = {{&args.src[0], RS_ROLE_SRC},
                 {&args.param[0], RS_ROLE_PARAM},
                 {&args.diff_dst, RS_ROLE_DIFF_DST},
                 {&args.diff_src[0], RS_ROLE_DIFF_SRC}};
    for (size_t t = 0; t < RS_COUNT(known); t++) {
        const size_t count = rs_shape_count(&known[t].tensor->shape);
        float *v = read_tensor(known[t].tensor);
        double sum = 0.0;
        for (size_t i = 0; i < count; i++) {
            assert_true((double)v[i] == rs_trial_numbers(&p)(known[t].role, i));
            assert_true(v[i] >= -1.0f && v[i] < 1.0f);
            sum += (double)v[i];
        }
        assert_true(fabs(sum) < 4.0 * sqrt((double)count / 3.0));
        free(v);
    }
    assert_ok(rs_trial_spoil(rs_test_device(), &args.dst));
    float *v = read_tensor(&args.dst);
    for (size_t i = 0; i < rs_shape_count(&args.dst.shape); i++)
        assert_true(isnan(v[i]));
    free(v);
    rs_trial_args_release(&args);
}

/* A judge that trusts a right result, which lies in args. */
typedef struct court {
    rs_problem p;
    rs_args args;
    rs_judge judge;
    rs_trial trial;
    float *right;
} court;

/* Numbers of 16 bits are judged as they are stored, by each implementation that serves them. */
static void sixteen_bits_are_judged(void **state)
{
    (void)state;
    static const rs_dtype types[] = {RS_BF16, RS_F16};
    for (size_t t = 0; t < RS_COUNT(types); t++)
        for (rs_pass pass = RS_FWD; pass < RS_PASS_COUNT; pass++) {
            court c = {.p = problem(3)};
            rs_verdict v;
            c.p.src_type[0] = c.p.dst_type = types[t];
            assert_ok(rs_trial_args_make(rs_test_device(), &c.p, true, &c.args));
            float *w = read_tensor(&c.args.param[0]);
            for (size_t i = 0; i < rs_shape_count(&c.args.param[0].shape); i++)
                assert_true((double)w[i] == rs_trial_numbers(&c.p)(RS_ROLE_PARAM, i));
            free(w);
            assert_ok(rs_judge_init(rs_test_device(), &c.p, pass, &c.args, &c.judge));
            assert_ok(rs_trial_init(rs_test_device(), &c.p, pass, NULL, &c.trial));
            assert_ok(rs_judge_reset(&c.judge));
            assert_ok(rs_trial_run(&c.trial, &c.args, true, NULL));
            assert_ok(rs_judge_result(&c.judge, c.trial.plan.choice.impl, &v));
            assert_true(v.share > 0.0 && v.share <= 1.0 && v.lost == 0);
            assert_ok(rs_judge_reset(&c.judge)); /* what is not written is NaN */
            assert_ok(rs_judge_result(&c.judge, c.trial.plan.choice.impl, &v));
            assert_int_equal(v.lost, c.judge.count);
            rs_trial_fini(&c.trial);
            rs_judge_fini(&c.judge);
            rs_trial_args_release(&c.args);
        }
}

static void open_court(court *c, rs_pass pass)
{
    rs_verdict v;
    *c = (court){.p = problem(3)};
    assert_ok(rs_trial_args_make(rs_test_device(), &c->p, true, &c->args));
    assert_ok(rs_judge_init(rs_test_device(), &c->p, pass, &c->args, &c->judge));
    assert_ok(rs_trial_init(rs_test_device(), &c->p, pass, "direct", &c->trial));
    assert_ok(rs_judge_reset(&c->judge));
    assert_ok(rs_trial_run(&c->trial, &c->args, true, NULL));
    assert_ok(rs_judge_result(&c->judge, c->trial.plan.choice.impl, &v));
    assert_true(v.share > 0.0 && v.share <= 1.0 && v.lost == 0 && v.distance < 1e-5);
    c->right = read_tensor(rs_trial_result(&c->args, pass));
}

static void close_court(court *c)
{
    free(c->right);
    rs_trial_fini(&c->trial);
    rs_judge_fini(&c->judge);
    rs_trial_args_release(&c->args);
}

static rs_verdict judge_numbers(court *c, const float *numbers)
{
    rs_verdict v;
    assert_ok(rs_write(rs_test_device(), c->judge.result.buf, 0, numbers,
                       c->judge.count * sizeof *numbers));
    assert_ok(rs_judge_result(&c->judge, c->trial.plan.choice.impl, &v));
    return v;
}

static bool is_drawn(const rs_judge *j, size_t at)
{
    for (size_t i = 0; i < j->samples; i++)
        if (j->index[i] == at)
            return true;
    return false;
}

/* The n-th number that is not drawn. */
static size_t undrawn(const rs_judge *j, size_t n)
{
    size_t at = 0;
    while (is_drawn(j, at) || n-- > 0)
        at++;
    assert_true(at < j->count);
    return at;
}

static void what_was_not_drawn_is_seen(void **state)
{
    (void)state;
    court c;
    char text[RS_VERDICT_TEXT];
    open_court(&c, RS_FWD);
    assert_true(c.judge.count > 2 * c.judge.samples && c.judge.blocks > 2);
    for (size_t n = 0; n < 40; n++) {
        const size_t at = undrawn(&c.judge, 173 * n), next = undrawn(&c.judge, 173 * n + 1);
        const float was = c.right[at], other = c.right[next];
        c.right[at] = NAN; /* it was not written */
        rs_verdict v = judge_numbers(&c, c.right);
        assert_true(v.lost == 1 && isinf(v.share) && isinf(v.distance));
        assert_non_null(strstr(rs_verdict_text(&c.judge, &v, text), "1 of 14175 numbers are NaN"));
        c.right[at] = 0.0f; /* or not summed */
        v = judge_numbers(&c, c.right);
        assert_true(v.lost == 0 && v.share > 1.0);
        assert_non_null(strstr(rs_verdict_text(&c.judge, &v, text), "off by"));
        c.right[at] = other; /* or in another's place */
        c.right[next] = was;
        assert_true(judge_numbers(&c, c.right).share > 1.0);
        c.right[at] = was;
        c.right[next] = other;
    }
    assert_true(judge_numbers(&c, c.right).share <= 1.0);
    close_court(&c);
}

/* What all implementations have in common hides nothing: no result is trusted yet. */
static void a_first_result_is_judged_by_the_truth(void **state)
{
    (void)state;
    for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
        court c;
        open_court(&c, (rs_pass)pass);
        free(c.judge.trusted);
        c.judge.trusted = NULL;
        for (size_t i = 0; i < c.judge.count; i++)
            c.right[i] *= 1.0001f;
        rs_verdict v = judge_numbers(&c, c.right);
        assert_true(v.share > 1.0 && v.distance > 5e-5 && v.distance < 2e-4);
        assert_null(c.judge.trusted);
        close_court(&c);
    }
}

static void corners_and_borders_are_drawn(void **state)
{
    (void)state;
    const rs_problem p = problem(3);
    rs_args args;
    rs_judge j = {0};
    size_t last_rows = 0;
    assert_ok(rs_trial_args_make(rs_test_device(), &p, false, &args));
    assert_ok(rs_judge_init(rs_test_device(), &p, RS_FWD, &args, &j));
    assert_true(is_drawn(&j, 0) && is_drawn(&j, 8) && is_drawn(&j, j.count - 1));
    for (size_t i = 0; i < j.samples; i++) {
        assert_true(j.index[i] < j.count);
        last_rows += j.index[i] >= j.count - 9;
    }
    assert_true(last_rows > 20); /* of 1575 rows */
    rs_judge_fini(&j);
    rs_trial_args_release(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_fills_what_the_host_knows),
        cmocka_unit_test(sixteen_bits_are_judged),
        cmocka_unit_test(what_was_not_drawn_is_seen),
        cmocka_unit_test(a_first_result_is_judged_by_the_truth),
        cmocka_unit_test(corners_and_borders_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
