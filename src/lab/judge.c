#include "judge.h"

#include "alloc.h"
#include "error.h"
#include "rng.h"
#include "spread.h"
#include "threadpool.h"
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_STEM      "trial"
#define BLOCK          4096 /* numbers of a sum */
#define SAMPLES        1024
#define LEAST_SAMPLES  32
#define FEWEST_SAMPLES 8
#define TERMS          ((size_t)1 << 24) /* of all drawn numbers together, roughly */
#define FEW_TERMS      ((size_t)1 << 18) /* not worth threads */
#define STREAM_DRAW    0x6a756467u
#define STREAM_WEIGHT  0x77656967u

/* ---- drawing ----------------------------------------------------------------------------- */

static size_t below(rs_rng *r, size_t n)
{
    return (size_t)((((uint64_t)rs_rng_u32(r) << 32) | rs_rng_u32(r)) % n);
}

/* A place along a dimension of n that is first, last, or beside a multiple of a power of two, where
 * tiles meet. */
static size_t border(rs_rng *r, size_t n)
{
    const size_t tile = (size_t)4 << below(r, 6); /* 4 ... 128 */
    const size_t multiple = below(r, n / tile + 1) * tile;
    switch (below(r, 4)) {
    case 0:
        return 0;
    case 1:
        return n - 1;
    case 2:
        return multiple < n ? multiple : n - 1;
    default:
        return multiple > 0 ? multiple - 1 : 0;
    }
}

/* On a border in each dimension, or, where `flat`, of the matrix of all pixels by channels, as
 * products see it. */
static size_t draw_border(const rs_shape *s, rs_rng *r, bool flat)
{
    const size_t columns = s->dim[s->ndim - 1];
    size_t at = 0;
    if (flat)
        return border(r, rs_shape_count(s) / columns) * columns + border(r, columns);
    for (int d = 0; d < s->ndim; d++)
        at = at * s->dim[d] + border(r, s->dim[d]);
    return at;
}

/* Corners of the result first, then borders and any places in turn. All of a small result. */
static void draw(rs_judge *j)
{
    const rs_shape *s = &j->result.shape;
    rs_rng r;
    size_t n = 0;

    for (; j->samples == j->count && n < j->count; n++)
        j->index[n] = n;
    rs_rng_init(&r, j->count, STREAM_DRAW);
    for (unsigned corner = 0; corner < 1u << s->ndim && n < j->samples; corner++) {
        size_t at = 0;
        for (int d = 0; d < s->ndim; d++)
            at = at * s->dim[d] + (corner >> d & 1 ? s->dim[d] - 1 : 0);
        j->index[n++] = at;
    }
    for (; n < j->samples; n++)
        j->index[n] = n % 4 < 2 ? below(&r, j->count) : draw_border(s, &r, n % 4 == 2);
}

/* ---- the truth --------------------------------------------------------------------------- */

typedef struct truth_job {
    const rs_judge *judge;
    size_t at;
} truth_job;

static void find_truth(void *arg)
{
    const truth_job *job = arg;
    const rs_judge *j = job->judge;
    const rs_ref ref = {.number = rs_trial_numbers(j->p)};
    j->truth[job->at] = j->p->op->reference_at(j->p, j->pass, &ref, (size_t)j->index[job->at]);
}

static rescl_status compute_truth(rs_judge *j, size_t terms)
{
    rescl_status st = RESCL_OK;
    rs_pool *pool = NULL;
    truth_job *job = NULL;
    double sum = 0.0;

    RS_OOM(job = calloc(j->samples, sizeof *job));
    for (size_t i = 0; i < j->samples; i++)
        job[i] = (truth_job){j, i};
    if (j->samples * terms > FEW_TERMS)
        RS_TRY(rs_pool_create(0, &pool));
    RS_TRY(rs_pool_map(pool, find_truth, job, j->samples, sizeof *job));
    for (size_t i = 0; i < j->samples; i++)
        sum += j->truth[i] * j->truth[i];
    j->rms = sqrt(sum / (double)j->samples);
out:
    rs_pool_destroy(pool);
    free(job);
    return st;
}

