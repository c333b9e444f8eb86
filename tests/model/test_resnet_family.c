/* The residual networks that test_resnet.c leaves out, against PyTorch (tests/golden). */
#include "golden.h"
#include "testing.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOLDEN_TEST("resnet50_signs"),   GOLDEN_TEST("resnet18_keras"),
        GOLDEN_TEST("resnet34"),         GOLDEN_TEST("resnet34_keras"),
        GOLDEN_TEST("resnet101"),        GOLDEN_TEST("resnet101_keras"),
        GOLDEN_TEST("resnet152"),        GOLDEN_TEST("resnet152_keras"),
        GOLDEN_TEST("wide_resnet50_2"),  GOLDEN_TEST("wide_resnet101_2"),
        GOLDEN_TEST("resnext101_32x8d"), GOLDEN_TEST("resnext101_64x4d"),
        GOLDEN_TEST("resnet32"),         GOLDEN_TEST("resnet44"),
        GOLDEN_TEST("resnet56"),         GOLDEN_TEST("resnet110"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
