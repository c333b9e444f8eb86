#include "replay.h"

#include "error.h"
#include "net_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TF32_ROUNDOFF 0x1p-11
/* Images have signs that are alike in places: sums on the way are larger than those of random signs. */
#define SIGNS_ALIKE 4.0
/* Roundings of numbers on the way, each as large as one of what they are computed from. */
#define ROUNDINGS 16.0
#define TRIALS    3

static rescl_status add_array(rs_replay *r, size_t count, double **out)
{
    rescl_status st = RESCL_OK;
    RS_OOM(*out = calloc(count + 1, sizeof **out));
    r->owned[r->nowned++] = *out;
out:
    return st;
}

/* Labels, places and indices as the device stores them. */
static rescl_status read_integers(rescl_device *dev, const rs_tensor *t, size_t count, double *out)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = count * rs_dtype_bytes(t->dtype);
    unsigned char *raw = NULL;

    RS_OOM(raw = malloc(bytes + 1));
    RS_TRY(rs_read(dev, t->buf, 0, raw, bytes));
    for (size_t i = 0; i < count; i++) {
        int32_t whole = raw[i];
        if (t->dtype == RS_I32)
            memcpy(&whole, raw + i * sizeof whole, sizeof whole);
        out[i] = (double)whole;
    }
out:
    free(raw);
    return st;
}

static rescl_status read_into(rescl_device *dev, const rs_tensor *t, double *out)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    float *raw = NULL;

    if (!rs_dtype_is_float(t->dtype))
        return read_integers(dev, t, count, out);
    RS_OOM(raw = malloc(count * sizeof *raw));
    RS_TRY(rs_tensor_read(dev, t, 0, count, raw));
    for (size_t i = 0; i < count; i++)
        out[i] = (double)raw[i];
out:
    free(raw);
    return st;
}

static rescl_status read_tensor(rs_replay *r, const rs_tensor *t, double **out)
{
    rescl_status st = RESCL_OK;
    if (!t->buf)
        goto out;
    RS_TRY(add_array(r, rs_shape_count(&t->shape), out));
    RS_TRY(read_into(r->plan->dev, t, *out));
out:
    return st;
}

static rescl_status read_const(rs_replay *r, const rs_tensor *t, const double **out)
{
    double *numbers = NULL;
    const rescl_status st = read_tensor(r, t, &numbers);
    *out = numbers;
    return st;
}

/* A mask in bits (cl/relumask.clh) as an output of the ReLU: 1 where it let its input pass. */
static rescl_status read_mask(rs_replay *r, const rs_args *a, double **out)
{
    rescl_status st = RESCL_OK;
    const rs_shape *s = &a->dst.shape;
    const size_t channels = s->dim[s->ndim - 1], each = (channels + 3) / 4;
    const size_t pixels = rs_shape_count(s) / channels;
    unsigned char *raw = NULL;

    RS_TRY(add_array(r, pixels * channels, out));
    RS_OOM(raw = malloc(pixels * each));
    RS_TRY(rs_read(r->plan->dev, a->mask, 0, raw, pixels * each));
    for (size_t p = 0; p < pixels; p++)
        for (size_t k = 0; k < channels; k++)
            (*out)[p * channels + k] = (double)(raw[p * each + k / 4] >> k % 4 & 1);
out:
    free(raw);
    return st;
}

