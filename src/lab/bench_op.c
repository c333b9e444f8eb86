/* Times a model's convolutions and dense layers, or a plain product, with every implementation. */
#include "alloc.h"
#include "attr.h"
#include "choice.h"
#include "error.h"
#include "judge.h"
#include "measure.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "problemtext.h"
#include "trial.h"
#include "worklist.h"

#include <errno.h>
#include <math.h>
#include <rescl/bench.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFERRED "preferred" /* as the name of an implementation: the one a network would use */

/* One implementation made ready for one pass. */
typedef struct contender {
    const rs_impl *impl;
    rs_trial trial;
    double error, tolerance;
    rescl_error failure; /* status RESCL_OK: there was none */
} contender;

/* One pass of one problem. */
typedef struct opbench {
    double deadline;
    rescl_device *dev;
    const rescl_bench_options *o;
    const rs_work *work;
    rs_args args;
    rs_judge judge;
    const rs_impl *preferred;
    contender *c;
    size_t n, cap;
} opbench;

/* Who is told of each implementation, and of which: NULL: every one. */
typedef struct audience {
    const char *kind;              /* of the rows */
    const rescl_bench_options *of; /* NULL: of no model */
    const char *impl;
    rescl_bench_fn fn;
    void *user;
} audience;

/* A training step changes the parameters, so it pays for packing them; inference packs once. */
static rescl_status run_packed(opbench *b, size_t i, bool pack, double *ms)
{
    return rs_trial_run(&b->c[i].trial, &b->args, pack || b->o->train, ms);
}

/* What failed before fails again. */
static rescl_status run_timed(void *user, size_t i, double *ms)
{
    const opbench *b = user;
    const rescl_status before = b->c[i].failure.status;
    return before == RESCL_OK ? run_packed(user, i, false, ms) : before;
}

/* Keeps the first failure of a contender, for its row. Short memory of the host ends all. */
static rescl_status keep_failure(void *user, size_t i)
{
    opbench *b = user;
    contender *c = &b->c[i];
    if (rescl_last_error()->sys_errno == ENOMEM)
        return rescl_last_error()->status;
    if (c->failure.status == RESCL_OK) {
        rs_error_prefix("%s, %s", b->work->key, c->impl->name);
        c->failure = *rescl_last_error();
    }
    return RESCL_OK;
}

static rescl_status add_contender(opbench *b, const rs_impl *impl)
{
    rescl_status st = RESCL_OK;
    contender *c;

    RS_TRY(rs_array_reserve(&b->c, &b->cap, b->n + 1, sizeof *b->c));
    c = &b->c[b->n++];
    *c = (contender){.impl = impl, .error = NAN, .tolerance = NAN};
    if (rs_trial_init(b->dev, &b->work->problem, b->work->pass,
                      impl == b->preferred ? NULL : impl->name, &c->trial) != RESCL_OK)
        RS_TRY(keep_failure(b, b->n - 1));
out:
    return st;
}

/* Makes ready each implementation that can serve, or the one that is asked for. */
static rescl_status find_contenders(opbench *b, const char *only)
{
    rescl_status st = RESCL_OK;
    const rs_caps *caps = rs_device_caps(b->dev);
    const rs_problem *p = &b->work->problem;
    rs_choice choice;

    RS_TRY(rs_choice_make(b->dev, p, b->work->pass, NULL, &choice));
    b->preferred = choice.impl;
    for (size_t i = 0; p->op->impls[i]; i++) {
        const rs_impl *impl = p->op->impls[i];
        const bool wanted = !only || strcmp(only, impl->name) == 0 ||
                            (strcmp(only, PREFERRED) == 0 && impl == b->preferred);
        if (wanted && !rs_impl_refuses(impl, p, b->work->pass, caps))
            RS_TRY(add_contender(b, impl));
    }
out:
    return st;
}

/* Judges the result of one, and lets libraries build their kernels. */
static rescl_status try_out(opbench *b, size_t i)
{
    rescl_status st = RESCL_OK;
    rs_verdict verdict;
    char text[RS_VERDICT_TEXT];

    RS_FAIL_IF(rs_deadline_passed(b->deadline), RESCL_ERR_INTERRUPTED,
               "not measured within the time limit");
    RS_TRY(rs_judge_reset(&b->judge));
    RS_TRY(run_packed(b, i, true, NULL));
    RS_TRY(rs_judge_result(&b->judge, b->c[i].impl, &verdict));
    b->c[i].error = verdict.distance;
    b->c[i].tolerance = rs_judge_tolerance(&b->judge, b->c[i].impl);
    RS_FAIL_IF(!(verdict.share <= 1.0), RESCL_ERR_NUMERIC, "the result is wrong: %s",
               rs_verdict_text(&b->judge, &verdict, text));
    for (size_t k = 1; k < b->o->warmup && !rs_deadline_passed(b->deadline); k++)
        RS_TRY(run_packed(b, i, true, NULL));
out:
    return st;
}

