/* conv2d: every implementation against the reference, over the shapes that each treats differently. */
#include "conv2d_suite.h"

#include "cases.h"
#include "conv2d.h"

int main(void)
{
    const size_t kinds = rs_conv2d_cases.kinds;
    return conv2d_suite_main(kinds, rs_conv2d_cases.count - kinds, NULL, 0);
}
