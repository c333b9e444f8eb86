#include "proof.h"

#include "choice.h"
#include "error.h"
#include "guarded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tensors --------------------------------------------------------------------------- */

const char *rs_slot_text(int slot, char text[RS_SLOT_TEXT])
{
    static const struct {
        int first;
        const char *name;
    } names[] = {{RS_SLOT_DIFF_PARAM, "diff_param"},
                 {RS_SLOT_DIFF_DST, "diff_dst"},
                 {RS_SLOT_DIFF_SRC, "diff_src"},
                 {RS_SLOT_DST, "dst"},
                 {RS_SLOT_WS, "ws"},
                 {RS_SLOT_STATE, "state"},
                 {RS_SLOT_PARAM, "param"},
                 {RS_SLOT_SRC, "src"}};
    size_t i = 0;
    while (names[i].first > slot)
        i++;
    snprintf(text, RS_SLOT_TEXT, "%s[%d]", names[i].name, slot - names[i].first);
    return text;
}

static rescl_status set_slot(rs_proof *r, int s, const rs_shape *shape, rs_dtype type)
{
    rescl_status st = RESCL_OK;
    rs_slot *t = &r->slot[s];
    t->type = type;
    t->count = rs_shape_count(shape);
    RS_OOM(t->in = calloc(t->count, sizeof *t->in));
    RS_OOM(t->want = calloc(t->count, sizeof *t->want));
out:
    return st;
}

static rescl_status make_slots(rs_proof *r)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &r->p;

    for (int i = 0; i < p->nsrc; i++) {
        const rs_dtype type = p->src_type[i];
        RS_TRY(set_slot(r, RS_SLOT_SRC + i, &p->src[i], type));
        RS_TRY(
            set_slot(r, RS_SLOT_DIFF_SRC + i, &p->src[i], rs_dtype_is_float(type) ? type : RS_F32));
    }
    for (int i = 0; i < p->nparam; i++) {
        RS_TRY(set_slot(r, RS_SLOT_PARAM + i, &p->param[i].shape, p->param_type[i]));
        RS_TRY(set_slot(r, RS_SLOT_DIFF_PARAM + i, &p->param[i].shape, RS_F32));
    }
    for (int i = 0; i < p->nstate; i++)
        RS_TRY(set_slot(r, RS_SLOT_STATE + i, &p->state[i].shape, RS_F32));
    for (int i = 0; i < p->nws; i++)
        RS_TRY(set_slot(r, RS_SLOT_WS + i, &p->ws[i], p->ws_type[i]));
    RS_TRY(set_slot(r, RS_SLOT_DST, &p->dst, p->dst_type));
    RS_TRY(set_slot(r, RS_SLOT_DIFF_DST, &p->dst, p->dst_type));
out:
    return st;
}

static void round_slot(const rs_slot *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->in[i] = rs_rounded(t->type, t->in[i]);
}

static void fill_slot(rs_rng *rng, rs_slot *t, double lo, double hi)
{
    for (size_t i = 0; i < t->count; i++)
        t->in[i] = rs_dtype_is_float(t->type) ? rs_rng_range(rng, lo, hi) : 0;
}

static void fill_slots(rs_proof *r, const rs_storage *how)
{
    const rs_cases *cases = r->p.op->cases;
    rs_case_data d;
    rs_rng rng;

    rs_rng_init(&rng, RS_PROOF_SEED, (uint64_t)(r->c - cases->list));
    for (int i = 0; i < RS_SLOTS; i++) {
        const bool state = i >= RS_SLOT_STATE && i < RS_SLOT_WS;
        fill_slot(&rng, &r->slot[i], state ? 0.5 : -1, state ? 1.5 : 1);
    }
    for (int i = 0; i < RS_OP_SRC; i++)
        d.src[i] = r->slot[RS_SLOT_SRC + i].in;
    for (int i = 0; i < RS_OP_PARAM; i++)
        d.param[i] = r->slot[RS_SLOT_PARAM + i].in;
    for (int i = 0; i < RS_OP_STATE; i++)
        d.state[i] = r->slot[RS_SLOT_STATE + i].in;
    d.diff_dst = r->slot[RS_SLOT_DIFF_DST].in;
    if (cases->fill)
        cases->fill(r->c, &r->p, &d, &rng);
    for (int i = 0; i < RS_SLOTS; i++)
        round_slot(&r->slot[i]);
    /* Implementations may hold their copies of parameters in the type of src. */
    for (int i = 0; i < r->p.nparam; i++)
        for (size_t k = 0; k < r->slot[RS_SLOT_PARAM + i].count; k++)
            d.param[i][k] = rs_rounded(how->src, d.param[i][k]);
}

