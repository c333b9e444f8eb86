/* Runs the cases of a suite in every mode: see op_harness.h. */
#include "op_harness.h"

#include "alloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tensors of a call, in one list ------------------------------------------------------ */

enum {
    SRC = 0,
    PARAM = SRC + RS_OP_SRC,
    STATE = PARAM + RS_OP_PARAM,
    WS = STATE + RS_OP_STATE,
    DST = WS + RS_OP_WS,
    DIFF_SRC,
    DIFF_DST = DIFF_SRC + RS_OP_SRC,
    DIFF_PARAM,
    NSLOT = DIFF_PARAM + RS_OP_PARAM
};

/* What a pass does with a tensor. UNREAD: present, and not declared to be read: filled with NaN. */
typedef enum role { ABSENT, UNREAD, IN, OUT, INOUT } role;

typedef struct slot {
    rs_dtype type;
    size_t count; /* 0: the problem has no such tensor */
    double *in;   /* before the pass */
    double *want; /* what the reference makes of it */
} slot;

typedef struct run {
    const op_suite *suite;
    const op_case *c;
    rs_problem p;
    slot slot[NSLOT];
} run;

#define SEED 0x123456789abcdefu
#define STEP 7u

static const char *slot_name(int s)
{
    static const struct {
        int first;
        const char *name;
    } names[] = {{DIFF_PARAM, "diff_param"},
                 {DIFF_DST, "diff_dst"},
                 {DIFF_SRC, "diff_src"},
                 {DST, "dst"},
                 {WS, "ws"},
                 {STATE, "state"},
                 {PARAM, "param"},
                 {SRC, "src"}};
    static char text[32];
    size_t i = 0;
    while (names[i].first > s)
        i++;
    snprintf(text, sizeof text, "%s[%d]", names[i].name, s - names[i].first);
    return text;
}

static void slot_set(run *r, int s, const rs_shape *shape, rs_dtype type)
{
    slot *t = &r->slot[s];
    t->type = type;
    t->count = rs_shape_count(shape);
    t->in = calloc(t->count, sizeof *t->in);
    t->want = calloc(t->count, sizeof *t->want);
    assert_true(t->in && t->want);
}

/* How src and dst lie, and how products may be computed. */
typedef struct storage {
    rs_dtype src, dst;
    rs_math math;
} storage;

static const storage all_f32;

static void round_slot(const slot *t, double *v)
{
    for (size_t i = 0; i < t->count; i++)
        v[i] = op_rounded(t->type, v[i]);
}

static void fill_uniform(rs_rng *rng, slot *t, double lo, double hi)
{
    for (size_t i = 0; i < t->count; i++)
        t->in[i] = rs_dtype_is_float(t->type) ? rs_rng_range(rng, lo, hi) : 0;
}

