#include "op_harness.h"

int main(void)
{
    return op_suite_main(&rs_op_relu, NULL, 0);
}
