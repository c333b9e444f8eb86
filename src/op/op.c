/* Problems, plans and the registry: everything about operations that knows no op by name. */
#include "op.h"

#include "error.h"
#include "log.h"
#include "str.h"
#include "tunetable.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- registry ---------------------------------------------------------------------------- */

#define RS_OP(stem) &rs_op_##stem,
static const rs_op *const registry[] = {
#include "ops.def"
};
#undef RS_OP

const rs_op *rs_op_at(size_t index)
{
    return index < RS_COUNT(registry) ? registry[index] : NULL;
}

const rs_op *rs_op_find(const char *name)
{
    for (size_t i = 0; i < RS_COUNT(registry); i++)
        if (strcmp(registry[i]->name, name) == 0)
            return registry[i];
    return NULL;
}

bool rs_op_has_pass(const rs_op *op, rs_pass pass)
{
    for (const rs_impl *const *m = op->impls; *m; m++)
        if ((*m)->passes & (1u << pass))
            return true;
    return false;
}

const rs_impl *rs_impl_find(const rs_op *op, const char *name)
{
    const rs_impl *const *m = op->impls;
    while (*m && strcmp((*m)->name, name) != 0)
        m++;
    return *m;
}

const char *rs_pass_name(rs_pass pass)
{
    static const char *const names[RS_PASS_COUNT] = {"fwd", "bwd_params", "bwd_data"};
    return (unsigned)pass < RS_PASS_COUNT ? names[pass] : "unknown";
}

/* ---- problems ---------------------------------------------------------------------------- */

rescl_status rs_problem_init(rs_problem *p, const rs_op *op, const void *attr, bool training,
                             const rs_shape *src, int nsrc)
{
    rescl_status st = RESCL_OK;
    rs_problem q = {.op = op, .attr = attr, .training = training, .nsrc = nsrc};
    char what[64];

    RS_FAIL_IF(nsrc < op->src_min || nsrc > op->src_max, RESCL_ERR_ARG,
               "%s: got %d inputs, takes %d to %d", op->name, nsrc, op->src_min, op->src_max);
    for (int i = 0; i < nsrc; i++) {
        snprintf(what, sizeof what, "%s: input %d", op->name, i);
        RS_TRY(rs_shape_check(&src[i], what));
        q.src[i] = src[i];
    }
    RS_TRY(op->infer(&q));
    snprintf(what, sizeof what, "%s: output", op->name);
    RS_TRY(rs_shape_check(&q.dst, what));
    for (int i = 0; i < q.nparam; i++) {
        snprintf(what, sizeof what, "%s: %s", op->name, q.param[i].role);
        RS_TRY(rs_shape_check(&q.param[i].shape, what));
    }
    for (int i = 0; i < q.nws; i++) {
        snprintf(what, sizeof what, "%s: workspace %d", op->name, i);
        RS_TRY(rs_shape_check(&q.ws[i], what));
    }
    for (int i = 0; i < nsrc; i++)
        q.want_diff[i] = q.src_type[i] == RS_F32;
    *p = q;
out:
    return st;
}

/* ---- choosing an implementation ---------------------------------------------------------- */

/* The implementation that RESCL_IMPL ("op=impl,op=impl") names for `op`, copied into `name`; empty
 * if none. Unknown operations are an error, so that a slip does not go unnoticed. */
static rescl_status forced_by_env(const rs_op *op, char *name, size_t size)
{
    rescl_status st = RESCL_OK;
    const char *s = getenv("RESCL_IMPL");
    name[0] = '\0';
    while (s && *s) {
        const size_t len = strcspn(s, ",");
        const char *eq = memchr(s, '=', len);
        char stem[64];
        RS_FAIL_IF(eq == NULL || eq == s || (size_t)(eq - s) >= sizeof stem, RESCL_ERR_ARG,
                   "RESCL_IMPL: '%.*s' is not op=implementation", (int)len, s);
        memcpy(stem, s, (size_t)(eq - s));
        stem[eq - s] = '\0';
        RS_FAIL_IF(
            rs_op_find(stem) == NULL, RESCL_ERR_ARG,
            "RESCL_IMPL: there is no operation '%s'; the names are those of the files in cl/",
            stem);
        if (strcmp(stem, op->name) == 0) {
            const size_t n = len - (size_t)(eq + 1 - s);
            RS_FAIL_IF(n == 0 || n >= size, RESCL_ERR_ARG,
                       "RESCL_IMPL: '%.*s' names no implementation", (int)len, s);
            memcpy(name, eq + 1, n);
            name[n] = '\0';
        }
        s += len + (s[len] == ',');
    }
out:
    return st;
}

