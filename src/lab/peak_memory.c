/* Reading and writing global memory. */
#include "alloc.h"
#include "error.h"
#include "peak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_S     1.0 /* a round takes not much longer */
#define FIRST_ARRAY ((uint64_t)4 << 20)
#define GROWTH      4 /* of the arrays, while they are quickly passed */
#define MIN_ARRAY   ((uint64_t)64 << 20)
#define MAX_ARRAY   ((uint64_t)512 << 20)
#define CHUNK       ((size_t)1 << 20) /* bytes: of filling and checking */
#define SCALE       3.0f              /* of the triad */

/* Small whole numbers, so that sums of them are exact in float, which do not repeat with a power of two. */
static float number(size_t i)
{
    return (float)(i % 3);
}

/* Bytes of one array: four times the caches where the device has room for three such. */
static size_t array_bytes(const rescl_device_info *info)
{
    uint64_t bytes = info->cache_bytes * 4;

    bytes = bytes < MIN_ARRAY ? MIN_ARRAY : bytes > MAX_ARRAY ? MAX_ARRAY : bytes;
    bytes = bytes > info->max_alloc_bytes ? info->max_alloc_bytes : bytes;
    bytes = bytes > info->global_bytes / 8 ? info->global_bytes / 8 : bytes;
    return (size_t)(bytes / 64 * 64);
}

typedef enum stream_kind { STREAM_READ = 0, STREAM_TRIAD, STREAM_COPY, STREAM_COUNT } stream_kind;

static const char *const stream_names[STREAM_COUNT] = {"read", "triad", "copy"};
static const double stream_arrays[STREAM_COUNT] = {1.0, 3.0, 2.0};

typedef struct stream {
    rs_peak *p;
    rs_buffer *a, *b, *c;
    size_t bytes; /* of each */
    rs_kernel *kernel[STREAM_COUNT];
    float *chunk; /* CHUNK bytes and two numbers more, from which any part of an array begins */
} stream;

static rescl_status run_stream(void *user, size_t kind)
{
    rescl_status st = RESCL_OK;
    const stream *s = user;
    const rs_peak *p = s->p;
    rs_kernel *k = s->kernel[kind];
    const size_t vectors = s->bytes / (p->width * sizeof(float));

    if (kind == STREAM_READ)
        RS_TRY(RS_LAUNCH(p->dev, k, p->grid, RS_BUF(s->b), RS_BUF(p->out), RS_ULONG(vectors)));
    else if (kind == STREAM_TRIAD)
        RS_TRY(RS_LAUNCH(p->dev, k, p->grid, RS_BUF(s->a), RS_BUF(s->b), RS_BUF(s->c),
                         RS_FLOAT(SCALE), RS_ULONG(vectors)));
    else
        RS_TRY(RS_LAUNCH(p->dev, k, p->grid, RS_BUF(s->a), RS_BUF(s->b), RS_ULONG(vectors)));
    RS_TRY(rs_finish(p->dev));
out:
    return st;
}

/* The numbers of an array from byte `at` on. */
static const float *part_at(const stream *s, size_t at)
{
    return s->chunk + at / sizeof(float) % 3;
}

/* New arrays, with every page touched: b and c have the numbers. */
static rescl_status make_arrays(stream *s, size_t bytes)
{
    rescl_status st = RESCL_OK;
    rescl_device *dev = s->p->dev;
    rs_buffer **const arrays[] = {&s->a, &s->b, &s->c};

    for (size_t i = 0; i < RS_COUNT(arrays); i++) {
        rs_buffer_release(*arrays[i]);
        *arrays[i] = NULL;
    }
    rs_device_trim(dev);
    s->bytes = bytes;
    for (size_t i = 0; i < RS_COUNT(arrays); i++) {
        RS_TRY(rs_buffer_create(dev, bytes, arrays[i]));
        for (size_t at = 0; at < bytes; at += CHUNK)
            RS_TRY(rs_write(dev, *arrays[i], at, part_at(s, at),
                            bytes - at < CHUNK ? bytes - at : CHUNK));
    }
    for (size_t i = 0; i < STREAM_COUNT; i++)
        RS_TRY(run_stream(s, i));
out:
    return st;
}

