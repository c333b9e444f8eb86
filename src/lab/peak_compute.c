/* Multiply-adds in registers, reading local memory, and launching. */
#include "alloc.h"
#include "error.h"
#include "peak.h"

#include <math.h>
#include <stdlib.h>

/* As cl/peak.cl has them. */
#define FMAS_PER_LOOP 48 /* of vectors, in a work-item of peak_fma */
#define CPU_CHAINS    12
#define GPU_CHAINS    4
#define FACTOR        0.999f
#define ADDEND        1e-3f
#define LOCAL_READS   8 /* of vectors, in a loop of peak_local */
#define HASH          2654435761u

#define CHECKED_ITEMS 64
#define FMA_TOLERANCE 1e-3 /* FACTOR keeps a thousand roundings */
#define MOST_LOCAL    ((size_t)16 << 10)
#define LAUNCHES      64 /* in a sample */

static bool is_cpu(const rs_peak *p)
{
    return rescl_device_get_info(p->dev)->type == RESCL_DEVICE_CPU;
}

/* ---- multiply-adds ------------------------------------------------------------------------- */

typedef struct fma_work {
    rs_peak *p;
    rs_kernel *kernel;
    int loops;
} fma_work;

static rescl_status run_fma(void *user, size_t i)
{
    rescl_status st = RESCL_OK;
    const fma_work *w = user;
    (void)i;

    RS_TRY(RS_LAUNCH(w->p->dev, w->kernel, w->p->grid, RS_BUF(w->p->out), RS_FLOAT(FACTOR),
                     RS_FLOAT(ADDEND), RS_INT(w->loops)));
    RS_TRY(rs_finish(w->p->dev));
out:
    return st;
}

static double flops_of(const fma_work *w)
{
    return 2.0 * FMAS_PER_LOOP * (double)w->loops * (double)(w->p->items * w->p->width);
}

/* A chain of x = x * FACTOR + ADDEND, which soon changes no more. */
static double chain(float x, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        const float next = fmaf(x, FACTOR, ADDEND);
        if (next == x)
            break;
        x = next;
    }
    return (double)x;
}

/* The largest relative error of some work-items, the first and the last among them. */
static rescl_status check_fma(void *user, rs_limit *limit)
{
    rescl_status st = RESCL_OK;
    const fma_work *w = user;
    const rs_peak *p = w->p;
    const int chains = is_cpu(p) ? CPU_CHAINS : GPU_CHAINS;
    const size_t steps = (size_t)w->loops * (size_t)(FMAS_PER_LOOP / chains);
    const size_t n = p->items < CHECKED_ITEMS ? p->items : CHECKED_ITEMS;
    float *out = NULL;

    RS_OOM(out = malloc(p->items * p->width * sizeof *out));
    RS_TRY(rs_read(p->dev, p->out, 0, out, p->items * p->width * sizeof *out));
    limit->error = 0.0;
    for (size_t i = 0; i < n; i++) {
        const size_t id = n > 1 ? i * (p->items - 1) / (n - 1) : 0;
        double want = 0.0;
        for (int k = 0; k < chains; k++)
            want += chain((float)((int)id + k) * 1e-6f, steps);
        for (size_t lane = 0; lane < p->width; lane++) {
            const double off = fabs((double)out[id * p->width + lane] - want) / want;
            limit->error = isfinite(off) ? fmax(limit->error, off) : INFINITY;
        }
    }
out:
    free(out);
    return st;
}

static rescl_status open_fma(rs_peak *p, fma_work *w)
{
    rescl_status st = RESCL_OK;

    *w = (fma_work){.p = p, .loops = 1};
    RS_TRY(rs_peak_kernel(p, "peak_fma", &w->kernel));
    RS_TRY(rs_peak_calibrate(&(rs_rounds){.repeats = 1, .run = run_fma, .user = w}, &w->loops));
out:
    return st;
}

rescl_status rs_peak_fma_quick(rs_peak *p, double *gflops)
{
    rescl_status st = RESCL_OK;
    fma_work w;
    rs_stats ms;

    RS_TRY(open_fma(p, &w));
    const rs_rounds all = {
        .repeats = RS_PEAK_ROUNDS, .max_seconds = RS_PEAK_BUDGET_S, .run = run_fma, .user = &w};
    RS_TRY(rs_rounds_time(&all, 1, &ms));
    *gflops = flops_of(&w) / (ms.median * 1e6);
out:
    return st;
}

rescl_status rs_peak_fma(rs_peak *p)
{
    rescl_status st = RESCL_OK;
    fma_work w;

    RS_TRY(open_fma(p, &w));
    rs_limit limit = {.what = "fma",
                      .amount = flops_of(&w) * 1e-9,
                      .unit = "GFLOP/s",
                      .flop = flops_of(&w),
                      .checked = "sums of the chains, against the host's",
                      .tolerance = FMA_TOLERANCE};
    RS_TRY(rs_peak_measure(p, &(rs_rounds){.run = run_fma, .user = &w}, &limit, 1, check_fma));
out:
    return st;
}

/* ---- local memory -------------------------------------------------------------------------- */

typedef struct local_work {
    rs_peak *p;
    rs_kernel *kernel;
    rs_grid grid;
    size_t vectors; /* in local memory, a power of two */
    int loops;
} local_work;

