#include "testing.h"

#include "path.h"
#include "results.h"

#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib\n"
#define ROW0   "0,1.500,1.75,0.25,1.5,0.5,0.001,42.00,0.125,10.0\n"
#define ROW1   "1,3.000,1.75,0.25,,,0.001,42.00,0.125,10.0\n"

static char *dir, *path;

static int make_dir(void **state)
{
    (void)state;
    dir = rs_test_dir_make();
    path = rs_path_join(dir, "results.csv");
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    free(path);
    rs_test_dir_remove(dir);
    return 0;
}

static void check_file(const char *expected)
{
    char *text;
    size_t bytes;
    assert_ok(rs_file_read(path, 1 << 20, &text, &bytes));
    assert_string_equal(text, expected);
    free(text);
}

static const rs_result_row row0 = {.epoch = 0,
                                   .time = 1.5,
                                   .train_loss = 1.75,
                                   .train_top1 = 0.25,
                                   .has_eval = true,
                                   .eval_loss = 1.5,
                                   .eval_top1 = 0.5,
                                   .lr = 1e-3,
                                   .img_s = 42,
                                   .data_wait = 0.125,
                                   .mem_mib = 10};

static void appends_rows(void **state)
{
    (void)state;
    rs_result_row row1 = row0;
    row1.epoch = 1;
    row1.time = 3;
    row1.has_eval = false;
    assert_ok(rs_results_begin(path, 0));
    check_file(HEADER);
    assert_ok(rs_results_append(path, &row0));
    assert_ok(rs_results_append(path, &row1));
    check_file(HEADER ROW0 ROW1);
    assert_ok(rs_results_begin(path, 2));
    check_file(HEADER ROW0 ROW1);
    assert_ok(rs_results_begin(path, 1));
    check_file(HEADER ROW0);
    assert_ok(rs_results_begin(path, 0));
    check_file(HEADER);
}

static void drops_what_a_crash_left(void **state)
{
    (void)state;
    static const char *const tails[] = {"2", "2,1.0", "x,1,1,1,1,1,1,1,1,1\n",
                                        "1,3.000,1.75,0.25,,,0.001,42.00,0.125,10.0", "\n\n"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, HEADER ROW0 "%s", tails[i]);
        assert_ok(rs_file_write(path, text, strlen(text)));
        assert_ok(rs_results_begin(path, 5));
        check_file(HEADER ROW0);
    }
    assert_ok(rs_file_write(path, "something else\n", 15));
    assert_ok(rs_results_begin(path, 5));
    check_file(HEADER);
}

static void starts_anew_where_no_file_is(void **state)
{
    (void)state;
    assert_ok(rs_results_begin(path, 3));
    check_file(HEADER);
}

static void keeps_the_decimal_point(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    assert_ok(rs_results_begin(path, 0));
    assert_ok(rs_results_append(path, &row0));
    setlocale(LC_NUMERIC, "C");
    check_file(HEADER ROW0);
}

static void describes_the_environment(void **state)
{
    (void)state;
    const rescl_device_info device = {
        .name = "A \"device\"", .driver = "\xff 1", .compute_units = 2};
    const rescl_tuning tuning = {.problems = 3, .source = "x.tune", .fingerprint = "abc"};
    rescl_train_options o;
    json_error_t why;
    char *env = rs_path_join(dir, "env.json");
    rescl_train_options_default(&o);
    o.seed = UINT64_MAX;
    o.output_dir = "runs/\xe4";
    assert_ok(rs_results_env(env, &device, &tuning, "resnet8", &o));
    json_t *j = json_load_file(env, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "rescl")), rescl_version());
    assert_string_equal(json_string_value(json_object_get(j, "model")), "resnet8");
    json_t *d = json_object_get(j, "device"), *options = json_object_get(j, "options");
    assert_string_equal(json_string_value(json_object_get(d, "name")), "A \"device\"");
    assert_string_equal(json_string_value(json_object_get(d, "driver")), "? 1");
    d = json_object_get(j, "tuning");
    assert_int_equal(json_integer_value(json_object_get(d, "problems")), 3);
    assert_string_equal(json_string_value(json_object_get(d, "source")), "x.tune");
    assert_string_equal(json_string_value(json_object_get(d, "fingerprint")), "abc");
    assert_string_equal(json_string_value(json_object_get(options, "seed")),
                        "18446744073709551615");
    assert_int_equal(json_integer_value(json_object_get(options, "batch_size")), 32);
    assert_true(json_integer_value(json_object_get(json_object_get(j, "system"), "cpus")) > 0);
    json_decref(j);
    free(env);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(appends_rows),
        TEST(drops_what_a_crash_left),
        TEST(starts_anew_where_no_file_is),
        TEST(keeps_the_decimal_point),
        TEST(describes_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
