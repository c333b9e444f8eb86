#include "testing.h"

#include "clock.h"
#include "command.h"

#include <stdlib.h>
#include <string.h>

static int ended; /* of the last one */

static rescl_status shell(const char *script, const char *variable, unsigned patience)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const rs_command c = {.argv = argv, .variable = variable, .patience = patience};
    return rs_command_run(&c, &ended);
}

static void tells_how_it_ended(void **state)
{
    (void)state;
    assert_ok(shell("echo much; echo more >&2; exit 0", NULL, 60));
    assert_int_equal(ended, 0);
    assert_fails(shell("echo first >&2; echo the last >&2; echo >&2; exit 3", NULL, 60),
                 RESCL_ERR_UNSUPPORTED, "the last");
    assert_null(strstr(rescl_last_error()->message, "first"));
    assert_fails(shell("exit 3", NULL, 60), RESCL_ERR_UNSUPPORTED, "exit status 3");
    assert_int_equal(ended, 3);
    assert_fails(shell("echo then >&2; kill -SEGV $$", NULL, 60), RESCL_ERR_DEVICE, "signal 11",
                 "then");
    assert_int_equal(ended, 128 + 11);
    assert_fails(shell("kill -TERM $$", NULL, 60), RESCL_ERR_INTERRUPTED, "signal 15");
    const char *const nowhere[] = {"/nowhere/at/all", NULL};
    const rs_command c = {.argv = nowhere, .patience = 60};
    assert_fails(rs_command_run(&c, &ended), RESCL_ERR_IO, "/nowhere/at/all");
    assert_int_equal(ended, -1);
}

/* More than a pipe holds does not stop it, nor a process that outlives it. */
static void reads_all_that_it_says(void **state)
{
    (void)state;
    const uint64_t begin = rs_clock_ns();
    assert_fails(shell("i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1",
                       NULL, 600),
                 RESCL_ERR_UNSUPPORTED, "line 19999");
    assert_fails(shell("sleep 600 & echo over >&2; kill $!; exit 1", NULL, 600),
                 RESCL_ERR_UNSUPPORTED, "over");
    assert_true(rs_clock_ns() - begin < 500ull * 1000000000u);
}

static void ends_what_takes_too_long(void **state)
{
    (void)state;
    const uint64_t begin = rs_clock_ns();
    assert_fails(shell("exec sleep 600", NULL, 1), RESCL_ERR_INTERRUPTED, "more than 1 seconds");
    assert_fails(shell("while :; do echo and on >&2; done", NULL, 1), RESCL_ERR_INTERRUPTED,
                 "more than 1 seconds");
    assert_true(rs_clock_ns() - begin < 500ull * 1000000000u);
}

static void has_the_environment_and_a_variable(void **state)
{
    (void)state;
    setenv("RESCL_TEST_COMMAND", "inherited", 1);
    assert_ok(shell("[ \"$RESCL_TEST_COMMAND\" = inherited ]", NULL, 60));
    assert_ok(shell("[ \"$RESCL_TEST_COMMAND\" = given ]", "RESCL_TEST_COMMAND=given", 60));
    assert_ok(shell("[ \"$RESCL_TEST_COMMAND$X\" = inheritedtoo ]", "X=too", 60));
    unsetenv("RESCL_TEST_COMMAND");
}

static void finds_what_is_near(void **state)
{
    (void)state;
    char *path = NULL;
    assert_ok(rs_command_find("test_command", &path));
    assert_non_null(path);
    free(path);
    assert_ok(rs_command_find("no-such-program", &path));
    assert_null(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_how_it_ended),
        cmocka_unit_test(reads_all_that_it_says),
        cmocka_unit_test(ends_what_takes_too_long),
        cmocka_unit_test(has_the_environment_and_a_variable),
        cmocka_unit_test(finds_what_is_near),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
