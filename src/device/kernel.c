/* Kernels: their properties, asked once, and launching them. */
#include "alloc.h"
#include "clinternal.h"
#include "clock.h"

#include <stdlib.h>
#include <string.h>

enum { ANY_KIND = 0xff };

/* ---- what a kernel says of itself -------------------------------------------------------- */

/* The rs_arg kinds that a parameter accepts. Drivers that give no argument information (or a type
 * that is a typedef) get ANY_KIND: then only the driver's own size check is left. */
static unsigned char arg_kind(cl_kernel kernel, cl_uint index)
{
    static const struct {
        const char *type;
        unsigned char kinds;
    } types[] = {
        {"int", 1u << RS_ARG_INT | 1u << RS_ARG_UINT},
        {"uint", 1u << RS_ARG_INT | 1u << RS_ARG_UINT},
        {"unsigned int", 1u << RS_ARG_INT | 1u << RS_ARG_UINT},
        {"long", 1u << RS_ARG_ULONG},
        {"ulong", 1u << RS_ARG_ULONG},
        {"unsigned long", 1u << RS_ARG_ULONG},
        {"float", 1u << RS_ARG_FLOAT},
    };
    cl_kernel_arg_address_qualifier space = 0;
    char type[64];
    if (clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof space, &space,
                           NULL) != CL_SUCCESS)
        return ANY_KIND;
    if (space == CL_KERNEL_ARG_ADDRESS_GLOBAL || space == CL_KERNEL_ARG_ADDRESS_CONSTANT)
        return 1u << RS_ARG_BUF;
    if (space == CL_KERNEL_ARG_ADDRESS_LOCAL)
        return 1u << RS_ARG_LOCAL;
    if (clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type, NULL) !=
        CL_SUCCESS)
        return ANY_KIND;
    for (size_t i = 0; i < RS_COUNT(types); i++)
        if (strncmp(type, types[i].type, sizeof type) == 0)
            return types[i].kinds;
    return ANY_KIND;
}

rescl_status rs_kernel_create(rescl_device *dev, cl_program program, const char *file,
                              const char *name, rs_kernel **out)
{
    rescl_status st = RESCL_OK;
    rs_kernel *k = NULL;
    const cl_device_id id = dev->hw->id;
    cl_int code = CL_SUCCESS;
    cl_ulong local = 0;
    RS_OOM(k = calloc(1, sizeof *k));
    RS_OOM(k->name = strdup(name));
    k->file = file;
    k->kernel = clCreateKernel(program, name, &code);
    RS_CL_CODE(code, "clCreateKernel");
    RS_CL(clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof k->nargs, &k->nargs, NULL));
    RS_CL(clGetKernelWorkGroupInfo(k->kernel, id, CL_KERNEL_WORK_GROUP_SIZE, sizeof k->max_group,
                                   &k->max_group, NULL));
    RS_CL(clGetKernelWorkGroupInfo(k->kernel, id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                   sizeof k->required, k->required, NULL));
    RS_CL(clGetKernelWorkGroupInfo(k->kernel, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local,
                                   NULL));
    k->local_bytes = dev->hw->quirks & RS_QUIRK_LOCAL_TWICE ? local / 2 : local;
    if (k->max_group > dev->hw->info.max_group || (dev->hw->quirks & RS_QUIRK_KERNEL_GROUP))
        k->max_group = dev->hw->info.max_group;
    RS_OOM(k->arg_kind = calloc((size_t)k->nargs + 1, 1));
    for (cl_uint i = 0; i < k->nargs; i++)
        k->arg_kind[i] = arg_kind(k->kernel, i);
    *out = k, k = NULL;
out:
    rs_kernel_destroy(k);
    return st;
}

void rs_kernel_destroy(rs_kernel *k)
{
    if (!k)
        return;
    if (k->kernel)
        clReleaseKernel(k->kernel);
    free(k->arg_kind);
    free(k->name);
    free(k);
}

size_t rs_kernel_max_group(const rs_kernel *k)
{
    return k->max_group;
}

/* ---- launching --------------------------------------------------------------------------- */

/* `code` is that of clSetKernelArg; CL_SUCCESS: it was not called, for the kind is wrong. */
static rescl_status fail_arg(const rs_kernel *k, size_t index, const rs_arg *arg, cl_int code)
{
    rescl_status st = RESCL_ERR_ARG;
    static const char *const names[] = {"a buffer", "an int",  "a uint",
                                        "a ulong",  "a float", "local memory"};
    char type[64] = "?", name[64] = "?";
    clGetKernelArgInfo(k->kernel, (cl_uint)index, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type, NULL);
    clGetKernelArgInfo(k->kernel, (cl_uint)index, CL_KERNEL_ARG_NAME, sizeof name, name, NULL);
    if (code == CL_SUCCESS)
        return rs_error_set(st, 0, __FILE__, __LINE__,
                            "kernel %s of %s.cl: argument %zu (%.60s %.60s) was given %s", k->name,
                            k->file, index, type, name, names[arg->kind]);
    st = rs_cl_fail(code, "clSetKernelArg", __FILE__, __LINE__);
    rs_error_prefix("kernel %s of %s.cl, argument %zu (%.60s %.60s), given %s", k->name, k->file,
                    index, type, name, names[arg->kind]);
    return st;
}

