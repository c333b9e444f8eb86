/* Measures what the device can do at most, with the kernels of cl/peak.cl. */
#include "cldevice.h"
#include "error.h"
#include "rounds.h"

#include <rescl/bench.h>

#define ROUNDS        5
#define ROUND_MS      40.0 /* a round of the FMA kernel takes at least so long */
#define ROUND_S       1.0  /* and a round of any kernel not much longer, */
#define BUDGET_S      5.0  /* nor all rounds, on however slow a device */
#define MAX_LOOPS     (1 << 28)
#define FMAS_PER_LOOP 48 /* of vectors, in a work-item of peak_fma */
#define FIRST_ARRAY   ((uint64_t)4 << 20)
#define GROWTH        4 /* of the arrays, while they are quickly passed */
#define MIN_ARRAY     ((uint64_t)64 << 20)
#define MAX_ARRAY     ((uint64_t)512 << 20)

typedef struct peak {
    rescl_device *dev;
    rs_grid grid;
    size_t items, width; /* work-items; floats in a vector */
    rs_buffer *out;
} peak;

/* The width of common.clh's vfloat. */
static size_t vector_width(const rescl_device_info *info)
{
    return info->float_width >= 16 ? 16 : info->float_width >= 8 ? 8 : 4;
}

/* CPUs run one work-item per group, several for each unit so that all finish together; GPUs need
 * enough groups to hide latency. */
static void set_grid(peak *p, const rescl_device_info *info, size_t max_group)
{
    const bool cpu = info->type == RESCL_DEVICE_CPU;
    const size_t group = cpu ? 1 : max_group < 256 ? max_group : 256;

    p->width = vector_width(info);
    p->items = cpu ? (size_t)info->compute_units * 4 : (size_t)info->compute_units * 16 * group;
    p->grid = (rs_grid){.items = {p->items, 1, 1}, .group = {group, 1, 1}};
}

typedef struct fma_work {
    peak *p;
    rs_kernel *kernel;
    int loops;
} fma_work;

static rescl_status run_fma(void *user, size_t i)
{
    rescl_status st = RESCL_OK;
    const fma_work *w = user;
    (void)i;

    RS_TRY(RS_LAUNCH(w->p->dev, w->kernel, w->p->grid, RS_BUF(w->p->out), RS_FLOAT(0.999f),
                     RS_FLOAT(1e-3f), RS_INT(w->loops)));
    RS_TRY(rs_finish(w->p->dev));
out:
    return st;
}

static rescl_status measure_fma(peak *p, rs_kernel *k, double *gflops)
{
    rescl_status st = RESCL_OK;
    fma_work w = {.p = p, .kernel = k, .loops = 1};
    rs_stats ms;

    RS_TRY(run_fma(&w, 0));
    do { /* the work of a round, doubled until it takes long enough to be timed */
        w.loops *= 2;
        RS_TRY(rs_rounds_time(&(rs_rounds){.repeats = 1, .run = run_fma, .user = &w}, 1, &ms));
    } while (ms.median < ROUND_MS && w.loops < MAX_LOOPS);
    const rs_rounds all = {.repeats = ROUNDS, .max_seconds = BUDGET_S, .run = run_fma, .user = &w};
    RS_TRY(rs_rounds_time(&all, 1, &ms));
    *gflops =
        2.0 * FMAS_PER_LOOP * (double)w.loops * (double)(p->items * p->width) / (ms.median * 1e6);
out:
    return st;
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

typedef struct stream {
    peak *p;
    rs_buffer *a, *b, *c;
    size_t bytes; /* of each */
    rs_kernel *read, *triad;
} stream;

/* Contenders: 0 reads one array, 1 reads two and writes one. */
static rescl_status run_stream(void *user, size_t triad)
{
    rescl_status st = RESCL_OK;
    const stream *s = user;
    const peak *p = s->p;
    const size_t vectors = s->bytes / (p->width * sizeof(float));

    if (triad)
        RS_TRY(RS_LAUNCH(p->dev, s->triad, p->grid, RS_BUF(s->a), RS_BUF(s->b), RS_BUF(s->c),
                         RS_FLOAT(3.0f), RS_ULONG(vectors)));
    else
        RS_TRY(
            RS_LAUNCH(p->dev, s->read, p->grid, RS_BUF(s->b), RS_BUF(p->out), RS_ULONG(vectors)));
    RS_TRY(rs_finish(p->dev));
out:
    return st;
}

/* New arrays, with every page touched. */
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
        RS_TRY(rs_fill_zero(dev, *arrays[i], 0, bytes));
    }
    for (size_t i = 0; i < 2; i++)
        RS_TRY(run_stream(s, i));
out:
    return st;
}

static rescl_status measure_memory(stream *s, double *read_gbs, double *triad_gbs)
{
    rescl_status st = RESCL_OK;
    const size_t wanted = array_bytes(rescl_device_get_info(s->p->dev));
    size_t bytes = wanted < FIRST_ARRAY ? wanted : FIRST_ARRAY;
    rs_rounds rounds = {.repeats = 1, .run = run_stream, .user = s};
    rs_stats ms[2];

    RS_TRY(make_arrays(s, bytes));
    while (bytes < wanted) {
        RS_TRY(rs_rounds_time(&rounds, RS_COUNT(ms), ms));
        if ((ms[0].median + ms[1].median) * GROWTH > ROUND_S * 1e3)
            break;
        bytes = bytes > wanted / GROWTH ? wanted : bytes * GROWTH;
        RS_TRY(make_arrays(s, bytes));
    }
    rounds.repeats = ROUNDS;
    rounds.max_seconds = BUDGET_S;
    RS_TRY(rs_rounds_time(&rounds, RS_COUNT(ms), ms));
    *read_gbs = (double)s->bytes / (ms[0].median * 1e6);
    *triad_gbs = 3.0 * (double)s->bytes / (ms[1].median * 1e6);
out:
    return st;
}

rescl_status rescl_bench_peak(rescl_device *device, rescl_bench_limits *out)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(device);
    peak p = {.dev = device};
    stream s = {.p = &p};
    rs_kernel *fma = NULL;
    rescl_bench_limits result = {0};

    const char *options = info->type == RESCL_DEVICE_CPU ? "" : "-DALIGNED";
    RS_TRY(rs_kernel_get(device, "peak", options, "peak_fma", &fma));
    RS_TRY(rs_kernel_get(device, "peak", options, "peak_read", &s.read));
    RS_TRY(rs_kernel_get(device, "peak", options, "peak_triad", &s.triad));
    set_grid(&p, info, rs_kernel_max_group(fma));
    RS_TRY(rs_buffer_create(device, p.items * p.width * sizeof(float), &p.out));
    RS_TRY(measure_fma(&p, fma, &result.fma_gflops));
    RS_TRY(measure_memory(&s, &result.read_gbs, &result.triad_gbs));
    *out = result;
out:
    rs_buffer_release(p.out);
    rs_buffer_release(s.a);
    rs_buffer_release(s.b);
    rs_buffer_release(s.c);
    return st;
}