rescl_status rs_proof_init(const rs_op *op, const rs_case *c, bool training, const rs_storage *how,
                           rs_proof *out)
{
    rescl_status st = RESCL_OK;

    *out = (rs_proof){.c = c};
    RS_TRY(rs_case_problem(op, c, training, how, &out->p));
    RS_TRY(make_slots(out));
    fill_slots(out, how);
out:
    if (st != RESCL_OK)
        rs_proof_fini(out);
    return st;
}

void rs_proof_fini(rs_proof *r)
{
    for (int i = 0; i < RS_SLOTS; i++) {
        free(r->slot[i].in);
        free(r->slot[i].want);
    }
    *r = (rs_proof){0};
}

rs_slot_use rs_proof_use(const rs_proof *r, rs_pass pass, int s)
{
    const rs_problem *p = &r->p;
    const unsigned reads = p->op->reads ? p->op->reads(p, pass) : 0;
    if (r->slot[s].count == 0)
        return RS_SLOT_ABSENT;
    if (pass == RS_FWD) {
        if (s >= RS_SLOT_STATE && s < RS_SLOT_WS)
            return p->training && !(reads & RS_READS_STATE) ? RS_SLOT_INOUT : RS_SLOT_IN;
        return s < RS_SLOT_STATE ? RS_SLOT_IN : s < RS_SLOT_DIFF_SRC ? RS_SLOT_OUT : RS_SLOT_ABSENT;
    }
    if (s < RS_SLOT_PARAM)
        return reads & RS_READS_SRC(s) ? RS_SLOT_IN : RS_SLOT_UNREAD;
    if (s == RS_SLOT_DST)
        return reads & RS_READS_DST ? RS_SLOT_IN : RS_SLOT_UNREAD;
    if (s >= RS_SLOT_STATE && s < RS_SLOT_WS)
        return reads & RS_READS_STATE ? RS_SLOT_IN : RS_SLOT_UNREAD;
    if (s >= RS_SLOT_DIFF_PARAM)
        return pass == RS_BWD_PARAMS ? RS_SLOT_OUT : RS_SLOT_IN;
    if (s >= RS_SLOT_DIFF_SRC && s < RS_SLOT_DIFF_DST) {
        const int i = s - RS_SLOT_DIFF_SRC;
        if (pass == RS_BWD_PARAMS || !p->want_diff[i])
            return RS_SLOT_ABSENT;
        return p->accumulate[i] ? RS_SLOT_INOUT : RS_SLOT_OUT;
    }
    return RS_SLOT_IN; /* param, ws, diff_dst */
}

/* ---- the reference ------------------------------------------------------------------------- */

void rs_proof_reference(rs_proof *r, rs_pass pass)
{
    rs_ref ref = {.seed = RS_PROOF_SEED, .step = RS_PROOF_STEP};
    for (int i = 0; i < RS_SLOTS; i++) {
        rs_slot *t = &r->slot[i];
        for (size_t k = 0; k < t->count; k++)
            t->want[k] = rs_proof_use(r, pass, i) == RS_SLOT_OUT ? NAN : t->in[k];
    }
    for (int i = 0; i < RS_OP_SRC; i++) {
        const int diff = RS_SLOT_DIFF_SRC + i;
        ref.src[i] = r->slot[RS_SLOT_SRC + i].want;
        ref.diff_src[i] = rs_proof_use(r, pass, diff) ? r->slot[diff].want : NULL;
    }
    for (int i = 0; i < RS_OP_PARAM; i++) {
        ref.param[i] = r->slot[RS_SLOT_PARAM + i].want;
        ref.diff_param[i] = r->slot[RS_SLOT_DIFF_PARAM + i].want;
    }
    for (int i = 0; i < RS_OP_STATE; i++)
        ref.state[i] = r->slot[RS_SLOT_STATE + i].want;
    for (int i = 0; i < RS_OP_WS; i++)
        ref.ws[i] = r->slot[RS_SLOT_WS + i].want;
    ref.dst = r->slot[RS_SLOT_DST].want;
    ref.diff_dst = r->slot[RS_SLOT_DIFF_DST].want;
    r->p.op->reference(&r->p, pass, &ref);
}

