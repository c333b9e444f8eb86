#include "testing.h"

#include "child.h"
#include "error.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const rs_child_limits limits = {
    .memory = (size_t)256 << 20, .seconds = 60, .patience = 600, .reply = (size_t)8 << 20};

static rescl_status run(rs_child_fn fn, const void *arg, rs_reply *reply)
{
    return rs_child_run("f.h5", fn, arg, &limits, reply);
}

static rescl_status count(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    const uint64_t n = *(const uint64_t *)arg;
    RS_TRY(rs_reply_put_text(r, "caf\xc3\xa9"));
    for (uint64_t i = 0; i < n; i++)
        RS_TRY(rs_reply_put_u64(r, i * i));
out:
    return st;
}

/* More than a pipe holds, too. */
static void brings_back_what_it_says(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 100000};
    for (size_t k = 0; k < RS_COUNT(sizes); k++) {
        rs_reply r;
        const char *text;
        uint64_t value = 0;
        assert_ok(run(count, &sizes[k], &r));
        assert_true(rs_reply_get_text(&r, &text));
        assert_string_equal(text, "caf\xc3\xa9");
        for (uint64_t i = 0; i < sizes[k]; i++) {
            assert_true(rs_reply_get_u64(&r, &value));
            assert_true(value == i * i);
        }
        assert_false(rs_reply_get_u64(&r, &value));
        assert_false(rs_reply_get_text(&r, &text));
        rs_reply_fini(&r);
    }
    rs_reply r;
    const uint64_t too_many = 2 << 20;
    assert_fails(run(count, &too_many, &r), RESCL_ERR_FORMAT, "f.h5", "at most");
}

/* A text whose length lies, or that has no end, is not handed out. */
static void refuses_a_damaged_reply(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 3, 100, UINT64_MAX};
    for (size_t i = 0; i < RS_COUNT(lengths); i++) {
        rs_reply r = {0};
        const char *text;
        assert_ok(rs_reply_put_u64(&r, lengths[i]));
        assert_ok(rs_reply_put_u64(&r, UINT64_MAX));
        assert_false(rs_reply_get_text(&r, &text));
        rs_reply_fini(&r);
    }
}

static rescl_status give_up(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    (void)arg;
    RS_TRY(rs_reply_put_u64(r, 1));
    RS_FAIL(RESCL_ERR_SHAPE, "seven is %s", "odd");
out:
    return st;
}

static rescl_status crash(rs_reply *r, const void *arg)
{
    (void)r;
    /* raise() and not a wild pointer: sanitizers look at those themselves */
    raise(*(const int *)arg);
    return RESCL_OK;
}

static rescl_status loop(rs_reply *r, const void *arg)
{
    (void)r;
    for (volatile const int *forever = arg; *forever;)
        ;
    return RESCL_OK;
}

static rescl_status wait_for_ever(rs_reply *r, const void *arg)
{
    (void)r, (void)arg;
    for (;;)
        pause();
    return RESCL_OK;
}

static rescl_status leave(rs_reply *r, const void *arg)
{
    (void)r, (void)arg;
    _exit(3);
}

static void tells_what_went_wrong(void **state)
{
    (void)state;
    static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}, yes = 1,
                     kill = SIGKILL;
    rs_reply r;
    assert_fails(run(give_up, NULL, &r), RESCL_ERR_SHAPE, "seven is odd");
    for (size_t i = 0; i < RS_COUNT(signals); i++)
        assert_fails(run(crash, &signals[i], &r), RESCL_ERR_FORMAT, "f.h5", "crashed");
    assert_fails(run(crash, &kill, &r), RESCL_ERR_FORMAT, "f.h5", "stopped by the system");
    assert_fails(run(leave, NULL, &r), RESCL_ERR_FORMAT, "f.h5", "exit code 3");
    rs_child_limits hurried = limits; /* a loop takes processor time, a wait none */
    hurried.seconds = 1;
    assert_fails(rs_child_run("f.h5", loop, &yes, &hurried, &r), RESCL_ERR_FORMAT, "f.h5",
                 "more than 1 seconds");
    hurried = limits;
    hurried.patience = 2;
    assert_fails(rs_child_run("f.h5", wait_for_ever, NULL, &hurried, &r), RESCL_ERR_FORMAT, "f.h5",
                 "more than 2 seconds");
    assert_null(r.data);
}

static rescl_status take_memory(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = *(const size_t *)arg;
    char *p = calloc(1, bytes);
    RS_OOM(p);
    RS_TRY(rs_reply_put_u64(r, (uint64_t)p[bytes / 2]));
out:
    free(p);
    return st;
}

static bool limits_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false; /* they reserve terabytes */
#else
    return access("/proc/self/statm", R_OK) == 0;
