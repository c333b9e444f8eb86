#include "tune_support.h"

#include "fixtures.h"
#include "path.h"
#include "testing.h"
#include "tunefile.h"
#include "tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *tune_dir, *tune_file;
char tune_heard[4096];
size_t tune_messages;

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    if (level > RESCL_LOG_WARN)
        return;
    tune_messages++;
    const size_t used = strlen(tune_heard);
    snprintf(tune_heard + used, sizeof tune_heard - used, "%s\n", message);
}

int tune_setup(void **state)
{
    (void)state;
    tune_dir = rs_test_dir_make();
    tune_file = rs_path_join(tune_dir, "x.tune");
    tune_heard[0] = '\0';
    tune_messages = 0;
    rescl_log_set(hear, NULL);
    return tune_file ? 0 : -1;
}

int tune_teardown(void **state)
{
    (void)state;
    setenv("RESCL_TUNE", "off", 1);
    rs_tuning_forget(rs_test_device());
    rescl_log_set(NULL, NULL);
    free(tune_file);
    rs_test_dir_remove(tune_dir);
    return 0;
}

const rescl_device_info *tune_info(void)
{
    return rescl_device_get_info(rs_test_device());
}

const rs_conv2d_attr tune_attr = {.filters = 32,
                                  .kernel_h = 3,
                                  .kernel_w = 3,
                                  .stride_h = 1,
                                  .stride_w = 1,
                                  .pad_top = 1,
                                  .pad_bottom = 1,
                                  .pad_left = 1,
                                  .pad_right = 1};

rs_problem tune_problem(const rs_conv2d_attr *a, bool training)
{
    const rs_shape src = rs_shape_4(2, 8, 8, 16);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, a, training, &src, 1));
    return p;
}

void tune_to(const char *choice)
{
    rs_tune_table t = {0};
    assert_ok(rs_tune_table_set(&t, TUNE_KEY, choice, ""));
    assert_ok(rs_tune_table_write(&t, tune_file, tune_info()));
    rs_tune_table_fini(&t);
    setenv("RESCL_TUNE", tune_file, 1);
    rs_tuning_forget(rs_test_device());
}

void tune_expect_choice(const char *want)
{
    const rs_problem p = tune_problem(&tune_attr, true);
    rs_plan plan;
    char text[RS_CHOICE];
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
    assert_string_equal(rs_choice_text(&plan.choice, text), want);
}