/* What all contenders need cannot be had: all fail for the thread's last error. */
static rescl_status fail_contenders(opbench *b)
{
    rescl_status st = RESCL_OK;
    const rescl_error why = *rescl_last_error();

    for (size_t i = 0; i < b->n; i++) {
        rs_error_restore(&why);
        RS_TRY(keep_failure(b, i));
    }
out:
    return st;
}

/* Runs each outside of the timing. */
static rescl_status warm_up(opbench *b)
{
    rescl_status st = RESCL_OK;

    if (rs_judge_init(b->dev, &b->work->problem, b->work->pass, &b->args, &b->judge) != RESCL_OK)
        RS_TRY(fail_contenders(b));
    for (size_t i = 0; i < b->n; i++)
        if (b->c[i].failure.status == RESCL_OK && try_out(b, i) != RESCL_OK)
            RS_TRY(keep_failure(b, i));
out:
    return st;
}

static void tell_row(const opbench *b, rs_measurement *m, size_t i, const audience *to)
{
    const rs_problem *p = &b->work->problem;
    const contender *c = &b->c[i];
    const bool good = c->failure.status == RESCL_OK;
    const bool judged = good || c->failure.status == RESCL_ERR_NUMERIC;
    char what[RS_PROBLEM_TEXT] = "";
    rescl_bench_row row = rs_row_empty(to->kind, what);

    rs_problem_text(p, what);
    row.precision = b->o->precision;
    row.op = p->op->name;
    row.pass = rs_pass_name(b->work->pass);
    row.impl = c->impl->name;
    row.count = b->work->count;
    row.preferred = c->impl == b->preferred;
    if (to->of) {
        row.model = to->of->model;
        row.size = to->of->size;
    }
    row.batch = p->src[0].dim[0];
    row.flop = rs_pass_flop(p, b->work->pass);
    row.bytes = rs_pass_bytes(p, b->work->pass);
    row.checked = judged ? "numbers drawn from the result, against the reference in double" : NULL;
    row.error = judged ? c->error : NAN;
    row.tolerance = judged ? c->tolerance : NAN;
    row.status = c->failure.status;
    row.reason = good ? "" : c->failure.message;
    rs_measurement_tell(m, i, &row);
    rs_row_rate(&row, row.flop * 1e-9, "GFLOP/s");
    if (!good)
        rs_error_restore(&c->failure);
    to->fn(&row, to->user);
}

static rescl_status time_and_tell(opbench *b, const audience *to)
{
    rescl_status st = RESCL_OK;
    const rs_rounds rounds = {.repeats = b->o->repeats,
                              .min_seconds = b->o->min_seconds,
                              .deadline = b->deadline,
                              .time = run_timed,
                              .user = b,
                              .failed = keep_failure};
    rs_measurement m = rs_measurement_of(b->dev, b->o);

    RS_TRY(rs_measure(&m, &rounds, b->n));
    for (size_t i = 0; i < b->n; i++)
        tell_row(b, &m, i, to);
out:
    rs_measurement_fini(&m);
    return st;
}

static rescl_status bench_work(rescl_device *dev, const rescl_bench_options *o, const rs_work *work,
                               double deadline, const audience *to)
{
    rescl_status st = RESCL_OK;
    opbench b = {.dev = dev, .o = o, .work = work, .deadline = deadline};

    rs_device_trim(dev); /* what the problem before has used rarely fits this one */
    const rescl_status made =
        rs_trial_args_make(dev, &work->problem, work->pass != RS_FWD, &b.args);
    const rescl_error why = *rescl_last_error();
    RS_TRY(find_contenders(&b, to->impl));
    if (b.n == 0)
        goto out;
    if (made == RESCL_OK) {
        RS_TRY(warm_up(&b));
    } else {
        rs_error_restore(&why);
        RS_TRY(fail_contenders(&b));
    }
    RS_TRY(time_and_tell(&b, to));
out:
    for (size_t i = 0; i < b.n; i++)
        rs_trial_fini(&b.c[i].trial);
    free(b.c);
    rs_judge_fini(&b.judge);
    rs_trial_args_release(&b.args);
    if (st != RESCL_OK)
        rs_error_prefix("%s", work->key);
    return st;
}

