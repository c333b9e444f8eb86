#include "fixtures.h"
#include "testing.h"

#include "attr.h"
#include "error.h"
#include "judge.h"
#include "path.h"
#include "rounds.h"
#include "str.h"
#include "trial.h"
#include "tune_problem.h"
#include "tunefile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- implementations to choose from ------------------------------------------------------ */

/* A convolution whose implementations are plain ones and some that are quick and wrong. */
static const rs_impl *plain; /* what the wrong ones are made of */
static rs_impl made[24];
static const rs_impl *impls[RS_COUNT(made) + 1]; /* those of `made` that there are */
static rs_op op;

static rescl_status plan_like_plain(rs_plan *plan, const rs_caps *caps)
{
    return plain->plan(plan, caps);
}

static rescl_status do_nothing(const rs_plan *plan, const rs_args *args)
{
    (void)plan, (void)args;
    return RESCL_OK;
}

/* Right but for the last number. */
static rescl_status miss_the_last(const rs_plan *plan, const rs_args *args)
{
    const float wrong = 1e3f;
    const size_t bytes = rs_shape_count(&args->dst.shape) * sizeof wrong;
    const rescl_status st = plain->enqueue(plan, args);
    return st ? st : rs_write(plan->dev, args->dst.buf, bytes - sizeof wrong, &wrong, sizeof wrong);
}

static rescl_status refuse(const rs_plan *plan, const rs_args *args)
{
    (void)args;
    return rs_error_set(RESCL_ERR_DEVICE, 0, __FILE__, __LINE__, "%s is out of order",
                        plan->choice.impl->name);
}

static rs_problem problem(void)
{
    static const rs_conv2d_attr attr = {
        .filters = 40, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1};
    const rs_shape src = rs_shape_4(2, 8, 8, 48);
    rs_problem p;
    plain = rs_impl_find(&rs_op_conv2d, "direct");
    op = rs_op_conv2d;
    op.impls = impls;
    memset(impls, 0, sizeof impls);
    made[0] = *plain;
    made[0].prefers = 0;
    impls[0] = &made[0];
    assert_ok(rs_problem_init(&p, &op, &attr, true, &src, 1));
    return p;
}

static void add_impl(int at, const char *name,
                     rescl_status (*enqueue)(const rs_plan *, const rs_args *))
{
    made[at] = made[0];
    made[at].name = name;
    made[at].plan = plan_like_plain;
    made[at].enqueue = enqueue;
    impls[at] = &made[at];
}

static rescl_tune_options quick(void)
{
    rescl_tune_options o;
    rescl_tune_options_default(&o);
    o.model = "resnet8";
    o.size = 16;
    o.batch = 4;
    o.classes = 6;
    o.repeats = 3;
    o.min_seconds = 0.0;
    return o;
}

/* ---- judging ----------------------------------------------------------------------------- */

static void wrong_results_are_rejected(void **state)
{
    (void)state;
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    rs_tune_result r;
    add_impl(1, "idle", do_nothing);
    add_impl(2, "careless", miss_the_last);
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.choice, RS_CHOICE_DEFAULT);
    assert_string_equal(r.untuned, "direct");
    assert_int_equal(r.rows, 3);
    assert_true(r.error <= 1.0 && r.best_ms > 0.0);
    assert_non_null(strstr(r.rejected, "idle: 5120 of 5120 numbers are NaN"));
    assert_non_null(strstr(r.rejected, "careless: off by"));
    /* They are rows with their reasons. */
    assert_string_equal(r.row[0].choice, "default");
    assert_int_equal(r.row[0].status, RESCL_OK);
    assert_true(r.row[0].ms > 0.0 && r.row[0].error <= 1.0 && r.row[0].reason[0] == '\0');
    assert_string_equal(r.row[2].choice, "careless");
    assert_int_equal(r.row[2].status, RESCL_ERR_NUMERIC);
    assert_true(isnan(r.row[2].ms) && r.row[2].error > 1.0);
    assert_non_null(strstr(r.row[2].reason, "off by"));
    rs_tune_result_fini(&r);
}

static void a_wrong_default_is_replaced(void **state)
{
    (void)state;
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    rs_tune_result r;
    made[1] = made[0];
    impls[1] = &made[1];
    add_impl(0, "idle", do_nothing);
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.untuned, "idle");
    assert_string_equal(r.choice, "direct");
    assert_true(isnan(r.default_ms) && r.best_ms > 0.0 && r.error <= 1.0);
    rs_tune_result_fini(&r);
    impls[1] = NULL;
    assert_fails(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r), RESCL_ERR_NUMERIC,
                 "default: 5120 of 5120 numbers are NaN");
}

