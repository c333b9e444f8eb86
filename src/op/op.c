/* Problems, implementations and the registry: what concerns every operation and knows none by name. */
#include "op.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
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
        q.want_diff[i] = rs_dtype_is_float(q.src_type[i]) && !(q.constants >> i & 1);
    *p = q;
out:
    return st;
}

/* ---- implementations --------------------------------------------------------------------- */

const rs_impl *rs_impl_find(const rs_op *op, const char *name)
{
    const rs_impl *const *m = op->impls;
    while (*m && strcmp((*m)->name, name) != 0)
        m++;
    return *m;
}

/* Texts about a type, by rs_dtype. */
#define TEXT(id, name, bytes, roundoff) [RS_##id] = "serves f32 alone, found " name,
static const char *const not_f32[] = {RS_DTYPES(TEXT)};
#undef TEXT
#define TEXT(id, name, bytes, roundoff) [RS_##id] = "does not serve " name,
static const char *const not_served[] = {RS_DTYPES(TEXT)};
#undef TEXT

/* Integers (labels, indices) are the op's own affair. */
static const char *refuses_type(const rs_impl *impl, rs_dtype type)
{
    const unsigned types = impl->types ? impl->types : 1u << RS_F32;
    if (!rs_dtype_is_float(type) || types >> type & 1)
        return NULL;
    return types == 1u << RS_F32 ? not_f32[type] : not_served[type];
}

const char *rs_impl_refuses(const rs_impl *impl, const rs_problem *p, rs_pass pass,
                            const rs_caps *caps)
{
    const char *why = refuses_type(impl, p->dst_type);
    if (!(impl->passes & (1u << pass)))
        return "does not serve this pass";
    for (int i = 0; i < p->nsrc && !why; i++) {
        why = refuses_type(impl, p->src_type[i]);
        if (!why && rs_dtype_is_float(p->src_type[i]) && p->src_type[i] != p->src_type[0])
            why = "its inputs are stored in different types";
    }
    for (int i = 0; i < p->nparam && !why; i++)
        why = refuses_type(impl, p->param_type[i]);
    return why || !impl->can ? why : impl->can(p, pass, caps);
}

/* ---- tolerance --------------------------------------------------------------------------- */

size_t rs_impl_terms(const rs_impl *impl, const rs_problem *p, rs_pass pass)
{
    if (impl->terms)
        return impl->terms(p, pass);
    return p->op->reduction ? p->op->reduction(p, pass) : 1;
}

double rs_tolerance(rs_dtype type, size_t terms, double magnitude)
{
    /* The sum's rounding errors are f32's whatever the type; a narrower one rounds the sum once. */
    const double sum = rs_dtype_roundoff(RS_F32) * (8 + 4 * sqrt((double)terms));
    const double stored = type == RS_F32 ? 0 : rs_dtype_roundoff(type);
    return rs_dtype_is_float(type) ? (sum + stored) * magnitude : 0;
}