static void run_init(run *r, const op_suite *s, const op_case *c, bool training, storage how)
{
    *r = (run){.suite = s, .c = c};
    rs_problem *p = &r->p;
    int nsrc = 0;
    while (nsrc < RS_OP_SRC && c->src[nsrc].ndim)
        nsrc++;
    assert_ok(rs_problem_init(p, s->op, c->attr, training, c->src, nsrc));
    p->dst_type = how.dst;
    p->math = how.math;
    for (int i = 0; i < nsrc; i++) {
        const bool number = rs_dtype_is_float(p->src_type[i]);
        if (number)
            p->src_type[i] = how.src;
        slot_set(r, SRC + i, &p->src[i], p->src_type[i]);
        slot_set(r, DIFF_SRC + i, &p->src[i], number ? how.src : RS_F32);
    }
    for (int i = 0; i < p->nparam; i++) {
        slot_set(r, PARAM + i, &p->param[i].shape, p->param_type[i]);
        slot_set(r, DIFF_PARAM + i, &p->param[i].shape, RS_F32);
    }
    for (int i = 0; i < p->nstate; i++)
        slot_set(r, STATE + i, &p->state[i].shape, RS_F32);
    for (int i = 0; i < p->nws; i++)
        slot_set(r, WS + i, &p->ws[i], p->ws_type[i]);
    slot_set(r, DST, &p->dst, p->dst_type);
    slot_set(r, DIFF_DST, &p->dst, p->dst_type);

    rs_rng rng;
    op_data d;
    rs_rng_init(&rng, SEED, (uint64_t)(c - s->cases));
    for (int i = 0; i < NSLOT; i++)
        fill_uniform(&rng, &r->slot[i], i >= STATE && i < WS ? 0.5 : -1,
                     i >= STATE && i < WS ? 1.5 : 1);
    for (int i = 0; i < RS_OP_SRC; i++)
        d.src[i] = r->slot[SRC + i].in;
    for (int i = 0; i < RS_OP_PARAM; i++)
        d.param[i] = r->slot[PARAM + i].in;
    for (int i = 0; i < RS_OP_STATE; i++)
        d.state[i] = r->slot[STATE + i].in;
    d.diff_dst = r->slot[DIFF_DST].in;
    if (s->fill)
        s->fill(c, p, &d, &rng);
    for (int i = 0; i < NSLOT; i++)
        round_slot(&r->slot[i], r->slot[i].in);
    /* Implementations may hold their copies of parameters in the type of src. */
    for (int i = 0; i < p->nparam; i++)
        for (size_t k = 0; k < r->slot[PARAM + i].count; k++)
            r->slot[PARAM + i].in[k] = op_rounded(how.src, r->slot[PARAM + i].in[k]);
}

static void run_fini(run *r)
{
    for (int i = 0; i < NSLOT; i++) {
        free(r->slot[i].in);
        free(r->slot[i].want);
    }
}

static role role_of(const run *r, rs_pass pass, int s)
{
    const rs_problem *p = &r->p;
    const unsigned reads = p->op->reads ? p->op->reads(p, pass) : 0;
    if (r->slot[s].count == 0)
        return ABSENT;
    if (pass == RS_FWD) {
        if (s >= STATE && s < WS)
            return p->training && !(reads & RS_READS_STATE) ? INOUT : IN;
        return s < STATE ? IN : s < DIFF_SRC ? OUT : ABSENT;
    }
    if (s < PARAM)
        return reads & RS_READS_SRC(s) ? IN : UNREAD;
    if (s == DST)
        return reads & RS_READS_DST ? IN : UNREAD;
    if (s >= STATE && s < WS)
        return reads & RS_READS_STATE ? IN : UNREAD;
    if (s >= DIFF_PARAM)
        return pass == RS_BWD_PARAMS ? OUT : IN;
    if (s >= DIFF_SRC && s < DIFF_DST) {
        const int i = s - DIFF_SRC;
        if (pass == RS_BWD_PARAMS || !p->want_diff[i])
            return ABSENT;
        return p->accumulate[i] ? INOUT : OUT;
    }
    return IN; /* param, ws, diff_dst */
}

/* ---- the reference ------------------------------------------------------------------------- */

/* Runs the reference from `in` into `want`; what it leaves alone is equal to `in`. */
static void reference(run *r, rs_pass pass)
{
    rs_ref ref = {.seed = SEED, .step = STEP};
    for (int i = 0; i < NSLOT; i++) {
        slot *t = &r->slot[i];
        for (size_t k = 0; k < t->count; k++)
            t->want[k] = role_of(r, pass, i) == OUT ? NAN : t->in[k];
    }
    for (int i = 0; i < RS_OP_SRC; i++) {
        ref.src[i] = r->slot[SRC + i].want;
        ref.diff_src[i] = role_of(r, pass, DIFF_SRC + i) ? r->slot[DIFF_SRC + i].want : NULL;
    }
    for (int i = 0; i < RS_OP_PARAM; i++) {
        ref.param[i] = r->slot[PARAM + i].want;
        ref.diff_param[i] = r->slot[DIFF_PARAM + i].want;
    }
    for (int i = 0; i < RS_OP_STATE; i++)
        ref.state[i] = r->slot[STATE + i].want;
    for (int i = 0; i < RS_OP_WS; i++)
        ref.ws[i] = r->slot[WS + i].want;
    ref.dst = r->slot[DST].want;
    ref.diff_dst = r->slot[DIFF_DST].want;
    r->p.op->reference(&r->p, pass, &ref);
}

