/* Times a model's convolutions and dense layers, or a plain product, with every implementation. */
#include "alloc.h"
#include "attr.h"
#include "benchstat.h"
#include "clock.h"
#include "error.h"
#include "netmodel.h"
#include "str.h"
#include "trial.h"
#include <rescl/bench.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IMPLS  16
#define MAX_ROUNDS 10000
#define PREFERRED  "preferred" /* as the name of an implementation: the one a network would use */

/* A distinct problem of the model. */
typedef struct problem {
    rs_problem p;
    char shape[96];
    char key[256]; /* tells problems apart */
    size_t count;
    bool want_diff; /* the gradient of its input is needed somewhere */
} problem;

/* One implementation made ready for one pass. */
typedef struct contender {
    rs_trial trial;
    double *ms;
    size_t cap;
    double error;
    bool timed; /* false: only its result is wanted */
} contender;

typedef struct opbench {
    rescl_device *dev;
    const rescl_bench_options *o;
    const char *only; /* NULL: every implementation */
    rescl_bench_op_fn fn;
    void *user;
} opbench;

/* ---- the problems of a model ------------------------------------------------------------- */

static void describe(problem *b)
{
    const rs_shape *s = &b->p.src[0];

    if (b->p.op == &rs_op_conv2d) {
        const rs_conv2d_attr *a = b->p.attr;
        char groups[32] = "";
        if (a->groups > 1)
            snprintf(groups, sizeof groups, ", %zu groups", a->groups);
        snprintf(b->shape, sizeof b->shape, "%zux%zux%zux%zu -> %zu, %zux%zu/%zu%s", s->dim[0],
                 s->dim[1], s->dim[2], s->dim[3], a->filters, a->kernel_h, a->kernel_w, a->stride_h,
                 groups);
        snprintf(b->key, sizeof b->key, "%s /%zu pad %zu %zu %zu %zu bias %d", b->shape,
                 a->stride_w, a->pad_top, a->pad_bottom, a->pad_left, a->pad_right, a->bias);
    } else {
        const rs_dense_attr *a = b->p.attr;
        snprintf(b->shape, sizeof b->shape, "%zux%zu -> %zu", s->dim[0],
                 rs_shape_count(s) / s->dim[0], a->units);
        snprintf(b->key, sizeof b->key, "dense %s bias %d", b->shape, a->bias);
    }
}

static rescl_status collect(const rescl_model *model, size_t batch, bool training, problem **out,
                            size_t *count)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = model->graph;
    problem *list = NULL;
    size_t cap = 0, n = 0, same;

    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_node *node = &g->node[i];
        problem b = {.count = 1};
        if (node->op != &rs_op_conv2d && node->op != &rs_op_dense)
            continue;
        RS_TRY(rs_graph_problem(g, i, batch, training, &b.p));
        b.want_diff = g->value[node->src[0]].producer >= 0;
        describe(&b);
        for (same = 0; same < n && strcmp(list[same].key, b.key) != 0; same++)
            continue;
        if (same < n) {
            list[same].count++;
            list[same].want_diff = list[same].want_diff || b.want_diff;
            continue;
        }
        RS_TRY(rs_array_reserve(&list, &cap, n + 1, sizeof *list));
        list[n++] = b;
    }
    *out = list, list = NULL;
    *count = n;
out:
    free(list);
    return st;
}

/* ---- one pass ---------------------------------------------------------------------------- */

/* A training step changes the parameters, so it pays for packing them; inference packs once. */
static rescl_status run_once(const opbench *ob, contender *c, rs_args *args, bool pack)
{
    return rs_trial_run(&c->trial, args, pack || ob->o->train);
}

static double distance(const float *x, const float *reference, size_t n)
{
    double diff = 0.0, norm = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i] - (double)reference[i];
        diff += d * d;
        norm += (double)reference[i] * (double)reference[i];
    }
    return norm > 0.0 ? sqrt(diff / norm) : sqrt(diff);
}

/* Runs each once, outside of the timing: compares results, and lets libraries build their kernels.
 */
