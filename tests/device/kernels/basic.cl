/* Kernels for the tests of the device room. */
#include "common.clh"
#include "helper.clh"

__kernel void scale(__global const float *src, __global float *dst, float factor, int n)
{
    const int i = (int)get_global_id(0);
    if (i < n)
        dst[i] = twice(src[i]) * factor;
}

__kernel void where(__global uint *dst, uint width)
{
    dst[get_global_id(1) * width + get_global_id(0)] =
        (uint)(get_global_size(0) * 1000 + get_local_size(0) * 10 + get_global_id(1));
}

__kernel void null_is(__global const float *maybe, __global int *dst)
{
    dst[0] = maybe == 0;
}

__kernel void sum_local(__global const float *src, __global float *dst, __local float *part)
{
    const int i = (int)get_local_id(0);
    part[i] = src[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (i == 0) {
        float sum = 0.0f;
        for (int j = 0; j < (int)get_local_size(0); j++)
            sum += part[j];
        dst[get_group_id(0)] = sum;
    }
}

#ifdef ARRAY
__kernel __attribute__((reqd_work_group_size(16, 1, 1))) void reverse(__global int *dst)
{
    __local int a[ARRAY];
    for (int i = (int)get_local_id(0); i < ARRAY; i += 16)
        a[i] = ARRAY - i;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = (int)get_local_id(0); i < ARRAY; i += 16)
        dst[i] = a[ARRAY - 1 - i];
}
#endif

__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void of_four(__global int *dst)
{
    dst[get_global_id(0)] = (int)get_local_size(0);
}

__kernel void wide(__global int *dst, ulong value, uint low)
{
    dst[0] = (int)(value >> 32);
    dst[1] = (int)(value & 0xffffffffu);
    dst[2] = (int)low;
}

__kernel void options(__global int *dst)
{
#ifdef EXTRA
    dst[0] = EXTRA;
#else
    dst[0] = 0;
#endif
    dst[1] = RS_VW;
#ifdef RS_CPU
    dst[2] = 1;
#endif
#ifdef RS_GPU
    dst[2] = 2;
#endif
    dst[3] = 1;
#ifdef RS_NO_FMA
    dst[3] = 0;
#endif
}