/* Before the pass: what it reads, and what it changes. */
static rescl_status read_before(rs_replay *r, const rs_args *a)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &r->plan->problem;
    const rs_pass pass = r->plan->pass;
    const unsigned reads = p->op->reads ? p->op->reads(p, pass) : 0;

    for (int i = 0; i < p->nstate; i++)
        RS_TRY(read_tensor(r, &a->state[i], &r->ref.state[i]));
    if (pass == RS_FWD)
        goto out;
    for (int i = 0; i < p->nsrc; i++) {
        if (reads & RS_READS_SRC(i) || !rs_dtype_is_float(p->src_type[i]))
            RS_TRY(read_const(r, &a->src[i], &r->ref.src[i]));
        if (pass == RS_BWD_DATA && p->want_diff[i] && p->accumulate[i])
            RS_TRY(read_tensor(r, &a->diff_src[i], &r->ref.diff_src[i]));
    }
    for (int i = 0; i < p->nparam; i++) {
        RS_TRY(read_const(r, &a->param[i], &r->ref.param[i]));
        if (pass == RS_BWD_DATA)
            RS_TRY(read_tensor(r, &a->diff_param[i], &r->ref.diff_param[i]));
    }
    for (int i = 0; i < p->nws; i++)
        RS_TRY(read_tensor(r, &a->ws[i], &r->ref.ws[i]));
    if (p->has_mask)
        RS_TRY(read_mask(r, a, &r->ref.dst));
    else if (reads & RS_READS_DST)
        RS_TRY(read_tensor(r, &a->dst, &r->ref.dst));
out:
    return st;
}

/* What a backward pass gets from behind; that of a loss without it is a number. */
static rescl_status read_diff_dst(rs_replay *r, const rs_args *a, float loss_diff)
{
    rescl_status st = RESCL_OK;
    double *diff = NULL;
    const size_t count = rs_shape_count(&r->plan->problem.dst);

    RS_TRY(read_tensor(r, &a->diff_dst, &diff));
    if (!diff) {
        RS_TRY(add_array(r, count, &diff));
        for (size_t i = 0; i < count; i++)
            diff[i] = (double)loss_diff;
    }
    r->ref.diff_dst = diff;
out:
    return st;
}

/* After a forward: what it read is still there, and folded parameters are only now. */
static rescl_status read_after(rs_replay *r, const rs_args *a)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &r->plan->problem;
    for (int i = 0; i < p->nsrc; i++)
        RS_TRY(read_const(r, &a->src[i], &r->ref.src[i]));
    for (int i = 0; i < p->nparam; i++)
        RS_TRY(read_const(r, &a->param[i], &r->ref.param[i]));
out:
    return st;
}

/* Room for what the reference makes of a tensor that is written. */
static double **reference_of(rs_ref *ref, const rs_written *w)
{
    switch (w->kind) {
    case RS_WRITES_STATE:
        return &ref->state[w->index];
    case RS_WRITES_WS:
        return &ref->ws[w->index];
    case RS_WRITES_DIFF_PARAM:
        return &ref->diff_param[w->index];
    case RS_WRITES_DIFF_SRC:
        return &ref->diff_src[w->index];
    default:
        return &ref->dst;
    }
}

/* An output, and room for what the reference makes of it: the array that it finds already, or a new one. */
static rescl_status add_output(rs_replay *r, const rs_written *w, bool single)
{
    rescl_status st = RESCL_OK;
    rs_replay_output *o = &r->output[r->outputs];
    double **want = reference_of(&r->ref, w);

    *o = (rs_replay_output){.kind = w->kind,
                            .index = w->index,
                            .type = w->tensor.dtype,
                            .count = rs_shape_count(&w->tensor.shape)};
    RS_TRY(read_tensor(r, &w->tensor, &o->got));
    if (!single) {
        if (!*want)
            RS_TRY(add_array(r, o->count, want));
        o->want = *want;
    }
    r->outputs++;
out:
    return st;
}

static rescl_status copy_absolute(rs_replay *r, const double *from, size_t count, double **out)
{
    rescl_status st = RESCL_OK;
    if (!from)
        goto out;
    RS_TRY(add_array(r, count, out));
    for (size_t i = 0; i < count; i++)
        (*out)[i] = fabs(from[i]);
out:
    return st;
}

/* Of what reference_at reads. */
static rescl_status find_absolute(rs_replay *r)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &r->plan->problem;
    double *copy = NULL;

    for (int i = 0; i < p->nsrc; i++, copy = NULL) {
        RS_TRY(copy_absolute(r, r->ref.src[i], rs_shape_count(&p->src[i]), &copy));
        r->absolute.src[i] = copy;
        RS_TRY(copy_absolute(r, r->ref.diff_src[i], rs_shape_count(&p->src[i]),
                             &r->absolute.diff_src[i]));
    }
    for (int i = 0; i < p->nparam; i++, copy = NULL) {
        RS_TRY(copy_absolute(r, r->ref.param[i], rs_shape_count(&p->param[i].shape), &copy));
        r->absolute.param[i] = copy;
    }
    RS_TRY(copy_absolute(r, r->ref.diff_dst, rs_shape_count(&p->dst), &copy));
    r->absolute.diff_dst = copy;