/* Makes what the reference computed the input of the next pass. */
static void keep(run *r, int first, int last, bool rounded)
{
    for (int i = first; i < last; i++) {
        slot *t = &r->slot[i];
        if (t->count)
            memcpy(t->in, t->want, t->count * sizeof *t->in);
        if (rounded)
            round_slot(t, t->in);
    }
}

/* ---- finite differences ---------------------------------------------------------------------- */

static double objective(run *r)
{
    double sum = 0;
    reference(r, RS_FWD);
    for (size_t i = 0; i < r->slot[DST].count; i++)
        sum += r->slot[DST].want[i] * r->slot[DIFF_DST].in[i];
    return sum;
}

static void check_gradient(run *r, int s, const double *grad, size_t entries)
{
    slot *t = &r->slot[s];
    double sum = 0;
    rs_rng rng;
    rs_rng_init(&rng, SEED, 1000u + (unsigned)s);
    for (size_t i = 0; i < t->count; i++)
        sum += grad[i] * grad[i];
    const double rms = sqrt(sum / (double)t->count);
    const size_t n = entries < t->count ? entries : t->count;
    for (size_t k = 0; k < n; k++) {
        const size_t i = n == t->count ? k : rs_rng_below(&rng, (uint32_t)t->count);
        const double x = t->in[i], h = 1e-5 * fmax(1, fabs(x));
        t->in[i] = x + h;
        const double up = objective(r);
        t->in[i] = x - h;
        const double down = objective(r);
        t->in[i] = x;
        const double fd = (up - down) / (2 * h);
        const double tol = 1e-6 * fmax(fmax(fabs(fd), rms), r->c->scale) + 1e-9;
        if (!(fabs(fd - grad[i]) <= tol))
            fail_msg("%s element %zu: reference gives gradient %.9g, finite differences %.9g",
                     slot_name(s), i, grad[i], fd);
    }
}

/* The op's single numbers are those of its reference, to the last digits. */
static void check_single(run *r, rs_pass pass)
{
    const int first = pass == RS_FWD ? DST : pass == RS_BWD_PARAMS ? DIFF_PARAM : DIFF_SRC;
    const slot *t = &r->slot[first];
    rs_ref ref = {.seed = SEED, .step = STEP};
    if (r->p.op->reference_at == NULL || role_of(r, pass, first) == ABSENT)
        return;
    for (int i = 0; i < RS_OP_SRC; i++) {
        ref.src[i] = r->slot[SRC + i].in;
        ref.diff_src[i] = r->slot[DIFF_SRC + i].in;
    }
    for (int i = 0; i < RS_OP_PARAM; i++)
        ref.param[i] = r->slot[PARAM + i].in;
    ref.diff_dst = r->slot[DIFF_DST].in;
    for (size_t i = 0; i < t->count; i++) {
        const double got = r->p.op->reference_at(&r->p, pass, &ref, i);
        if (!(fabs(got - t->want[i]) <= 1e-9 * (1 + fabs(t->want[i]))) &&
            !(isnan(got) && isnan(t->want[i])))
            fail_msg("%s element %zu alone: %.12g, in the whole reference %.12g",
                     rs_pass_name(pass), i, got, t->want[i]);
    }
}

static double *copy_want(const slot *t)
{
    double *v = malloc((t->count + 1) * sizeof *v);
    assert_non_null(v);
    if (t->count)
        memcpy(v, t->want, t->count * sizeof *v);
    return v;
}

/* The gradient of src i is d[DIFF_SRC + i]; accumulating adds the same, and an unwanted one is not
 * touched. */
static void check_accumulate(run *r, double *const *d)
{
    for (int i = 0; i < r->p.nsrc; i++) {
        r->p.accumulate[i] = true;
        reference(r, RS_BWD_DATA);
        const slot *t = &r->slot[DIFF_SRC + i];
        for (size_t k = 0; r->p.want_diff[i] && k < t->count; k++)
            assert_true(fabs(t->want[k] - t->in[k] - d[DIFF_SRC + i][k]) <=
                        1e-12 * (1 + fabs(t->want[k])));
        r->p.accumulate[i] = false;
    }
}