static rescl_status set_arg(rescl_device *dev, rs_kernel *k, size_t index, const rs_arg *arg,
                            uint64_t *local_bytes)
{
    rescl_status st = RESCL_OK;
    const void *value = NULL;
    size_t bytes = 0;
    if ((k->arg_kind[index] & (1u << arg->kind)) == 0)
        return fail_arg(k, index, arg, CL_SUCCESS);
    switch (arg->kind) {
    case RS_ARG_BUF:
        RS_FAIL_IF(arg->v.buf && arg->v.buf->dev != dev, RESCL_ERR_ARG,
                   "kernel %s: the buffer of argument %zu belongs to another device", k->name,
                   index);
        value = arg->v.buf ? &arg->v.buf->mem : NULL;
        bytes = sizeof(cl_mem);
        break;
    case RS_ARG_INT:
        value = &arg->v.i, bytes = sizeof arg->v.i;
        break;
    case RS_ARG_UINT:
        value = &arg->v.u, bytes = sizeof arg->v.u;
        break;
    case RS_ARG_ULONG:
        value = &arg->v.ul, bytes = sizeof arg->v.ul;
        break;
    case RS_ARG_FLOAT:
        value = &arg->v.f, bytes = sizeof arg->v.f;
        break;
    case RS_ARG_LOCAL:
        bytes = arg->v.local_bytes;
        *local_bytes += bytes;
        break;
    }
    const cl_int code = clSetKernelArg(k->kernel, (cl_uint)index, bytes, value);
    if (code != CL_SUCCESS)
        st = fail_arg(k, index, arg, code);
out:
    return st;
}

/* The group size into group[] (all 0: the driver chooses) and the items, rounded up, into items[].
 */
static rescl_status fit_grid(const rescl_device *dev, const rs_kernel *k, const rs_grid *grid,
                             size_t items[3], size_t group[3])
{
    rescl_status st = RESCL_OK;
    size_t total = 1;
    const bool required = k->required[0] != 0;
    const bool given = grid->group[0] != 0;
    RS_FAIL_IF(grid->items[0] == 0, RESCL_ERR_ARG, "kernel %s: launched with 0 work-items",
               k->name);
    for (int d = 0; d < 3; d++) {
        items[d] = grid->items[d] ? grid->items[d] : 1;
        group[d] = required ? k->required[d] : 0;
        if (!given)
            continue;
        const size_t want = grid->group[d] ? grid->group[d] : 1;
        RS_FAIL_IF(required && want != k->required[d], RESCL_ERR_ARG,
                   "kernel %s: work-group %zux%zux%zu, but it is compiled for %zux%zux%zu", k->name,
                   grid->group[0], grid->group[1], grid->group[2], k->required[0], k->required[1],
                   k->required[2]);
        group[d] = want;
    }
    if (group[0] == 0)
        goto out;
    for (int d = 0; d < 3; d++) {
        RS_FAIL_IF(group[d] > dev->hw->max_items[d] || !rs_mul_size(total, group[d], &total) ||
                       total > k->max_group,
                   RESCL_ERR_UNSUPPORTED,
                   "kernel %s: work-group %zux%zux%zu is more than %s allows (%zu items, "
                   "%zux%zux%zu)",
                   k->name, group[0], group[1], group[2], dev->hw->info.name, k->max_group,
                   dev->hw->max_items[0], dev->hw->max_items[1], dev->hw->max_items[2]);
        RS_FAIL_IF(items[d] > SIZE_MAX - group[d], RESCL_ERR_ARG, "kernel %s: too many work-items",
                   k->name);
        items[d] = rs_round_up(items[d], group[d]);
    }
out:
    return st;
}

rescl_status rs_launch(rescl_device *dev, rs_kernel *k, const rs_grid *grid, const rs_arg *args,
                       size_t nargs)
{
    rescl_status st = RESCL_OK;
    size_t items[3], group[3];
    uint64_t local = k->local_bytes;
    cl_event event = NULL;
    rs_first_launch first = {.lock = -1};
    RS_FAIL_IF(nargs != k->nargs, RESCL_ERR_ARG, "kernel %s of %s.cl takes %u arguments, not %zu",
               k->name, k->file, (unsigned)k->nargs, nargs);
    RS_TRY(fit_grid(dev, k, grid, items, group));
    for (size_t i = 0; i < nargs; i++)
        RS_TRY(set_arg(dev, k, i, &args[i], &local));
    RS_FAIL_IF(local > dev->hw->info.local_bytes, RESCL_ERR_UNSUPPORTED,
               "kernel %s: needs %llu bytes of local memory, %s has %llu", k->name,
               (unsigned long long)local, dev->hw->info.name,
               (unsigned long long)dev->hw->info.local_bytes);
    const cl_uint dims = items[2] > 1 || group[2] > 1 ? 3 : items[1] > 1 || group[1] > 1 ? 2 : 1;
    if (dev->hw->quirks & RS_QUIRK_LAZY)
        rs_first_launch_begin(k, items, group, &first);
    const uint64_t asked = dev->profile ? rs_clock_ns() : 0;
    const cl_int code =
        clEnqueueNDRangeKernel(dev->queue, k->kernel, dims, NULL, items, group[0] ? group : NULL, 0,
                               NULL, dev->profile ? &event : NULL);
    if (code != CL_SUCCESS) {
        st = rs_cl_fail(code, "clEnqueueNDRangeKernel", __FILE__, __LINE__);
        rs_error_prefix("kernel %s of %s.cl", k->name, k->file);
        goto out;
    }
    atomic_fetch_add_explicit(&dev->launches, 1, memory_order_relaxed);
    if (dev->profile)
        RS_TRY(rs_profile_record(dev, k->name, asked, NULL, event));
    if (first.lock >= 0) /* the driver compiles on a thread of its own */
        RS_CL(clFinish(dev->queue));
out:
    rs_first_launch_end(&first, st == RESCL_OK);
    return st;
}
