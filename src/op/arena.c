#include "arena.h"

#include "optim.h"
#include "spread.h"
#include "support.h"

static const char *const problems[] = {"272 numbers", "100016 numbers", NULL};
static const char *const choices[] = {"arena_add", "arena_average", "arena_swap", NULL};

static rs_spread spread_over(rescl_device *dev, size_t count)
{
    const rs_caps *caps = rs_device_caps(dev);
    return rs_spread_over(caps, NULL, caps->type == RESCL_DEVICE_CPU, count, 1, RS_OPTIM_GRAIN,
                          RS_OPTIM_GRAIN);
}

const char *rs_arena_choice(rs_arena_op op)
{
    return choices[op];
}

rescl_status rs_arena_kernel(rescl_device *dev, rs_arena_op op, rs_kernel **out)
{
    return rs_support_kernel(dev, &(rs_support_use){&rs_support_arena, RS_F32, choices[op]}, out);
}

rescl_status rs_arena_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *a, rs_buffer *b,
                              size_t count, double gain)
{
    const rs_spread s = spread_over(dev, count);
    return RS_LAUNCH(dev, kernel, s.grid, RS_BUF(a), RS_BUF(b), RS_UINT(count), RS_UINT(s.chunk),
                     RS_FLOAT(gain));
}

static rescl_status plan_kernel(rs_plan *plan, rs_dtype type, const char *choice)
{
    (void)type;
    return rs_plan_kernel_add(plan, "arena", choice, "%s",
                              spread_over(plan->dev, RS_OPTIM_GRAIN).options);
}

const rs_support rs_support_arena = {.name = "arena",
                                     .part = "parameters",
                                     .choice = choices,
                                     .types = 1u << RS_F32,
                                     .problem = problems,
                                     .plan = plan_kernel};