static void mode_gradient(void **state)
{
    run *r = *state;
    const rs_op *op = r->p.op;
    double *d[NSLOT];

    reference(r, RS_FWD);
    keep(r, WS, DIFF_SRC, false);
    if (rs_op_has_pass(op, RS_BWD_PARAMS)) {
        reference(r, RS_BWD_PARAMS);
        keep(r, DIFF_PARAM, NSLOT, false);
    }
    reference(r, RS_BWD_DATA);
    for (int i = 0; i < NSLOT; i++)
        d[i] = copy_want(&r->slot[i]);
    check_accumulate(r, d);

    double cost = op->macs ? op->macs(&r->p) : 0;
    for (int i = 0; i < NSLOT; i++)
        cost += (double)r->slot[i].count;
    const size_t entries = (size_t)fmax(6, fmin(64, 1e7 / cost));
    for (int i = 0; i < r->p.nparam; i++)
        check_gradient(r, PARAM + i, d[DIFF_PARAM + i], entries);
    for (int i = 0; i < r->p.nsrc; i++)
        if (r->p.want_diff[i])
            check_gradient(r, SRC + i, d[DIFF_SRC + i], entries);
    for (int i = 0; i < NSLOT; i++)
        free(d[i]);
}

/* ---- implementations ------------------------------------------------------------------------- */

/* Bit i: implementation i of the suite's op has run with such a src. */
static unsigned served[RS_DTYPE_COUNT];
/* Why an implementation cannot serve on this device what it would on another. */
static const char *beyond[32];

/* A device that implementations do not decline for what it lacks. */
static rs_caps ample(const rs_caps *caps)
{
    rs_caps all = *caps;
    all.float_width = caps->float_width < 4 ? 4 : caps->float_width;
    all.max_group = caps->max_group < 1024 ? 1024 : caps->max_group;
    all.local_bytes = caps->local_bytes < 65536 ? 65536 : caps->local_bytes;
    all.max_alloc_bytes = UINT64_MAX;
    all.engines = ~0u;
    return all;
}

static rs_args bind(const run *r, rs_pass pass, const op_guarded *g)
{
    rs_args a = {.seed = SEED, .step = STEP};
    const rs_problem *p = &r->p;
    for (int i = 0; i < p->nsrc; i++) {
        a.src[i] = (rs_tensor){p->src[i], p->src_type[i], g[SRC + i].view};
        if (role_of(r, pass, DIFF_SRC + i))
            a.diff_src[i] = (rs_tensor){p->src[i], p->src_type[i], g[DIFF_SRC + i].view};
    }
    for (int i = 0; i < p->nparam; i++) {
        a.param[i] = (rs_tensor){p->param[i].shape, p->param_type[i], g[PARAM + i].view};
        if (role_of(r, pass, DIFF_PARAM + i))
            a.diff_param[i] = (rs_tensor){p->param[i].shape, RS_F32, g[DIFF_PARAM + i].view};
    }
    for (int i = 0; i < p->nstate; i++)
        a.state[i] = (rs_tensor){p->state[i].shape, RS_F32, g[STATE + i].view};
    for (int i = 0; i < p->nws; i++)
        a.ws[i] = (rs_tensor){p->ws[i], p->ws_type[i], g[WS + i].view};
    a.dst = (rs_tensor){p->dst, p->dst_type, g[DST].view};
    if (pass != RS_FWD)
        a.diff_dst = (rs_tensor){p->dst, p->dst_type, g[DIFF_DST].view};
    return a;
}

