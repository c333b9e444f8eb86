/* Opening and closing a device, and its counters. */
#include "clinternal.h"
#include "log.h"
#include "str.h"

#include <stdlib.h>

/* What the driver says of its own accord, from any of its threads. */
static void CL_CALLBACK on_driver_message(const char *message, const void *data, size_t bytes,
                                          void *user)
{
    (void)data, (void)bytes, (void)user;
    rs_log(RESCL_LOG_WARN, "OpenCL driver: %s", message ? message : "");
}

/* -cl-kernel-arg-info makes launches able to check the types of their arguments. */
static char *base_options(const rs_hw *hw)
{
    const rescl_device_info *info = &hw->info;
    return rs_strf("-cl-std=CL1.2 -cl-kernel-arg-info -DRS_VW=%u %s%s%s", info->float_width,
                   info->type == RESCL_DEVICE_CPU ? "-DRS_CPU" : "-DRS_GPU",
                   hw->has_fma ? "" : " -DRS_NO_FMA", hw->quirk_options);
}

rescl_status rescl_device_open(rescl_runtime *runtime, const char *selector, unsigned flags,
                               rescl_device **out)
{
    rescl_status st = RESCL_OK;
    rescl_device *dev = NULL;
    size_t index = 0;
    cl_int code = CL_SUCCESS;
    RS_FAIL_IF((flags & ~(unsigned)RESCL_DEVICE_PROFILE) != 0, RESCL_ERR_ARG,
               "unknown device flags 0x%x", flags);
    RS_TRY(rescl_runtime_select(runtime, selector, &index));
    RS_OOM(dev = calloc(1, sizeof *dev));
    pthread_mutex_init(&dev->memory_lock, NULL);
    pthread_mutex_init(&dev->program_lock, NULL);
    pthread_cond_init(&dev->program_built, NULL);
    dev->hw = &runtime->devices[index];
    RS_TRY(rs_caps_probe(dev->hw, &dev->caps));
    RS_TRY(rs_engines_find(dev->hw, &dev->caps, NULL));
    RS_OOM(dev->options = base_options(dev->hw));
    if (flags & RESCL_DEVICE_PROFILE)
        RS_TRY(rs_profile_create(dev->hw, &dev->profile));

    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)dev->hw->platform, 0};
    dev->context = clCreateContext(properties, 1, &dev->hw->id, on_driver_message, NULL, &code);
    RS_CL_CODE(code, "clCreateContext");
    dev->queue = clCreateCommandQueue(dev->context, dev->hw->id,
                                      dev->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    RS_CL_CODE(code, "clCreateCommandQueue");
    rs_log(RESCL_LOG_DEBUG, "opened device %zu:%zu, %s, with options \"%s\"",
           dev->hw->info.platform, dev->hw->info.device, dev->hw->info.name, dev->options);
    if (dev->caps.max_turns)
        rs_log(RESCL_LOG_WARN,
               "%s leaves loops after %zu turns: large images and batches give wrong numbers on it",
               dev->hw->info.name, dev->caps.max_turns);
    *out = dev, dev = NULL;
out:
    rescl_device_close(dev);
    return st;
}

void rescl_device_close(rescl_device *device)
{
    if (!device)
        return;
    rs_profile_end(device);
    if (device->queue)
        clFinish(device->queue);
    rs_profile_destroy(device->profile);
    rs_blas_release(device);
    if (device->live > 0)
        rs_log(RESCL_LOG_WARN, "device %s closes while %zu buffers are still held",
               device->hw->info.name, device->live);
    rs_memory_trim(device);
    rs_fences_destroy(device);
    rs_programs_destroy(device);
    rs_queue_release(device->hw, device->queue);
    if (device->context)
        clReleaseContext(device->context);
    pthread_cond_destroy(&device->program_built);
    pthread_mutex_destroy(&device->program_lock);
    pthread_mutex_destroy(&device->memory_lock);
    for (int i = 0; i < RS_ATTACHMENTS; i++)
        rs_device_attach(device, (rs_attachment)i, NULL, NULL);
    free(device->options);
    free(device);
}

void *rs_device_attached(const rescl_device *dev, rs_attachment which)
{
    return dev->attached[which].data;
}

void rs_device_attach(rescl_device *dev, rs_attachment which, void *data, void (*destroy)(void *))
{
    if (dev->attached[which].destroy)
        dev->attached[which].destroy(dev->attached[which].data);
    dev->attached[which].data = data;
    dev->attached[which].destroy = destroy;
}

const rescl_device_info *rescl_device_get_info(const rescl_device *device)
{
    return &device->hw->info;
}

void rescl_device_get_stats(const rescl_device *device, rescl_device_stats *out)
{
    rescl_device *dev = (rescl_device *)device; /* only its locks and atomics are touched */
    pthread_mutex_lock(&dev->memory_lock);
    out->bytes = dev->bytes;
    out->peak_bytes = dev->peak_bytes;
    pthread_mutex_unlock(&dev->memory_lock);
    out->allocations = atomic_load(&dev->allocations);
    out->builds = atomic_load(&dev->builds);
    out->cache_hits = atomic_load(&dev->cache_hits);
    out->launches = atomic_load(&dev->launches);
}
