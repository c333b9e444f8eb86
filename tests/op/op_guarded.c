/* Guarded device memory and comparison: see op_harness.h. */
#include "op_harness.h"

#include "alloc.h"
#include "half.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POISON 0x7fc5a5a5u /* a quiet NaN, and a far too large index */

/* ---- guarded memory ------------------------------------------------------------------------ */

static uint32_t *poison_words(size_t bytes)
{
    const size_t words = bytes / 4 + 1;
    uint32_t *p = malloc(words * 4);
    assert_non_null(p);
    for (size_t i = 0; i < words; i++)
        p[i] = POISON;
    return p;
}

op_guarded op_guarded_create(rescl_device *dev, size_t bytes)
{
    const size_t guard = rs_round_up(4096, rs_device_align(dev));
    const bool simulated = strstr(rescl_device_get_info(dev)->name, "Oclgrind") != NULL;
    op_guarded g = {.bytes = bytes, .before = simulated ? 0 : guard};
    if (bytes == 0)
        return g;
    g.total = g.before + bytes + guard;
    assert_ok(rs_buffer_create(dev, g.total, &g.all));
    if (simulated)
        g.view = rs_buffer_retain(g.all);
    else
        assert_ok(rs_buffer_view(g.all, g.before, bytes, &g.view));
    op_guarded_poison(dev, &g);
    return g;
}

void op_guarded_free(op_guarded *g)
{
    rs_buffer_release(g->view);
    rs_buffer_release(g->all);
    *g = (op_guarded){0};
}

void op_guarded_poison(rescl_device *dev, const op_guarded *g)
{
    if (g->bytes == 0)
        return;
    uint32_t *p = poison_words(g->total);
    assert_ok(rs_write(dev, g->all, 0, p, g->total));
    free(p);
}

void op_guarded_check(rescl_device *dev, const op_guarded *g, const char *what)
{
    if (g->bytes == 0)
        return;
    uint32_t *p = poison_words(g->total);
    unsigned char *got = malloc(g->total);
    assert_non_null(got);
    assert_ok(rs_read(dev, g->all, 0, got, g->total));
    for (size_t i = 0; i < g->total; i++) {
        if (i == g->before)
            i += g->bytes;
        if (got[i] != ((unsigned char *)p)[i])
            fail_msg("%s: byte %td of a buffer of %zu was written", what,
                     (ptrdiff_t)i - (ptrdiff_t)g->before, g->bytes);
    }
    free(got);
    free(p);
}

/* A number as the device has it, and back. */
typedef union number {
    float f32;
    int32_t i32;
    uint16_t u16;
    uint8_t u8;
} number;

static number stored(rs_dtype type, double x)
{
    switch (type) {
    case RS_F32:
        return (number){.f32 = (float)x};
    case RS_BF16:
        return (number){.u16 = rs_bf16_of_float((float)x)};
    case RS_F16:
        return (number){.u16 = rs_f16_of_float((float)x)};
    case RS_I32:
        return (number){.i32 = (int32_t)x};
    default:
        return (number){.u8 = (uint8_t)x};
    }
}

static double value_of(rs_dtype type, number n)
{
    switch (type) {
    case RS_F32:
        return (double)n.f32;
    case RS_BF16:
        return (double)rs_float_of_bf16(n.u16);
    case RS_F16:
        return (double)rs_float_of_f16(n.u16);
    case RS_I32:
        return (double)n.i32;
    default:
        return (double)n.u8;
    }
}

double op_rounded(rs_dtype type, double x)
{
    return value_of(type, stored(type, x));
}

void op_guarded_write(rescl_device *dev, const op_guarded *g, rs_dtype type, const double *host,
                      size_t count)
{
    const size_t size = rs_dtype_bytes(type);
    unsigned char *raw = malloc(count * size);
    assert_non_null(raw);
    for (size_t i = 0; i < count; i++) {
        const number n = stored(type, host[i]);
        memcpy(raw + i * size, &n, size);
    }
    assert_ok(rs_write(dev, g->view, 0, raw, count * size));
    free(raw);
}

void op_guarded_read(rescl_device *dev, const op_guarded *g, rs_dtype type, double *host,
                     size_t count)
{
    const size_t size = rs_dtype_bytes(type);
    unsigned char *raw = malloc(count * size);
    assert_non_null(raw);
    assert_ok(rs_read(dev, g->view, 0, raw, count * size));
    for (size_t i = 0; i < count; i++) {
        number n;
        memcpy(&n, raw + i * size, size);
        host[i] = value_of(type, n);
    }
    free(raw);
}

/* ---- comparison ---------------------------------------------------------------------------- */

void op_expect_close(const char *what, rs_dtype type, size_t terms, double scale,
                     const double *want, const double *got, size_t count)
{
    double sum = 0, worst = 1, worst_tol = 0;
    size_t at = 0, bad = 0;
    for (size_t i = 0; i < count; i++)
        sum += isfinite(want[i]) ? want[i] * want[i] : 0;
    const double rms = sqrt(sum / (double)count);
    for (size_t i = 0; i < count; i++) {
        if ((isnan(want[i]) && isnan(got[i])) || want[i] == got[i])
            continue;
        const double tol = rs_tolerance(type, terms, fmax(fmax(fabs(want[i]), rms), scale));
        double ratio = fabs(want[i] - got[i]) / fmax(tol, 1e-300);
        if (!isfinite(ratio))
            ratio = INFINITY;
        if (ratio > 1)
            bad++;
        if (ratio > worst) {
            worst = ratio;
            worst_tol = tol;
            at = i;
        }
    }
    if (bad)
        fail_msg("%s: %zu of %zu wrong; at %zu: %.9g, expected %.9g within %.3g", what, bad, count,
                 at, got[at], want[at], worst_tol);
}