static rescl_status warm_up(const opbench *ob, contender *c, size_t n, rs_args *args, rs_pass pass)
{
    rescl_status st = RESCL_OK;
    const rs_tensor *result = rs_trial_result(args, pass);
    const size_t count = rs_shape_count(&result->shape);
    float *first = NULL, *own = NULL;

    RS_OOM(first = rs_aligned_calloc(count, sizeof *first));
    RS_OOM(own = rs_aligned_calloc(count, sizeof *own));
    for (size_t i = 0; i < n; i++) {
        float *to = i == 0 ? first : own;
        RS_TRY(rs_fill_zero(ob->dev, result->buf, 0, count * sizeof *to));
        RS_TRY(run_once(ob, &c[i], args, true));
        RS_TRY(rs_read(ob->dev, result->buf, 0, to, count * sizeof *to));
        c[i].error = i == 0 ? 0.0 : distance(own, first, count);
        for (size_t k = 1; k < ob->o->warmup && c[i].timed; k++)
            RS_TRY(run_once(ob, &c[i], args, true));
    }
out:
    rs_aligned_free(first);
    rs_aligned_free(own);
    return st;
}

static rescl_status time_rounds(const opbench *ob, contender *c, size_t n, rs_args *args,
                                size_t *rounds)
{
    rescl_status st = RESCL_OK;
    const double start = rs_clock_seconds();
    size_t r = 0;

    while (r < ob->o->repeats ||
           (rs_clock_seconds() - start < ob->o->min_seconds && r < MAX_ROUNDS)) {
        for (size_t i = 0; i < n; i++) {
            double begin;
            if (!c[i].timed)
                continue;
            RS_TRY(rs_array_reserve(&c[i].ms, &c[i].cap, r + 1, sizeof *c[i].ms));
            begin = rs_clock_seconds();
            RS_TRY(run_once(ob, &c[i], args, false));
            c[i].ms[r] = (rs_clock_seconds() - begin) * 1e3;
        }
        r++;
    }
    *rounds = r;
out:
    return st;
}

static void tell(const opbench *ob, const problem *b, rs_pass pass, const contender *c,
                 const rs_impl *preferred, size_t rounds)
{
    const rs_benchstat s = rs_benchstat_of(c->ms, rounds);
    rescl_bench_op_row row = {.op = b->p.op->name,
                              .pass = rs_pass_name(pass),
                              .impl = c->trial.plan.impl->name,
                              .count = b->count,
                              .preferred = c->trial.plan.impl == preferred,
                              .median_ms = s.median,
                              .min_ms = s.min,
                              .gflops = 2.0 * b->p.op->macs(&b->p) / (s.median * 1e6),
                              .error = c->error};
    memcpy(row.shape, b->shape, sizeof row.shape);
    ob->fn(&row, ob->user);
}

static bool is_wanted(const char *only, const rs_impl *impl, const rs_impl *preferred)
{
    return !only || strcmp(only, impl->name) == 0 ||
           (strcmp(only, PREFERRED) == 0 && impl == preferred);
}

static rescl_status bench_pass(const opbench *ob, const problem *b, rs_pass pass, rs_args *args)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(ob->dev);
    contender c[MAX_IMPLS] = {0};
    rs_plan choice;
    size_t n = 0, timed = 0, rounds = 0;

    RS_TRY(rs_plan_make(&choice, &b->p, pass, ob->dev, NULL));
    for (size_t i = 0; b->p.op->impls[i] && n < MAX_IMPLS; i++) {
        const rs_impl *impl = b->p.op->impls[i];
        const bool wanted = is_wanted(ob->only, impl, choice.impl);
        if (rs_impl_refuses(impl, &b->p, pass, info) || (!wanted && n > 0))
            continue;
        c[n].timed = wanted;
        timed += wanted;
        RS_TRY(rs_trial_init(ob->dev, &b->p, pass, impl == choice.impl ? NULL : impl->name,
                             &c[n++].trial));
    }
    if (timed == 0)
        goto out;
    RS_TRY(warm_up(ob, c, n, args, pass));
    RS_TRY(time_rounds(ob, c, n, args, &rounds));
    for (size_t i = 0; i < n; i++)
        if (c[i].timed)
            tell(ob, b, pass, &c[i], choice.impl, rounds);
