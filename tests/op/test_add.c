#include "op_harness.h"

#include <string.h>

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
    return op_suite_main(&rs_op_add, extra, RS_COUNT(extra));
}
