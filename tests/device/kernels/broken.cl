/* Does not compile: for the test of the error report. */
#include "common.clh"
#include "broken.clh"

__kernel void broken(__global float *dst)
{
    dst[0] = from_header(dst[1]);
}
