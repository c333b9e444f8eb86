/* Host memory that is pinned: a buffer of the driver's own, mapped as long as it lives. */
#include "pinned.h"

#include "clinternal.h"

#include <stdlib.h>

struct rs_pinned {
    rescl_device *dev;
    cl_mem mem;
    void *host;
};

rescl_status rs_pinned_create(rescl_device *dev, size_t bytes, rs_pinned **out)
{
    rescl_status st = RESCL_OK;
    cl_int code = CL_SUCCESS;
    rs_pinned *p = NULL;

    RS_OOM(p = calloc(1, sizeof *p));
    p->dev = dev;
    p->mem =
        clCreateBuffer(dev->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &code);
    RS_CL_CODE(code, "clCreateBuffer");
    p->host = clEnqueueMapBuffer(dev->queue, p->mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes,
                                 0, NULL, NULL, &code);
    RS_CL_CODE(code, "clEnqueueMapBuffer");
    *out = p, p = NULL;
out:
    rs_pinned_destroy(p);
    return st;
}

void rs_pinned_destroy(rs_pinned *p)
{
    if (!p)
        return;
    if (p->host) {
        clEnqueueUnmapMemObject(p->dev->queue, p->mem, p->host, 0, NULL, NULL);
        clFinish(p->dev->queue);
    }
    if (p->mem)
        clReleaseMemObject(p->mem);
    free(p);
}

void *rs_pinned_host(const rs_pinned *p)
{
    return p->host;
}
