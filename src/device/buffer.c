/* Device memory: a pool of whole buffers, and views (sub-buffers) of them. */
#include "alloc.h"
#include "clinternal.h"

#include <stdlib.h>

enum {
    GRAIN = 256, /* capacities are multiples of this, so that near sizes share a buffer */
    WASTE_PART =
        8 /* a pooled buffer is reused for a request that leaves less than 1/8 of it idle */
};

static void free_buffer(rs_buffer *buf)
{
    clReleaseMemObject(buf->mem);
    free(buf);
}

size_t rs_memory_trim(rescl_device *dev)
{
    size_t freed = 0;
    while (dev->free_list) {
        rs_buffer *buf = dev->free_list;
        dev->free_list = buf->next;
        freed += buf->capacity;
        free_buffer(buf);
    }
    dev->bytes -= freed;
    return freed;
}

/* Unlinks the smallest pooled buffer that fits without waste; NULL when there is none. */
static rs_buffer *take_pooled(rescl_device *dev, size_t capacity)
{
    rs_buffer **best = NULL;
    for (rs_buffer **at = &dev->free_list; *at != NULL; at = &(*at)->next) {
        const size_t have = (*at)->capacity;
        if (have < capacity || have - capacity > have / WASTE_PART)
            continue;
        if (!best || have < (*best)->capacity)
            best = at;
    }
    if (!best)
        return NULL;
    rs_buffer *buf = *best;
    *best = buf->next;
    buf->next = NULL;
    return buf;
}

static rescl_status fail_short(const rescl_device *dev, size_t bytes, cl_int code)
{
    const double mib = 1024.0 * 1024.0;
    const rescl_device_info *info = &dev->hw->info;
    return rs_error_set(RESCL_ERR_MEMORY, code, __FILE__, __LINE__,
                        "%.80s is short of memory: asked for %.1f MiB, holds %.1f MiB of %.1f MiB "
                        "(largest single allocation %.1f MiB)%s%s. Use a smaller --batch-size or "
                        "image size",
                        info->name, (double)bytes / mib, (double)dev->bytes / mib,
                        (double)info->global_bytes / mib, (double)info->max_alloc_bytes / mib,
                        code ? "; the driver says " : "", code ? rs_cl_name(code) : "");
}

/* One attempt. Drivers may put off an allocation until first use; moving the (undefined) contents
 * to the device makes a want of memory show here, where it can be cured. */
static cl_int try_allocate(rescl_device *dev, size_t capacity, cl_mem *out)
{
    cl_int code = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(dev->context, CL_MEM_READ_WRITE, capacity, NULL, &code);
    if (code == CL_SUCCESS)
        code = clEnqueueMigrateMemObjects(dev->queue, 1, &mem,
                                          CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, NULL);
    if (code != CL_SUCCESS) {
        if (mem)
            clReleaseMemObject(mem);
        return code;
    }
    *out = mem;
    return CL_SUCCESS;
}

/* Allocates; when memory is short, gives the pooled buffers back and tries again. The caller holds
 * memory_lock. */
static rescl_status allocate(rescl_device *dev, size_t capacity, cl_mem *out)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = &dev->hw->info;
    cl_int code = CL_SUCCESS;
    if (capacity > info->max_alloc_bytes)
        return fail_short(dev, capacity, 0);
    if (dev->bytes + capacity > info->global_bytes) {
        rs_memory_trim(dev);
        if (dev->bytes + capacity > info->global_bytes)
            return fail_short(dev, capacity, 0);
    }
    code = try_allocate(dev, capacity, out);
    if (rs_cl_is_memory(code) && rs_memory_trim(dev) > 0) {
        RS_CL(clFinish(dev->queue)); /* a buffer lives on while commands use it */
        code = try_allocate(dev, capacity, out);
    }
    if (rs_cl_is_memory(code))
        return fail_short(dev, capacity, code);
    RS_CL_CODE(code, "clCreateBuffer");
    dev->bytes += capacity;
    if (dev->bytes > dev->peak_bytes)
        dev->peak_bytes = dev->bytes;
out:
    return st;
}