const char *rs_impl_refuses(const rs_impl *impl, const rs_problem *p, rs_pass pass,
                            const rescl_device_info *dev)
{
    if (!(impl->passes & (1u << pass)))
        return "does not serve this pass";
    return impl->can ? impl->can(p, pass, dev) : NULL;
}

/* Why an implementation that can serve is not the default. */
static const char *reservation(const rs_impl *m, const rs_problem *p, rs_pass pass,
                               const rescl_device_info *dev)
{
    if (m->prefers != 0 && !(m->prefers & (1u << dev->type)))
        return "made for another class of device";
    return m->doubt ? m->doubt(p, pass, dev) : NULL;
}

static rescl_status find_impl(const rs_op *op, const char *name, const rs_impl **out)
{
    rescl_status st = RESCL_OK;
    rs_str names = {0};

    *out = rs_impl_find(op, name);
    if (!*out) {
        for (const rs_impl *const *m = op->impls; *m; m++)
            RS_TRY(rs_str_appendf(&names, "%s%s", names.len ? ", " : "", (*m)->name));
        RS_FAIL(RESCL_ERR_ARG, "%s has no implementation '%s'; it has: %s", op->name, name,
                names.text ? names.text : "none");
    }
out:
    rs_str_fini(&names);
    return st;
}

/* Takes one "name=value" of a choice. */
static rescl_status take_tunable(rs_plan *plan, char *word)
{
    rescl_status st = RESCL_OK;
    const rs_tunable *t = plan->impl->tunables;
    char *value = strchr(word, '=');
    uint64_t number = 0;
    if (value)
        *value++ = '\0';
    while (t && t->name && strcmp(t->name, word) != 0)
        t++;
    RS_FAIL_IF(t == NULL || t->name == NULL, RESCL_ERR_ARG, "%s: %s has no number '%s' to choose",
               plan->problem.op->name, plan->impl->name, word);
    RS_FAIL_IF(value == NULL || !rs_parse_u64(value, &number) || number < (uint64_t)t->min ||
                   number > (uint64_t)t->max,
               RESCL_ERR_ARG, "%s: %s takes %s=%d to %s=%d, found '%s'", plan->problem.op->name,
               plan->impl->name, t->name, t->min, t->name, t->max, value ? value : "nothing");
    plan->tune[t - plan->impl->tunables] = (int)number;
out:
    return st;
}

/* Takes a choice other than RS_CHOICE_DEFAULT. */
static rescl_status take_choice(rs_plan *plan, const char *choice, const rescl_device_info *dev)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    char text[RS_CHOICE], *rest = text, *word;
    RS_FAIL_IF(strlen(choice) >= sizeof text, RESCL_ERR_ARG,
               "%s: '%.40s...' is longer than an implementation and its numbers", p->op->name,
               choice);
    memcpy(text, choice, strlen(choice) + 1);
    RS_TRY(find_impl(p->op, strsep(&rest, " "), &plan->impl));
    const char *why = rs_impl_refuses(plan->impl, p, plan->pass, dev);
    RS_FAIL_IF(why, RESCL_ERR_UNSUPPORTED, "%s %s: '%s' was asked for but cannot serve: %s",
               p->op->name, rs_pass_name(plan->pass), plan->impl->name, why);
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word)
            RS_TRY(take_tunable(plan, word));
    RS_TRY(plan->impl->plan(plan, dev));
out:
    return st;
}

static rescl_status take_default(rs_plan *plan, const rescl_device_info *dev)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    rs_str reasons = {0};
    const rs_impl *best = NULL, *other = NULL;
    const bool verbose = rs_verbose("dispatch");

    for (size_t i = 0; p->op->impls[i] && best == NULL; i++) {
        const rs_impl *m = p->op->impls[i];
        const char *why = rs_impl_refuses(m, p, plan->pass, dev);
        const bool able = why == NULL;
        if (able)
            why = reservation(m, p, plan->pass, dev);
        if (why == NULL)
            best = m;
        else if (able && other == NULL)
            other = m;
        if (why) {
            RS_TRY(rs_str_appendf(&reasons, "%s%s: %s", reasons.len ? "; " : "", m->name, why));
            if (verbose)
                rs_log(RESCL_LOG_INFO, "dispatch: %s %s: not %s: %s", p->op->name,
                       rs_pass_name(plan->pass), m->name, why);
        }
    }
    plan->impl = best ? best : other;
    RS_FAIL_IF(plan->impl == NULL, RESCL_ERR_UNSUPPORTED, "%s %s: nothing can serve on %s (%s)",
               p->op->name, rs_pass_name(plan->pass), dev->name,
               reasons.text ? reasons.text : "no code");
    RS_TRY(plan->impl->plan(plan, dev));
out:
    rs_str_fini(&reasons);
    return st;
}