static void failures_are_rejected(void **state)
{
    (void)state;
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    rs_tune_result r;
    add_impl(1, "broken", refuse);
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.choice, RS_CHOICE_DEFAULT);
    assert_non_null(strstr(r.rejected, "broken: broken is out of order"));
    assert_int_equal(r.row[1].status, RESCL_ERR_DEVICE);
    assert_string_equal(r.row[1].reason, "broken is out of order");
    rs_tune_result_fini(&r);
}

/* What is enqueued `limit` times and fails from then on. */
static int limit;
static rescl_status wear_out(const rs_plan *plan, const rs_args *args)
{
    return --limit < 0 ? refuse(plan, args) : plain->enqueue(plan, args);
}

static void a_failing_default_is_replaced(void **state)
{
    (void)state;
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    rs_tune_result r;
    made[1] = made[0];
    impls[1] = &made[1];
    add_impl(0, "broken", refuse);
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.untuned, "broken");
    assert_string_equal(r.choice, "direct");
    assert_true(r.failed && isnan(r.default_ms) && r.best_ms > 0.0 && r.error <= 1.0);
    assert_non_null(strstr(r.rejected, "default: broken is out of order"));
    rs_tune_result_fini(&r);
    impls[1] = NULL;
    assert_fails(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r), RESCL_ERR_DEVICE,
                 "nothing can serve: default: broken is out of order");
}

/* Whenever a candidate fails, in its trial or in any round: the others are judged and timed. */
static void a_later_failure_is_rejected(void **state)
{
    (void)state;
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    for (int at = 0; at < 2; at++)
        for (int runs = 1; runs < 12; runs++) {
            rs_tune_result r;
            made[1] = made[0];
            impls[1] = &made[1];
            add_impl(at, "worn", wear_out);
            limit = runs;
            assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
            assert_true(r.best_ms > 0.0 && r.error <= 1.0);
            if (strstr(r.rejected, "worn is out of order"))
                assert_string_equal(r.choice, at == 0 ? "direct" : RS_CHOICE_DEFAULT);
            else
                assert_true(limit >= 0);
            rs_tune_result_fini(&r);
            made[0] = *plain;
            made[0].prefers = 0;
        }
}

/* However many there are, each is tried, and each rejection is told in full. */
static void nothing_is_dropped_in_silence(void **state)
{
    (void)state;
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    static char name[RS_COUNT(made)][64];
    rs_tune_result r;
    for (int i = 1; i < (int)RS_COUNT(made); i++) {
        snprintf(name[i], sizeof name[i], "broken_implementation_with_a_long_name_%d", i);
        add_impl(i, name[i], refuse);
    }
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_int_equal(r.rows, RS_COUNT(made));
    for (int i = 1; i < (int)RS_COUNT(made); i++) {
        char text[160];
        snprintf(text, sizeof text, "%s: %s is out of order", name[i], name[i]);
        assert_non_null(strstr(r.rejected, text));
    }
    rs_tune_result_fini(&r);
}

/* What takes its time by a clock that nothing else moves. Devices that are no CPUs time by events. */
static double seconds;

static void skip_where_events_time(void)
{
    if (rescl_device_get_info(rs_test_device())->type != RESCL_DEVICE_CPU) {
        print_message("skipped: this device times what it runs itself\n");
        skip();
    }
}

static double now(void)
{
    return seconds;
}

static rescl_status hurry(const rs_plan *plan, const rs_args *args)
{
    seconds += 0.001;
    return plain->enqueue(plan, args);
}

static rescl_status dawdle(const rs_plan *plan, const rs_args *args)
{
    seconds += 0.005;
    return plain->enqueue(plan, args);
}

static void the_faster_one_wins(void **state)
{
    (void)state;
    skip_where_events_time();
    const rs_problem p = problem();
    rescl_tune_options o = quick();
    rs_tune_result r;
    double (*const real)(void) = rs_rounds_clock;
    rs_rounds_clock = now;
    add_impl(1, "quick", hurry);
    add_impl(0, "dawdling", dawdle);
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.untuned, "dawdling");
    assert_string_equal(r.choice, "quick");
    assert_true(fabs(r.best_ms - 1.0) < 1e-6 && fabs(r.default_ms - 5.0) < 1e-6);
    rs_tune_result_fini(&r);
    /* With the margin at all of the time nothing wins. */
    o.margin = 0.999;
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.choice, RS_CHOICE_DEFAULT);
    assert_string_equal(r.rejected, "");
    assert_true(!(r.best_ms < r.default_ms) && !(r.best_ms > r.default_ms));
    rs_tune_result_fini(&r);
    rs_rounds_clock = real;
}

