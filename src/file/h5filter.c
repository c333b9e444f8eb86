#include "h5filter.h"

#include <string.h>
#include <zlib.h>

#define CHECKSUM 4 /* bytes of fletcher32's */

bool rs_h5_filter_known(uint64_t id)
{
    return id == RS_H5_DEFLATE || id == RS_H5_SHUFFLE || id == RS_H5_FLETCHER32 || id == RS_H5_LZF;
}

uint64_t rs_h5_filter_ratio(uint64_t id)
{
    return id == RS_H5_DEFLATE ? 1032 /* zlib's largest */
           : id == RS_H5_LZF   ? 88   /* 264 bytes from 3 */
                               : 1;
}

uint64_t rs_h5_packed_bytes(const rs_h5_pipeline *p, uint64_t skipped, uint64_t bytes)
{
    for (size_t i = 0; i < p->count; i++) {
        if (skipped >> i & 1)
            continue;
        if (rs_h5_filter_ratio(p->filter[i].id) > 1)
            return 0;
        bytes += p->filter[i].id == RS_H5_FLETCHER32 ? CHECKSUM : 0;
    }
    return bytes;
}

size_t rs_h5_room(size_t bytes, size_t packed_bytes)
{
    const size_t most = bytes > packed_bytes ? bytes : packed_bytes;
    return most + (size_t)CHECKSUM * RS_H5_FILTERS;
}

/* ---- lzf ----------------------------------------------------------------------------------- */

/* A control byte below 32 is followed by as many bytes more; another is the length (3 bits, 7 being
 * followed by a byte of more) and the high bits of the distance of bytes to repeat. */
static bool inflate_lzf(const uint8_t *src, size_t n, uint8_t *dst, size_t room, size_t *out)
{
    size_t at = 0, to = 0;
    while (at < n) {
        const size_t control = src[at++];
        if (control < 32) {
            const size_t len = control + 1;
            if (len > n - at || len > room - to)
                return false;
            memcpy(dst + to, src + at, len);
            at += len;
            to += len;
            continue;
        }
        size_t len = control >> 5;
        if (len == 7) {
            if (at >= n)
                return false;
            len += src[at++];
        }
        if (at >= n)
            return false;
        const size_t back = ((control & 31) << 8 | src[at++]) + 1;
        len += 2;
        if (back > to || len > room - to)
            return false;
        for (; len > 0; len--, to++) /* the two may overlap */
            dst[to] = dst[to - back];
    }
    *out = to;
    return true;
}

/* ---- the others ---------------------------------------------------------------------------- */

static bool inflate_deflate(const uint8_t *src, size_t n, uint8_t *dst, size_t room, size_t *out)
{
    uLongf got = (uLongf)room;
    if (uncompress(dst, &got, src, (uLong)n) != Z_OK)
        return false;
    *out = (size_t)got;
    return true;
}

/* All first bytes of the values, all second ones, ..., and what is left over at the end as it is. */
static void unshuffle(const uint8_t *src, size_t n, uint64_t value_bytes, uint8_t *dst)
{
    const size_t size = value_bytes > n || value_bytes == 0 ? 1 : (size_t)value_bytes;
    const size_t count = n / size;
    for (size_t b = 0; b < size; b++)
        for (size_t i = 0; i < count; i++)
            dst[i * size + b] = src[b * count + i];
    memcpy(dst + count * size, src + count * size, n - count * size);
}

/* HDF5's own form of Fletcher's sum, of big-endian words of 16 bits. */
static uint32_t fletcher32(const uint8_t *data, size_t n)
{
    uint32_t a = 0, b = 0;
    size_t words = n / 2;
    while (words > 0) {
        size_t some = words < 360 ? words : 360; /* before a sum overflows */
        words -= some;
        for (; some > 0; some--, data += 2) {
            a += (uint32_t)data[0] << 8 | data[1];
            b += a;
        }
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    if (n % 2 == 1) {
        a += (uint32_t)data[0] << 8;
        b += a;
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
    return b << 16 | a;
}

/* The sum behind the data, little-endian. HDF5 before 1.6.3 on little-endian machines wrote the bytes
 * of its halves in the other order, and reads that still. */
static bool sum_fits(const uint8_t *data, size_t n)
{
    const uint8_t *s = data + n;
    const uint32_t sum = fletcher32(data, n);
    const uint32_t stored =
        (uint32_t)s[3] << 24 | (uint32_t)s[2] << 16 | (uint32_t)s[1] << 8 | s[0];
    const uint32_t other = (stored & 0x00ff00ff) << 8 | (stored & 0xff00ff00) >> 8;
    return sum == stored || sum == other;
}

bool rs_h5_unpack(const rs_h5_pipeline *p, uint64_t skipped, uint8_t *packed, size_t packed_bytes,
                  uint8_t *plain, size_t bytes, bool *checksum)
{
    const size_t room = rs_h5_room(bytes, packed_bytes);
    uint8_t *from = packed, *to = plain;
    size_t n = packed_bytes;
    *checksum = false;
    for (size_t i = p->count; i-- > 0;) {
        bool moved = true;
        if (skipped >> i & 1)
            continue;
        switch (p->filter[i].id) {
        case RS_H5_DEFLATE:
            if (!inflate_deflate(from, n, to, room, &n))
                return false;
            break;
        case RS_H5_LZF:
            if (!inflate_lzf(from, n, to, room, &n))
                return false;
            break;
        case RS_H5_SHUFFLE:
            unshuffle(from, n, p->filter[i].value_bytes, to);
            break;
        default:
            *checksum = true;
            if (n < CHECKSUM || !sum_fits(from, n - CHECKSUM))
                return false;
            *checksum = false;
            n -= CHECKSUM;
            moved = false;
        }
        uint8_t *other = from;
        from = moved ? to : from;
        to = moved ? other : to;
    }
    if (n != bytes)
        return false;
    if (from != plain)
        memcpy(plain, from, n);
    return true;
}
