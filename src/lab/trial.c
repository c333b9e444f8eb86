#include "trial.h"

#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "rng.h"

#define STREAM_DATA 0x626f7073u

/* Seeds of the tensors' numbers. */
enum {
    SRC = 1,
    DST = 2,
    PARAM = 3,
    WS = 5,
    DIFF_DST = 7,
    DIFF_SRC = 8,
    DIFF_PARAM = 9,
    SRC_1 = 11
};

static rescl_status make_tensor(rescl_device *dev, const rs_shape *shape, uint64_t seed,
                                rs_tensor *out)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(shape);
    float *host = NULL;
    rs_rng r;

    *out = (rs_tensor){.shape = *shape, .dtype = RS_F32};
    RS_TRY(rs_buffer_create(dev, count * sizeof *host, &out->buf));
    RS_OOM(host = rs_aligned_calloc(count, sizeof *host));
    rs_rng_init(&r, seed, STREAM_DATA);
    for (size_t i = 0; i < count; i++)
        host[i] = 2.0f * rs_rng_uniform(&r) - 1.0f;
    RS_TRY(rs_write(dev, out->buf, 0, host, count * sizeof *host));
out:
    rs_aligned_free(host);
    return st;
}

rescl_status rs_trial_args_make(rescl_device *dev, const rs_problem *p, bool backward, rs_args *out)
{
    rescl_status st = RESCL_OK;

    *out = (rs_args){0};
    for (int i = 0; i < p->nsrc; i++)
        RS_TRY(make_tensor(dev, &p->src[i], i == 0 ? SRC : SRC_1 + (uint64_t)i, &out->src[i]));
    RS_TRY(make_tensor(dev, &p->dst, DST, &out->dst));
    for (int i = 0; i < p->nparam; i++)
        RS_TRY(make_tensor(dev, &p->param[i].shape, PARAM + (uint64_t)i, &out->param[i]));
    for (int i = 0; i < p->nws; i++)
        RS_TRY(make_tensor(dev, &p->ws[i], WS + (uint64_t)i, &out->ws[i]));
    if (!backward)
        goto out;
    RS_TRY(make_tensor(dev, &p->dst, DIFF_DST, &out->diff_dst));
    RS_TRY(make_tensor(dev, &p->src[0], DIFF_SRC, &out->diff_src[0]));
    for (int i = 0; i < p->nparam; i++)
        RS_TRY(make_tensor(dev, &p->param[i].shape, DIFF_PARAM + (uint64_t)i, &out->diff_param[i]));
out:
    if (st != RESCL_OK)
        rs_trial_args_release(out);
    return st;
}

void rs_trial_args_release(rs_args *a)
{
    for (int i = 0; i < RS_OP_SRC; i++)
        rs_buffer_release(a->src[i].buf);
    rs_buffer_release(a->dst.buf);
    rs_buffer_release(a->diff_dst.buf);
    rs_buffer_release(a->diff_src[0].buf);
    for (int i = 0; i < RS_OP_PARAM; i++) {
        rs_buffer_release(a->param[i].buf);
        rs_buffer_release(a->diff_param[i].buf);
    }
    for (int i = 0; i < RS_OP_WS; i++)
        rs_buffer_release(a->ws[i].buf);
    *a = (rs_args){0};
}

const rs_tensor *rs_trial_result(const rs_args *args, rs_pass pass)
{
    return pass == RS_FWD          ? &args->dst
           : pass == RS_BWD_PARAMS ? &args->diff_param[0]
                                   : &args->diff_src[0];
}

rescl_status rs_trial_init(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *choice,
                           rs_trial *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_choice_plan(dev, p, pass, choice, &out->plan));
    RS_TRY(rs_plan_build(&out->plan));
    if (out->plan.scratch_bytes)
        RS_TRY(rs_buffer_create(dev, out->plan.scratch_bytes, &out->scratch));
    if (out->plan.packed_bytes)
        RS_TRY(rs_buffer_create(dev, out->plan.packed_bytes, &out->packed));
out:
    return st;
}

void rs_trial_fini(rs_trial *t)
{
    rs_buffer_release(t->scratch);
    rs_buffer_release(t->packed);
    *t = (rs_trial){0};
}

rescl_status rs_trial_run(const rs_trial *t, rs_args *args, bool pack)
{
    rescl_status st = RESCL_OK;

    args->scratch = t->scratch;
    args->packed = t->packed;
    if (pack)
        RS_TRY(rs_plan_pack(&t->plan, args));
    RS_TRY(rs_plan_enqueue(&t->plan, args));
    RS_TRY(rs_finish(t->plan.dev));
out:
    return st;
}
