/* Another program, run for how it ends and what it complains of. For code of others that may crash, hang
 * or want what a fork of this process (child.h) does not have, such as a driver. */
#ifndef RS_COMMAND_H
#define RS_COMMAND_H

#include <rescl/status.h>
#include <stddef.h>

typedef struct rs_command {
    const char *const *argv; /* argv[0] is the path of the program; NULL ends them */
    const char *variable; /* "NAME=value", set for it beside this process's environment; or NULL */
    unsigned patience;    /* seconds by the clock, after which it is killed */
    /* Told each line of its standard output, cut at RS_COMMAND_LINE, while it runs; NULL: that leads
     * nowhere. */
    void (*line)(const char *text, void *user);
    void *user;
} rs_command;

#define RS_COMMAND_LINE 2048

/* Runs it without input and waits for its end. Fails with
 *
 *     RESCL_ERR_UNSUPPORTED   it ended with another exit status than 0: the message is the last line
 *                             that it wrote to its standard error, or names the status
 *     RESCL_ERR_DEVICE        it crashed: by which signal
 *     RESCL_ERR_INTERRUPTED   it took too long, or was stopped from outside: another try may end well
 *     RESCL_ERR_IO            it does not start
 *
 * *ended is as a shell tells it: the exit status, 128 and the signal that ended it, or -1 where there is
 * neither. */
rescl_status rs_command_run(const rs_command *c, int *ended) RESCL_CHECK;

/* The path of a program that was built or installed with this library, on the heap: beside what holds
 * this code, in the folder above or in bin/ there. NULL in *out where there is none. */
rescl_status rs_command_find(const char *name, char **out) RESCL_CHECK;

#endif