out:
    return st;
}

/* ---- how a result depends on roundings --------------------------------------------------- */

/* An array of a rs_ref. */
typedef struct slot {
    double **array;
    size_t count;
    bool floats;
} slot;

#define SLOTS (2 * RS_OP_SRC + 2 * RS_OP_PARAM + RS_OP_STATE + RS_OP_WS + 2)

static size_t list_slots(const rs_problem *p, rs_ref *ref, slot out[SLOTS])
{
    size_t n = 0;
    for (int i = 0; i < p->nsrc; i++) {
        const size_t count = rs_shape_count(&p->src[i]);
        out[n++] = (slot){(double **)&ref->src[i], count, rs_dtype_is_float(p->src_type[i])};
        out[n++] = (slot){&ref->diff_src[i], count, true};
    }
    for (int i = 0; i < p->nparam; i++) {
        const size_t count = rs_shape_count(&p->param[i].shape);
        out[n++] = (slot){(double **)&ref->param[i], count, true};
        out[n++] = (slot){&ref->diff_param[i], count, true};
    }
    for (int i = 0; i < p->nstate; i++)
        out[n++] = (slot){&ref->state[i], rs_shape_count(&p->state[i].shape), true};
    for (int i = 0; i < p->nws; i++)
        out[n++] = (slot){&ref->ws[i], rs_shape_count(&p->ws[i]), rs_dtype_is_float(p->ws_type[i])};
    out[n++] = (slot){&ref->dst, rs_shape_count(&p->dst), true};
    out[n++] = (slot){(double **)&ref->diff_dst, rs_shape_count(&p->dst), true};
    return n;
}

/* Up or down by a rounding of f32, as the bits of the index say. */
static double rounded(double x, size_t index, size_t trial)
{
    const uint64_t bits = (uint64_t)(index + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    return x * (1.0 + (bits >> trial & 1 ? 1.0 : -1.0) * rs_dtype_roundoff(RS_F32));
}

static rescl_status copy_rounded(rs_replay *r, const rs_ref *from, size_t trial, rs_ref *out)
{
    rescl_status st = RESCL_OK;
    slot slots[SLOTS];

    *out = *from;
    const size_t n = list_slots(&r->plan->problem, out, slots);
    for (size_t i = 0; i < n; i++) {
        const double *numbers = *slots[i].array;
        if (!numbers)
            continue;
        RS_TRY(add_array(r, slots[i].count, slots[i].array));
        for (size_t k = 0; k < slots[i].count; k++)
            (*slots[i].array)[k] = slots[i].floats ? rounded(numbers[k], k, trial) : numbers[k];
    }
out:
    return st;
}

/* The array of `other` that stands where `array` stands in r->ref. */
static const double *counterpart(rs_replay *r, rs_ref *other, const double *array)
{
    slot own[SLOTS], others[SLOTS];
    const size_t n = list_slots(&r->plan->problem, &r->ref, own);
    (void)list_slots(&r->plan->problem, other, others);
    for (size_t i = 0; i < n; i++)
        if (*own[i].array == array)
            return *others[i].array;
    return array;
}

/* The reference, and again from rounded numbers: a result that depends on small differences of large
 * numbers, as a normalisation of few pixels does, moves far. */
static rescl_status compute(rs_replay *r)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &r->plan->problem;
    rs_ref trial[TRIALS];

    for (size_t t = 0; t < TRIALS && !r->plain; t++)
        RS_TRY(copy_rounded(r, &r->ref, t, &trial[t]));
    p->op->reference(p, r->plan->pass, &r->ref);
    if (r->plain)
        goto out;
    for (size_t k = 0; k < r->outputs; k++)
        RS_TRY(add_array(r, r->output[k].count, &r->output[k].slack));
    for (size_t t = 0; t < TRIALS; t++) {
        p->op->reference(p, r->plan->pass, &trial[t]);
        for (size_t k = 0; k < r->outputs; k++) {
            const rs_replay_output *o = &r->output[k];
            const double *moved = counterpart(r, &trial[t], o->want);
            for (size_t i = 0; i < o->count; i++)
                o->slack[i] = fmax(o->slack[i], fabs(moved[i] - o->want[i]));
        }
    }
out:
    return st;
}

