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

/* Its standard error is the end `fd` of a pipe; signals are as a shell would leave them. 0 or an errno. */
static int spawn(const rs_command *c, char **environment, int fd, pid_t *pid)
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
        code = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&files, fd, STDERR_FILENO);
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

/* The last line that is not empty, of what comes in pieces. */
typedef struct last_line {
    char text[512];
    size_t len;
    bool ended; /* what comes next begins a line */
} last_line;

static void add_text(last_line *l, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n') {
            l->ended = true;
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

/* Whether there was something to read. */
static bool read_some(int fd, last_line *l)
{
    char text[4096];
    const ssize_t n = read(fd, text, sizeof text);
    if (n > 0)
        add_text(l, text, (size_t)n);
    return n > 0;
}

/* What it left in the pipe. Processes that it started may hold that open, and write without end. */
static void read_rest(int fd, last_line *l)
{
    enum { MOST = 1024 }; /* pieces, together more than a pipe holds */
    for (int i = 0; i < MOST && read_some(fd, l); i++)
        ;
}

/* Waits for its end; false: it took too long, and is killed. *how is of rs_process_ended. It may write
 * without end: between two pieces there is a look at the clock. */
static bool wait_for_end(pid_t pid, int fd, unsigned patience, last_line *l, int *how)
{
    const uint64_t deadline = rs_clock_ns() + (uint64_t)patience * 1000000000u;
    while (!rs_process_ended(pid, false, how)) {
        if (rs_clock_ns() > deadline) {
            kill(pid, SIGKILL);
            (void)rs_process_ended(pid, true, how);
            return false;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, 1, POLL_MS);
        if (!read_some(fd, l) && (p.revents & POLLHUP))
            (void)poll(NULL, 0, POLL_MS);
    }
    read_rest(fd, l);
    return true;
}

static rescl_status judge(const rs_command *c, bool in_time, int how, const last_line *l,
                          int *ended)
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

rescl_status rs_command_run(const rs_command *c, int *ended)
{
    rescl_status st = RESCL_OK;
    int end[2] = {-1, -1}, how = -1;
    char **environment = NULL;
    pid_t pid = -1;
    last_line said = {.len = 0};

    *ended = -1;
    RS_TRY(make_environment(c->variable, &environment));
    RS_FAIL_IF(pipe2(end, O_CLOEXEC) != 0, RESCL_ERR_IO, "%s: no pipe for it: %s", c->argv[0],
               strerror(errno));
    (void)fcntl(end[0], F_SETFL, O_NONBLOCK);
    const int code = spawn(c, environment, end[1], &pid);
    RS_FAIL_IF(code != 0, RESCL_ERR_IO, "%s does not start: %s", c->argv[0], strerror(code));
    close(end[1]);
    end[1] = -1;
    const bool in_time = wait_for_end(pid, end[0], c->patience, &said, &how);
    RS_TRY(judge(c, in_time, how, &said, ended));
out:
    if (end[0] >= 0)
        close(end[0]);
    if (end[1] >= 0)
        close(end[1]);
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