static rescl_status bench_list(rescl_device *dev, const rescl_bench_options *o,
                               const rs_worklist *list, const audience *to)
{
    rescl_status st = RESCL_OK;
    const double deadline = rs_deadline_after(o->time_limit);
    RS_TRY(rs_trial_clock_begin(dev));
    for (size_t i = 0; i < list->count; i++) {
        RS_FAIL_IF(i > 0 && rs_deadline_passed(deadline), RESCL_ERR_INTERRUPTED,
                   "the time limit is reached: %zu of %zu problems were not measured",
                   list->count - i, list->count);
        RS_TRY(bench_work(dev, o, &list->item[i], deadline, to));
    }
out:
    rs_trial_clock_end(dev);
    return st;
}

static rescl_status check_options(const rescl_bench_options *o, size_t batch, const char *impl)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(batch == 0 || o->repeats == 0, RESCL_ERR_ARG,
               "bench: batch %zu, repeats %zu: expected at least 1", batch, o->repeats);
    st = impl ? rs_worklist_check_impl(impl, PREFERRED) : RESCL_OK;
    if (st != RESCL_OK)
        rs_error_prefix("impl");
out:
    return st;
}

rescl_status rescl_bench_ops(rescl_device *device, const rescl_bench_options *options,
                             const char *impl, rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    const audience to = {"op", &o, impl, fn, user};
    rescl_model_options about = {0};
    rescl_model *model = NULL;
    rescl_precision precision = RESCL_PRECISION_FP32;
    rs_worklist list = {0};

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    about.name = o.model;
    about.classes = o.classes;
    about.image_size = o.size;
    RS_TRY(check_options(&o, o.batch, impl));
    RS_TRY(rs_precision_take(o.precision, &precision));
    RS_TRY(rs_model_build(&about, &model));
    rs_graph_set_precision(model->graph, precision);
    RS_TRY(rs_worklist_add_graph(&list, model->graph, o.batch, o.train));
    RS_TRY(bench_list(device, &o, &list, &to));
out:
    rs_worklist_fini(&list);
    rescl_model_destroy(model);
    return st;
}

rescl_status rescl_bench_product(rescl_device *device, size_t m, size_t n, size_t k,
                                 const rescl_bench_options *options, const char *impl,
                                 rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    const audience to = {"product", NULL, impl, fn, user};
    const rs_problem_spec spec = {
        .op = &rs_op_dense, .attr.dense.units = n, .src = rs_shape_2(m, k)};
    rescl_bench_options o;
    rescl_precision precision = RESCL_PRECISION_FP32;
    rs_problem p;
    rs_worklist list = {0};

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_TRY(check_options(&o, 1, impl));
    RS_TRY(rs_precision_take(o.precision, &precision));
    RS_TRY(rs_problem_of_spec(&spec, o.train, precision, &p));
    RS_TRY(rs_worklist_add_layer(&list, &p, true));
    RS_TRY(bench_list(device, &o, &list, &to));
out:
    rs_worklist_fini(&list);
    return st;
}

rescl_status rescl_bench_problem(rescl_device *device, const char *problem,
                                 const rescl_bench_options *options, const char *impl,
                                 rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    const audience to = {"op", NULL, impl, fn, user};
    rescl_bench_options o;
    rescl_precision precision = RESCL_PRECISION_FP32;
    rs_problem_spec spec;
    rs_problem p;
    rs_worklist list = {0};

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_TRY(check_options(&o, 1, impl));
    RS_TRY(rs_precision_take(o.precision, &precision));
    RS_TRY(rs_problem_parse(problem, &spec));
    st = rs_problem_of_spec(&spec, o.train, precision, &p);
    if (st == RESCL_ERR_SHAPE) { /* the text's fault, as what cannot be parsed is */
        const rescl_error why = *rescl_last_error();
        RS_FAIL_IF(true, RESCL_ERR_ARG, "%s", why.message);
    }
    RS_TRY(st);
    RS_TRY(rs_worklist_add_layer(&list, &p, true));
    if (spec.typed)
        o.precision = rescl_precision_name(spec.precision);
    RS_TRY(bench_list(device, &o, &list, &to));
out:
    rs_worklist_fini(&list);
    return st;
}
