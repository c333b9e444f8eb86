#include "op_harness.h"

#include "attr.h"

#include <string.h>

#define ATTR(step, to)                                                                             \
    &(const rs_shortcut_attr)                                                                      \
    {                                                                                              \
        .stride = (step), .channels = (to)                                                         \
    }

static void expect_refused(const rs_shortcut_attr *attr, rs_shape src, rescl_status want,
                           const char *says)
{
    rs_problem p;
    assert_int_equal(rs_problem_init(&p, &rs_op_shortcut, attr, true, &src, 1), want);
    if (strstr(rescl_last_error()->message, says) == NULL)
        fail_msg("'%s' lacks '%s'", rescl_last_error()->message, says);
}

static void refuses_bad_shapes(void **state)
{
    (void)state;
    expect_refused(ATTR(2, 8), rs_shape_2(4, 4), RESCL_ERR_SHAPE, "(4, 4)");
    expect_refused(ATTR(0, 8), rs_shape_4(1, 4, 4, 4), RESCL_ERR_ARG, "stride");
    expect_refused(ATTR(2, 3), rs_shape_4(1, 4, 4, 4), RESCL_ERR_SHAPE, "3 channels");
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(refuses_bad_shapes)};
    return op_suite_main(&rs_op_shortcut, extra, RS_COUNT(extra));
}