void rs_proof_keep(rs_proof *r, int first, int last, bool rounded)
{
    for (int i = first; i < last; i++) {
        rs_slot *t = &r->slot[i];
        if (t->count)
            memcpy(t->in, t->want, t->count * sizeof *t->in);
        if (rounded)
            round_slot(t);
    }
}

/* ---- the passes ---------------------------------------------------------------------------- */

rescl_status rs_proof_forward(rs_proof *r, rs_proof_fn fn, void *user)
{
    rs_proof_reference(r, RS_FWD);
    return fn(r, RS_FWD, r->p.training ? " training" : " inference", user);
}

static rescl_status walk_masks(rs_proof *r, rs_proof_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rs_problem *p = &r->p;
    const rs_problem all = r->p;
    char label[64];

    for (unsigned want = 1; want < 1u << p->nsrc; want++) {
        for (unsigned add = 0; add < 1u << p->nsrc; add++) {
            bool valid = (add & ~want) == 0;
            for (int i = 0; i < p->nsrc; i++) {
                p->want_diff[i] = want >> i & 1;
                p->accumulate[i] = add >> i & 1;
                valid = valid && (all.want_diff[i] || !p->want_diff[i]);
            }
            if (!valid)
                continue;
            snprintf(label, sizeof label, " want %#x accumulate %#x", want, add);
            rs_proof_reference(r, RS_BWD_DATA);
            RS_TRY(fn(r, RS_BWD_DATA, label, user));
        }
    }
out:
    return st;
}

/* Whether a backward pass reads anything that forward computes. */
static bool needs_forward(const rs_problem *p)
{
    unsigned reads = 0;
    for (int pass = RS_BWD_PARAMS; pass <= RS_BWD_DATA; pass++)
        reads |= p->op->reads ? p->op->reads(p, (rs_pass)pass) : 0;
    return p->nws > 0 || p->nstate > 0 || (reads & RS_READS_DST) != 0;
}

rescl_status rs_proof_backward(rs_proof *r, unsigned passes, rs_proof_fn fn, void *user)
{
    rescl_status st = RESCL_OK;

    if (needs_forward(&r->p)) {
        rs_proof_reference(r, RS_FWD);
        rs_proof_keep(r, RS_SLOT_STATE, RS_SLOT_DIFF_SRC, true);
    }
    if (rs_op_has_pass(r->p.op, RS_BWD_PARAMS)) {
        rs_proof_reference(r, RS_BWD_PARAMS);
        if (passes & 1u << RS_BWD_PARAMS)
            RS_TRY(fn(r, RS_BWD_PARAMS, "", user));
        rs_proof_keep(r, RS_SLOT_DIFF_PARAM, RS_SLOTS, true);
    }
    if (rs_op_has_pass(r->p.op, RS_BWD_DATA) && passes & 1u << RS_BWD_DATA)
        RS_TRY(walk_masks(r, fn, user));
out:
    return st;
}

/* ---- on the device ------------------------------------------------------------------------- */