static void log_choice(const rs_plan *plan, const char *origin)
{
    const rs_problem *p = &plan->problem;
    char src[96], dst[96], choice[RS_CHOICE];
    rs_log(RESCL_LOG_INFO, "dispatch: %s %s %s -> %s: %s%s", p->op->name, rs_pass_name(plan->pass),
           rs_shape_text(&p->src[0], src), rs_shape_text(&p->dst, dst),
           rs_plan_choice(plan, choice), origin);
}

/* ---- plans ------------------------------------------------------------------------------- */

const char *rs_plan_choice(const rs_plan *plan, char text[RS_CHOICE])
{
    const rs_tunable *t = plan->impl->tunables;
    size_t used = (size_t)snprintf(text, RS_CHOICE, "%s", plan->impl->name);
    for (int i = 0; t && t[i].name && used < RS_CHOICE; i++)
        if (plan->tune[i])
            used +=
                (size_t)snprintf(text + used, RS_CHOICE - used, " %s=%d", t[i].name, plan->tune[i]);
    return text;
}

/* What was measured, or false: nothing was, or it cannot serve any more. */
static bool try_tuned(rs_plan *plan, const rescl_device_info *dev)
{
    const rs_plan empty = *plan;
    const char *choice = rs_tune_find(plan->dev, &plan->problem, plan->pass);
    if (choice == NULL || strcmp(choice, RS_CHOICE_DEFAULT) == 0)
        return false;
    if (take_choice(plan, choice, dev) == RESCL_OK)
        return true;
    if (rs_verbose("dispatch"))
        rs_log(RESCL_LOG_INFO, "dispatch: the tuning's '%s' is left out: %s", choice,
               rescl_last_error()->message);
    *plan = empty;
    return false;
}

rescl_status rs_plan_make(rs_plan *plan, const rs_problem *p, rs_pass pass, rescl_device *dev,
                          const char *force)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(dev);
    const char *origin = "";
    char name[RS_CHOICE];

    *plan = (rs_plan){.pass = pass, .problem = *p, .dev = dev};
    if (force == NULL) {
        RS_TRY(forced_by_env(p->op, name, sizeof name));
        force = name[0] ? name : NULL;
    }
    if (force && strcmp(force, RS_CHOICE_DEFAULT) != 0) {
        RS_TRY(take_choice(plan, force, info));
        origin = " (asked for)";
    } else if (force == NULL && try_tuned(plan, info)) {
        origin = " (tuned)";
    } else {
        RS_TRY(take_default(plan, info));
    }
    if (rs_verbose("dispatch"))
        log_choice(plan, origin);
out:
    return st;
}

rescl_status rs_plan_kernel_add(rs_plan *plan, const char *file, const char *name, const char *fmt,
                                ...)
{
    rescl_status st = RESCL_OK;
    va_list args;
    va_start(args, fmt);
    RS_FAIL_IF(plan->nkernels >= RS_PLAN_KERNELS, RESCL_ERR_UNSUPPORTED,
               "%s %s: a plan holds at most %d kernels", file, name, RS_PLAN_KERNELS);
    rs_plan_kernel *k = &plan->kernel[plan->nkernels];
    k->file = file;
    k->name = name;
    const int n = vsnprintf(k->options, sizeof k->options, fmt, args);
    RS_FAIL_IF(n < 0 || (size_t)n >= sizeof k->options, RESCL_ERR_UNSUPPORTED,
               "%s %s: build options longer than %zu characters", file, name, sizeof k->options);
    plan->nkernels++;
out:
    va_end(args);
    return st;
}

rescl_status rs_plan_build(rs_plan *plan)
{
    rescl_status st = RESCL_OK;
    for (int i = 0; i < plan->nkernels; i++) {
        rs_plan_kernel *k = &plan->kernel[i];
        RS_TRY(rs_kernel_get(plan->dev, k->file, k->options, k->name, &k->kernel));
    }
out:
    return st;
}

rescl_status rs_plan_enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->impl->enqueue(plan, args);
}

rescl_status rs_plan_pack(const rs_plan *plan, const rs_args *args)
{
    return plan->impl->pack && plan->packed_bytes ? plan->impl->pack(plan, args) : RESCL_OK;
}

/* ---- tolerance --------------------------------------------------------------------------- */

size_t rs_impl_terms(const rs_impl *impl, const rs_problem *p, rs_pass pass)
{
    const size_t terms = p->op->reduction ? p->op->reduction(p, pass) : 1;
    return terms * (impl->rounding ? impl->rounding : 1);
}

double rs_tolerance(rs_dtype type, size_t terms, double magnitude)
{
    const double unit = 1.0 / (1 << 24); /* half an ulp of f32 at 1 */
    return type == RS_F32 ? unit * (8 + 4 * sqrt((double)terms)) * magnitude : 0;
}
