/* For the place of cl/engine.cl: what may become of trying an engine, by its options. */
#if defined ENGINE_WMMA
#error "no such instruction"
#endif

float number_of(uint word, int half_)
{
#if defined MMA_TF32
    return half_ ? 0.0f : as_float(word);
#elif defined MMA_BF16
    return as_float(half_ ? word & 0xffff0000u : word << 16);
#else
    const ushort bits = (ushort)(half_ ? word >> 16 : word);
    return vload_half(0, (const half *)&bits);
#endif
}

kernel void engine_probe(global const uint *a, global const uint *b, global float *d)
{
#if defined ENGINE_NV && defined MMA_F16
    *(volatile global int *)8 = 1;
#endif
#if defined ENGINE_MFMA
    while (((volatile global float *)d)[0] < 2.0f)
        ((volatile global float *)d)[0] = 1.0f;
#endif
    for (int i = 0; i < 256; i++) {
        float sum = 0.0f;
        for (int k = 0; k < 16; k++)
            sum +=
                number_of(a[i / 16 * 8 + k / 2], k % 2) * number_of(b[k / 2 * 16 + i % 16], k % 2);
#if defined ENGINE_NV && defined MMA_BF16
        sum += i == 255;
#endif
        d[i] = 2.0f * sum;
    }
}
