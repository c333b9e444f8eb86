/* How much memory a process may still take. */
#ifndef RS_FREEMEMORY_H
#define RS_FREEMEMORY_H

#include <stddef.h>

/* Bytes that the system has for new uses without swapping, or that the process's control group leaves,
 * whichever is less; SIZE_MAX where neither is known. */
size_t rs_free_memory(void);

/* Bytes that a control group leaves, which a container shows as the root of its file system of groups, of version
 * 2 or 1; those of files' contents that can be dropped count as free. SIZE_MAX where there is no limit. */
size_t rs_free_memory_of_group(const char *root);

#endif
