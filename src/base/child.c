#define _GNU_SOURCE /* NSIG */
#include "child.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "path.h"
#include "process.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 20

/* ---- what it says ------------------------------------------------------------------------ */

static rescl_status put(rs_reply *r, const void *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    size_t need;
    RS_FAIL_IF(!rs_add_size(r->len, bytes, &need), RESCL_ERR_MEMORY, "a reply is too long");
    RS_TRY(rs_array_reserve(&r->data, &r->cap, need, 1));
    memcpy(r->data + r->len, data, bytes);
    r->len = need;
out:
    return st;
}

rescl_status rs_reply_put_u64(rs_reply *r, uint64_t value)
{
    return put(r, &value, sizeof value);
}

rescl_status rs_reply_put_text(rs_reply *r, const char *text)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = strlen(text) + 1;
    RS_TRY(rs_reply_put_u64(r, bytes));
    RS_TRY(put(r, text, bytes));
out:
    return st;
}

bool rs_reply_get_u64(rs_reply *r, uint64_t *out)
{
    if (r->len - r->at < sizeof *out)
        return false;
    memcpy(out, r->data + r->at, sizeof *out);
    r->at += sizeof *out;
    return true;
}

bool rs_reply_get_text(rs_reply *r, const char **out)
{
    uint64_t bytes;
    if (!rs_reply_get_u64(r, &bytes) || bytes == 0 || bytes > r->len - r->at ||
        r->data[r->at + bytes - 1] != '\0')
        return false;
    *out = r->data + r->at;
    r->at += (size_t)bytes;
    return true;
}

void rs_reply_fini(rs_reply *r)
{
    free(r->data);
    *r = (rs_reply){0};
}

/* ---- the child --------------------------------------------------------------------------- */

/* What stands before the bytes in the pipe; after a failure they are its message. */
typedef struct head {
    int64_t status, sys_errno;
    uint64_t bytes;
} head;

/* Bytes of addresses in use; 0 where the system does not say. */
static uint64_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%llu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A limit that is lower already stays. glibc counts the resources by an unsigned enumeration. */
static void limit(unsigned what, uint64_t most)
{
    struct rlimit r;
    if (getrlimit(what, &r) == 0 && (r.rlim_cur == RLIM_INFINITY || most < r.rlim_cur)) {
        r.rlim_cur = (rlim_t)most;
        (void)setrlimit(what, &r);
    }
}

static struct {
    int reply;
    bool writes;
} confined; /* of the child, which has one thread */

bool rs_child_confine(void)
{
    return rs_sandbox_filter(confined.reply, confined.writes);
}

/* Only what a single thread may do: see child.h. */
static void be_child(int reply_fd, pid_t parent, rs_child_fn fn, const void *arg,
                     const rs_child_limits *limits)
{
    rs_reply reply = {0};
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    if (limits->writes > 0)
        signal(SIGXFSZ, SIG_IGN); /* it is a full disk, which the function reports */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    const int fd =
        reply_fd > STDERR_FILENO ? reply_fd : fcntl(reply_fd, F_DUPFD, STDERR_FILENO + 1);
    rs_sandbox_close_others(fd, limits->file);
    rs_sandbox_limit(parent, limits->writes);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, limits->seconds);
    alarm(limits->patience);
    if (!RS_SANITIZED) {
        const uint64_t has = address_space();
        if (has > 0)
            limit(RLIMIT_AS, has + limits->memory);
    }
    confined.reply = fd;
    confined.writes = limits->writes > 0;
    head h = {.status = fn(&reply, arg), .bytes = reply.len};
    const char *data = reply.data;
    if (h.status != RESCL_OK) {
        data = rescl_last_error()->message;
        h.sys_errno = rescl_last_error()->sys_errno;
        h.bytes = strlen(data);
    }
    const bool told = rs_write_all(fd, &h, sizeof h) && rs_write_all(fd, data, (size_t)h.bytes);
    _exit(told ? 0 : 1);
}

/* ---- the parent -------------------------------------------------------------------------- */

typedef struct child {
    pid_t pid;
    int fd; /* of its reply, not blocking */
    bool gone, given_up;
    int how; /* of rs_process_ended */
} child;

/* The end of the pipe does not tell that the child has ended: other children that were started at
 * the same moment hold it open too. */
static void look_after(child *c, bool block)
{
    c->gone = c->gone || rs_process_ended(c->pid, block, &c->how);
}

/* Fills `dst`; false when the child ended, failed to in time, or the pipe broke. */
static bool read_all(child *c, uint64_t deadline, void *dst, size_t bytes)
{
    char *to = dst;
    while (bytes > 0) {
        const bool was_gone = c->gone; /* then all it wrote is in the pipe */
        const ssize_t n = read(c->fd, to, bytes);
        if (n > 0) {
            to += n;
            bytes -= (size_t)n;
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR) || was_gone)
            return false;
        if (rs_clock_ns() > deadline) {
            c->given_up = true;
            return false;
        }
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        (void)poll(&p, 1, POLL_MS);
        look_after(c, false);
    }
    return true;
}

