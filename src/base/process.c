#include "process.h"

#include <errno.h>
#include <sys/wait.h>

bool rs_process_ended(pid_t pid, bool block, int *how)
{
    pid_t ended;
    do
        ended = waitpid(pid, how, block ? 0 : WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        *how = -1;
    return ended != 0;
}