static rs_args bind(const rs_proof *r, rs_pass pass, const rs_guarded *g)
{
    rs_args a = {.seed = RS_PROOF_SEED, .step = RS_PROOF_STEP};
    const rs_problem *p = &r->p;
    for (int i = 0; i < p->nsrc; i++) {
        a.src[i] = (rs_tensor){p->src[i], p->src_type[i], g[RS_SLOT_SRC + i].view};
        if (rs_proof_use(r, pass, RS_SLOT_DIFF_SRC + i))
            a.diff_src[i] = (rs_tensor){p->src[i], p->src_type[i], g[RS_SLOT_DIFF_SRC + i].view};
    }
    for (int i = 0; i < p->nparam; i++) {
        a.param[i] = (rs_tensor){p->param[i].shape, p->param_type[i], g[RS_SLOT_PARAM + i].view};
        if (rs_proof_use(r, pass, RS_SLOT_DIFF_PARAM + i))
            a.diff_param[i] =
                (rs_tensor){p->param[i].shape, RS_F32, g[RS_SLOT_DIFF_PARAM + i].view};
    }
    for (int i = 0; i < p->nstate; i++)
        a.state[i] = (rs_tensor){p->state[i].shape, RS_F32, g[RS_SLOT_STATE + i].view};
    for (int i = 0; i < p->nws; i++)
        a.ws[i] = (rs_tensor){p->ws[i], p->ws_type[i], g[RS_SLOT_WS + i].view};
    a.dst = (rs_tensor){p->dst, p->dst_type, g[RS_SLOT_DST].view};
    if (pass != RS_FWD)
        a.diff_dst = (rs_tensor){p->dst, p->dst_type, g[RS_SLOT_DIFF_DST].view};
    return a;
}

/* The tensors of a call on the device. */
typedef struct memory {
    rs_guarded slot[RS_SLOTS], scratch, packed;
} memory;

static void free_memory(memory *m)
{
    for (int i = 0; i < RS_SLOTS; i++)
        rs_guarded_fini(&m->slot[i]);
    rs_guarded_fini(&m->scratch);
    rs_guarded_fini(&m->packed);
}

static rescl_status make_memory(const rs_proof *r, const rs_plan *plan, memory *m)
{
    rescl_status st = RESCL_OK;
    rescl_device *dev = plan->dev;

    for (int i = 0; i < RS_SLOTS; i++) {
        const rs_slot *t = &r->slot[i];
        const rs_slot_use use = rs_proof_use(r, plan->pass, i);
        RS_TRY(rs_guarded_init(dev, use ? t->count * rs_dtype_bytes(t->type) : 0, &m->slot[i]));
        if (use == RS_SLOT_IN || use == RS_SLOT_INOUT)
            RS_TRY(rs_guarded_write(dev, &m->slot[i], t->type, t->in, t->count));
    }
    RS_TRY(rs_guarded_init(dev, plan->scratch_bytes, &m->scratch));
    RS_TRY(rs_guarded_init(dev, plan->packed_bytes, &m->packed));
out:
    return st;
}

/* One run of a built plan on fresh tensors; out[i] receives what became of slot i. */
static rescl_status run_plan(const rs_proof *r, const rs_plan *plan, const char *what,
                             double *const *out)
{
    rescl_status st = RESCL_OK;
    rescl_device *dev = plan->dev;
    memory m = {0};
    char text[256], slot[RS_SLOT_TEXT];

    RS_TRY(make_memory(r, plan, &m));
    rs_args args = bind(r, plan->pass, m.slot);
    args.scratch = m.scratch.view;
    args.packed = m.packed.view;
    RS_TRY(rs_plan_pack(plan, &args));
    RS_TRY(rs_plan_enqueue(plan, &args));
    RS_TRY(rs_finish(dev));
    for (int i = 0; i < RS_SLOTS; i++) {
        snprintf(text, sizeof text, "%s: %s", what, rs_slot_text(i, slot));
        RS_TRY(rs_guarded_check(dev, &m.slot[i], text));
        if (rs_proof_use(r, plan->pass, i) > RS_SLOT_UNREAD)
            RS_TRY(rs_guarded_read(dev, &m.slot[i], r->slot[i].type, out[i], r->slot[i].count));
    }
    snprintf(text, sizeof text, "%s: scratch", what);
    RS_TRY(rs_guarded_check(dev, &m.scratch, text));
    snprintf(text, sizeof text, "%s: packed", what);
    RS_TRY(rs_guarded_check(dev, &m.packed, text));
out:
    free_memory(&m);
    return st;
}

