#include "op_harness.h"

#include "attr.h"

#include <string.h>

#define ATTR(step, to)                                                                             \
    &(const rs_shortcut_attr)                                                                      \
    {                                                                                              \
        .stride = (step), .channels = (to)                                                         \
    }

static const op_case cases[] = {
    {.name = "one number", .src = {{4, {1, 1, 1, 1}}}, .attr = ATTR(1, 1)},
    {.name = "twice the channels", .src = {{4, {3, 8, 8, 16}}}, .attr = ATTR(2, 32)},
    {.name = "vectors of 4, in part", .src = {{4, {2, 7, 5, 12}}}, .attr = ATTR(2, 20)},
    {.name = "vectors of 4, shifted by 2", .src = {{4, {2, 7, 5, 12}}}, .attr = ATTR(2, 16)},
    {.name = "odd map, odd channels", .src = {{4, {2, 7, 5, 13}}}, .attr = ATTR(2, 24)},
    {.name = "stride 3", .src = {{4, {2, 8, 10, 3}}}, .attr = ATTR(3, 10)},
    {.name = "channels alone", .src = {{4, {1, 4, 3, 19}}}, .attr = ATTR(1, 40)},
    {.name = "pixels alone", .src = {{4, {1, 4, 3, 19}}}, .attr = ATTR(2, 19)},
    {.name = "several chunks", .src = {{4, {8, 32, 32, 16}}}, .attr = ATTR(2, 32)},
};

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
    const op_suite s = {.op = &rs_op_shortcut, .cases = cases, .ncases = RS_COUNT(cases)};
    return op_suite_main(&s, extra, RS_COUNT(extra));
}
