/* The self-test: what is to be checked, and, in the process made for it (trust.h), the checks. */
#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "net.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "proof.h"
#include "str.h"
#include "supportproof.h"
#include "threadpool.h"
#include "trust.h"

#include <rescl/selftest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- in the process made for it -------------------------------------------------------------- */

/* As often as a check may take goes by before the compilers of all are taken to hang. */
enum { BUILDS_TOGETHER = 30 };

static void say(size_t index, const char *text)
{
    dprintf(STDOUT_FILENO, RS_TRUST_SAYS "%zu %s\n", index, text);
}

typedef struct proving {
    const rs_check *check;
    rescl_device *dev;
} proving;

static rescl_status prove_pass(rs_proof *r, rs_pass pass, const char *label, void *user)
{
    rescl_status st = RESCL_OK;
    const proving *is = user;
    rs_choice choice;

    st = rs_choice_make(is->dev, &r->p, pass, is->check->choice, &choice);
    if (st == RESCL_ERR_UNSUPPORTED) /* to add to a gradient, say */
        return RESCL_OK;
    RS_TRY(st);
    RS_TRY(rs_proof_choice(r, is->dev, pass, is->check->choice, label));
out:
    return st;
}

static rescl_status prove(const rs_check *c, rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    proving is = {c, dev};
    rs_proof r = {0};

    if (c->support)
        return rs_prove_support(dev, c);
    RS_TRY(rs_proof_init(c->op, &c->op->cases->list[c->number], c->training, &c->how, &r));
    RS_TRY(c->pass == RS_FWD ? rs_proof_forward(&r, prove_pass, &is)
                             : rs_proof_backward(&r, 1u << c->pass, prove_pass, &is));
out:
    rs_proof_fini(&r);
    return st;
}

static void build(void *plan)
{
    (void)!rs_plan_build(plan); /* whoever proves it meets the failure */
}

/* Distinct programs compile side by side. */
static rescl_status build_all(rescl_device *dev, const rs_checks *checks)
{
    rescl_status st = RESCL_OK;
    rs_plan *plan = NULL;
    rs_pool *pool = NULL;
    size_t plans = 0;

    RS_OOM(plan = calloc(checks->count + 1, sizeof *plan));
    for (size_t i = 0; i < checks->count; i++)
        plans += rs_check_plan(&checks->list[i], dev, &plan[plans]) == RESCL_OK;
    RS_TRY(rs_pool_create(0, &pool));
    RS_TRY(rs_pool_map(pool, build, plan, plans, sizeof *plan));
out:
    rs_pool_destroy(pool);
    free(plan);
    return st;
}

static rescl_status parse_checks(const char *text, rs_checks *out)
{
    rescl_status st = RESCL_OK;
    char line[RS_CHECK_TEXT];

    while (*text) {
        const size_t len = strcspn(text, "\n");
        RS_TRY(rs_array_reserve(&out->list, &out->cap, out->count + 1, sizeof *out->list));
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        RS_FAIL_IF(!rs_check_parse(line, &out->list[out->count]), RESCL_ERR_ARG,
                   RS_TRUST_CHECKS ": '%s' is no check", line);
        out->count++;
        text += len + (text[len] == '\n');
    }
out:
    return st;
}

static void prove_and_say(rescl_device *dev, size_t index, const rs_check *c, unsigned seconds,
                          bool alone)
{
    rs_plan plan;
    char result[1200];

    say(index, "begins");
    (void)alarm(alone ? RS_TRUST_BUILDS * seconds : seconds);
    rescl_status st = rs_check_plan(c, dev, &plan);
    if (st == RESCL_OK)
        st = rs_plan_build(&plan);
    say(index, "runs");
    (void)alarm(seconds);
    if (st == RESCL_OK)
        st = prove(c, dev);
    (void)alarm(0);
    const char *why = st == RESCL_OK ? "" : rescl_last_error()->message;
    snprintf(result, sizeof result, "is %d %.*s", (int)st, (int)strcspn(why, "\n"), why);
    say(index, result);
}

static rescl_status work(rescl_device *dev, const char *text)
{
    rescl_status st = RESCL_OK;
    const struct rlimit none = {0, 0};
    const size_t word = strlen(RS_TRUST_ALONE "\n");
    const bool alone = strncmp(text, RS_TRUST_ALONE "\n", word) == 0;
    rs_checks checks = {0};
    unsigned seconds;
    bool on;

    (void)setrlimit(RLIMIT_CORE, &none);
    RS_TRY(rs_trust_read(&on, &seconds));
    RS_TRY(parse_checks(text + (alone ? word : 0), &checks));
    (void)alarm(BUILDS_TOGETHER * seconds);
    if (!alone)
        RS_TRY(build_all(dev, &checks));
    for (size_t i = 0; i < checks.count; i++)
        prove_and_say(dev, i, &checks.list[i], seconds, alone);
out:
    rs_checks_fini(&checks);
    return st;
}

/* ---- what is to be checked ------------------------------------------------------------------- */

void rescl_selftest_options_init(rescl_selftest_options *out, size_t struct_size)
{
    const rescl_selftest_options usual = {.model = "resnet50", .precision = "fp32"};
    rs_options_init(out, struct_size, &usual, sizeof usual);
}

