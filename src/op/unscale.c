#include "unscale.h"

#include "optim.h"
#include "spread.h"
#include "support.h"

static const char *const problems[] = {"272 gradients", "100016 gradients",
                                       "1 of 272 gradients infinite", NULL};
static const char *const choices[] = {"unscale", NULL};

static rs_spread spread_over(rescl_device *dev, size_t count)
{
    const rs_caps *caps = rs_device_caps(dev);
    return rs_spread_over(caps, NULL, caps->type == RESCL_DEVICE_CPU, count, 1, RS_OPTIM_GRAIN,
                          RS_OPTIM_GRAIN);
}

rescl_status rs_unscale_kernel(rescl_device *dev, rs_kernel **out)
{
    return rs_support_kernel(dev, &(rs_support_use){&rs_support_unscale, RS_F32, choices[0]}, out);
}

rescl_status rs_unscale_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *grad,
                                rs_buffer *overflow, size_t count, double scale)
{
    const rs_spread s = spread_over(dev, count);
    return RS_LAUNCH(dev, kernel, s.grid, RS_BUF(grad), RS_BUF(overflow), RS_UINT(count),
                     RS_UINT(s.chunk), RS_FLOAT(1.0 / scale));
}

static rescl_status plan_kernel(rs_plan *plan, rs_dtype type, const char *choice)
{
    (void)type;
    return rs_plan_kernel_add(plan, "unscale", choice, "%s",
                              spread_over(plan->dev, RS_OPTIM_GRAIN).options);
}

const rs_support rs_support_unscale = {.name = "unscale",
                                       .part = "gradients",
                                       .choice = choices,
                                       .types = 1u << RS_F32,
                                       .problem = problems,
                                       .plan = plan_kernel};
