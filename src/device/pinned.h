/* Host memory for fast transfers. */
#ifndef RS_PINNED_H
#define RS_PINNED_H

#include "cldevice.h"

/* Host memory that a device's copy engine reads and writes at full speed and without the host, where
 * the driver has such. NULL is legal to destroy; until then `host` is the caller's. */
typedef struct rs_pinned rs_pinned;
rescl_status rs_pinned_create(rescl_device *dev, size_t bytes, rs_pinned **out) RESCL_CHECK;
void rs_pinned_destroy(rs_pinned *p);
void *rs_pinned_host(const rs_pinned *p);

#endif