static size_t add_written(rs_written *out, size_t n, rs_written_kind kind, int index,
                          const rs_tensor *t)
{
    if (!t->buf)
        return n;
    out[n] = (rs_written){kind, index, *t};
    return n + 1;
}

static size_t add_row(rs_written *out, size_t n, rs_written_kind kind, rs_buffer *row, size_t bytes)
{
    const rs_tensor t = {rs_shape_1(bytes / sizeof(float)), RS_F32, row};
    return bytes ? add_written(out, n, kind, 0, &t) : n;
}

size_t rs_written_by(const rs_plan *plan, const rs_args *a, rs_written out[RS_WRITTEN])
{
    const rs_problem *p = &plan->problem;
    const unsigned reads = p->op->reads ? p->op->reads(p, RS_FWD) : 0;
    const size_t src = p->src[0].dim[p->src[0].ndim - 1], dst = p->dst.dim[p->dst.ndim - 1];
    size_t n = 0;

    if (plan->pass == RS_FWD) {
        n = add_written(out, n, RS_WRITES_DST, 0, &a->dst);
        for (int i = 0; i < p->nstate && p->training && !(reads & RS_READS_STATE); i++)
            n = add_written(out, n, RS_WRITES_STATE, i, &a->state[i]);
        for (int i = 0; i < p->nws; i++)
            n = add_written(out, n, RS_WRITES_WS, i, &a->ws[i]);
        if (plan->moments_parts)
            n = add_row(out, n, RS_WRITES_MOMENTS, a->moments,
                        rs_moments_bytes(plan->moments_parts, dst));
    } else if (plan->pass == RS_BWD_PARAMS) {
        for (int i = 0; i < p->nparam; i++)
            n = add_written(out, n, RS_WRITES_DIFF_PARAM, i, &a->diff_param[i]);
    } else {
        for (int i = 0; i < p->nsrc; i++)
            if (p->want_diff[i])
                n = add_written(out, n, RS_WRITES_DIFF_SRC, i, &a->diff_src[i]);
        if (plan->sums_parts)
            n = add_row(out, n, RS_WRITES_SUMS, a->sums, rs_sums_bytes(plan->sums_parts, src));
    }
    return n;
}

static rescl_status add_outputs(rs_replay *r, const rs_args *a)
{
    rescl_status st = RESCL_OK;
    const bool single = r->plan->problem.op->reference_at != NULL;
    rs_written written[RS_WRITTEN];
    const size_t n = rs_written_by(r->plan, a, written);

    for (size_t i = 0; i < n; i++) {
        const rs_written *w = &written[i];
        if (w->kind >= RS_WRITES_MOMENTS || (single && w->index > 0))
            continue;
        if (rs_dtype_is_float(w->tensor.dtype))
            RS_TRY(add_output(r, w, single));
        else
            RS_TRY(add_array(r, rs_shape_count(&w->tensor.shape), reference_of(&r->ref, w)));
    }
    if (!single)
        RS_TRY(compute(r));
    else if (!r->plain)
        RS_TRY(find_absolute(r));
out:
    return st;
}

static void note_read(rs_replay *r, rs_read_kind kind, int index, const rs_shape *shape,
                      const double *x)
{
    rs_replay_read *read = &r->read[r->reads];
    const size_t count = rs_shape_count(shape);

    if (!x || count == 0)
        return;
    *read = (rs_replay_read){.kind = kind, .index = index, .shape = shape};
    for (size_t i = 0; i < count && isfinite(x[read->at]); i++)
        if (!(fabs(x[i]) <= fabs(x[read->at])))
            read->at = i;
    read->value = x[read->at];
    r->reads++;
}