/* One run of a built plan on fresh tensors; out[i] receives what became of slot i. */
static void run_plan(run *r, const rs_plan *plan, const char *what, double *const *out)
{
    rescl_device *dev = rs_test_device();
    op_guarded g[NSLOT], scratch, packed;
    char text[256];

    for (int i = 0; i < NSLOT; i++) {
        const slot *t = &r->slot[i];
        const role what_for = role_of(r, plan->pass, i);
        g[i] = op_guarded_create(dev, what_for ? t->count * rs_dtype_bytes(t->type) : 0);
        if (what_for == IN || what_for == INOUT)
            op_guarded_write(dev, &g[i], t->type, t->in, t->count);
    }
    scratch = op_guarded_create(dev, plan->scratch_bytes);
    packed = op_guarded_create(dev, plan->packed_bytes);
    rs_args args = bind(r, plan->pass, g);
    args.scratch = scratch.view;
    args.packed = packed.view;
    assert_ok(rs_plan_pack(plan, &args));
    assert_ok(rs_plan_enqueue(plan, &args));
    assert_ok(rs_finish(dev));
    for (int i = 0; i < NSLOT; i++) {
        snprintf(text, sizeof text, "%s: %s", what, slot_name(i));
        op_guarded_check(dev, &g[i], text);
        if (role_of(r, plan->pass, i) > UNREAD)
            op_guarded_read(dev, &g[i], r->slot[i].type, out[i], r->slot[i].count);
        op_guarded_free(&g[i]);
    }
    snprintf(text, sizeof text, "%s: scratch", what);
    op_guarded_check(dev, &scratch, text);
    snprintf(text, sizeof text, "%s: packed", what);
    op_guarded_check(dev, &packed, text);
    op_guarded_free(&scratch);
    op_guarded_free(&packed);
}

/* Runs one implementation twice and compares with `want` of every slot. */
static void check_impl(run *r, rs_pass pass, const char *impl, const char *label)
{
    rs_plan plan;
    double *out[2][NSLOT];
    char what[192], text[256];

    snprintf(what, sizeof what, "%s %s %s to %s%s%s", impl, rs_pass_name(pass),
             rs_dtype_name(r->p.src_type[0]), rs_dtype_name(r->p.dst_type),
             r->p.math == RS_MATH_TF32 ? " by TF32" : "", label);
    assert_ok(rs_choice_plan(rs_test_device(), &r->p, pass, impl, &plan));
    assert_ok(rs_plan_build(&plan));
    const size_t terms = rs_impl_terms(plan.choice.impl, &r->p, pass);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < NSLOT; i++)
            out[k][i] = copy_want(&r->slot[i]);
        run_plan(r, &plan, what, out[k]);
    }
    for (int i = 0; i < NSLOT; i++) {
        const slot *t = &r->slot[i];
        const role what_for = role_of(r, pass, i);
        snprintf(text, sizeof text, "%s: %s", what, slot_name(i));
        if (what_for == IN && memcmp(out[0][i], t->in, t->count * sizeof(double)) != 0)
            fail_msg("%s: an input was changed", text);
        if (what_for == OUT || what_for == INOUT) {
            op_expect_close(text, t->type, terms, r->c->scale, t->want, out[0][i], t->count);
            if (memcmp(out[0][i], out[1][i], t->count * sizeof(double)) != 0)
                fail_msg("%s: two runs of one plan differ", text);
        }
        free(out[0][i]);
        free(out[1][i]);
    }
}

/* One of the values of one tunable of `m`: each call another, through those that tuning tries and
 * the limits. False: the pass heeds none. */
static bool next_tuned(const rs_impl *m, rs_pass pass, char choice[RS_CHOICE])
{
    static size_t turn;
    const rs_tunable *heeded[RS_PLAN_TUNABLES];
    size_t count = 0;
    for (const rs_tunable *t = m->tunables; t && t->name; t++)
        if (t->passes & (1u << pass))
            heeded[count++] = t;
    if (count == 0)
        return false;
    const rs_tunable *t = heeded[turn % count];
    int values[RS_TUNABLE_VALUES + 2] = {t->min, t->max}, n = 2;
    for (int i = 0; i < RS_TUNABLE_VALUES && t->tried[i]; i++)
        values[n++] = t->tried[i];
    snprintf(choice, RS_CHOICE, "%s %s=%d", m->name, t->name, values[turn / count % (size_t)n]);
    turn++;
    return true;
}