/* Fewer than usual where less is to be spent. */
static size_t sample_count(size_t count, size_t terms, size_t all_terms)
{
    const size_t least = all_terms ? FEWEST_SAMPLES : LEAST_SAMPLES;
    size_t n = (all_terms ? all_terms : TERMS) / terms;
    n = n > SAMPLES ? SAMPLES : n < least ? least : n;
    return n < count ? n : count;
}

static rescl_status make_buffers(rs_judge *j)
{
    rescl_status st = RESCL_OK;
    const char *storage = rs_trial_storage(j->result.dtype);
    char options[64];

    j->group = rs_group_size(rs_device_caps(j->dev), 64);
    snprintf(options, sizeof options, "-DWG=%zu -DBLOCK=%d%s%s", j->group, BLOCK,
             *storage ? " " : "", storage);
    RS_TRY(rs_kernel_get(j->dev, FILE_STEM, options, "judge_pick", &j->pick));
    RS_TRY(rs_kernel_get(j->dev, FILE_STEM, options, "judge_digest", &j->digest));
    RS_TRY(rs_buffer_create(j->dev, j->samples * sizeof *j->index, &j->index_buf));
    RS_TRY(rs_buffer_create(j->dev, j->samples * sizeof *j->picked, &j->picked_buf));
    RS_TRY(rs_buffer_create(j->dev, 2 * j->blocks * sizeof *j->sums, &j->sums_buf));
    RS_TRY(rs_write(j->dev, j->index_buf, 0, j->index, j->samples * sizeof *j->index));
out:
    return st;
}

rescl_status rs_judge_init(rescl_device *dev, const rs_problem *p, rs_pass pass,
                           const rs_args *args, rs_judge *out)
{
    rescl_status st = RESCL_OK;
    const rs_tensor *result = rs_trial_result(args, pass);
    const size_t count = rs_shape_count(&result->shape), terms = p->op->reduction(p, pass);

    *out = (rs_judge){.dev = dev,
                      .pass = pass,
                      .p = p,
                      .result = *result,
                      .count = count,
                      .samples = sample_count(count, terms, out->terms),
                      .terms = out->terms,
                      .blocks = rs_div_up(count, BLOCK),
                      .adds = pass == RS_BWD_DATA && p->accumulate[0]};
    RS_FAIL_IF(!p->op->reference_at, RESCL_ERR_UNSUPPORTED,
               "%s: there is no reference of single numbers to judge by", p->op->name);
    RS_OOM(out->index = calloc(out->samples, sizeof *out->index));
    RS_OOM(out->truth = calloc(out->samples, sizeof *out->truth));
    RS_OOM(out->picked = calloc(out->samples, sizeof *out->picked));
    RS_OOM(out->sums = calloc(2 * out->blocks, sizeof *out->sums));
    draw(out);
    RS_TRY(make_buffers(out));
    RS_TRY(compute_truth(out, terms));
out:
    return st;
}

void rs_judge_fini(rs_judge *j)
{
    rs_buffer_release(j->index_buf);
    rs_buffer_release(j->picked_buf);
    rs_buffer_release(j->sums_buf);
    free(j->index);
    free(j->truth);
    free(j->picked);
    free(j->sums);
    free(j->trusted);
    *j = (rs_judge){0};
}

/* ---- judging ----------------------------------------------------------------------------- */

rescl_status rs_judge_reset(const rs_judge *j)
{
    return j->adds ? rs_trial_fill(j->dev, &j->result, RS_ROLE_DIFF_SRC)
                   : rs_trial_spoil(j->dev, &j->result);
}

