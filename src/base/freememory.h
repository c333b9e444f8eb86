/* How much memory a process may still take. */
#ifndef RS_FREEMEMORY_H
#define RS_FREEMEMORY_H

#include <stddef.h>

/* Bytes that the system has for new uses without swapping, or that the process's control group leaves,
 * whichever is less; SIZE_MAX where neither is known. */
size_t rs_free_memory(void);

#endif