static rescl_status open_stream(stream *s, rs_peak *p)
{
    rescl_status st = RESCL_OK;
    const size_t wanted = array_bytes(rescl_device_get_info(p->dev));
    size_t bytes = wanted < FIRST_ARRAY ? wanted : FIRST_ARRAY;
    const rs_rounds rounds = {.repeats = 1, .run = run_stream, .user = s};
    rs_stats ms[STREAM_COUNT];

    *s = (stream){.p = p};
    RS_OOM(s->chunk = malloc(CHUNK + 2 * sizeof *s->chunk));
    for (size_t i = 0; i < CHUNK / sizeof *s->chunk + 2; i++)
        s->chunk[i] = number(i);
    RS_TRY(rs_peak_kernel(p, "peak_read", &s->kernel[STREAM_READ]));
    RS_TRY(rs_peak_kernel(p, "peak_triad", &s->kernel[STREAM_TRIAD]));
    RS_TRY(rs_peak_kernel(p, "peak_copy", &s->kernel[STREAM_COPY]));
    RS_TRY(make_arrays(s, bytes));
    while (bytes < wanted) {
        RS_TRY(rs_rounds_time(&rounds, STREAM_COUNT, ms));
        if ((ms[0].median + ms[1].median + ms[2].median) * GROWTH > ROUND_S * 1e3)
            break;
        bytes = bytes > wanted / GROWTH ? wanted : bytes * GROWTH;
        RS_TRY(make_arrays(s, bytes));
    }
out:
    return st;
}

static void close_stream(stream *s)
{
    rs_buffer_release(s->a);
    rs_buffer_release(s->b);
    rs_buffer_release(s->c);
    free(s->chunk);
}

/* How many numbers of a are not `factor` times those of b. */
static rescl_status count_wrong(const stream *s, float factor, float *part, double *wrong)
{
    rescl_status st = RESCL_OK;

    *wrong = 0.0;
    for (size_t at = 0; at < s->bytes; at += CHUNK) {
        const size_t bytes = s->bytes - at < CHUNK ? s->bytes - at : CHUNK;
        const float *want = part_at(s, at);
        RS_TRY(rs_read(s->p->dev, s->a, at, part, bytes));
        for (size_t i = 0; i < bytes / sizeof *part; i++)
            *wrong += !(part[i] == factor * want[i]);
    }
out:
    return st;
}

/* The sum of all that a read gave, less that of the numbers. */
static rescl_status compare_sums(const stream *s, double *off)
{
    rescl_status st = RESCL_OK;
    const rs_peak *p = s->p;
    const size_t count = p->items * p->width;
    const size_t n = s->bytes / sizeof(float);
    const size_t whole = n - n % 3;
    const double want = (double)(n % 3 == 2 ? whole + 1 : whole); /* 0 + 1 + 2 + 0 + 1 + ... */
    double got = 0.0;
    float *out = NULL;

    RS_OOM(out = malloc(count * sizeof *out));
    RS_TRY(rs_read(p->dev, p->out, 0, out, count * sizeof *out));
    for (size_t i = 0; i < count; i++)
        got += (double)out[i];
    *off = isfinite(got) ? fabs(got - want) : INFINITY;
out:
    free(out);
    return st;
}

static rescl_status check_streams(void *user, rs_limit *limits)
{
    rescl_status st = RESCL_OK;
    const stream *s = user;
    float *part = NULL;

    RS_OOM(part = malloc(CHUNK));
    RS_TRY(run_stream(user, STREAM_READ));
    RS_TRY(compare_sums(s, &limits[STREAM_READ].error));
    RS_TRY(run_stream(user, STREAM_TRIAD));
    RS_TRY(count_wrong(s, 1.0f + SCALE, part, &limits[STREAM_TRIAD].error));
    RS_TRY(run_stream(user, STREAM_COPY));
    RS_TRY(count_wrong(s, 1.0f, part, &limits[STREAM_COPY].error));
out:
    free(part);
    return st;
}

rescl_status rs_peak_memory_quick(rs_peak *p, double *read_gbs, double *triad_gbs)
{
    rescl_status st = RESCL_OK;
    stream s = {0};
    const rs_rounds rounds = {
        .repeats = RS_PEAK_ROUNDS, .max_seconds = RS_PEAK_BUDGET_S, .run = run_stream, .user = &s};
    rs_stats ms[STREAM_TRIAD + 1];

    RS_TRY(open_stream(&s, p));
    RS_TRY(rs_rounds_time(&rounds, RS_COUNT(ms), ms));
    *read_gbs = (double)s.bytes / (ms[STREAM_READ].median * 1e6);
    *triad_gbs = 3.0 * (double)s.bytes / (ms[STREAM_TRIAD].median * 1e6);
out:
    close_stream(&s);
    return st;
}

rescl_status rs_peak_memory(rs_peak *p)
{
    rescl_status st = RESCL_OK;
    stream s = {0};
    rs_limit limits[STREAM_COUNT] = {0};

    RS_TRY(open_stream(&s, p));
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        limits[i].what = stream_names[i];
        limits[i].bytes = stream_arrays[i] * (double)s.bytes;
        limits[i].amount = limits[i].bytes * 1e-9;
        limits[i].unit = "GB/s";
        limits[i].checked =
            i == STREAM_READ ? "the sum of all numbers, exactly" : "every number that was written";
    }
    RS_TRY(rs_peak_measure(p, &(rs_rounds){.run = run_stream, .user = &s}, limits, STREAM_COUNT,
                           check_streams));
out:
    close_stream(&s);
    return st;
}
