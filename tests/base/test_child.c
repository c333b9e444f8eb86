#include "testing.h"

#include "child.h"
#include "error.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const rs_child_limits limits = {
    .memory = (size_t)256 << 20, .seconds = 1, .reply = (size_t)8 << 20};

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
    assert_fails(run(loop, &yes, &r), RESCL_ERR_FORMAT, "f.h5", "more than 1 seconds");
    assert_fails(run(wait_for_ever, NULL, &r), RESCL_ERR_FORMAT, "f.h5", "more than 1 seconds");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_back_what_it_says), cmocka_unit_test(refuses_a_damaged_reply),
        cmocka_unit_test(tells_what_went_wrong),    cmocka_unit_test(limits_what_it_takes),
        cmocka_unit_test(gets_on_with_any_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
