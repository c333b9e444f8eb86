#include "support.h"

#include "alloc.h"
#include "error.h"
#include "trust.h"

#include <string.h>

static const rs_support *const registry[] = {
#define RS_SUPPORT(name) &rs_support_##name,
#include "supports.def"
#undef RS_SUPPORT
};

const rs_support *rs_support_at(size_t index)
{
    return index < RS_COUNT(registry) ? registry[index] : NULL;
}

const rs_support *rs_support_find(const char *name)
{
    for (size_t i = 0; i < RS_COUNT(registry); i++)
        if (strcmp(registry[i]->name, name) == 0)
            return registry[i];
    return NULL;
}

rescl_status rs_support_kernels(rescl_device *dev, const rs_support_use *use, rs_kernel **out,
                                int most)
{
    rescl_status st = RESCL_OK;
    rs_plan plan = {.dev = dev};

    RS_TRY(rs_trust_supports(dev, use, 1));
    RS_TRY(use->support->plan(&plan, use->type, use->choice));
    RS_TRY(rs_plan_build(&plan));
    for (int i = 0; i < plan.nkernels && i < most; i++)
        out[i] = plan.kernel[i].kernel;
out:
    return st;
}

rescl_status rs_support_kernel(rescl_device *dev, const rs_support_use *use, rs_kernel **out)
{
    return rs_support_kernels(dev, use, out, 1);
}
