#include "candidates.h"

#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "threadpool.h"
#include "tune_problem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW   8.0 /* times what the best way should take: no way to measure */
#define RANKED 6   /* of the ways whose time is expected, so many are measured */

void rs_candidates_fini(rs_candidates *c)
{
    free(c->choice);
    *c = (rs_candidates){0};
}

/* ---- the list ---------------------------------------------------------------------------- */

/* Plans that were made already, each once. */
typedef struct lister {
    rescl_device *dev;
    const rs_problem *p;
    rs_pass pass;
    rs_plan *plan;
    size_t plans, cap;
    rs_candidates *out;
    double least; /* ns that the best of the ranked ways should take; 0: it is not known */
} lister;

static bool same_plan(const rs_plan *a, const rs_plan *b)
{
    bool same = a->choice.impl == b->choice.impl && a->nkernels == b->nkernels &&
                a->scratch_bytes == b->scratch_bytes && a->packed_bytes == b->packed_bytes &&
                memcmp(a->kept, b->kept, sizeof a->kept) == 0;
    for (int i = 0; same && i < a->nkernels; i++)
        same = strcmp(a->kernel[i].file, b->kernel[i].file) == 0 &&
               strcmp(a->kernel[i].name, b->kernel[i].name) == 0 &&
               strcmp(a->kernel[i].options, b->kernel[i].options) == 0;
    return same;
}

/* A choice that cannot be planned is kept: measuring it says why. */
static rescl_status add(lister *l, const char *choice)
{
    rescl_status st = RESCL_OK;
    rs_candidates *c = l->out;

    RS_TRY(rs_array_reserve(&l->plan, &l->cap, l->plans + 1, sizeof *l->plan));
    rs_plan *plan = &l->plan[l->plans];
    if (rs_choice_plan(l->dev, l->p, l->pass, choice, plan) == RESCL_OK) {
        for (size_t i = 0; i < l->plans; i++)
            if (same_plan(&l->plan[i], plan))
                goto out;
        l->plans++;
    } else if (rescl_last_error()->sys_errno == ENOMEM) {
        st = rescl_last_error()->status;
        goto out;
    }
    RS_TRY(rs_array_reserve(&c->choice, &c->cap, c->count + 1, sizeof *c->choice));
    snprintf(c->choice[c->count++], RS_CHOICE, "%s", choice);
out:
    return st;
}

static rescl_status add_ranked(lister *l, const char *only)
{
    rescl_status st = RESCL_OK;
    rs_expected way[RANKED];
    char text[RS_CHOICE];

    const size_t count = rs_choice_rank(l->p, l->pass, rs_device_caps(l->dev), way, RANKED);
    for (size_t i = 0; i < count; i++)
        if (!only || strcmp(way[i].choice.impl->name, only) == 0) {
            RS_TRY(add(l, rs_choice_text(&way[i].choice, text)));
            l->out->ranked = true;
        }
    l->least = l->out->ranked ? way[0].ns : 0.0;
out:
    return st;
}

static bool has_impl(const lister *l, const rs_impl *impl)
{
    for (size_t i = 0; i < l->plans; i++)
        if (l->plan[i].choice.impl == impl)
            return true;
    return false;
}

/* Whether an implementation is made for the device's class, and not far slower than the best where
 * that is known. */
static bool is_promising(const lister *l, const rs_impl *m)
{
    const rs_caps *caps = rs_device_caps(l->dev);
    rs_expected own;

    if (m->prefers != 0 && !(m->prefers & 1u << caps->type))
        return false;
    if (!l->out->ranked)
        return true;
    return m->expect && m->expect(l->p, l->pass, caps, &own, 1) > 0 && own.ns <= SLOW * l->least;
}

static rescl_status add_impls(lister *l, const char *only)
{
    rescl_status st = RESCL_OK;
    const rs_caps *caps = rs_device_caps(l->dev);

    for (size_t i = 0; l->p->op->impls[i]; i++) {
        const rs_impl *m = l->p->op->impls[i];
        if (only ? strcmp(only, m->name) != 0 : has_impl(l, m))
            continue;
        if (!rs_impl_refuses(m, l->p, l->pass, caps) && (only || is_promising(l, m)))
            RS_TRY(add(l, m->name));
    }
out:
    return st;
}

rescl_status rs_candidates_list(rescl_device *dev, const rs_problem *p, rs_pass pass,
                                const rescl_tune_options *options, rs_candidates *out)
{
    rescl_status st = RESCL_OK;
    lister l = {.dev = dev, .p = p, .pass = pass, .out = out};

    RS_TRY(add(&l, RS_CHOICE_DEFAULT));
    if (options->params)
        RS_TRY(add_ranked(&l, options->impl));
    RS_TRY(add_impls(&l, options->impl));
out:
    free(l.plan);
    return st;
}

/* ---- compiling --------------------------------------------------------------------------- */

/* One program, by one of its kernels. */
typedef struct build_job {
    rescl_device *dev;
    rs_plan_kernel kernel;
    const rescl_tune_options *o;
    double deadline;
} build_job;

typedef struct job_list {
    build_job *job;
    size_t count, cap;
} job_list;

static rescl_status add_program(job_list *jobs, rescl_device *dev, const rs_plan_kernel *k,
                                const rescl_tune_options *options, double deadline)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < jobs->count; i++)
        if (strcmp(jobs->job[i].kernel.file, k->file) == 0 &&
            strcmp(jobs->job[i].kernel.options, k->options) == 0)
            goto out;
    RS_TRY(rs_array_reserve(&jobs->job, &jobs->cap, jobs->count + 1, sizeof *jobs->job));
    jobs->job[jobs->count++] =
        (build_job){.dev = dev, .kernel = *k, .o = options, .deadline = deadline};
out:
    return st;
}

static rescl_status add_programs(job_list *jobs, rescl_device *dev, const rs_work *work,
                                 const rescl_tune_options *options, double deadline)
{
    rescl_status st = RESCL_OK;
    rs_candidates c = {0};
    rs_plan plan;

    RS_TRY(rs_candidates_list(dev, &work->problem, work->pass, options, &c));
    for (size_t i = 0; i < c.count; i++) {
        if (rs_choice_plan(dev, &work->problem, work->pass, c.choice[i], &plan) != RESCL_OK)
            continue;
        for (int k = 0; k < plan.nkernels; k++)
            RS_TRY(add_program(jobs, dev, &plan.kernel[k], options, deadline));
    }
out:
    rs_candidates_fini(&c);
    return st;
}

static void build_program(void *arg)
{
    const build_job *job = arg;
    const rs_plan_kernel *k = &job->kernel;
    rs_kernel *kernel;
    if (rs_tune_may_go_on(job->o, job->deadline) == RESCL_OK &&
        rs_kernel_get(job->dev, k->file, k->options, k->name, &kernel) != RESCL_OK)
        return; /* it is asked for again */
}

rescl_status rs_candidates_build(rescl_device *dev, const rs_worklist *list, const size_t *which,
                                 size_t count, const rescl_tune_options *options, double deadline)
{
    rescl_status st = RESCL_OK;
    job_list jobs = {0};
    rs_pool *pool = NULL;

    for (size_t i = 0; i < count; i++)
        RS_TRY(add_programs(&jobs, dev, &list->item[which[i]], options, deadline));
    RS_TRY(rs_pool_create(0, &pool));
    RS_TRY(rs_pool_map(pool, build_program, jobs.job, jobs.count, sizeof *jobs.job));
out:
    rs_pool_destroy(pool);
    free(jobs.job);
    return st;
}
