#include "tune_support.h"

#include "fixtures.h"
#include "path.h"
#include "testing.h"
#include "tunefile.h"
#include "tuning.h"

#include <stdlib.h>
#include <string.h>

static void keys_tell_problems_apart(void **state)
{
    (void)state;
    rs_conv2d_attr other[] = {tune_attr, tune_attr, tune_attr, tune_attr, tune_attr};
    char key[8][RS_TUNE_KEY];
    size_t n = 0;
    other[0].bias = true;
    other[1].stride_w = 2;
    other[2].pad_left = 2;
    other[3].groups = 4;
    other[4].relu = true;
    rs_problem p = tune_problem(&tune_attr, true);
    assert_true(rs_tuning_key(&p, RS_FWD, key[n++]));
    assert_string_equal(key[0], TUNE_KEY);
    assert_true(rs_tuning_key(&p, RS_BWD_DATA, key[n++]));
    p.accumulate[0] = true;
    assert_true(rs_tuning_key(&p, RS_BWD_DATA, key[n++]));
    assert_true(rs_tuning_key(&p, RS_FWD, key[n]));
    assert_string_equal(key[n], TUNE_KEY); /* adding to a gradient is no matter of forward */
    for (size_t i = 0; i < RS_COUNT(other); i++) {
        p = tune_problem(&other[i], i < 4);
        assert_true(rs_tuning_key(&p, RS_FWD, key[n++]));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(key[i], key[k]);
    const rs_shape src = rs_shape_2(3, 5);
    assert_ok(rs_problem_init(&p, &rs_op_relu, NULL, true, &src, 1));
    assert_false(rs_tuning_key(&p, RS_FWD, key[0]));
}

static void a_missing_file_is_a_warning(void **state)
{
    (void)state;
    const rs_problem p = tune_problem(&tune_attr, true);
    rs_plan plan;
    setenv("RESCL_TUNE", tune_file, 1);
    rs_tuning_forget(rs_test_device());
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
    assert_int_equal(tune_messages, 1);
    assert_non_null(strstr(tune_heard, tune_file));
}

static void the_cache_folder_is_looked_into(void **state)
{
    (void)state;
    rs_tune_table t = {0};
    char *path = NULL, *was = getenv("RESCL_CACHE_DIR"), *kept = was ? strdup(was) : NULL;
    setenv("RESCL_CACHE_DIR", tune_dir, 1);
    unsetenv("RESCL_TUNE");
    assert_ok(rs_tune_path(tune_info(), &path));
    assert_non_null(strstr(path, "/tune/"));
    assert_ok(rs_tune_table_set(&t, TUNE_KEY, "direct", ""));
    assert_ok(rs_tune_table_write(&t, path, tune_info()));
    rs_tuning_forget(rs_test_device());
    tune_expect_choice("direct");
    rs_tune_table_fini(&t);
    free(path);
    if (kept)
        setenv("RESCL_CACHE_DIR", kept, 1);
    else
        unsetenv("RESCL_CACHE_DIR");
    free(kept);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, tune_setup, tune_teardown)
    const struct CMUnitTest tests[] = {
        TEST(keys_tell_problems_apart),
        TEST(a_missing_file_is_a_warning),
        TEST(the_cache_folder_is_looked_into),
    };
    return cmocka_run_group_tests_name("tuning", tests, NULL, NULL);
}