/* Of arrays that hold what was read, and not yet what the reference makes. */
static void note_reads(rs_replay *r)
{
    const rs_problem *p = &r->plan->problem;
    const rs_ref *ref = &r->ref;

    for (int i = 0; i < p->nparam; i++)
        note_read(r, RS_READ_PARAM, i, &p->param[i].shape, ref->param[i]);
    for (int i = 0; i < p->nstate; i++)
        note_read(r, RS_READ_STATE, i, &p->state[i].shape, ref->state[i]);
    for (int i = 0; i < p->nsrc; i++)
        note_read(r, RS_READ_SRC, i, &p->src[i], ref->src[i]);
    for (int i = 0; i < p->nws; i++)
        note_read(r, RS_READ_WS, i, &p->ws[i], ref->ws[i]);
    note_read(r, RS_READ_DST, 0, &p->dst, ref->dst);
    note_read(r, RS_READ_DIFF_DST, 0, &p->dst, ref->diff_dst);
    for (int i = 0; i < p->nsrc; i++)
        note_read(r, RS_READ_DIFF_SRC, i, &p->src[i], ref->diff_src[i]);
    for (int i = 0; i < p->nparam; i++)
        note_read(r, RS_READ_DIFF_PARAM, i, &p->param[i].shape, ref->diff_param[i]);
}

rescl_status rs_replay_run(rs_net *n, size_t node, rs_pass pass, const rs_step *step,
                           rs_replay *out)
{
    rescl_status st = RESCL_OK;
    const rs_args *args = &n->stage[node].args;

    out->plan = rs_net_plan_at(n, node, pass);
    out->ref.seed = step->seed;
    out->ref.step = step->step;
    RS_TRY(read_before(out, args));
    if (pass != RS_FWD)
        RS_TRY(read_diff_dst(out, args, rs_net_loss_diff(n, step)));
    RS_TRY(rs_net_run_pass(n, node, pass, step));
    if (pass == RS_FWD)
        RS_TRY(read_after(out, args));
    note_reads(out);
    RS_TRY(add_outputs(out, args));
out:
    return st;
}

void rs_replay_fini(rs_replay *r)
{
    for (size_t i = 0; i < r->nowned; i++)
        free(r->owned[i]);
    *r = (rs_replay){0};
}

double rs_replay_want(const rs_replay *r, const rs_replay_output *o, size_t index)
{
    const rs_problem *p = &r->plan->problem;
    return o->want ? o->want[index] : p->op->reference_at(p, r->plan->pass, &r->ref, index);
}

/* What terms of random signs come to. Terms that cancel leave a sum that is smaller than what it was
 * rounded by. */
static double random_sum(const rs_replay *r, size_t index, size_t terms)
{
    const rs_problem *p = &r->plan->problem;
    return p->op->reference_at(p, r->plan->pass, &r->absolute, index) / sqrt((double)terms);
}

double rs_replay_tolerance(const rs_replay *r, const rs_replay_output *o, size_t index, double want,
                           double rms)
{
    const rs_plan *plan = r->plan;
    const size_t terms = rs_impl_terms(plan->choice.impl, &plan->problem, plan->pass);
    const rs_dtype factors = plan->problem.src_type[0];
    const double magnitude = fmax(fabs(want), rms);
    double tolerance = rs_tolerance(o->type, terms, magnitude), factor = 0.0, sum;

    if (o->want)
        return tolerance + ROUNDINGS * o->slack[index];
    sum = random_sum(r, index, terms);
    if (plan->math == RS_MATH_TF32)
        factor = TF32_ROUNDOFF;
    else if (factors != RS_F32)
        factor = rs_dtype_roundoff(factors);
    tolerance += rs_tolerance(RS_F32, terms, SIGNS_ALIKE * sum);
    return tolerance + 2.0 * factor * fmax(magnitude, sum);
}
