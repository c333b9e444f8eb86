/* Uploads beside the device's commands. A batch is written to pinned memory, from which a device's
 * copy engine reads at full speed and without the host, and goes up through a queue of its own. Events
 * tie that queue to the device's: a batch is read after it was uploaded, and its place is written again
 * after it was read. Two places, so that one batch goes up while the one before is read. */
#include "clinternal.h"
#include "clock.h"
#include "pinned.h"

#include <stdlib.h>

#define PLACES 2

typedef struct place {
    rs_pinned *pinned;
    rs_buffer *buf;
    cl_event uploaded, read; /* of the last batch in it; NULL: there was none */
} place;

struct rs_staging {
    rescl_device *dev;
    cl_command_queue queue; /* of the uploads */
    size_t room;            /* bytes of a place */
    bool profiled;
    size_t bytes; /* of the batch that was begun */
    place place[PLACES];
    size_t sent, received, released; /* batches */
};

static place *place_of(rs_staging *s, size_t batch)
{
    return &s->place[batch % PLACES];
}

static void drop_event(cl_event *event)
{
    if (*event)
        clReleaseEvent(*event);
    *event = NULL;
}

static rescl_status open_place(rs_staging *s, place *p)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_buffer_create(s->dev, s->room, &p->buf));
    RS_TRY(rs_pinned_create(s->dev, s->room, &p->pinned));
out:
    return st;
}

rescl_status rs_staging_create(rescl_device *dev, size_t bytes, rs_staging **out)
{
    rescl_status st = RESCL_OK;
    rs_staging *s = NULL;
    cl_int code = CL_SUCCESS;
    RS_OOM(s = calloc(1, sizeof *s));
    s->dev = dev;
    s->room = bytes;
    s->profiled = dev->profile != NULL;
    s->queue = clCreateCommandQueue(dev->context, dev->hw->id,
                                    s->profiled ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    RS_CL_CODE(code, "clCreateCommandQueue");
    for (size_t i = 0; i < PLACES; i++)
        RS_TRY(open_place(s, &s->place[i]));
    RS_TRY(rs_finish(dev)); /* commands on what the pool gave may be under way there */
    *out = s, s = NULL;
out:
    rs_staging_destroy(s);
    return st;
}

void rs_staging_destroy(rs_staging *s)
{
    if (!s)
        return;
    rs_staging_reset(s);
    for (size_t i = 0; i < PLACES; i++) {
        rs_pinned_destroy(s->place[i].pinned);
        rs_buffer_release(s->place[i].buf);
    }
    rs_queue_release(s->dev->hw, s->queue);
    free(s);
}

void rs_staging_reset(rs_staging *s)
{
    clFinish(s->dev->queue); /* which may wait for an upload, or an upload for it */
    if (s->queue)
        clFinish(s->queue);
    for (size_t i = 0; i < PLACES; i++) {
        drop_event(&s->place[i].uploaded);
        drop_event(&s->place[i].read);
    }
    s->sent = s->received = s->released = s->bytes = 0;
}

rescl_status rs_staging_begin(rs_staging *s, size_t bytes, void **host)
{
    rescl_status st = RESCL_OK;
    place *p = place_of(s, s->sent);
    RS_FAIL_IF(bytes == 0 || bytes > s->room, RESCL_ERR_ARG,
               "staging: a batch of %zu bytes does not lie in room for %zu", bytes, s->room);
    RS_FAIL_IF(s->sent - s->released == PLACES, RESCL_ERR_ARG,
               "staging: %d batches were sent and not released", PLACES);
    if (p->uploaded) /* from this memory */
        RS_CL(clWaitForEvents(1, &p->uploaded));
    drop_event(&p->uploaded);
    s->bytes = bytes;
    *host = rs_pinned_host(p->pinned);
out:
    return st;
}

rescl_status rs_staging_send(rs_staging *s)
{
    rescl_status st = RESCL_OK;
    place *p = place_of(s, s->sent);
    const uint64_t asked = rs_clock_ns();
    RS_FAIL_IF(s->bytes == 0, RESCL_ERR_ARG, "staging: no batch was begun");
    RS_CL(clEnqueueWriteBuffer(s->queue, p->buf->mem, CL_FALSE, 0, s->bytes,
                               rs_pinned_host(p->pinned), p->read ? 1 : 0,
                               p->read ? &p->read : NULL, &p->uploaded));
    const size_t bytes = s->bytes;
    s->sent++;
    s->bytes = 0;
    drop_event(&p->read);
    RS_CL(clFlush(s->queue));
    if (s->profiled && rs_profile_keeps(s->dev)) {
        RS_CL(clRetainEvent(p->uploaded));
        RS_TRY(rs_profile_transfer(s->dev, RS_COMMAND_UPLOAD, bytes, asked, p->uploaded));
    }
out:
    return st;
}

rescl_status rs_staging_receive(rs_staging *s, rs_buffer **out)
{
    rescl_status st = RESCL_OK;
    place *p = place_of(s, s->received);
    RS_FAIL_IF(s->received == s->sent, RESCL_ERR_ARG, "staging: no batch was sent");
    RS_CL(clEnqueueBarrierWithWaitList(s->dev->queue, 1, &p->uploaded, NULL));
    s->received++;
    *out = p->buf;
out:
    return st;
}

rescl_status rs_staging_release(rs_staging *s)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(s->released == s->received, RESCL_ERR_ARG, "staging: no batch was received");
    RS_CL(clEnqueueMarkerWithWaitList(s->dev->queue, 0, NULL, &place_of(s, s->released)->read));
    s->released++;
    RS_CL(clFlush(s->dev->queue));
out:
    return st;
}
