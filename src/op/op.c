/* Problems, plans and the registry: everything about operations that knows no op by name. */
#include "op.h"

#include "error.h"
#include "log.h"
#include "str.h"

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
    for (const rs_impl *m = op->impls; m->name; m++)
        if (m->passes & (1u << pass))
            return true;
    return false;
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

static const char *refusal(const rs_impl *m, const rs_problem *p, rs_pass pass,
                           const rescl_device_info *dev)
{
    if (!(m->passes & (1u << pass)))
        return "does not serve this pass";
    return m->can ? m->can(p, pass, dev) : NULL;
}

static rescl_status find_forced(const rs_problem *p, rs_pass pass, const rescl_device_info *dev,
                                const char *force, const rs_impl **out)
{
    rescl_status st = RESCL_OK;
    rs_str names = {0};
    const rs_impl *m = p->op->impls;
    while (m->name && strcmp(m->name, force) != 0)
        m++;
    if (m->name == NULL) {
        for (m = p->op->impls; m->name; m++)
            RS_TRY(rs_str_appendf(&names, "%s%s", names.len ? ", " : "", m->name));
        RS_FAIL(RESCL_ERR_ARG, "%s has no implementation '%s'; it has: %s", p->op->name, force,
                names.text ? names.text : "none");
    }
    const char *why = refusal(m, p, pass, dev);
    RS_FAIL_IF(why, RESCL_ERR_UNSUPPORTED, "%s %s: '%s' was asked for but cannot serve: %s",
               p->op->name, rs_pass_name(pass), force, why);
    *out = m;
out:
    rs_str_fini(&names);
    return st;
}

static rescl_status find_best(const rs_problem *p, rs_pass pass, const rescl_device_info *dev,
                              const rs_impl **out)
{
    rescl_status st = RESCL_OK;
    rs_str reasons = {0};
    const rs_impl *best = NULL, *other = NULL;
    const bool verbose = rs_verbose("dispatch");

    for (const rs_impl *m = p->op->impls; m->name && best == NULL; m++) {
        const char *why = refusal(m, p, pass, dev);
        if (why == NULL && (m->prefers == 0 || m->prefers & (1u << dev->type))) {
            best = m;
        } else if (why == NULL) {
            other = other ? other : m;
            why = "made for another class of device";
        }
        if (why) {
            RS_TRY(rs_str_appendf(&reasons, "%s%s: %s", reasons.len ? "; " : "", m->name, why));
            if (verbose)
                rs_log(RESCL_LOG_INFO, "dispatch: %s %s: not %s: %s", p->op->name,
                       rs_pass_name(pass), m->name, why);
        }
    }
    *out = best ? best : other;
    RS_FAIL_IF(*out == NULL, RESCL_ERR_UNSUPPORTED, "%s %s: nothing can serve on %s (%s)",
               p->op->name, rs_pass_name(pass), dev->name, reasons.text ? reasons.text : "no code");
out:
    rs_str_fini(&reasons);
    return st;
}

static void log_choice(const rs_plan *plan, const char *force)
{
    const rs_problem *p = &plan->problem;
    char src[96], dst[96];
    rs_log(RESCL_LOG_INFO, "dispatch: %s %s %s -> %s: %s%s", p->op->name, rs_pass_name(plan->pass),
           rs_shape_text(&p->src[0], src), rs_shape_text(&p->dst, dst), plan->impl->name,
           force ? " (asked for)" : "");
}

/* ---- plans ------------------------------------------------------------------------------- */

rescl_status rs_plan_make(rs_plan *plan, const rs_problem *p, rs_pass pass, rescl_device *dev,
                          const char *force)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(dev);
    char name[64];

    *plan = (rs_plan){.pass = pass, .problem = *p, .dev = dev};
    if (force == NULL) {
        RS_TRY(forced_by_env(p->op, name, sizeof name));
        force = name[0] ? name : NULL;
    }
    if (force)
        RS_TRY(find_forced(p, pass, info, force, &plan->impl));
    else
        RS_TRY(find_best(p, pass, info, &plan->impl));
    RS_TRY(plan->impl->plan(plan, info));
    if (rs_verbose("dispatch"))
        log_choice(plan, force);
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
