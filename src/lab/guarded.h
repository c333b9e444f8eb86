/* Device memory between guard zones, and numbers as its types hold them. */
#ifndef RS_GUARDED_H
#define RS_GUARDED_H

#include "cldevice.h"
#include "tensor.h"

typedef struct rs_guarded {
    rs_buffer *all, *view; /* view: what a kernel gets; NULL when `bytes` is 0 */
    size_t bytes, total;   /* of the content; with its guards */
    size_t before;         /* the first guard; the rest follows the content */
} rs_guarded;

/* Everything, guards and content, is filled with NaN. On Oclgrind, which checks bounds itself but
 * takes sub-buffers for uninitialised, there is only a guard behind the content. */
rescl_status rs_guarded_init(rescl_device *dev, size_t bytes, rs_guarded *out) RESCL_CHECK;
void rs_guarded_fini(rs_guarded *g);
rescl_status rs_guarded_poison(rescl_device *dev, const rs_guarded *g) RESCL_CHECK;
/* RESCL_ERR_NUMERIC, naming `what`, when a guard zone was written. */
rescl_status rs_guarded_check(rescl_device *dev, const rs_guarded *g, const char *what) RESCL_CHECK;

/* What the device's type makes of a number. */
double rs_rounded(rs_dtype type, double x);
/* Doubles to and from the device's type. */
rescl_status rs_guarded_write(rescl_device *dev, const rs_guarded *g, rs_dtype type,
                              const double *host, size_t count) RESCL_CHECK;
rescl_status rs_guarded_read(rescl_device *dev, const rs_guarded *g, rs_dtype type, double *host,
                             size_t count) RESCL_CHECK;

#endif