/* Ends it if it was given up, and waits for its end. */
static void stop(child *c)
{
    if (!c->gone && c->given_up)
        kill(c->pid, SIGKILL);
    look_after(c, true);
}

static rescl_status explain(const child *c, const char *path, const rs_child_limits *limits)
{
    rescl_status st = RESCL_OK;
    const int sig = c->how != -1 && WIFSIGNALED(c->how) ? WTERMSIG(c->how) : 0;
    const char *doing = limits->writes > 0 ? "writing" : "reading";
    const char *blame = limits->writes > 0 ? "" : "; it is corrupted";
    RS_FAIL_IF(c->given_up || sig == SIGXCPU || sig == SIGALRM, RESCL_ERR_FORMAT,
               "%s: %s it took more than %u seconds, so it was given up%s", path, doing,
               sig == SIGXCPU ? limits->seconds : limits->patience, blame);
    RS_FAIL_IF(sig == SIGKILL, RESCL_ERR_FORMAT,
               "%s: %s it was stopped by the system, perhaps for want of memory%s", path, doing,
               blame);
    RS_FAIL_IF(sig == SIGINT || sig == SIGTERM || sig == SIGHUP, RESCL_ERR_INTERRUPTED,
               "%s: %s it was interrupted", path, doing);
    RS_FAIL_IF(
        sig == SIGSYS || sig == SIGXFSZ, RESCL_ERR_FORMAT,
        "%s: %s it was stopped: it tried to %s, which %s a file never needs (signal %d, in a "
        "process of its own)%s",
        path, doing, sig == SIGXFSZ ? "write a file" : "open files, programs or connections", doing,
        sig, blame[0] ? "; the file is corrupted, or made to attack" : "");
    RS_FAIL_IF(sig != 0, RESCL_ERR_FORMAT,
               "%s: %s it crashed (signal %d, in a process of its own)%s", path, doing, sig, blame);
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s: %s it ended without a result (exit code %d, in a process of its own)", path, doing,
            c->how != -1 && WIFEXITED(c->how) ? WEXITSTATUS(c->how) : -1);
out:
    return st;
}

static rescl_status listen_to(child *c, const char *path, const rs_child_limits *limits,
                              rs_reply *reply)
{
    rescl_status st = RESCL_OK;
    const uint64_t deadline = rs_clock_ns() + (uint64_t)limits->patience * 1000000000u;
    char message[sizeof rescl_last_error()->message] = "";
    head h = {0};
    bool told = read_all(c, deadline, &h, sizeof h);
    if (told && h.status != RESCL_OK) {
        told = h.bytes < sizeof message && read_all(c, deadline, message, (size_t)h.bytes);
        errno = (int)h.sys_errno;
        RS_FAIL_IF(told, (rescl_status)h.status, "%s", message);
    } else if (told) {
        RS_FAIL_IF(h.bytes > limits->reply, RESCL_ERR_FORMAT,
                   "%s: its description takes %llu bytes, at most %zu are read; it is corrupted",
                   path, (unsigned long long)h.bytes, limits->reply);
        RS_TRY(rs_array_reserve(&reply->data, &reply->cap, (size_t)h.bytes + 1, 1));
        told = read_all(c, deadline, reply->data, (size_t)h.bytes);
        reply->len = told ? (size_t)h.bytes : 0;
    }
    if (!told) {
        stop(c);
        RS_TRY(explain(c, path, limits));
    }
out:
    return st;
}

rescl_status rs_child_run(const char *path, rs_child_fn fn, const void *arg,
                          const rs_child_limits *limits, rs_reply *reply)
{
    rescl_status st = RESCL_OK;
    child c = {.pid = -1, .fd = -1};
    int end[2] = {-1, -1};
    sigset_t all, before;
    const pid_t parent = getpid();

    *reply = (rs_reply){0};
    RS_FAIL_IF(pipe(end) != 0, RESCL_ERR_IO, "%s: no pipe for the process that reads it: %s", path,
               strerror(errno));
    (void)fcntl(end[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(end[1], F_SETFD, FD_CLOEXEC);
    (void)fcntl(end[0], F_SETFL, O_NONBLOCK);
    c.fd = end[0];
    /* No handler of the parent may run in the child before it has put them back. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    c.pid = fork();
    if (c.pid == 0)
        be_child(end[1], parent, fn, arg, limits);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    RS_FAIL_IF(c.pid < 0, RESCL_ERR_MEMORY, "%s: no process to read it in: %s", path,
               strerror(errno));
    close(end[1]);
    end[1] = -1;
    RS_TRY(listen_to(&c, path, limits, reply));
out:
    if (c.pid > 0) {
        c.given_up = st != RESCL_OK; /* it may wait for a reader of its reply */
        stop(&c);
    }
    if (end[0] >= 0)
        close(end[0]);
    if (end[1] >= 0)
        close(end[1]);
    if (st != RESCL_OK)
        rs_reply_fini(reply);
    return st;
}