out:
    for (size_t i = 0; i < n; i++) {
        rs_trial_fini(&c[i].trial);
        free(c[i].ms);
    }
    if (st != RESCL_OK)
        rs_error_prefix("bench %s, %s", b->shape, rs_pass_name(pass));
    return st;
}

static rescl_status bench_problem(const opbench *ob, const problem *b)
{
    rescl_status st = RESCL_OK;
    rs_args args = {0};

    rs_device_trim(ob->dev); /* what the problem before has used rarely fits this one */
    RS_TRY(rs_trial_args_make(ob->dev, &b->p, ob->o->train, &args));
    RS_TRY(bench_pass(ob, b, RS_FWD, &args));
    if (ob->o->train && b->want_diff)
        RS_TRY(bench_pass(ob, b, RS_BWD_DATA, &args));
    if (ob->o->train)
        RS_TRY(bench_pass(ob, b, RS_BWD_PARAMS, &args));
out:
    rs_trial_args_release(&args);
    return st;
}

/* RESCL_ERR_ARG when no op that is timed has an implementation of this name. */
static rescl_status check_impl(const char *name)
{
    static const rs_op *const ops[] = {&rs_op_conv2d, &rs_op_dense};
    rescl_status st = RESCL_OK;
    const char *names[2 * MAX_IMPLS + 2] = {PREFERRED};
    const char *near = NULL;
    size_t n = 1;

    if (strcmp(name, PREFERRED) == 0)
        goto out;
    for (size_t i = 0; i < RS_COUNT(ops); i++) {
        if (rs_impl_find(ops[i], name))
            goto out;
        for (const rs_impl *const *m = ops[i]->impls; *m && n <= 2 * MAX_IMPLS; m++)
            names[n++] = (*m)->name;
    }
    near = rs_nearest(name, names);
    RS_FAIL(RESCL_ERR_ARG, "bench: no implementation is called '%s'%s%s%s", name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
out:
    return st;
}

rescl_status rescl_bench_ops(rescl_device *device, const rescl_bench_options *options,
                             const char *impl, rescl_bench_op_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    const opbench ob = {device, options, impl, fn, user};
    const rescl_model_options about = {
        .name = options->model, .classes = options->classes, .image_size = options->size};
    rescl_model *model = NULL;
    problem *list = NULL;
    size_t count = 0;

    RS_FAIL_IF(options->batch == 0 || options->repeats == 0, RESCL_ERR_ARG,
               "bench: batch %zu, repeats %zu: expected at least 1", options->batch,
               options->repeats);
    if (impl)
        RS_TRY(check_impl(impl));
    RS_TRY(rescl_model_create(&about, &model));
    RS_TRY(collect(model, options->batch, options->train, &list, &count));
    for (size_t i = 0; i < count; i++)
        RS_TRY(bench_problem(&ob, &list[i]));
out:
    free(list);
    rescl_model_destroy(model);
    return st;
}

rescl_status rescl_bench_product(rescl_device *device, size_t m, size_t n, size_t k,
                                 const rescl_bench_options *options, const char *impl,
                                 rescl_bench_op_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    const opbench ob = {device, options, impl, fn, user};
    const rs_shape a = rs_shape_2(m, k);
    const rs_dense_attr attr = {.units = n};
    problem b = {.count = 1, .want_diff = true};

    RS_FAIL_IF(options->repeats == 0, RESCL_ERR_ARG, "bench: repeats 0: expected at least 1");
    if (impl)
        RS_TRY(check_impl(impl));
    RS_TRY(rs_problem_init(&b.p, &rs_op_dense, &attr, options->train, &a, 1));
    describe(&b);
    RS_TRY(bench_problem(&ob, &b));
out:
    return st;
}
