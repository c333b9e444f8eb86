#include "cases.h"

#include "error.h"

const rs_storage rs_storages[RS_STORAGES] = {
    {RS_F32, RS_F32, RS_MATH_F32}, {RS_BF16, RS_BF16, RS_MATH_F32},
    {RS_F16, RS_F16, RS_MATH_F32}, {RS_BF16, RS_F32, RS_MATH_F32},
    {RS_F16, RS_F32, RS_MATH_F32}, {RS_F32, RS_F32, RS_MATH_TF32}};

rs_math rs_math_on(const rs_caps *caps, rs_math math)
{
    return math == RS_MATH_TF32 && !rs_has_engine(caps, RS_ENGINE_nv_tf32) ? RS_MATH_F32 : math;
}

bool rs_storage_fits(const rs_op *op, const rs_impl *impl, const rs_case *c, const rs_storage *how,
                     const rs_caps *caps)
{
    const unsigned bits = 1u << how->src | 1u << how->dst, f32 = 1u << RS_F32;
    if (rs_math_on(caps, how->math) != how->math)
        return false;
    if (how->src != RS_F32 && (c->f32_alone || (how->src != how->dst && !op->cases->mixed)))
        return false;
    for (const rs_impl *const *m = op->impls; *m; m++)
        if ((!impl || impl == *m) && (((*m)->types ? (*m)->types : f32) & bits) == bits)
            return true;
    return false;
}

rescl_status rs_case_problem(const rs_op *op, const rs_case *c, bool training,
                             const rs_storage *how, rs_problem *out)
{
    rescl_status st = RESCL_OK;
    int nsrc = 0;

    while (nsrc < RS_OP_SRC && c->src[nsrc].ndim)
        nsrc++;
    RS_TRY(rs_problem_init(out, op, c->attr, training, c->src, nsrc));
    for (int i = 0; i < nsrc; i++)
        if (rs_dtype_is_float(out->src_type[i]))
            out->src_type[i] = how->src;
    out->dst_type = how->dst;
    out->math = how->math;
out:
    return st;
}