/* Every implementation that can serve the pass, as it is and with a number tuned, and the choice
 * without force. */
static void check_impls(run *r, rs_pass pass, const char *label)
{
    const rs_op *op = r->p.op;
    const rs_caps *caps = rs_device_caps(rs_test_device()), all = ample(caps);
    const char *only = getenv("RESCL_TEST_IMPL"), *tuned = getenv("RESCL_TEST_TUNED");
    rs_plan plan;
    char choice[RS_CHOICE];
    reference(r, pass);
    check_single(r, pass);
    assert_ok(rs_choice_plan(rs_test_device(), &r->p, pass, NULL, &plan));
    for (int i = 0; op->impls[i]; i++) {
        const rs_impl *m = op->impls[i];
        const char *why = rs_impl_refuses(m, &r->p, pass, caps);
        if (why && !rs_impl_refuses(m, &r->p, pass, &all))
            beyond[i] = why;
        if (why)
            continue;
        if (only && strcmp(only, m->name) != 0)
            continue;
        check_impl(r, pass, m->name, label);
        if (!(tuned && strcmp(tuned, "off") == 0) && next_tuned(m, pass, choice))
            check_impl(r, pass, choice, label);
        served[r->p.src_type[0]] |= 1u << i;
    }
}

static void check_forward(run *r)
{
    check_impls(r, RS_FWD, r->p.training ? " training" : " inference");
}

static void check_backward(run *r)
{
    rs_problem *p = &r->p;
    const rs_problem all = r->p;
    char label[64];

    reference(r, RS_FWD);
    keep(r, STATE, DIFF_SRC, true);
    if (rs_op_has_pass(p->op, RS_BWD_PARAMS)) {
        check_impls(r, RS_BWD_PARAMS, "");
        keep(r, DIFF_PARAM, NSLOT, true);
    }
    for (unsigned want = 1; want < 1u << p->nsrc; want++) {
        for (unsigned add = 0; add < 1u << p->nsrc; add++) {
            bool valid = (add & ~want) == 0;
            for (int i = 0; i < p->nsrc; i++) {
                p->want_diff[i] = want >> i & 1;
                p->accumulate[i] = add >> i & 1;
                valid = valid && (all.want_diff[i] || !p->want_diff[i]);
            }
            snprintf(label, sizeof label, " want %#x accumulate %#x", want, add);
            if (valid && rs_op_has_pass(p->op, RS_BWD_DATA))
                check_impls(r, RS_BWD_DATA, label);
        }
    }
}

/* The ways to store and to compute, f32 first, and whether the suite has such tests: an
 * implementation that is forced or all of them may serve fewer. */
static const storage storages[] = {{RS_F32, RS_F32, RS_MATH_F32}, {RS_BF16, RS_BF16, RS_MATH_F32},
                                   {RS_F16, RS_F16, RS_MATH_F32}, {RS_BF16, RS_F32, RS_MATH_F32},
                                   {RS_F16, RS_F32, RS_MATH_F32}, {RS_F32, RS_F32, RS_MATH_TF32}};

static bool is_tested(const op_suite *s, const op_case *c, storage how)
{
    const char *type = getenv("RESCL_TEST_TYPE"), *only = getenv("RESCL_TEST_IMPL");
    const unsigned bits = 1u << how.src | 1u << how.dst, f32 = 1u << RS_F32;
    if (how.math == RS_MATH_TF32 &&
        !rs_has_engine(rs_device_caps(rs_test_device()), RS_ENGINE_nv_tf32))
        return false;
    if ((type && strcmp(type, rs_dtype_name(how.src)) != 0) ||
        (how.src != RS_F32 && (c->f32_alone || (how.src != how.dst && !s->mixed))))
        return false;
    for (const rs_impl *const *m = s->op->impls; *m; m++)
        if ((!only || strcmp(only, (*m)->name) == 0) &&
            (((*m)->types ? (*m)->types : f32) & bits) == bits)
            return true;
    return false;
}

