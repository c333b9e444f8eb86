/* Between the host's memory and the device's. */
#include "alloc.h"
#include "error.h"
#include "peak.h"
#include "pinned.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BYTES ((size_t)4 << 10)
#define MOST_BYTES  ((size_t)64 << 20)
#define GROWTH      16 /* of the sizes: 4 KiB, 64 KiB, 1 MiB, 16 MiB */

typedef struct transfer {
    rs_peak *p;
    rs_buffer *buf;
    rs_pinned *pinned;
    uint8_t *plain, *source; /* what is read into; what the device got */
    size_t bytes;
} transfer;

/* Contenders: to the device from plain and from pinned memory, and from it to both. */
static rescl_status run_transfer(void *user, size_t i)
{
    const transfer *t = user;
    uint8_t *host = i % 2 ? rs_pinned_host(t->pinned) : t->plain;
    return i < 2 ? rs_write(t->p->dev, t->buf, 0, host, t->bytes)
                 : rs_read(t->p->dev, t->buf, 0, host, t->bytes);
}

static void fill(uint8_t *at, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

/* Each way once more, with other bytes, which are compared. */
static rescl_status check_transfer(void *user, rs_limit *limits)
{
    rescl_status st = RESCL_OK;
    const transfer *t = user;
    uint8_t *const host[] = {t->plain, rs_pinned_host(t->pinned)};

    for (size_t i = 0; i < RS_COUNT(host); i++) {
        fill(t->source, t->bytes, (unsigned)i + 1);
        memcpy(host[i], t->source, t->bytes);
        RS_TRY(run_transfer(user, i));
        for (size_t k = 0; k < RS_COUNT(host); k++) {
            memset(host[k], 0, t->bytes);
            RS_TRY(run_transfer(user, 2 + k));
            const double wrong = memcmp(host[k], t->source, t->bytes) != 0;
            limits[i].error = fmax(limits[i].error, wrong);
            limits[2 + k].error = fmax(limits[2 + k].error, wrong);
        }
    }
out:
    return st;
}

static void name_size(size_t bytes, char text[16])
{
    if (bytes >= (size_t)1 << 20)
        snprintf(text, 16, "%zuMiB", bytes >> 20);
    else
        snprintf(text, 16, "%zuKiB", bytes >> 10);
}

static rescl_status measure_size(rs_peak *p, transfer *t, size_t bytes)
{
    enum { WAYS = 4 }; /* each direction, and each from pinned memory */
    rescl_status st = RESCL_OK;
    rs_limit limits[WAYS] = {0};
    char size[16], what[WAYS][40];

    t->bytes = bytes;
    name_size(bytes, size);
    for (size_t i = 0; i < WAYS; i++) {
        snprintf(what[i], sizeof what[i], "%s:%s%s", i < 2 ? "to_device" : "from_device", size,
                 i % 2 ? ",pinned" : "");
        limits[i] = (rs_limit){.what = what[i],
                               .bytes = (double)bytes,
                               .amount = (double)bytes * 1e-9,
                               .unit = "GB/s",
                               .checked = "every byte"};
    }
    RS_TRY(rs_peak_measure(p, &(rs_rounds){.run = run_transfer, .user = t}, limits, WAYS,
                           check_transfer));
out:
    return st;
}

rescl_status rs_peak_transfer(rs_peak *p)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(p->dev);
    const uint64_t room = info->max_alloc_bytes < info->global_bytes / 8 ? info->max_alloc_bytes
                                                                         : info->global_bytes / 8;
    const size_t most = room < MOST_BYTES ? (size_t)room : MOST_BYTES;
    transfer t = {.p = p};

    RS_TRY(rs_buffer_create(p->dev, most, &t.buf));
    RS_TRY(rs_pinned_create(p->dev, most, &t.pinned));
    RS_OOM(t.plain = rs_aligned_calloc(most, 1));
    RS_OOM(t.source = malloc(most));
    fill(t.plain, most, 0);
    memcpy(rs_pinned_host(t.pinned), t.plain, most);
    for (size_t i = 0; i < 4; i++)
        RS_TRY(run_transfer(&t, (t.bytes = most, i))); /* touches all pages */
    for (size_t bytes = LEAST_BYTES; bytes <= most; bytes *= GROWTH)
        RS_TRY(measure_size(p, &t, bytes));
out:
    rs_buffer_release(t.buf);
    rs_pinned_destroy(t.pinned);
    rs_aligned_free(t.plain);
    free(t.source);
    return st;
}
