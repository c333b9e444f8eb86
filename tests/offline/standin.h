/* The tests' device in place of a GPU that is not here, for tools that plan for it and run nothing. */
#ifndef RS_STANDIN_H
#define RS_STANDIN_H

#include <rescl/device.h>

/* Ends the process with the last error's message. */
void must(rescl_status st);

/* Opens the device with the class, limits and cores of `target`, "nv:sm_90" and the like. Ends the
 * process, with the names that there are, when there is none of that name. */
rescl_device *standin_open(const char *target);
void standin_close(void);

#endif
