#include "op_harness.h"

#include <string.h>

static const op_case cases[] = {
    {.name = "one element", .src = {{1, {1}}, {1, {1}}}},
    {.name = "prime", .src = {{4, {1, 7, 11, 13}}, {4, {1, 7, 11, 13}}}},
    {.name = "vectors only", .src = {{4, {2, 8, 7, 20}}, {4, {2, 8, 7, 20}}}},
    {.name = "several chunks and a tail", .src = {{4, {3, 33, 31, 17}}, {4, {3, 33, 31, 17}}}},
};

static void shapes_must_agree(void **state)
{
    (void)state;
    const rs_shape src[] = {rs_shape_4(1, 2, 3, 4), rs_shape_4(1, 2, 4, 3)};
    rs_problem p;
    assert_int_equal(rs_problem_init(&p, &rs_op_add, NULL, true, src, 2), RESCL_ERR_SHAPE);
    assert_non_null(strstr(rescl_last_error()->message, "(1, 2, 4, 3)"));
    assert_int_equal(rs_problem_init(&p, &rs_op_add, NULL, true, src, 1), RESCL_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(shapes_must_agree)};
    const op_suite s = {.op = &rs_op_add, .cases = cases, .ncases = RS_COUNT(cases)};
    return op_suite_main(&s, extra, RS_COUNT(extra));
}