static rescl_status run_local(void *user, size_t i)
{
    rescl_status st = RESCL_OK;
    const local_work *w = user;
    (void)i;

    RS_TRY(RS_LAUNCH(w->p->dev, w->kernel, w->grid, RS_BUF(w->p->out),
                     RS_LOCAL(w->vectors * w->p->width * sizeof(uint32_t)), RS_INT(w->vectors),
                     RS_INT(w->loops)));
    RS_TRY(rs_finish(w->p->dev));
out:
    return st;
}

/* What a work-item of that place in its group makes of all it reads. Two turns through the same
 * vectors leave nothing. */
static uint32_t exclusive_or(const local_work *w, size_t place)
{
    const size_t group = w->grid.group[0], reads = (size_t)w->loops * LOCAL_READS;
    const size_t rest = reads % (2 * w->vectors);
    uint32_t x = 0;
    for (size_t i = 0; i < rest; i++)
        x ^= (uint32_t)((place + i * group) & (w->vectors - 1)) * HASH;
    return x;
}

static rescl_status check_local(void *user, rs_limit *limit)
{
    rescl_status st = RESCL_OK;
    const local_work *w = user;
    const rs_peak *p = w->p;
    const size_t group = w->grid.group[0], count = p->items * p->width;
    uint32_t *out = NULL, *want = NULL;

    RS_OOM(out = malloc(count * sizeof *out));
    RS_OOM(want = malloc(group * sizeof *want));
    RS_TRY(rs_read(p->dev, p->out, 0, out, count * sizeof *out));
    for (size_t place = 0; place < group; place++)
        want[place] = exclusive_or(w, place);
    limit->error = 0.0;
    for (size_t i = 0; i < count; i++)
        limit->error += out[i] != want[i / p->width % group];
out:
    free(out);
    free(want);
    return st;
}

rescl_status rs_peak_local(rs_peak *p)
{
    rescl_status st = RESCL_OK;
    const uint64_t local = rescl_device_get_info(p->dev)->local_bytes;
    const size_t bytes = local < MOST_LOCAL ? (size_t)local : MOST_LOCAL;
    local_work w = {.p = p, .grid = p->grid, .vectors = 1, .loops = 1};

    while (2 * w.vectors * p->width * sizeof(uint32_t) <= bytes)
        w.vectors *= 2;
    RS_TRY(rs_peak_kernel(p, "peak_local", &w.kernel));
    const size_t most = rs_kernel_max_group(w.kernel);
    w.grid.group[0] = w.grid.group[0] < most ? w.grid.group[0] : most;
    RS_TRY(rs_peak_calibrate(&(rs_rounds){.repeats = 1, .run = run_local, .user = &w}, &w.loops));
    const double read = (double)(p->items * p->width * sizeof(uint32_t)) * LOCAL_READS * w.loops;
    rs_limit limit = {.what = "local",
                      .amount = read * 1e-9,
                      .unit = "GB/s",
                      .bytes = read,
                      .checked = "every number that was read, by exclusive or"};
    RS_TRY(rs_peak_measure(p, &(rs_rounds){.run = run_local, .user = &w}, &limit, 1, check_local));
out:
    return st;
}

/* ---- launching ----------------------------------------------------------------------------- */

typedef struct launch_work {
    rs_peak *p;
    rs_kernel *kernel;
    uint32_t launches; /* that the device should have counted */
} launch_work;

/* Contenders: 0 launches one kernel behind another, 1 waits for each. The time of one launch. */
static rescl_status run_launch(void *user, size_t waits, double *ms)
{
    rescl_status st = RESCL_OK;
    launch_work *w = user;
    const rs_grid one = {.items = {1, 1, 1}, .group = {1, 1, 1}};
    const double start = rs_rounds_clock();

    for (int i = 0; i < LAUNCHES; i++) {
        RS_TRY(RS_LAUNCH(w->p->dev, w->kernel, one, RS_BUF(w->p->out)));
        w->launches++;
        if (waits)
            RS_TRY(rs_finish(w->p->dev));
    }
    RS_TRY(rs_finish(w->p->dev));
    *ms = (rs_rounds_clock() - start) * 1e3 / LAUNCHES;
out:
    return st;
}

static rescl_status check_launch(void *user, rs_limit *limits)
{
    rescl_status st = RESCL_OK;
    const launch_work *w = user;
    uint32_t counted = 0;

    RS_TRY(rs_read(w->p->dev, w->p->out, 0, &counted, sizeof counted));
    for (size_t i = 0; i < 2; i++)
        limits[i].error = fabs((double)counted - (double)w->launches);
out:
    return st;
}

rescl_status rs_peak_launch(rs_peak *p)
{
    rescl_status st = RESCL_OK;
    launch_work w = {.p = p};
    rs_limit limits[] = {{.what = "launch", .amount = 1.0, .unit = "1/s"},
                         {.what = "launch_wait", .amount = 1.0, .unit = "1/s"}};
    double ms;

    for (size_t i = 0; i < RS_COUNT(limits); i++)
        limits[i].checked = "the device counted the launches";
    RS_TRY(rs_peak_kernel(p, "peak_launch", &w.kernel));
    RS_TRY(rs_fill_zero(p->dev, p->out, 0, sizeof(uint32_t)));
    RS_TRY(run_launch(&w, 1, &ms));
    RS_TRY(rs_peak_measure(p, &(rs_rounds){.time = run_launch, .user = &w}, limits,
                           RS_COUNT(limits), check_launch));
out:
    return st;
}
