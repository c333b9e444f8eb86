#define _GNU_SOURCE /* dladdr, environ, pipe2 */
#include "command.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "path.h"
#include "process.h"
#include "str.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 20

/* ---- starting ------------------------------------------------------------------------------ */

/* This process's environment with `variable`, which goes before one of the same name; borrowed strings. */
static rescl_status make_environment(const char *variable, char ***out)
{
    rescl_status st = RESCL_OK;
    size_t count = 0, used = 0;
    const size_t name = variable ? strcspn(variable, "=") + 1 : 0;
    while (environ && environ[count])
        count++;
    RS_OOM(*out = calloc(count + 2, sizeof **out));
    for (size_t i = 0; i < count; i++)
        if (!variable || strncmp(environ[i], variable, name) != 0)
            (*out)[used++] = environ[i];
    (*out)[used] = (char *)variable;
out:
    return st;
}

/* Its standard error is the end `err` of a pipe and its standard output `out`, -1: nowhere; signals are as a
 * shell would leave them. 0 or an errno. */
static int spawn(const rs_command *c, char **environment, int out, int err, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&how) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    int code = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0)
        code = out < 0 ? posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null",
                                                          O_WRONLY, 0)
                       : posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
    if (code == 0)
        code = posix_spawnattr_setsigmask(&how, &none);
    if (code == 0)
        code = posix_spawnattr_setsigdefault(&how, &all);
    if (code == 0)
        code = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (code == 0)
        code = posix_spawn(pid, c->argv[0], &files, &how, (char *const *)c->argv, environment);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return code;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Text that comes in pieces, by lines: the last that is not empty is kept, and `each` is told of all. */
typedef struct lines {
    char text[RS_COMMAND_LINE];
    size_t len;
    bool ended; /* what comes next begins a line */
    const rs_command *each;
} lines;

static void end_line(lines *l)
{
    if (l->each && !l->ended)
        l->each->line(l->text, l->each->user);
    l->ended = true;
}

static void add_text(lines *l, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n') {
            l->text[l->len] = '\0';
            end_line(l);
            continue;
        }
        if (l->ended)
            l->len = 0;
        l->ended = false;
        if (l->len + 1 < sizeof l->text)
            l->text[l->len++] = text[i];
    }
    l->text[l->len] = '\0';
}

/* Both ends of what it writes to: its standard output, -1 where that leads nowhere, and its standard error. */
typedef struct ends {
    int fd[2];
    lines said[2];
} ends;

/* Whether there was something to read. */
static bool read_some(ends *e)
{
    char text[4096];
    bool any = false;
    for (int i = 0; i < 2; i++) {
        const ssize_t n = e->fd[i] < 0 ? 0 : read(e->fd[i], text, sizeof text);
        if (n > 0)
            add_text(&e->said[i], text, (size_t)n);
        any = any || n > 0;
    }
    return any;
}

/* What it left in the pipes. Processes that it started may hold those open, and write without end. */
static void read_rest(ends *e)
{
    enum { MOST = 1024 }; /* pieces, together more than a pipe holds */
    for (int i = 0; i < MOST && read_some(e); i++)
        ;
}

/* Waits for its end; false: it took too long, and is killed. *how is of rs_process_ended. It may write
 * without end: between two pieces there is a look at the clock. */
static bool wait_for_end(pid_t pid, unsigned patience, ends *e, int *how)
{
    const uint64_t deadline = rs_clock_ns() + (uint64_t)patience * 1000000000u;
    while (!rs_process_ended(pid, false, how)) {
        if (rs_clock_ns() > deadline) {
            kill(pid, SIGKILL);
            (void)rs_process_ended(pid, true, how);
            return false;
        }
        struct pollfd p[2] = {{.fd = e->fd[0], .events = POLLIN},
                              {.fd = e->fd[1], .events = POLLIN}};
        (void)poll(p, 2, POLL_MS);
        if (!read_some(e) && ((p[0].revents | p[1].revents) & POLLHUP))
            (void)poll(NULL, 0, POLL_MS);
    }
    read_rest(e);
    return true;
}

