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
    p = tune_problem(&tune_attr, true);
    p.src_type[0] = RS_BF16;
    assert_true(rs_tuning_key(&p, RS_FWD, key[0]));
    assert_string_equal(key[0], TUNE_KEY " bf16-f32");
    p.dst_type = RS_BF16;
    assert_true(rs_tuning_key(&p, RS_FWD, key[0]));
    assert_string_equal(key[0], TUNE_KEY " bf16");
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

static char *kept; /* RESCL_CACHE_DIR */

/* The cache is the folder of the test. */
static int cache_setup(void **state)
{
    const char *was = getenv("RESCL_CACHE_DIR");
    kept = was ? strdup(was) : NULL;
    if (tune_setup(state) != 0)
        return -1;
    return setenv("RESCL_CACHE_DIR", tune_dir, 1) || unsetenv("RESCL_TUNE") ? -1 : 0;
}

static int cache_teardown(void **state)
{
    if (kept)
        setenv("RESCL_CACHE_DIR", kept, 1);
    else
        unsetenv("RESCL_CACHE_DIR");
    free(kept);
    return tune_teardown(state);
}

static void the_cache_folder_is_looked_into(void **state)
{
    (void)state;
    rs_tune_table t = {0};
    char *path = NULL;
    assert_ok(rs_tune_path(tune_info(), &path));
    assert_non_null(strstr(path, "/tune/"));
    assert_ok(rs_tune_table_set(&t, TUNE_KEY, "direct", ""));
    assert_ok(rs_tune_table_write(&t, path, tune_info()));
    rs_tuning_forget(rs_test_device());
    tune_expect_choice("direct");
    rs_tune_table_fini(&t);
    free(path);
}

/* The name of the device's file tells its compilers apart: what another one left is not taken. */
static void an_outdated_file_is_a_warning(void **state)
{
    (void)state;
    char *path = NULL;
    rescl_device_info before = *tune_info();
    const rs_problem p = tune_problem(&tune_attr, true);
    rs_tune_table t = {0};
    rs_plan plan;
    assert_ok(rs_tune_table_set(&t, TUNE_KEY, "direct", ""));
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            before.compute_units += 100; /* another device, whose file is no matter */
        else
            before.compute_units -= 100, before.driver[0]++;
        assert_ok(rs_tune_path(&before, &path));
        assert_ok(rs_tune_table_write(&t, path, &before));
        free(path);
        rs_tuning_forget(rs_test_device());
        assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
        assert_string_not_equal(plan.choice.impl->name, "direct");
        assert_int_equal(tune_messages, i);
    }
    assert_non_null(strstr(tune_heard, "another compiler: its driver is"));
    assert_non_null(strstr(tune_heard, "run `rescl tune` again"));
    /* Once this compiler was measured, the other's file is no matter either. */
    assert_ok(rs_tune_path(tune_info(), &path));
    assert_ok(rs_tune_table_write(&t, path, tune_info()));
    rs_tuning_forget(rs_test_device());
    tune_expect_choice("direct");
    assert_int_equal(tune_messages, 1);
    rs_tune_table_fini(&t);
    free(path);
}

int main(void)
{
#define TEST(f)       cmocka_unit_test_setup_teardown(f, tune_setup, tune_teardown)
#define CACHE_TEST(f) cmocka_unit_test_setup_teardown(f, cache_setup, cache_teardown)
    const struct CMUnitTest tests[] = {
        TEST(keys_tell_problems_apart),
        TEST(a_missing_file_is_a_warning),
        CACHE_TEST(the_cache_folder_is_looked_into),
        CACHE_TEST(an_outdated_file_is_a_warning),
    };
    return cmocka_run_group_tests_name("tuning", tests, NULL, NULL);
}
