/* Runs the cases of an op in every mode: see op_harness.h. */
#include "op_harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the reference alone --------------------------------------------------------------------- */

static double objective(rs_proof *r)
{
    const rs_slot *dst = &r->slot[RS_SLOT_DST];
    double sum = 0;
    rs_proof_reference(r, RS_FWD);
    for (size_t i = 0; i < dst->count; i++)
        sum += dst->want[i] * r->slot[RS_SLOT_DIFF_DST].in[i];
    return sum;
}

static void check_gradient(rs_proof *r, int s, const double *grad, size_t entries)
{
    rs_slot *t = &r->slot[s];
    double sum = 0;
    char slot[RS_SLOT_TEXT];
    rs_rng rng;
    rs_rng_init(&rng, RS_PROOF_SEED, 1000u + (unsigned)s);
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
                     rs_slot_text(s, slot), i, grad[i], fd);
    }
}

/* The op's single numbers are those of its reference, to the last digits. */
static void check_single(const rs_proof *r, rs_pass pass)
{
    const int first = pass == RS_FWD          ? RS_SLOT_DST
                      : pass == RS_BWD_PARAMS ? RS_SLOT_DIFF_PARAM
                                              : RS_SLOT_DIFF_SRC;
    const rs_slot *t = &r->slot[first];
    rs_ref ref = {.seed = RS_PROOF_SEED, .step = RS_PROOF_STEP};
    if (r->p.op->reference_at == NULL || rs_proof_use(r, pass, first) == RS_SLOT_ABSENT)
        return;
    for (int i = 0; i < RS_OP_SRC; i++) {
        ref.src[i] = r->slot[RS_SLOT_SRC + i].in;
        ref.diff_src[i] = r->slot[RS_SLOT_DIFF_SRC + i].in;
    }
    for (int i = 0; i < RS_OP_PARAM; i++)
        ref.param[i] = r->slot[RS_SLOT_PARAM + i].in;
    ref.diff_dst = r->slot[RS_SLOT_DIFF_DST].in;
    for (size_t i = 0; i < t->count; i++) {
        const double got = r->p.op->reference_at(&r->p, pass, &ref, i);
        if (!(fabs(got - t->want[i]) <= 1e-9 * (1 + fabs(t->want[i]))) &&
            !(isnan(got) && isnan(t->want[i])))
            fail_msg("%s element %zu alone: %.12g, in the whole reference %.12g",
                     rs_pass_name(pass), i, got, t->want[i]);
    }
}

static double *copy_want(const rs_slot *t)
{
    double *v = malloc((t->count + 1) * sizeof *v);
    assert_non_null(v);
    if (t->count)
        memcpy(v, t->want, t->count * sizeof *v);
    return v;
}

/* The gradient of src i is d[RS_SLOT_DIFF_SRC + i]; accumulating adds the same, and an unwanted one is
 * not touched. */
static void check_accumulate(rs_proof *r, double *const *d)
{
    for (int i = 0; i < r->p.nsrc; i++) {
        r->p.accumulate[i] = true;
        rs_proof_reference(r, RS_BWD_DATA);
        const rs_slot *t = &r->slot[RS_SLOT_DIFF_SRC + i];
        for (size_t k = 0; r->p.want_diff[i] && k < t->count; k++)
            assert_true(fabs(t->want[k] - t->in[k] - d[RS_SLOT_DIFF_SRC + i][k]) <=
                        1e-12 * (1 + fabs(t->want[k])));
        r->p.accumulate[i] = false;
    }
}

/* A case of an op. */
typedef struct initial {
    const rs_op *op;
    const rs_case *c;
} initial;

