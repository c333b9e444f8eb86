/* A process that this one started. */
#ifndef RS_PROCESS_H
#define RS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether it has ended; with `block` it waits for that. *how is as waitpid has it then, -1 when somebody
 * else waited for it: the program ignores SIGCHLD, or waits for any child. */
bool rs_process_ended(pid_t pid, bool block, int *how);

#endif
