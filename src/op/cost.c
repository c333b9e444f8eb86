/* What a pass computes and moves, however it is done. */
#include "op.h"

double rs_pass_flop(const rs_problem *p, rs_pass pass)
{
    (void)pass; /* both backward passes of a product are products of the same size */
    return p->op->macs ? 2.0 * p->op->macs(p) : 0.0;
}

static double tensor_bytes(const rs_shape *shape, rs_dtype type)
{
    return (double)rs_shape_count(shape) * (double)rs_dtype_bytes(type);
}

static double params_bytes(const rs_problem *p)
{
    double bytes = 0.0;
    for (int i = 0; i < p->nparam; i++)
        bytes += tensor_bytes(&p->param[i].shape, RS_F32);
    return bytes;
}

static double kept_bytes(const rs_problem *p)
{
    double bytes = 0.0;
    for (int i = 0; p->training && i < p->nws; i++)
        bytes += tensor_bytes(&p->ws[i], p->ws_type[i]);
    return bytes;
}

static double forward_bytes(const rs_problem *p)
{
    double bytes = params_bytes(p) + kept_bytes(p) + tensor_bytes(&p->dst, p->dst_type);
    for (int i = 0; i < p->nsrc; i++)
        bytes += tensor_bytes(&p->src[i], p->src_type[i]);
    return bytes + (p->training && p->want_mask ? (double)rs_mask_bytes(&p->dst) : 0.0);
}

/* What both backward passes read beside the parameters. */
static double read_bytes(const rs_problem *p, rs_pass pass)
{
    const unsigned reads = p->op->reads ? p->op->reads(p, pass) : 0;
    double bytes = tensor_bytes(&p->dst, p->dst_type) + kept_bytes(p); /* diff_dst */
    for (int i = 0; i < p->nsrc; i++)
        if (reads & RS_READS_SRC(i))
            bytes += tensor_bytes(&p->src[i], p->src_type[i]);
    if (reads & RS_READS_DST)
        bytes += tensor_bytes(&p->dst, p->dst_type);
    return bytes + (p->has_mask ? (double)rs_mask_bytes(&p->dst) : 0.0);
}

double rs_pass_bytes(const rs_problem *p, rs_pass pass)
{
    if (pass == RS_FWD)
        return forward_bytes(p);
    double bytes = read_bytes(p, pass) + params_bytes(p); /* written, or read */
    for (int i = 0; pass == RS_BWD_DATA && i < p->nsrc; i++)
        if (p->want_diff[i])
            bytes += tensor_bytes(&p->src[i], p->src_type[i]) * (p->accumulate[i] ? 2.0 : 1.0);
    return bytes;
}