static rescl_status judge(const rs_command *c, bool in_time, int how, const lines *l, int *ended)
{
    rescl_status st = RESCL_OK;
    const int sig = how != -1 && WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    const int code = how != -1 && WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    *ended = sig != 0 ? 128 + sig : code;
    RS_FAIL_IF(!in_time || sig == SIGALRM || sig == SIGXCPU, RESCL_ERR_INTERRUPTED,
               "it took more than %u seconds", c->patience);
    RS_FAIL_IF(sig == SIGKILL || sig == SIGINT || sig == SIGTERM || sig == SIGHUP,
               RESCL_ERR_INTERRUPTED, "it was stopped by signal %d", sig);
    RS_FAIL_IF(sig != 0, RESCL_ERR_DEVICE, "it crashed (signal %d)%s%s", sig,
               l->len ? " after: " : "", l->text);
    RS_FAIL_IF(code < 0, RESCL_ERR_INTERRUPTED, "how it ended is not known");
    if (code != 0 && l->len)
        RS_FAIL(RESCL_ERR_UNSUPPORTED, "%s", l->text);
    RS_FAIL_IF(code != 0, RESCL_ERR_UNSUPPORTED, "it ended with exit status %d", code);
out:
    return st;
}

/* `read` does not wait, and neither end goes to a process that this one starts but for dup2. */
static rescl_status make_pipe(const rs_command *c, int *read, int *write)
{
    rescl_status st = RESCL_OK;
    int end[2];
    RS_FAIL_IF(pipe2(end, O_CLOEXEC) != 0, RESCL_ERR_IO, "%s: no pipe for it: %s", c->argv[0],
               strerror(errno));
    (void)fcntl(end[0], F_SETFL, O_NONBLOCK);
    *read = end[0];
    *write = end[1];
out:
    return st;
}

static void close_all(int fd[2])
{
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    fd[0] = fd[1] = -1;
}

rescl_status rs_command_run(const rs_command *c, int *ended)
{
    rescl_status st = RESCL_OK;
    int theirs[2] = {-1, -1}, how = -1;
    char **environment = NULL;
    pid_t pid = -1;
    ends e = {.fd = {-1, -1}, .said = {{.each = c->line ? c : NULL, .ended = true}, {.len = 0}}};

    *ended = -1;
    RS_TRY(make_environment(c->variable, &environment));
    if (c->line)
        RS_TRY(make_pipe(c, &e.fd[0], &theirs[0]));
    RS_TRY(make_pipe(c, &e.fd[1], &theirs[1]));
    const int code = spawn(c, environment, theirs[0], theirs[1], &pid);
    RS_FAIL_IF(code != 0, RESCL_ERR_IO, "%s does not start: %s", c->argv[0], strerror(code));
    close_all(theirs);
    const bool in_time = wait_for_end(pid, c->patience, &e, &how);
    RS_TRY(judge(c, in_time, how, &e.said[1], ended));
out:
    close_all(e.fd);
    close_all(theirs);
    free(environment);
    return st;
}

/* ---- finding ------------------------------------------------------------------------------- */

/* *out: `name` beside `path`, or near there; NULL where there is none. */
static rescl_status look_near(const char *path, const char *name, char **out)
{
    static const char *const places[] = {"", "../", "../bin/", "../../bin/"};
    rescl_status st = RESCL_OK;
    char *folder = NULL, *found = NULL;
    RS_OOM(folder = rs_path_parent(path));
    for (size_t i = 0; i < RS_COUNT(places) && !*out; i++) {
        free(found);
        RS_OOM(found = rs_strf("%s/%s%s", folder, places[i], name));
        if (access(found, X_OK) == 0 && !rs_path_is_dir(found))
            *out = found, found = NULL;
    }
out:
    free(folder);
    free(found);
    return st;
}

/* A program's file is known by the name that it was called by, which may lead nowhere: then the system
 * knows it. */
rescl_status rs_command_find(const char *name, char **out)
{
    static const char anchor; /* within what holds this code */
    rescl_status st = RESCL_OK;
    Dl_info here;
    char self[4096];
    *out = NULL;
    if (dladdr(&anchor, &here) != 0 && here.dli_fname && strchr(here.dli_fname, '/'))
        RS_TRY(look_near(here.dli_fname, name, out));
    const ssize_t n = *out ? -1 : readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        RS_TRY(look_near(self, name, out));
    }
out:
    return st;
}