#endif
}

/* The limit counts from what the process has already. */
static void limits_what_it_takes(void **state)
{
    (void)state;
    const size_t large = (size_t)512 << 20, small = (size_t)64 << 20;
    rs_reply r;
    if (!limits_memory()) {
        print_message("skipped: memory of children is not limited here\n");
        skip();
        return;
    }
    void *own = mmap(NULL, large, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(own != MAP_FAILED);
    assert_ok(run(take_memory, &small, &r));
    rs_reply_fini(&r);
    assert_fails(run(take_memory, &large, &r), RESCL_ERR_MEMORY, "memory");
    munmap(own, large);
}

/* Handlers, the mask and who waits for children are the program's own business. */
static void gets_on_with_any_program(void **state)
{
    (void)state;
    const int segv = SIGSEGV;
    const uint64_t n = 3;
    rs_reply r;
    signal(SIGCHLD, SIG_IGN); /* the status of a child is lost */
    assert_ok(run(count, &n, &r));
    rs_reply_fini(&r);
    assert_fails(run(crash, &segv, &r), RESCL_ERR_FORMAT, "f.h5", "without a result");
    signal(SIGCHLD, SIG_DFL);
    sigset_t before, after;
    sigprocmask(SIG_SETMASK, NULL, &before);
    assert_ok(run(count, &n, &r));
    rs_reply_fini(&r);
    sigprocmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

/* ---- the walls ----------------------------------------------------------------------------- */

static rescl_status confine_only(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    (void)arg;
    RS_TRY(rs_reply_put_u64(r, rs_child_confine()));
out:
    return st;
}

static bool confines(void)
{
    rs_reply r;
    uint64_t yes = 0;
    assert_ok(run(confine_only, NULL, &r));
    assert_true(rs_reply_get_u64(&r, &yes));
    rs_reply_fini(&r);
    return yes != 0;
}

enum { OPEN, READ_BACK, CONNECT, EXECUTE, FORK, SIGNAL, MAP_CODE, MAKE_CODE, ATTEMPTS };

static rescl_status attempt(rs_reply *r, const void *arg)
{
    char *argv[] = {NULL}, byte;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)r;
    (void)rs_child_confine();
    switch (*(const int *)arg) {
    case OPEN:
        return open("/etc/passwd", O_RDONLY) < 0;
    case READ_BACK:
        return read(STDIN_FILENO, &byte, 1) < 0;
    case CONNECT:
        return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
    case EXECUTE:
        return execv("/bin/true", argv) < 0;
    case FORK:
        return fork() < 0;
    case SIGNAL:
        return kill(getppid(), SIGCONT) < 0;
    case MAP_CODE:
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == NULL;
    default:
        return mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0;
    }
}

/* What a file could make a library do that it has taken over. */
static void stops_what_reading_never_needs(void **state)
{
    (void)state;
    if (!confines()) {
        print_message("skipped: this system or build has no filter of system calls\n");
        skip();
        return;
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        rs_reply r;
        assert_fails(run(attempt, &i, &r), RESCL_ERR_FORMAT, "f.h5", "tried to open files",
                     "made to attack");
    }
}

/* A crash is a crash within the walls, too, and memory is there as far as the limit goes. */
static rescl_status confined_crash(rs_reply *r, const void *arg)
{
    (void)rs_child_confine();
    return crash(r, arg);
}

static rescl_status confined_memory(rs_reply *r, const void *arg)
{
    (void)rs_child_confine();
    return take_memory(r, arg);
}

static rescl_status confined_count(rs_reply *r, const void *arg)
{
    (void)rs_child_confine();
    return count(r, arg);
}

static void *count_in_a_thread(void *arg)
{
    rs_reply *r = arg;
    const uint64_t n = 100000;
    const rescl_status st = run(confined_count, &n, r);
    return st == RESCL_OK ? arg : NULL;
}

static void lets_it_work_within_the_walls(void **state)
{
    (void)state;
    static const int signals[] = {SIGSEGV, SIGABRT};
    const size_t small = (size_t)64 << 20;
    rs_reply r;
    pthread_t thread;
    void *done;
    for (size_t i = 0; i < RS_COUNT(signals); i++)
        assert_fails(run(confined_crash, &signals[i], &r), RESCL_ERR_FORMAT, "f.h5", "crashed");
    assert_ok(run(confined_memory, &small, &r));
    rs_reply_fini(&r);
    /* Memory of a thread is another heap, which grows in another way. */
    assert_int_equal(pthread_create(&thread, NULL, count_in_a_thread, &r), 0);
    assert_int_equal(pthread_join(thread, &done), 0);
    assert_non_null(done);
    rs_reply_fini(&r);
}

/* arg: { a descriptor that is kept, one that is not } */
static rescl_status use_descriptors(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    const int *fd = arg;
    char text[3] = "";
    (void)rs_child_confine();
    RS_FAIL_IF(pread(fd[0], text, 2, 1) != 2, RESCL_ERR_IO, "cannot be read");
    RS_TRY(rs_reply_put_text(r, text));
out:
    return st;
}

static rescl_status count_descriptors(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    uint64_t others = 0;
    (void)arg;
    for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
        others += fcntl(fd, F_GETFD) >= 0;
    RS_TRY(rs_reply_put_u64(r, others));
out:
    return st;
}

static void keeps_one_descriptor(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/one", rs_test_dir);
    rs_child_limits with_file = limits;
    rs_reply r;
    const char *text;
    uint64_t open_ones = 0;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("abcd", f);
    fclose(f);
    const int fd[2] = {open(path, O_RDONLY), open(path, O_RDONLY)};
    assert_true(fd[0] > STDERR_FILENO && fd[1] > STDERR_FILENO);
    with_file.file = fd[0];
    assert_ok(rs_child_run("f.h5", use_descriptors, fd, &with_file, &r));
    assert_true(rs_reply_get_text(&r, &text));
    assert_string_equal(text, "bc");
    rs_reply_fini(&r);
    assert_ok(rs_child_run("f.h5", count_descriptors, NULL, &with_file, &r));
    assert_true(rs_reply_get_u64(&r, &open_ones));
    assert_int_equal(open_ones, 2);
    rs_reply_fini(&r);
    close(fd[0]);
    close(fd[1]);
}

/* Writes as many bytes as `arg` says to a file that it opens before the walls stand. */
static rescl_status fill(rs_reply *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    static const char block[4096];
    const int fd = open(rs_test_path("%s/filled", rs_test_dir), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)r;
    (void)rs_child_confine();
    for (int i = 0; i < *(const int *)arg; i++)
        RS_FAIL_IF(pwrite(fd, block, sizeof block, (off_t)i * 4096) != sizeof block, RESCL_ERR_IO,
                   "the disk is full");
out:
    return st;
}

static void limits_what_it_writes(void **state)
{
    (void)state;
    const int one = 1, ten = 10;
    rs_child_limits writer = limits;
    rs_reply r;
    if (!limits_memory()) {
        print_message("skipped: children are not limited under a sanitizer\n");
        skip();
        return;
    }
    assert_fails(run(fill, &one, &r), RESCL_ERR_FORMAT, "f.h5", "never needs");
    writer.writes = (uint64_t)5 * 4096;
    assert_ok(rs_child_run("f.h5", fill, &one, &writer, &r));
    rs_reply_fini(&r);
    assert_fails(rs_child_run("f.h5", fill, &ten, &writer, &r), RESCL_ERR_IO, "disk is full");
}

/* arg: a descriptor to say there that it runs */
static rescl_status say_and_wait(rs_reply *r, const void *arg)
{
    (void)!write(*(const int *)arg, "", 1);
    return wait_for_ever(r, arg);
}

/* What a child holds open closes when it ends. */
static void ends_with_the_program(void **state)
{
    (void)state;
#ifdef __linux__
    int end[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0);
    const pid_t program = fork();
    if (program == 0) {
        const rs_child_limits forever = {
            .memory = limits.memory, .seconds = 600, .patience = 600, .reply = 100, .file = end[1]};
        rs_reply r;
        _exit(rs_child_run("f.h5", say_and_wait, &end[1], &forever, &r));
    }
    assert_true(program > 0);
    close(end[1]);
    assert_int_equal(read(end[0], &byte, 1), 1);
    kill(program, SIGKILL);
    assert_int_equal(waitpid(program, NULL, 0), program);
    assert_int_equal(read(end[0], &byte, 1), 0);
    close(end[0]);
#else
    print_message("skipped: only Linux ends children with their parent\n");
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_back_what_it_says),
        cmocka_unit_test(refuses_a_damaged_reply),
        cmocka_unit_test(tells_what_went_wrong),
        cmocka_unit_test(limits_what_it_takes),
        cmocka_unit_test(gets_on_with_any_program),
        cmocka_unit_test(stops_what_reading_never_needs),
        cmocka_unit_test(lets_it_work_within_the_walls),
        cmocka_unit_test_setup_teardown(keeps_one_descriptor, rs_test_dir_setup,
                                        rs_test_dir_teardown),
        cmocka_unit_test_setup_teardown(limits_what_it_writes, rs_test_dir_setup,
                                        rs_test_dir_teardown),
        cmocka_unit_test(ends_with_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