static void mode_gradient(void **state)
{
    const initial *init = *state;
    const rs_op *op = init->op;
    double *d[RS_SLOTS];
    rs_proof r;

    assert_ok(rs_proof_init(op, init->c, true, &rs_storages[0], &r));
    rs_proof_reference(&r, RS_FWD);
    rs_proof_keep(&r, RS_SLOT_WS, RS_SLOT_DIFF_SRC, false);
    if (rs_op_has_pass(op, RS_BWD_PARAMS)) {
        rs_proof_reference(&r, RS_BWD_PARAMS);
        rs_proof_keep(&r, RS_SLOT_DIFF_PARAM, RS_SLOTS, false);
    }
    rs_proof_reference(&r, RS_BWD_DATA);
    for (int i = 0; i < RS_SLOTS; i++)
        d[i] = copy_want(&r.slot[i]);
    check_accumulate(&r, d);

    double cost = op->macs ? op->macs(&r.p) : 0;
    for (int i = 0; i < RS_SLOTS; i++)
        cost += (double)r.slot[i].count;
    const size_t entries = (size_t)fmax(6, fmin(64, 1e7 / cost));
    for (int i = 0; i < r.p.nparam; i++)
        check_gradient(&r, RS_SLOT_PARAM + i, d[RS_SLOT_DIFF_PARAM + i], entries);
    for (int i = 0; i < r.p.nsrc; i++)
        if (r.p.want_diff[i])
            check_gradient(&r, RS_SLOT_SRC + i, d[RS_SLOT_DIFF_SRC + i], entries);
    for (int i = 0; i < RS_SLOTS; i++)
        free(d[i]);
    rs_proof_fini(&r);
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
static rescl_status check_impls(rs_proof *r, rs_pass pass, const char *label, void *user)
{
    rescl_device *dev = rs_test_device();
    const rs_op *op = r->p.op;
    const rs_caps *caps = rs_device_caps(dev), all = ample(caps);
    const char *only = getenv("RESCL_TEST_IMPL"), *tuned = getenv("RESCL_TEST_TUNED");
    rs_plan plan;
    char choice[RS_CHOICE];
    (void)user;
    check_single(r, pass);
    assert_ok(rs_choice_plan(dev, &r->p, pass, NULL, &plan));
    for (int i = 0; op->impls[i]; i++) {
        const rs_impl *m = op->impls[i];
        const char *why = rs_impl_refuses(m, &r->p, pass, caps);
        if (why && !rs_impl_refuses(m, &r->p, pass, &all))
            beyond[i] = why;
        if (why)
            continue;
        if (only && strcmp(only, m->name) != 0)
            continue;
        assert_ok(rs_proof_choice(r, dev, pass, m->name, label));
        if (!(tuned && strcmp(tuned, "off") == 0) && next_tuned(m, pass, choice))
            assert_ok(rs_proof_choice(r, dev, pass, choice, label));
        served[r->p.src_type[0]] |= 1u << i;
    }
    return RESCL_OK;
}

/* Whether the suite tests a way to store: an implementation that is forced or all of them may serve fewer. */
static bool is_tested(const initial *init, const rs_storage *how)
{
    const char *type = getenv("RESCL_TEST_TYPE"), *only = getenv("RESCL_TEST_IMPL");
    return !(type && strcmp(type, rs_dtype_name(how->src)) != 0) &&
           rs_storage_fits(init->op, only ? rs_impl_find(init->op, only) : NULL, init->c, how,
                           rs_device_caps(rs_test_device()));
}

static rescl_status walk_backward(rs_proof *r, rs_proof_fn fn, void *user)
{
    return rs_proof_backward(r, RS_PROOF_ALL, fn, user);
}

static void each_storage(const initial *init, bool training,
                         rescl_status (*walk)(rs_proof *, rs_proof_fn, void *))
{
    for (size_t i = 0; i < RS_STORAGES; i++) {
        rs_proof r;
        if (!is_tested(init, &rs_storages[i]))
            continue;
        assert_ok(rs_proof_init(init->op, init->c, training, &rs_storages[i], &r));
        assert_ok(walk(&r, check_impls, NULL));
        rs_proof_fini(&r);
    }
}

static void mode_forward(void **state)
{
    const initial *init = *state;
    if (!init->c->inference_only)
        each_storage(init, true, rs_proof_forward);
    each_storage(init, false, rs_proof_forward);
}

static void mode_backward(void **state)
{
    each_storage(*state, true, walk_backward);
}

/* ---- the suite ----------------------------------------------------------------------------- */

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

int op_suite_main_of(const rs_op *op, size_t first, size_t count, const struct CMUnitTest *extra,
                     size_t nextra)
{
    static const struct {
        const char *name;
        CMUnitTestFunction fn;
    } modes[] = {
        {"gradient", mode_gradient}, {"forward", mode_forward}, {"backward", mode_backward}};
    struct CMUnitTest *tests = calloc(count * RS_COUNT(modes) + 1 + nextra, sizeof *tests);
    initial *inits = calloc(count, sizeof *inits);
    char(*names)[96] = calloc(count * RS_COUNT(modes), sizeof *names);
    size_t n = 0;
    int failed = 1;

    if (tests == NULL || inits == NULL || names == NULL)
        goto out;
    for (size_t i = 0; i < count; i++) {
        const rs_case *c = &op->cases->list[first + i];
        inits[i] = (initial){.op = op, .c = c};
        for (size_t m = 0; m < RS_COUNT(modes); m++) {
            if ((m == 0 && c->no_gradient) || (m != 1 && c->inference_only))
                continue;
            snprintf(names[n], sizeof names[n], "%s %s: %s", op->name, modes[m].name, c->name);
            tests[n] = (struct CMUnitTest){names[n], modes[m].fn, NULL, NULL, &inits[i]};
            n++;
        }
    }
    tests[n++] = (struct CMUnitTest){"every implementation ran", mode_all_served, NULL, NULL,
                                     (void *)(uintptr_t)op};
    for (size_t i = 0; i < nextra; i++)
        tests[n++] = extra[i];
    failed = rs_test_group(op->name, tests, n, NULL, NULL);
out:
    free(names);
    free(inits);
    free(tests);
    return failed;
}

int op_suite_main(const rs_op *op, const struct CMUnitTest *extra, size_t nextra)
{
    return op_suite_main_of(op, 0, op->cases->count, extra, nextra);
}
