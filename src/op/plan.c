/* Plans: a problem and a choice become kernels and sizes; then they are built and enqueued. */
#include "error.h"
#include "op.h"

#include <stdarg.h>
#include <stdio.h>

rescl_status rs_plan_make(rs_plan *plan, const rs_problem *p, rs_pass pass, rescl_device *dev,
                          const rs_choice *choice)
{
    *plan = (rs_plan){.choice = *choice, .pass = pass, .problem = *p, .dev = dev};
    return choice->impl->plan(plan, rs_device_caps(dev));
}

const char *rs_storage_options(const rs_problem *p)
{
    static const char *const options[RS_DTYPE_COUNT][RS_DTYPE_COUNT] = {
        [RS_F32] = {[RS_BF16] = " -DDST_BF16", [RS_F16] = " -DDST_F16"},
        [RS_BF16] = {[RS_F32] = " -DSRC_BF16",
                     [RS_BF16] = " -DSRC_BF16 -DDST_BF16",
                     [RS_F16] = " -DSRC_BF16 -DDST_F16"},
        [RS_F16] = {[RS_F32] = " -DSRC_F16",
                    [RS_BF16] = " -DSRC_F16 -DDST_BF16",
                    [RS_F16] = " -DSRC_F16 -DDST_F16"}};
    const char *found = options[p->src_type[0]][p->dst_type];
    return found ? found : "";
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
    return plan->choice.impl->enqueue(plan, args);
}

rescl_status rs_plan_pack(const rs_plan *plan, const rs_args *args)
{
    const rs_impl *impl = plan->choice.impl;
    return impl->pack && plan->packed_bytes ? impl->pack(plan, args) : RESCL_OK;
}