/* What is far behind after one run is not timed again, unless what was faster fails in the end. */
static rescl_status fail_soon(const rs_plan *plan, const rs_args *args)
{
    return --limit < 0 ? refuse(plan, args) : hurry(plan, args);
}

static void a_slow_one_serves_at_last(void **state)
{
    (void)state;
    skip_where_events_time();
    const rs_problem p = problem();
    const rescl_tune_options o = quick();
    rs_tune_result r;
    double (*const real)(void) = rs_rounds_clock;
    rs_rounds_clock = now;
    add_impl(1, "dawdling", dawdle);
    add_impl(0, "worn", fail_soon);
    limit = 100;
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.choice, RS_CHOICE_DEFAULT);
    assert_true(fabs(r.row[1].ms - 5.0) < 1e-6); /* of the one run */
    rs_tune_result_fini(&r);
    limit = 3;
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.choice, "dawdling");
    assert_true(r.failed && isnan(r.default_ms) && fabs(r.best_ms - 5.0) < 1e-6);
    rs_tune_result_fini(&r);
    rs_rounds_clock = real;
}

/* A problem that the limit cuts short gives no result. */
static void the_limit_ends_a_problem(void **state)
{
    (void)state;
    const rs_problem p = problem();
    rescl_tune_options o = quick();
    rs_tune_result r;
    double (*const real)(void) = rs_rounds_clock;
    rs_rounds_clock = now;
    add_impl(1, "quick", hurry);
    add_impl(0, "dawdling", dawdle);
    for (int ms = 1; ms < 40; ms += 3) {
        o.time_limit = ms * 1e-3 + 1e-6;
        assert_fails(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r), RESCL_ERR_INTERRUPTED,
                     "time limit");
    }
    o.time_limit = 1.0;
    assert_ok(rs_tune_problem(rs_test_device(), &p, RS_FWD, &o, &r));
    assert_string_equal(r.choice, "quick");
    rs_tune_result_fini(&r);
    rs_rounds_clock = real;
}

/* What a pass adds to counts, and every pass has its truth. */
static void all_passes_are_judged(void **state)
{
    (void)state;
    rs_problem p = problem();
    p.accumulate[0] = true;
    for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
        rs_args args = {0};
        rs_judge judge = {0};
        rs_trial trial = {0};
        rs_verdict v = {0};
        assert_ok(rs_trial_args_make(rs_test_device(), &p, true, &args));
        assert_ok(rs_judge_init(rs_test_device(), &p, (rs_pass)pass, &args, &judge));
        assert_ok(rs_trial_init(rs_test_device(), &p, (rs_pass)pass, "direct", &trial));
        for (int k = 0; k < 2; k++) {
            assert_ok(rs_judge_reset(&judge));
            assert_ok(rs_trial_run(&trial, &args, true, NULL));
            assert_ok(rs_judge_result(&judge, trial.plan.choice.impl, &v));
            assert_true(v.share >= 0.0 && v.share <= 1.0);
            assert_true(v.distance >= 0.0 && v.distance < 1e-5);
        }
        if (pass == RS_BWD_DATA) { /* without a reset it is added to what is there */
            assert_ok(rs_trial_run(&trial, &args, true, NULL));
            assert_ok(rs_judge_result(&judge, trial.plan.choice.impl, &v));
            assert_true(v.share > 1.0 && v.distance > 0.1);
        }
        rs_trial_fini(&trial);
        rs_judge_fini(&judge);
        rs_trial_args_release(&args);
    }
}

/* ---- whole networks ---------------------------------------------------------------------- */

typedef struct seen {
    size_t rows, kept, stop_after;
    char problem[256];
} seen;

static bool count(const rescl_tune_row *row, void *user)
{
    seen *s = user;
    assert_int_equal(row->index, s->rows);
    assert_true(row->total > 0 && row->count > 0);
    if (row->kept) {
        assert_true(isnan(row->best_ms) && row->tried == 0 && row->choice[0] != '\0');
        assert_int_equal(row->index, s->kept);
        s->kept++;
    } else {
        assert_true(row->error <= 1.0 && row->best_ms > 0.0 && row->tried > 0);
    }
    snprintf(s->problem, sizeof s->problem, "%s", row->problem);
    s->rows++;
    return s->rows != s->stop_after;
}

static size_t entries(const char *path)
{
    rs_tune_table t = {0};
    assert_ok(
        rs_tune_table_read(&t, path, rescl_device_get_info(rs_test_device()), RS_TUNE_DEVICE));
    const size_t n = t.count;
    rs_tune_table_fini(&t);
    return n;
}

