#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether there are bytes, or somebody who has the pipe open and may write some. What is read to find
 * that out is put back. */
static bool has_writer(FILE *f, int wait)
{
    const int fd = fileno(f);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    unsigned char byte;
    if (poll(&p, 1, wait) != 0)
        return true; /* also at its end: somebody wrote nothing */
    const ssize_t n = read(fd, &byte, 1);
    if (n == 1)
        ungetc(byte, f);
    return n != 0;
}

FILE *rs_text_open(const char *path, int wait, const char **why)
{
    struct stat info;
    /* Opening a pipe waits for a writer otherwise. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    *why = f ? NULL : strerror(errno);
    /* What only looks like a file, such as /proc/kmsg, is not waited for either. */
    if (!f || fstat(fd, &info) != 0 || S_ISREG(info.st_mode))
        goto out;
    if (S_ISFIFO(info.st_mode) && !has_writer(f, wait))
        *why = "nobody writes to this pipe";
    (void)fcntl(fd, F_SETFL, 0);
out:
    if (!f && fd >= 0)
        close(fd);
    if (f && *why) {
        fclose(f);
        f = NULL;
    }
    return f;
}
