#include "error.h"
#include "fixtures.h"
#include "path.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 60 };

/* ---- what a curve suggests ----------------------------------------------------------------- */

/* A loss that falls slowly, then at once, and climbs in the end. */
static void make_points(rescl_lr_point *p)
{
    for (int i = 0; i < STEPS; i++) {
        const double x = i;
        p[i].lr = 1e-6 * pow(10, x / 10);
        p[i].loss = p[i].smoothed = 2.0 - 0.012 * x - 0.9 / (1 + exp(-(x - 41) / 1.7)) +
                                    0.02 * (i * 7 % 5 - 2) +
                                    (i > 48 ? 0.08 * (x - 48) * (x - 48) : 0);
    }
}

/* The rates that the functions valley, steep and minimum of fastai.callback.schedule make of the points as
 * Learner.lr_find cuts them. */
static void suggests_what_fastai_does(void **state)
{
    static const double want[RESCL_LR_RULES] = {0.0039810717055349734, 0.015848931924611141,
                                                0.0063095734448019303};
    rescl_lr_point p[STEPS];
    rescl_lr_curve *c = NULL;
    (void)state;
    make_points(p);
    assert_ok(rescl_lr_curve_create(p, STEPS, STEPS, &c));
    for (int rule = 0; rule < RESCL_LR_RULES; rule++) {
        double lr = 0;
        assert_ok(rescl_lr_curve_suggest(c, (rescl_lr_rule)rule, &lr));
        if (!(fabs(lr - want[rule]) <= 1e-9 * want[rule]))
            fail_msg("%s: %.9g, fastai's %.9g", rescl_lr_rule_name((rescl_lr_rule)rule), lr,
                     want[rule]);
    }
    rescl_lr_curve_destroy(c);
}

/* Where the loss diverged at once nothing is chosen, and the page shows it all the same. */
static void says_where_nothing_can_be_chosen(void **state)
{
    rescl_lr_point p[STEPS];
    rescl_lr_curve *c = NULL;
    double lr = 0;
    char *text;
    size_t bytes;
    (void)state;
    make_points(p);
    p[7].loss = p[7].smoothed = (double)NAN;
    assert_ok(rescl_lr_curve_create(p, 8, STEPS, &c));
    assert_int_equal(rescl_lr_curve_suggest(c, RESCL_LR_VALLEY, &lr), RESCL_ERR_NUMERIC);
    assert_non_null(strstr(rescl_last_error()->message, "begin at a smaller rate"));
    const char *path = rs_test_path("%s/lr.html", rs_test_dir);
    assert_ok(rescl_lr_curve_write(c, "a <b>", path));
    assert_ok(rs_file_read(path, 1 << 24, &text, &bytes));
    assert_non_null(strstr(text, "a &lt;b&gt;"));
    assert_non_null(strstr(text, "8 of 60"));
    free(text);
    rescl_lr_curve_destroy(c);
    c = NULL;
    p[3].lr = p[2].lr;
    assert_int_equal(rescl_lr_curve_create(p, 8, STEPS, &c), RESCL_ERR_ARG);
    assert_int_equal(rescl_lr_curve_create(p, 8, 7, &c), RESCL_ERR_ARG);
}

/* ---- a test ------------------------------------------------------------------------------- */

static bool stop_at_third(const rescl_lr_point *point, size_t step, size_t steps, void *user)
{
    (void)user;
    assert_int_equal(steps, 6);
    assert_true(point->lr > 0);
    return step < 3;
}

/* Its rates grow by a factor, its averages are corrected, and the model is as before. */
static void trains_at_growing_rates(void **state)
{
    enum { N = 6, BATCH = 8 };
    rescl_dataset *train = rs_test_hands("train", 20, 0);
    rescl_model *model = rs_test_model();
    rescl_lr_curve *c = NULL, *none = NULL;
    rescl_lr_find_options find;
    rescl_train_options o;
    rescl_parameter_info first;
    (void)state;
    rescl_lr_find_options_default(&find);
    find.start = 1e-3, find.end = 100, find.steps = N, find.divergence = 0;
    rescl_train_options_default(&o);
    o.opt = "sgd";
    o.batch_size = BATCH;
    assert_true(rescl_model_get_parameter_info(model, 0, &first));
    float *before = calloc(2 * first.count, sizeof *before), *after = before + first.count;
    assert_non_null(before);
    assert_ok(rescl_model_get_parameter(model, first.name, before, first.count));
    assert_ok(rescl_lr_find(rs_test_device(), model, train, &o, &find, NULL, NULL, &c));
    assert_int_equal(rescl_lr_curve_count(c), N);
    const rescl_lr_point *p = rescl_lr_curve_points(c);
    double average = 0;
    for (size_t i = 0; i < N; i++) {
        assert_true(fabs(p[i].lr / pow(10, (double)i - 3) - 1) < 1e-9);
        average = 0.98 * average + 0.02 * p[i].loss;
        assert_true(fabs(p[i].smoothed * (1 - pow(0.98, (double)i + 1)) - average) < 1e-9);
    }
    assert_true(p[0].loss > 1 && p[0].loss < 4);
    assert_ok(rescl_model_get_parameter(model, first.name, after, first.count));
    assert_memory_equal(before, after, first.count * sizeof *before);
    assert_int_equal(
        rescl_lr_find(rs_test_device(), model, train, &o, &find, stop_at_third, NULL, &none),
        RESCL_ERR_INTERRUPTED);
    find.start = 1000;
    assert_int_equal(rescl_lr_find(rs_test_device(), model, train, &o, &find, NULL, NULL, &none),
                     RESCL_ERR_ARG);
    assert_null(none);
    free(before);
    rescl_lr_curve_destroy(c);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suggests_what_fastai_does),
        cmocka_unit_test(says_where_nothing_can_be_chosen),
        cmocka_unit_test(trains_at_growing_rates),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
