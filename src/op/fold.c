#include "fold.h"

#include "spread.h"
#include "support.h"

static const char *const problems[] = {"27x37 with a bias", "27x37 without a bias", NULL};
static const char *const choices[] = {"fold_batchnorm", NULL};

rescl_status rs_fold_kernel(rescl_device *dev, rs_kernel **out)
{
    return rs_support_kernel(dev, &(rs_support_use){&rs_support_fold, RS_F32, choices[0]}, out);
}

rescl_status rs_fold_enqueue(rescl_device *dev, rs_kernel *kernel, const rs_fold *f)
{
    const rs_grid grid = {.items = {f->rows * f->channels, 1, 1},
                          .group = {rs_group_size(rs_device_caps(dev), 64), 1, 1}};
    return RS_LAUNCH(dev, kernel, grid, RS_BUF(f->weight), RS_BUF(f->bias), RS_BUF(f->gamma),
                     RS_BUF(f->beta), RS_BUF(f->mean), RS_BUF(f->var), RS_FLOAT(f->eps),
                     RS_BUF(f->folded_weight), RS_BUF(f->folded_bias), RS_UINT(f->rows),
                     RS_UINT(f->channels), RS_DIVISOR(rs_divisor_of(f->channels)));
}

static rescl_status plan_kernel(rs_plan *plan, rs_dtype type, const char *choice)
{
    (void)type;
    return rs_plan_kernel_add(plan, "fold", choice, "%s", "");
}

const rs_support rs_support_fold = {.name = "fold",
                                    .part = "parameters",
                                    .choice = choices,
                                    .types = 1u << RS_F32,
                                    .problem = problems,
                                    .plan = plan_kernel};