/* The drawn numbers and the sums of the result as it is now. */
static rescl_status read_result(rs_judge *j)
{
    rescl_status st = RESCL_OK;
    const rs_grid each = {.items = {j->samples, 1, 1},
                          .group = {rs_group_size(rs_device_caps(j->dev), 64), 1, 1}};
    const rs_grid blocks = {.items = {j->blocks * j->group, 1, 1}, .group = {j->group, 1, 1}};

    RS_TRY(RS_LAUNCH(j->dev, j->pick, each, RS_BUF(j->result.buf), RS_BUF(j->index_buf),
                     RS_BUF(j->picked_buf), RS_UINT(j->samples)));
    RS_TRY(RS_LAUNCH(j->dev, j->digest, blocks, RS_BUF(j->result.buf), RS_ULONG(j->count),
                     RS_ULONG(j->count), RS_ULONG(STREAM_WEIGHT), RS_BUF(j->sums_buf)));
    RS_TRY(rs_read(j->dev, j->picked_buf, 0, j->picked, j->samples * sizeof *j->picked));
    RS_TRY(rs_read(j->dev, j->sums_buf, 0, j->sums, 2 * j->blocks * sizeof *j->sums));
out:
    return st;
}

/* |got - want| as a share of what is tolerated; infinity when it is no number. */
static double share_of(double got, double want, double tolerance)
{
    const double share = fabs(got - want) / tolerance;
    return isfinite(share) ? share : INFINITY;
}

static void judge_drawn(const rs_judge *j, size_t terms, rs_verdict *out)
{
    double diff2 = 0.0, want2 = 0.0;
    for (size_t i = 0; i < j->samples; i++) {
        const double got = (double)j->picked[i], want = j->truth[i];
        const double tolerance = rs_tolerance(j->result.dtype, terms, fmax(fabs(want), j->rms));
        out->share = fmax(out->share, share_of(got, want, tolerance));
        diff2 += isfinite(got) ? (got - want) * (got - want) : INFINITY;
        want2 += want * want;
    }
    out->distance = sqrt(want2 > 0.0 ? diff2 / want2 : diff2);
}

static void judge_sums(const rs_judge *j, size_t terms, rs_verdict *out)
{
    const rs_dtype type = j->result.dtype;
    for (size_t b = 0; b < j->blocks; b++) {
        const size_t rest = j->count - b * BLOCK, n = rest < BLOCK ? rest : BLOCK;
        out->lost += (size_t)j->sums[2 * b + 1];
        if (!j->trusted)
            continue;
        const double tolerance = sqrt((double)n) * (rs_tolerance(type, terms, j->rms) +
                                                    rs_tolerance(type, j->trusted_terms, j->rms));
        out->share = fmax(out->share,
                          share_of((double)j->sums[2 * b], (double)j->trusted[2 * b], tolerance));
    }
    if (out->lost > 0)
        out->share = out->distance = INFINITY;
}

rescl_status rs_judge_result(rs_judge *j, const rs_impl *impl, rs_verdict *out)
{
    rescl_status st = RESCL_OK;
    const size_t terms = rs_impl_terms(impl, j->p, j->pass);

    *out = (rs_verdict){0};
    RS_TRY(read_result(j));
    judge_drawn(j, terms, out);
    judge_sums(j, terms, out);
    if (out->share <= 1.0 && !j->trusted) {
        float *next;
        RS_OOM(next = calloc(2 * j->blocks, sizeof *next));
        j->trusted = j->sums;
        j->trusted_terms = terms;
        j->sums = next;
    }
out:
    return st;
}

double rs_judge_tolerance(const rs_judge *j, const rs_impl *impl)
{
    return rs_tolerance(j->result.dtype, rs_impl_terms(impl, j->p, j->pass), 1.0);
}

const char *rs_verdict_text(const rs_judge *j, const rs_verdict *v, char text[RS_VERDICT_TEXT])
{
    if (v->lost > 0)
        snprintf(text, RS_VERDICT_TEXT, "%zu of %zu numbers are NaN, infinite or were not written",
                 v->lost, j->count);
    else
        snprintf(text, RS_VERDICT_TEXT, "off by %.3g times what is tolerated", v->share);
    return text;
}