static void each_storage(const run *r, bool training, void (*check)(run *))
{
    for (size_t i = 0; i < RS_COUNT(storages); i++) {
        run own;
        if (!is_tested(r->suite, r->c, storages[i]))
            continue;
        run_init(&own, r->suite, r->c, training, storages[i]);
        check(&own);
        run_fini(&own);
    }
}

static void mode_forward(void **state)
{
    const run *r = *state;
    if (r->p.training)
        each_storage(r, true, check_forward);
    each_storage(r, false, check_forward);
}

static void mode_backward(void **state)
{
    each_storage(*state, true, check_backward);
}

/* ---- the suite ----------------------------------------------------------------------------- */

typedef struct initial {
    const op_suite *suite;
    const op_case *c;
    run *run;
} initial;

static int setup(void **state)
{
    const initial *init = *state;
    run *r = malloc(sizeof *r);
    assert_non_null(r);
    run_init(r, init->suite, init->c, !init->c->inference_only, all_f32);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    run_fini(*state);
    free(*state);
    return 0;
}

/* An implementation that no case reaches, in each type that it serves, is not tested at all. Those for
 * other classes of device may decline, and those that need more than this device has. */
static void mode_all_served(void **state)
{
    const rs_op *op = *state;
    const unsigned type = 1u << rs_device_caps(rs_test_device())->type;
    const char *only_type = getenv("RESCL_TEST_TYPE"), *only = getenv("RESCL_TEST_IMPL");
    if (only && !rs_impl_find(op, only))
        fail_msg("%s has no implementation '%s'", op->name, only);
    for (int t = 0; t < RS_DTYPE_COUNT; t++)
        for (int i = 0; op->impls[i]; i++) {
            const rs_impl *m = op->impls[i];
            const unsigned types = m->types ? m->types : 1u << RS_F32;
            const bool forced = only && strcmp(only, m->name) == 0;
            if (served[t] >> i & 1 || !(types >> t & 1) ||
                (only_type && strcmp(only_type, rs_dtype_name((rs_dtype)t)) != 0))
                continue;
            if (!forced && (only || (m->prefers != 0 && !(m->prefers & type))))
                continue;
            if (!beyond[i])
                fail_msg("no case ran implementation '%s' in %s", m->name,
                         rs_dtype_name((rs_dtype)t));
            print_message("skipped: implementation '%s' of %s (%s)\n", m->name, op->name,
                          beyond[i]);
        }
}

int op_suite_main(const op_suite *s, const struct CMUnitTest *extra, size_t nextra)
{
    static const struct {
        const char *name;
        CMUnitTestFunction fn;
    } modes[] = {
        {"gradient", mode_gradient}, {"forward", mode_forward}, {"backward", mode_backward}};
    struct CMUnitTest *tests = calloc(s->ncases * RS_COUNT(modes) + 1 + nextra, sizeof *tests);
    initial *inits = calloc(s->ncases, sizeof *inits);
    char(*names)[96] = calloc(s->ncases * RS_COUNT(modes), sizeof *names);
    size_t n = 0;
    int failed = 1;

    if (tests == NULL || inits == NULL || names == NULL)
        goto out;
    for (size_t i = 0; i < s->ncases; i++) {
        const op_case *c = &s->cases[i];
        inits[i] = (initial){.suite = s, .c = c};
        for (size_t m = 0; m < RS_COUNT(modes); m++) {
            if ((m == 0 && c->no_gradient) || (m != 1 && c->inference_only))
                continue;
            snprintf(names[n], sizeof names[n], "%s %s: %s", s->op->name, modes[m].name, c->name);
            tests[n] = (struct CMUnitTest){names[n], modes[m].fn, setup, teardown, &inits[i]};
            n++;
        }
    }
    tests[n++] = (struct CMUnitTest){"every implementation ran", mode_all_served, NULL, NULL,
                                     (void *)(uintptr_t)s->op};
    for (size_t i = 0; i < nextra; i++)
        tests[n++] = extra[i];
    failed = rs_test_group(s->op->name, tests, n, NULL, NULL);
out:
    free(names);
    free(inits);
    free(tests);
    return failed;
}