static rescl_status add_network(rescl_device *dev, const rs_graph *g, rs_mode mode,
                                rescl_precision precision, rs_checks *all)
{
    enum { BATCH = 32 };
    rescl_status st = RESCL_OK;
    rs_net *net = NULL;

    RS_TRY(rs_net_outline(dev, g, BATCH, mode, precision, &net));
    for (size_t i = 0; i < rs_net_nodes(net); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(net, i, (rs_pass)pass);
            if (plan)
                RS_TRY(rs_checks_add(all, plan));
        }
out:
    rs_net_destroy(net);
    return st;
}

/* Those that training and evaluation launch, with each optimiser. */
static rescl_status add_supports(rescl_precision precision, rs_checks *all)
{
    rescl_status st = RESCL_OK;
    rs_support_use use;

    for (size_t i = 0; (use.support = rs_support_at(i)) != NULL; i++) {
        use.type = use.support == &rs_support_normalize ? rs_precision_storage(precision) : RS_F32;
        if (use.support == &rs_support_unscale && precision != RESCL_PRECISION_FP16)
            continue;
        for (const char *const *choice = use.support->choice; *choice; choice++) {
            use.choice = *choice;
            RS_TRY(rs_checks_add_support(all, &use));
        }
    }
out:
    return st;
}

static rescl_status add_model(rescl_device *dev, const rescl_selftest_options *o, rs_checks *all)
{
    rescl_status st = RESCL_OK;
    const rescl_model_options about = {.struct_size = sizeof about, .name = o->model};
    rescl_precision precision;
    rescl_model *model = NULL;

    RS_TRY(rescl_precision_find(o->precision, &precision));
    RS_TRY(rs_model_build(&about, &model));
    RS_TRY(add_network(dev, model->graph, RS_MODE_TRAIN, precision, all));
    RS_TRY(add_network(dev, model->graph, RS_MODE_EVAL, precision, all));
    RS_TRY(add_supports(precision, all));
out:
    rescl_model_destroy(model);
    return st;
}

static rescl_status keep_op(const char *name, rs_checks *all)
{
    rescl_status st = RESCL_OK;
    static const char *const names[] = {
#define RS_OP(stem) #stem,
#include "ops.def"
#undef RS_OP
#define RS_SUPPORT(stem) #stem,
#include "supports.def"
#undef RS_SUPPORT
        NULL};
    size_t kept = 0;

    if (!rs_op_find(name) && !rs_support_find(name))
        RS_TRY(rs_no_such_name("operation", name, names));
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(rs_check_op(&all->list[i]), name) == 0)
            all->list[kept++] = all->list[i];
    all->count = kept;
out:
    return st;
}

/* ---- the call -------------------------------------------------------------------------------- */

typedef struct telling {
    rescl_selftest_fn fn;
    void *user;
    size_t index, total, failed;
} telling;

static rescl_status tell(const rs_check *c, const rs_checked *result, void *user)
{
    rescl_status st = RESCL_OK;
    telling *t = user;
    char types[24];
    const rs_storage *how = &c->how;

    if (how->src != how->dst)
        snprintf(types, sizeof types, "%s-%s", rs_dtype_name(how->src), rs_dtype_name(how->dst));
    else
        snprintf(types, sizeof types, "%s",
                 how->math == RS_MATH_TF32 ? "tf32" : rs_dtype_name(how->src));
    const rescl_selftest_row row = {.index = t->index++,
                                    .total = t->total,
                                    .op = rs_check_op(c),
                                    .pass = rs_check_pass(c),
                                    .choice = c->choice,
                                    .types = types,
                                    .problem = rs_check_problem(c),
                                    .training = c->training,
                                    .status = result->status,
                                    .reason = result->reason};
    t->failed += result->status != RESCL_OK && result->status != RESCL_ERR_NOT_FOUND;
    RS_FAIL_IF(t->fn && !t->fn(&row, t->user), RESCL_ERR_INTERRUPTED, "stopped");
out:
    return st;
}

static rescl_status recall(rescl_device *dev, const rs_checks *checks, telling *t)
{
    rescl_status st = RESCL_OK;
    char *reason = NULL;

    for (size_t i = 0; i < checks->count; i++) {
        free(reason);
        rescl_status status;
        reason = rs_trust_recall(dev, &checks->list[i], &status);
        const rs_checked known = {status, reason ? reason : ""};
        RS_TRY(tell(&checks->list[i], &known, t));
    }
out:
    free(reason);
    return st;
}

rescl_status rescl_selftest(rescl_device *device, const rescl_selftest_options *options,
                            rescl_selftest_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_selftest_options o;
    rs_checks checks = {0};
    telling t = {.fn = fn, .user = user};
    const char *list = getenv(RS_TRUST_CHECKS);

    if (list)
        return work(device, list);
    rescl_selftest_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_selftest_options"));
    RS_TRY(o.full ? rs_checks_add_all(&checks, device) : add_model(device, &o, &checks));
    if (o.op)
        RS_TRY(keep_op(o.op, &checks));
    t.total = checks.count;
    RS_TRY(o.recall ? recall(device, &checks, &t) : rs_trust_run(device, &checks, tell, &t));
    RS_FAIL_IF(t.failed, RESCL_ERR_DEVICE, "%s: %zu of %zu checks failed",
               rescl_device_get_info(device)->name, t.failed, t.total);
out:
    rs_checks_fini(&checks);
    return st;
}