rescl_status rs_buffer_create(rescl_device *dev, size_t bytes, rs_buffer **out)
{
    rescl_status st = RESCL_OK;
    rs_buffer *buf = NULL;
    size_t capacity = 0;
    pthread_mutex_lock(&dev->memory_lock);
    RS_FAIL_IF(bytes == 0, RESCL_ERR_ARG, "a device buffer of 0 bytes was asked for");
    RS_FAIL_IF(!rs_add_size(bytes, GRAIN - 1, &capacity), RESCL_ERR_MEMORY,
               "a device buffer of %zu bytes was asked for", bytes);
    capacity = rs_round_up(bytes, GRAIN);
    if (capacity > dev->hw->info.max_alloc_bytes && bytes <= dev->hw->info.max_alloc_bytes)
        capacity = bytes;
    buf = take_pooled(dev, capacity);
    if (!buf) {
        RS_OOM(buf = calloc(1, sizeof *buf));
        RS_TRY(allocate(dev, capacity, &buf->mem));
        buf->dev = dev;
        buf->capacity = capacity;
    }
    buf->bytes = bytes;
    atomic_init(&buf->refs, 1);
    atomic_fetch_add(&dev->allocations, 1);
    dev->live++;
    *out = buf, buf = NULL;
out:
    pthread_mutex_unlock(&dev->memory_lock);
    free(buf);
    return st;
}

rescl_status rs_buffer_view(rs_buffer *parent, size_t offset, size_t bytes, rs_buffer **out)
{
    rescl_status st = RESCL_OK;
    rs_buffer *view = NULL;
    rescl_device *dev = parent->dev;
    cl_int code = CL_SUCCESS;
    const cl_buffer_region region = {offset, bytes};
    RS_FAIL_IF(parent->parent != NULL, RESCL_ERR_ARG, "a view of a view was asked for");
    RS_FAIL_IF(bytes == 0 || offset > parent->bytes || bytes > parent->bytes - offset,
               RESCL_ERR_ARG, "a view of %zu bytes at %zu was asked for in a buffer of %zu bytes",
               bytes, offset, parent->bytes);
    RS_FAIL_IF(offset % dev->hw->align != 0, RESCL_ERR_ARG,
               "a view's offset is %zu, but must be a multiple of %zu on this device", offset,
               dev->hw->align);
    RS_OOM(view = calloc(1, sizeof *view));
    view->mem = clCreateSubBuffer(parent->mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION,
                                  &region, &code);
    RS_CL_CODE(code, "clCreateSubBuffer");
    view->dev = dev;
    view->bytes = bytes;
    view->offset = offset;
    view->parent = rs_buffer_retain(parent);
    atomic_init(&view->refs, 1);
    atomic_fetch_add(&dev->allocations, 1);
    pthread_mutex_lock(&dev->memory_lock);
    dev->live++;
    pthread_mutex_unlock(&dev->memory_lock);
    *out = view, view = NULL;
out:
    free(view);
    return st;
}

rs_buffer *rs_buffer_retain(rs_buffer *buf)
{
    atomic_fetch_add(&buf->refs, 1);
    return buf;
}

void rs_buffer_release(rs_buffer *buf)
{
    if (!buf || atomic_fetch_sub(&buf->refs, 1) != 1)
        return;
    rescl_device *dev = buf->dev;
    rs_buffer *parent = buf->parent;
    pthread_mutex_lock(&dev->memory_lock);
    dev->live--;
    if (!parent) {
        buf->next = dev->free_list;
        dev->free_list = buf;
    } else {
        free_buffer(buf);
    }
    pthread_mutex_unlock(&dev->memory_lock);
    rs_buffer_release(parent);
}

size_t rs_buffer_bytes(const rs_buffer *buf)
{
    return buf->bytes;
}

void rs_device_trim(rescl_device *dev)
{
    pthread_mutex_lock(&dev->memory_lock);
    rs_memory_trim(dev);
    dev->peak_bytes = dev->bytes;
    pthread_mutex_unlock(&dev->memory_lock);
}

size_t rs_device_align(const rescl_device *dev)
{
    return dev->hw->align;
}
