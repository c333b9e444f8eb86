#include "guarded.h"

#include "alloc.h"
#include "error.h"
#include "half.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define POISON 0x7fc5a5a5u /* a quiet NaN, and a far too large index */

/* ---- guard zones --------------------------------------------------------------------------- */

static const unsigned char *poison_at(size_t byte)
{
    static const uint32_t poison = POISON;
    return (const unsigned char *)&poison + byte % sizeof poison;
}

rescl_status rs_guarded_init(rescl_device *dev, size_t bytes, rs_guarded *out)
{
    rescl_status st = RESCL_OK;
    const size_t guard = rs_round_up(4096, rs_device_align(dev));
    const bool simulated = strstr(rescl_device_get_info(dev)->name, "Oclgrind") != NULL;

    *out = (rs_guarded){.bytes = bytes, .before = simulated ? 0 : guard};
    if (bytes == 0)
        goto out;
    out->total = out->before + bytes + guard;
    RS_TRY(rs_buffer_create(dev, out->total, &out->all));
    if (simulated)
        out->view = rs_buffer_retain(out->all);
    else
        RS_TRY(rs_buffer_view(out->all, out->before, bytes, &out->view));
    RS_TRY(rs_guarded_poison(dev, out));
out:
    if (st != RESCL_OK)
        rs_guarded_fini(out);
    return st;
}

void rs_guarded_fini(rs_guarded *g)
{
    rs_buffer_release(g->view);
    rs_buffer_release(g->all);
    *g = (rs_guarded){0};
}

rescl_status rs_guarded_poison(rescl_device *dev, const rs_guarded *g)
{
    rescl_status st = RESCL_OK;
    unsigned char *bytes = NULL;

    if (g->bytes == 0)
        goto out;
    RS_OOM(bytes = malloc(g->total));
    for (size_t i = 0; i < g->total; i++)
        bytes[i] = *poison_at(i);
    RS_TRY(rs_write(dev, g->all, 0, bytes, g->total));
out:
    free(bytes);
    return st;
}

rescl_status rs_guarded_check(rescl_device *dev, const rs_guarded *g, const char *what)
{
    rescl_status st = RESCL_OK;
    const size_t after = g->before + g->bytes;
    unsigned char *got = NULL;

    if (g->bytes == 0)
        goto out;
    RS_OOM(got = malloc(g->total));
    if (g->before)
        RS_TRY(rs_read(dev, g->all, 0, got, g->before));
    RS_TRY(rs_read(dev, g->all, after, got + after, g->total - after));
    for (size_t i = 0; i < g->total; i++) {
        if (i == g->before)
            i = after;
        RS_FAIL_IF(got[i] != *poison_at(i), RESCL_ERR_NUMERIC,
                   "%s: byte %lld of a buffer of %zu was written", what,
                   (long long)i - (long long)g->before, g->bytes);
    }
out:
    free(got);
    return st;
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* A number as the device has it. */
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

double rs_rounded(rs_dtype type, double x)
{
    return value_of(type, stored(type, x));
}

rescl_status rs_guarded_write(rescl_device *dev, const rs_guarded *g, rs_dtype type,
                              const double *host, size_t count)
{
    rescl_status st = RESCL_OK;
    const size_t size = rs_dtype_bytes(type);
    unsigned char *raw = NULL;

    RS_OOM(raw = malloc(count * size));
    for (size_t i = 0; i < count; i++) {
        const number n = stored(type, host[i]);
        memcpy(raw + i * size, &n, size);
    }
    RS_TRY(rs_write(dev, g->view, 0, raw, count * size));
out:
    free(raw);
    return st;
}

rescl_status rs_guarded_read(rescl_device *dev, const rs_guarded *g, rs_dtype type, double *host,
                             size_t count)
{
    rescl_status st = RESCL_OK;
    const size_t size = rs_dtype_bytes(type);
    unsigned char *raw = NULL;

    RS_OOM(raw = malloc(count * size));
    RS_TRY(rs_read(dev, g->view, 0, raw, count * size));
    for (size_t i = 0; i < count; i++) {
        number n;
        memcpy(&n, raw + i * size, size);
        host[i] = value_of(type, n);
    }
out:
    free(raw);
    return st;
}
