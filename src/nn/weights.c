/* Host values of a graph's parameters, and how they start. */
#include "alloc.h"
#include "error.h"
#include "graph.h"
#include "rng.h"
#include "threadpool.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

rescl_status rs_weights_create(const rs_graph *g, rs_weights *out)
{
    rescl_status st = RESCL_OK;
    rs_weights w = {.count = g->nparams};
    size_t total = 0;

    RS_OOM(w.data = calloc(g->nparams + 1, sizeof *w.data));
    RS_OOM(w.elems = calloc(g->nparams + 1, sizeof *w.elems));
    for (size_t i = 0; i < g->nparams; i++) {
        w.elems[i] = rs_shape_count(&g->param[i].spec.shape);
        RS_FAIL_IF(!rs_add_size(total, rs_round_up(w.elems[i], 16), &total), RESCL_ERR_MEMORY,
                   "the model's parameters do not fit the address space");
    }
    w.memory = rs_aligned_calloc(total, sizeof *w.memory);
    RS_FAIL_IF(!w.memory, RESCL_ERR_MEMORY,
               "out of host memory: %zu parameters take %.1f GiB each time that they are kept",
               total, (double)total * sizeof *w.memory / 0x1p30);
    total = 0;
    for (size_t i = 0; i < g->nparams; i++) {
        w.data[i] = w.memory + total;
        total += rs_round_up(w.elems[i], 16);
    }
    *out = w;
    w = (rs_weights){0};
out:
    rs_weights_fini(&w);
    return st;
}

void rs_weights_fini(rs_weights *w)
{
    rs_aligned_free(w->memory);
    free(w->data);
    free(w->elems);
    *w = (rs_weights){0};
}

static void fill(float *x, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

/* 24-bit uniforms scaled to (-limit, limit): exact in float, so the same on every machine. */
static void fill_uniform(float *x, size_t n, double limit, rs_rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((2.0 * (double)rs_rng_uniform(r) - 1.0) * limit);
}

static void fill_normal(float *x, size_t n, double std, rs_rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)rs_rng_normal(r) * std);
}

static void fill_by_scheme(const rs_param *p, float *x, size_t n, rs_rng *r)
{
    const double in = (double)p->spec.fan_in, out = (double)p->spec.fan_out;
    const bool bias = p->spec.init == RS_INIT_BIAS;
    switch (p->scheme) {
    case RS_SCHEME_GLOROT_UNIFORM:
        if (bias)
            fill(x, n, 0.0f);
        else
            fill_uniform(x, n, sqrt(6.0 / (in + out)), r);
        break;
    case RS_SCHEME_HE_NORMAL_FAN_OUT:
        if (bias)
            fill(x, n, 0.0f);
        else
            fill_normal(x, n, sqrt(2.0 / out), r);
        break;
    case RS_SCHEME_LINEAR_UNIFORM:
        fill_uniform(x, n, 1.0 / sqrt(in), r);
        break;
    }
}

typedef struct filling {
    const rs_graph *g;
    rs_weights *w;
    uint64_t seed;
    atomic_size_t next; /* parameter that no thread has taken */
} filling;

static void fill_params(void *arg)
{
    filling *f = arg;
    for (size_t i; (i = atomic_fetch_add(&f->next, 1)) < f->g->nparams;) {
        const rs_param *p = &f->g->param[i];
        float *x = f->w->data[i];
        rs_rng r;
        rs_rng_init(&r, f->seed, i);
        if (p->spec.init == RS_INIT_ZERO)
            fill(x, f->w->elems[i], 0.0f);
        else if (p->spec.init == RS_INIT_ONE)
            fill(x, f->w->elems[i], 1.0f);
        else
            fill_by_scheme(p, x, f->w->elems[i], &r);
    }
}

void rs_weights_init(const rs_graph *g, rs_weights *w, uint64_t seed)
{
    filling f = {.g = g, .w = w, .seed = seed};
    rs_pool *pool = NULL;
    /* Any number of threads gives the same numbers; without a pool, or where it is out of memory,
     * this one does what is left. */
    if (rs_pool_create(0, &pool) == RESCL_OK &&
        rs_pool_map(pool, fill_params, &f, rs_pool_threads(pool), 0) != RESCL_OK)
        rs_pool_wait(pool);
    rs_pool_destroy(pool);
    fill_params(&f);
}