/* What two runs gave for a slot: the inputs as they were, the results right, and the same bits. */
static rescl_status check_slot(const rs_proof *r, const rs_plan *plan, int i, const char *what,
                               const double *first, const double *second)
{
    rescl_status st = RESCL_OK;
    const rs_slot *t = &r->slot[i];
    const rs_slot_use use = rs_proof_use(r, plan->pass, i);
    const size_t terms = rs_impl_terms(plan->choice.impl, &r->p, plan->pass);
    const size_t bytes = t->count * sizeof(double);
    char text[256], slot[RS_SLOT_TEXT];

    snprintf(text, sizeof text, "%s: %s", what, rs_slot_text(i, slot));
    RS_FAIL_IF(use == RS_SLOT_IN && memcmp(first, t->in, bytes) != 0, RESCL_ERR_NUMERIC,
               "%s: an input was changed", text);
    if (use != RS_SLOT_OUT && use != RS_SLOT_INOUT)
        goto out;
    RS_TRY(rs_expect_close(text, t->type, terms, r->c->scale, t->want, first, t->count));
    RS_FAIL_IF(memcmp(first, second, bytes) != 0, RESCL_ERR_NUMERIC,
               "%s: two runs of one plan differ", text);
out:
    return st;
}

rescl_status rs_proof_choice(const rs_proof *r, rescl_device *dev, rs_pass pass, const char *choice,
                             const char *label)
{
    rescl_status st = RESCL_OK;
    rs_plan plan;
    double *out[2][RS_SLOTS] = {{NULL}};
    char what[192];

    snprintf(what, sizeof what, "%s %s %s to %s%s%s", choice, rs_pass_name(pass),
             rs_dtype_name(r->p.src_type[0]), rs_dtype_name(r->p.dst_type),
             r->p.math == RS_MATH_TF32 ? " by TF32" : "", label);
    RS_TRY(rs_choice_plan(dev, &r->p, pass, choice, &plan));
    RS_TRY(rs_plan_build(&plan));
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < RS_SLOTS; i++) {
            RS_OOM(out[k][i] = calloc(r->slot[i].count + 1, sizeof(double)));
            if (r->slot[i].count)
                memcpy(out[k][i], r->slot[i].want, r->slot[i].count * sizeof(double));
        }
        RS_TRY(run_plan(r, &plan, what, out[k]));
    }
    for (int i = 0; i < RS_SLOTS; i++)
        RS_TRY(check_slot(r, &plan, i, what, out[0][i], out[1][i]));
out:
    for (int i = 0; i < RS_SLOTS; i++) {
        free(out[0][i]);
        free(out[1][i]);
    }
    return st;
}

/* ---- comparison ---------------------------------------------------------------------------- */

rescl_status rs_expect_close(const char *what, rs_dtype type, size_t terms, double scale,
                             const double *want, const double *got, size_t count)
{
    rescl_status st = RESCL_OK;
    double sum = 0, worst = 1, worst_tol = 0;
    size_t at = 0, bad = 0;

    for (size_t i = 0; i < count; i++)
        sum += isfinite(want[i]) ? want[i] * want[i] : 0;
    const double rms = sqrt(sum / (double)count);
    for (size_t i = 0; i < count; i++) {
        if ((isnan(want[i]) && isnan(got[i])) || want[i] == got[i])
            continue;
        const double tol = rs_tolerance(type, terms, fmax(fmax(fabs(want[i]), rms), scale));
        double ratio = fabs(want[i] - got[i]) / fmax(tol, 1e-300);
        if (!isfinite(ratio))
            ratio = INFINITY;
        if (ratio > 1)
            bad++;
        if (ratio > worst) {
            worst = ratio;
            worst_tol = tol;
            at = i;
        }
    }
    RS_FAIL_IF(bad, RESCL_ERR_NUMERIC,
               "%s: %zu of %zu wrong; at %zu: %.9g, expected %.9g within %.3g", what, bad, count,
               at, got[at], want[at], worst_tol);
out:
    return st;
}
