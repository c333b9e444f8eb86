#include "judge.h"

#include "alloc.h"
#include "error.h"
#include "rng.h"
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES     1024
#define STREAM_DRAW 0x6a756467u

/* ---- the truth --------------------------------------------------------------------------- */

/* A host copy of a device tensor in double; NULL for an absent one. */
static rescl_status read_doubles(rescl_device *dev, const rs_tensor *t, double **out)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    float *raw = NULL;

    if (!t->buf)
        goto out;
    RS_OOM(raw = rs_aligned_calloc(count, sizeof *raw));
    RS_OOM(*out = rs_aligned_calloc(count, sizeof **out));
    RS_TRY(rs_read(dev, t->buf, 0, raw, count * sizeof *raw));
    for (size_t i = 0; i < count; i++)
        (*out)[i] = (double)raw[i];
out:
    rs_aligned_free(raw);
    return st;
}

/* Corners of the result first, then numbers at random. */
static void draw(rs_judge *j)
{
    const rs_shape *s = &j->result.shape;
    rs_rng r;
    size_t n = 0;

    rs_rng_init(&r, j->count, STREAM_DRAW);
    for (unsigned corner = 0; corner < 1u << s->ndim && n < j->samples; corner++) {
        size_t at = 0;
        for (int d = 0; d < s->ndim; d++)
            at = at * s->dim[d] + (corner >> d & 1 ? s->dim[d] - 1 : 0);
        j->index[n++] = at;
    }
    for (; n < j->samples; n++)
        j->index[n] = (size_t)((((uint64_t)rs_rng_u32(&r) << 32) | rs_rng_u32(&r)) % j->count);
}

static rescl_status compute_truth(rs_judge *j, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    double *src[RS_OP_SRC] = {NULL}, *param[RS_OP_PARAM] = {NULL};
    double *diff_dst = NULL, *diff_src = NULL, sum = 0.0;

    for (int i = 0; i < j->p->nsrc; i++)
        RS_TRY(read_doubles(j->dev, &args->src[i], &src[i]));
    for (int i = 0; i < j->p->nparam; i++)
        RS_TRY(read_doubles(j->dev, &args->param[i], &param[i]));
    RS_TRY(read_doubles(j->dev, &args->diff_dst, &diff_dst));
    RS_TRY(read_doubles(j->dev, &args->diff_src[0], &diff_src));

    rs_ref ref = {.diff_dst = diff_dst, .diff_src = {diff_src}};
    for (int i = 0; i < j->p->nsrc; i++)
        ref.src[i] = src[i];
    for (int i = 0; i < j->p->nparam; i++)
        ref.param[i] = param[i];
    for (size_t i = 0; i < j->samples; i++) {
        j->truth[i] = j->p->op->reference_at(j->p, j->pass, &ref, j->index[i]);
        sum += j->truth[i] * j->truth[i];
    }
    j->rms = sqrt(sum / (double)j->samples);
out:
    for (int i = 0; i < RS_OP_SRC; i++)
        rs_aligned_free(src[i]);
    for (int i = 0; i < RS_OP_PARAM; i++)
        rs_aligned_free(param[i]);
    rs_aligned_free(diff_dst);
    rs_aligned_free(diff_src);
    return st;
}

rescl_status rs_judge_init(rescl_device *dev, const rs_problem *p, rs_pass pass,
                           const rs_args *args, rs_judge *out)
{
    rescl_status st = RESCL_OK;
    const rs_tensor *result = rs_trial_result(args, pass);
    const size_t count = rs_shape_count(&result->shape);

    *out = (rs_judge){.dev = dev,
                      .pass = pass,
                      .p = p,
                      .result = *result,
                      .count = count,
                      .samples = count < SAMPLES ? count : SAMPLES};
    RS_FAIL_IF(!p->op->reference_at, RESCL_ERR_UNSUPPORTED,
               "%s: there is no reference of single numbers to judge by", p->op->name);
    RS_OOM(out->index = calloc(out->samples, sizeof *out->index));
    RS_OOM(out->truth = calloc(out->samples, sizeof *out->truth));
    RS_OOM(out->got = rs_aligned_calloc(count, sizeof *out->got));
    if (pass == RS_BWD_DATA && p->accumulate[0]) {
        RS_OOM(out->initial = rs_aligned_calloc(count, sizeof *out->initial));
        RS_TRY(rs_read(dev, result->buf, 0, out->initial, count * sizeof *out->initial));
    }
    draw(out);
    RS_TRY(compute_truth(out, args));
out:
    return st;
}

void rs_judge_fini(rs_judge *j)
{
    free(j->index);
    free(j->truth);
    rs_aligned_free(j->initial);
    rs_aligned_free(j->got);
    rs_aligned_free(j->trusted);
    *j = (rs_judge){0};
}

/* ---- judging ----------------------------------------------------------------------------- */

rescl_status rs_judge_reset(const rs_judge *j)
{
    if (!j->initial)
        for (size_t i = 0; i < j->count; i++)
            j->got[i] = NAN; /* what a run does not write shows */
    return rs_write(j->dev, j->result.buf, 0, j->initial ? j->initial : j->got,
                    j->count * sizeof(float));
}

/* What numbers that were compared one by one come to. */
typedef struct comparison {
    double share;        /* the largest */
    double diff2, want2; /* sums of squares */
} comparison;

static void compare(comparison *c, double got, double want, double tolerance)
{
    const double diff = got == want ? 0.0 : fabs(got - want); /* infinities may be right */
    const double share = diff / tolerance;
    c->share = fmax(c->share, isfinite(share) ? share : INFINITY);
    c->diff2 += isfinite(diff) ? diff * diff : INFINITY;
    c->want2 += want * want;
}

static double distance(const comparison *c)
{
    return sqrt(c->want2 > 0.0 && isfinite(c->want2) ? c->diff2 / c->want2 : c->diff2);
}

rescl_status rs_judge_result(rs_judge *j, const rs_impl *impl, rs_verdict *out)
{
    rescl_status st = RESCL_OK;
    const size_t terms = rs_impl_terms(impl, j->p, j->pass);
    comparison drawn = {0}, all = {0};

    RS_TRY(rs_read(j->dev, j->result.buf, 0, j->got, j->count * sizeof *j->got));
    for (size_t i = 0; i < j->samples; i++) {
        const double want = j->truth[i], size = fmax(fabs(want), j->rms);
        compare(&drawn, (double)j->got[j->index[i]], want, rs_tolerance(RS_F32, terms, size));
    }
    for (size_t i = 0; j->trusted && i < j->count; i++) {
        const double want = (double)j->trusted[i], size = fmax(fabs(want), j->rms);
        compare(&all, (double)j->got[i], want,
                rs_tolerance(RS_F32, terms, size) + rs_tolerance(RS_F32, j->trusted_terms, size));
    }
    out->share = fmax(drawn.share, all.share);
    out->distance = fmax(distance(&drawn), distance(&all));
    if (out->share <= 1.0 && !j->trusted) {
        float *next;
        RS_OOM(next = rs_aligned_calloc(j->count, sizeof *next));
        j->trusted = j->got;
        j->trusted_terms = terms;
        j->got = next;
    }
out:
    return st;
}