static void networks_are_tuned(void **state)
{
    (void)state;
    char *dir = rs_test_dir_make(), *path = rs_path_join(dir, "sub/x.tune");
    rescl_tune_options o = quick();
    o.output = path;
    o.params = false;
    seen s = {0};
    assert_ok(rescl_tune(rs_test_device(), &o, count, &s));
    assert_true(s.rows >= 5); /* of inference: convolutions with and without a residual, dense */
    assert_int_equal(entries(path), s.rows);
    /* Another mode is added to what the file holds; stopping keeps what was measured. */
    const size_t before = s.rows;
    o.train = o.params = true;
    s = (seen){.stop_after = 2};
    assert_fails(rescl_tune(rs_test_device(), &o, count, &s), RESCL_ERR_INTERRUPTED, "2 of", path);
    assert_int_equal(s.rows, 2);
    assert_int_equal(entries(path), before + 2);
    /* The next run goes on there; nothing is left of inference, unless it is to be measured again. */
    s = (seen){.stop_after = 3};
    assert_fails(rescl_tune(rs_test_device(), &o, count, &s), RESCL_ERR_INTERRUPTED, "3 of", path);
    assert_int_equal(s.kept, 2);
    assert_int_equal(entries(path), before + 3);
    o.train = o.params = false;
    s = (seen){0};
    assert_ok(rescl_tune(rs_test_device(), &o, count, &s));
    assert_true(s.rows == before && s.kept == before);
    o.force = true;
    s = (seen){.stop_after = 1};
    assert_fails(rescl_tune(rs_test_device(), &o, count, &s), RESCL_ERR_INTERRUPTED, "1 of", path);
    assert_int_equal(s.kept, 0);
    o.time_limit = 1e-9;
    s = (seen){0};
    assert_fails(rescl_tune(rs_test_device(), &o, count, &s), RESCL_ERR_INTERRUPTED,
                 "problems were not measured");
    assert_int_equal(s.rows, 0);
    assert_int_equal(entries(path), before + 3);
    free(path);
    rs_test_dir_remove(dir);
}

static void files_of_others_are_kept(void **state)
{
    (void)state;
    char *dir = rs_test_dir_make(), *path = rs_path_join(dir, "x.tune"), *text;
    rescl_device_info other = *rescl_device_get_info(rs_test_device());
    const rs_tune_table none = {0};
    rescl_tune_options o = quick();
    seen s = {0};
    size_t bytes;
    o.output = path;
    assert_ok(rs_file_write(path, "my diary\n", 9));
    assert_fails(rescl_tune(rs_test_device(), &o, count, &s), RESCL_ERR_FORMAT, path,
                 "no tuning file");
    assert_ok(rs_file_read(path, 100, &text, &bytes));
    assert_string_equal(text, "my diary\n");
    free(text);
    snprintf(other.driver, sizeof other.driver, "older");
    assert_ok(rs_tune_table_write(&none, path, &other));
    assert_fails(rescl_tune(rs_test_device(), &o, count, &s), RESCL_ERR_UNSUPPORTED, path, "older");
    assert_int_equal(s.rows, 0);
    free(path);
    rs_test_dir_remove(dir);
}

static void odd_options_are_refused(void **state)
{
    (void)state;
    char *dir = rs_test_dir_make();
    rescl_tune_options o = quick();
    o.output = rs_test_path("%s/x.tune", dir);
    o.repeats = 0;
    assert_fails(rescl_tune(rs_test_device(), &o, count, NULL), RESCL_ERR_ARG, "repeats 0");
    o.repeats = 1;
    o.margin = 1.0;
    assert_fails(rescl_tune(rs_test_device(), &o, count, NULL), RESCL_ERR_ARG, "margin");
    o.margin = 0.0;
    o.impl = "magic";
    assert_fails(rescl_tune(rs_test_device(), &o, count, NULL), RESCL_ERR_ARG, "'magic'");
    assert_int_equal(rs_test_dir_count(dir), 0);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_results_are_rejected),
        cmocka_unit_test(a_wrong_default_is_replaced),
        cmocka_unit_test(failures_are_rejected),
        cmocka_unit_test(a_failing_default_is_replaced),
        cmocka_unit_test(a_later_failure_is_rejected),
        cmocka_unit_test(nothing_is_dropped_in_silence),
        cmocka_unit_test(the_faster_one_wins),
        cmocka_unit_test(a_slow_one_serves_at_last),
        cmocka_unit_test(the_limit_ends_a_problem),
        cmocka_unit_test(all_passes_are_judged),
        cmocka_unit_test(networks_are_tuned),
        cmocka_unit_test(files_of_others_are_kept),
        cmocka_unit_test(odd_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
