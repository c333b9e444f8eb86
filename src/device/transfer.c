/* Copies between host and device, fills, and the queue itself. */
#include "clinternal.h"
#include "clock.h"

#include <stdlib.h>

/* Waited fences go to the device's list, so that a step takes no memory from the host. Only the
 * thread that enqueues makes and waits for them: there is no lock. */
struct rs_fence {
    rescl_device *dev;
    cl_event event;
    rs_fence *next; /* in the list */
};

static rs_fence *take_fence(rescl_device *dev)
{
    rs_fence *f = dev->fences;
    if (!f)
        f = malloc(sizeof *f);
    else
        dev->fences = f->next;
    if (f)
        *f = (rs_fence){.dev = dev};
    return f;
}

static void give_back_fence(rs_fence *f)
{
    if (!f)
        return;
    f->next = f->dev->fences;
    f->dev->fences = f;
}

void rs_fences_destroy(rescl_device *dev)
{
    while (dev->fences) {
        rs_fence *f = dev->fences;
        dev->fences = f->next;
        free(f);
    }
}

static rescl_status check_range(const rescl_device *dev, const rs_buffer *buf, size_t offset,
                                size_t bytes, const char *what)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!buf, RESCL_ERR_ARG, "%s: no buffer", what);
    RS_FAIL_IF(buf->dev != dev, RESCL_ERR_ARG, "%s: the buffer belongs to another device", what);
    RS_FAIL_IF(offset > buf->bytes || bytes > buf->bytes - offset, RESCL_ERR_ARG,
               "%s: %zu bytes at %zu do not lie in a buffer of %zu bytes", what, bytes, offset,
               buf->bytes);
out:
    return st;
}

/* What enqueues a transfer gives its event to this, if it is to be recorded. */
typedef struct recording {
    rescl_device *dev;
    rs_command_kind kind;
    uint64_t bytes, asked;
    bool on;
    cl_event event;
} recording;

static recording begin_recording(rescl_device *dev, rs_command_kind kind, uint64_t bytes)
{
    const bool on = rs_profile_keeps(dev);
    return (recording){dev, kind, bytes, on ? rs_clock_ns() : 0, on, NULL};
}

static cl_event *event_of(recording *r)
{
    return r->on ? &r->event : NULL;
}

static rescl_status end_recording(recording *r)
{
    return r->event ? rs_profile_transfer(r->dev, r->kind, r->bytes, r->asked, r->event) : RESCL_OK;
}

rescl_status rs_write(rescl_device *dev, rs_buffer *buf, size_t offset, const void *host,
                      size_t bytes)
{
    rescl_status st = RESCL_OK;
    recording r = begin_recording(dev, RS_COMMAND_WRITE, bytes);
    RS_TRY(check_range(dev, buf, offset, bytes, "write"));
    if (bytes > 0)
        RS_CL(clEnqueueWriteBuffer(dev->queue, buf->mem, CL_TRUE, offset, bytes, host, 0, NULL,
                                   event_of(&r)));
    RS_TRY(end_recording(&r));
out:
    return st;
}

rescl_status rs_read(rescl_device *dev, rs_buffer *buf, size_t offset, void *host, size_t bytes)
{
    rescl_status st = RESCL_OK;
    recording r = begin_recording(dev, RS_COMMAND_READ, bytes);
    RS_TRY(check_range(dev, buf, offset, bytes, "read"));
    if (bytes > 0)
        RS_CL(clEnqueueReadBuffer(dev->queue, buf->mem, CL_TRUE, offset, bytes, host, 0, NULL,
                                  event_of(&r)));
    RS_TRY(end_recording(&r));
out:
    return st;
}

rescl_status rs_copy(rescl_device *dev, rs_buffer *src, size_t src_offset, rs_buffer *dst,
                     size_t dst_offset, size_t bytes)
{
    rescl_status st = RESCL_OK;
    recording r = begin_recording(dev, RS_COMMAND_COPY, bytes);
    RS_TRY(check_range(dev, src, src_offset, bytes, "copy from"));
    RS_TRY(check_range(dev, dst, dst_offset, bytes, "copy to"));
    const rs_buffer *src_root = src->parent ? src->parent : src;
    const rs_buffer *dst_root = dst->parent ? dst->parent : dst;
    const size_t from = src->offset + src_offset, to = dst->offset + dst_offset;
    RS_FAIL_IF(src_root == dst_root && from < to + bytes && to < from + bytes, RESCL_ERR_ARG,
               "copy: the two regions of %zu bytes overlap", bytes);
    if (bytes > 0)
        RS_CL(clEnqueueCopyBuffer(dev->queue, src->mem, dst->mem, src_offset, dst_offset, bytes, 0,
                                  NULL, event_of(&r)));
    RS_TRY(end_recording(&r));
out:
    return st;
}

rescl_status rs_fill_zero(rescl_device *dev, rs_buffer *buf, size_t offset, size_t bytes)
{
    rescl_status st = RESCL_OK;
    static const cl_uint wide = 0;
    static const cl_uchar narrow = 0;
    recording r = begin_recording(dev, RS_COMMAND_FILL, bytes);
    RS_TRY(check_range(dev, buf, offset, bytes, "fill"));
    if (bytes == 0)
        goto out;
    if (offset % sizeof wide == 0 && bytes % sizeof wide == 0)
        RS_CL(clEnqueueFillBuffer(dev->queue, buf->mem, &wide, sizeof wide, offset, bytes, 0, NULL,
                                  event_of(&r)));
    else
        RS_CL(clEnqueueFillBuffer(dev->queue, buf->mem, &narrow, sizeof narrow, offset, bytes, 0,
                                  NULL, event_of(&r)));
    RS_TRY(end_recording(&r));
out:
    return st;
}

rescl_status rs_read_async(rescl_device *dev, rs_buffer *buf, size_t offset, void *host,
                           size_t bytes, rs_fence **fence)
{
    rescl_status st = RESCL_OK;
    rs_fence *f = NULL;
    recording r = begin_recording(dev, RS_COMMAND_READ, bytes);
    *fence = NULL;
    RS_TRY(check_range(dev, buf, offset, bytes, "read"));
    if (bytes == 0)
        goto out;
    RS_OOM(f = take_fence(dev));
    RS_CL(clEnqueueReadBuffer(dev->queue, buf->mem, CL_FALSE, offset, bytes, host, 0, NULL,
                              &f->event));
    r.event = f->event;
    *fence = f, f = NULL;
    if (r.on) {
        RS_CL(clRetainEvent(r.event));
        RS_TRY(end_recording(&r));
    }
    RS_CL(clFlush(dev->queue));
out:
    give_back_fence(f);
    return st;
}

rescl_status rs_fence_wait(rs_fence *fence)
{
    rescl_status st = RESCL_OK;
    if (!fence)
        return RESCL_OK;
    RS_CL(clWaitForEvents(1, &fence->event));
out:
    if (st != RESCL_OK)
        clFinish(fence->dev->queue); /* the host's memory must not be in use when this returns */
    clReleaseEvent(fence->event);
    give_back_fence(fence);
    return st;
}

rescl_status rs_flush(rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    RS_CL(clFlush(dev->queue));
out:
    return st;
}

rescl_status rs_finish(rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    RS_CL(clFinish(dev->queue));
out:
    return st;
}
