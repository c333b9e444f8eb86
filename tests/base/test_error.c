#include "testing.h"

#include "error.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int raised_at;

static rescl_status fail_inner(void)
{
    rescl_status st = RESCL_OK;
    errno = ENOSPC;
    raised_at = __LINE__ + 1;
    RS_FAIL(RESCL_ERR_IO, "%s: disk is full", "weights.bin");
out:
    return st;
}

static rescl_status fail_outer(void)
{
    rescl_status st = RESCL_OK;
    RS_TRY(fail_inner());
out:
    return st;
}

static void records_the_failure(void **state)
{
    (void)state;
    assert_fails(fail_outer(), RESCL_ERR_IO, "weights.bin: disk is full");
    const rescl_error *e = rescl_last_error();
    assert_int_equal(e->status, RESCL_ERR_IO);
    assert_int_equal(e->sys_errno, ENOSPC);
    assert_int_equal(e->cl_code, 0);
    assert_non_null(strstr(e->file, "test_error.c"));
    assert_int_equal(e->line, raised_at);
}

static void prefixes_keep_the_rest(void **state)
{
    (void)state;
    rs_error_set(RESCL_ERR_DEVICE, -54, "x.c", 7, "launch failed");
    rs_error_prefix("layer %s", "conv1");
    const rescl_error *e = rescl_last_error();
    assert_string_equal(e->message, "layer conv1: launch failed");
    assert_int_equal(e->cl_code, -54);
    assert_int_equal(e->line, 7);
    /* The old message as an argument of the new one. */
    rs_error_set(RESCL_ERR_ARG, 0, "y.c", 8, "again: %s", e->message);
    assert_string_equal(e->message, "again: layer conv1: launch failed");
    assert_int_equal(e->sys_errno, 0);
}

static void cuts_long_messages(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    rs_error_set(RESCL_ERR_ARG, 0, "x.c", 1, "%s", text);
    assert_int_equal(strlen(rescl_last_error()->message), sizeof rescl_last_error()->message - 1);
    rs_error_prefix("%s", text);
    assert_int_equal(strlen(rescl_last_error()->message), sizeof rescl_last_error()->message - 1);
}

static void *other_thread(void *arg)
{
    *(rescl_status *)arg = rescl_last_error()->status;
    rs_error_set(RESCL_ERR_BUILD, 0, "t.c", 1, "from the other thread");
    return NULL;
}

static void each_thread_has_its_own(void **state)
{
    (void)state;
    rs_error_set(RESCL_ERR_ARG, 0, "x.c", 1, "mine");
    rescl_status seen = RESCL_ERR_ARG;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen, RESCL_OK);
    assert_string_equal(rescl_last_error()->message, "mine");
}

static void names_and_version(void **state)
{
    (void)state;
    for (int s = RESCL_ERR_INTERRUPTED; s <= 0; s++)
        assert_string_not_equal(rescl_status_name((rescl_status)s), "unknown");
    assert_string_equal(rescl_status_name((rescl_status)-1000), "unknown");
    assert_string_equal(rescl_status_name(RESCL_ERR_FORMAT), "format");
    int major = -1, minor = -1, patch = -1;
    assert_int_equal(sscanf(rescl_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    assert_int_equal(major, RESCL_VERSION_MAJOR);
    assert_int_equal(minor, RESCL_VERSION_MINOR);
    assert_int_equal(patch, RESCL_VERSION_PATCH);
}

/* ---- log ----------------------------------------------------------------------------------- */

typedef struct heard {
    int calls;
    rescl_log_level level;
    char text[4096];
} heard;

static void hear(rescl_log_level level, const char *message, void *user)
{
    heard *h = user;
    h->calls++;
    h->level = level;
    snprintf(h->text, sizeof h->text, "%s", message);
}

static void log_goes_to_the_callback(void **state)
{
    (void)state;
    heard h = {0};
    rs_log(RESCL_LOG_ERROR, "nobody hears %d", 1);
    rescl_log_set(hear, &h);
    rs_log(RESCL_LOG_WARN, "cache of %d bytes", 42);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.level, RESCL_LOG_WARN);
    assert_string_equal(h.text, "cache of 42 bytes");

    char text[3000];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    rs_log(RESCL_LOG_INFO, "%s!", text);
    assert_int_equal(strlen(h.text), sizeof text);
    assert_int_equal(h.text[sizeof text - 1], '!');

    rescl_log_set(NULL, NULL);
    rs_log(RESCL_LOG_ERROR, "silence");
    assert_int_equal(h.calls, 2);
}

static void verbose_names_topics(void **state)
{
    (void)state;
    assert_true(rs_verbose("build"));
    assert_true(rs_verbose("plan"));
    assert_false(rs_verbose("pla"));
    assert_false(rs_verbose("planner"));
    assert_false(rs_verbose("dispatch"));
    assert_false(rs_verbose(""));
}

int main(void)
{
    setenv("RESCL_VERBOSE", "build,plan", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_the_failure),  cmocka_unit_test(prefixes_keep_the_rest),
        cmocka_unit_test(cuts_long_messages),   cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(names_and_version),    cmocka_unit_test(log_goes_to_the_callback),
        cmocka_unit_test(verbose_names_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
