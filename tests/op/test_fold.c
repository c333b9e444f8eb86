/* Folding a normalisation into weights and bias, against the formula in double. */
#include "fixtures.h"
#include "supportproof.h"
#include "testing.h"

static void folds_with_a_bias(void **state)
{
    (void)state;
    assert_ok(rs_prove_fold(rs_test_device(), true));
}

static void folds_without_a_bias(void **state)
{
    (void)state;
    assert_ok(rs_prove_fold(rs_test_device(), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_with_a_bias),
        cmocka_unit_test(folds_without_a_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
