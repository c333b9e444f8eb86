/* What a cmocka test includes, and the checks that every room's tests share. */
#ifndef RS_TESTING_H
#define RS_TESTING_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rescl/status.h>

/* Groups of tests end with what rs_test_at_end was told, whoever runs them. */
#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cmocka_run_group_tests_name(#tests, tests, setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    rs_test_group(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

int rs_test_group(const char *name, const struct CMUnitTest *tests, size_t count,
                  CMFixtureFunction setup, CMFixtureFunction teardown);

/* `end` is called once, after the teardown of the group that runs: while every library still works,
 * which those that a driver loads need not do at exit. */
void rs_test_at_end(void (*end)(void));

/* Passes when `expr` is RESCL_OK, else prints the error record. */
#define assert_ok(expr) rs_test_ok((expr), #expr, __FILE__, __LINE__)

/* assert_fails(expr, status, words...) passes when `expr` fails with that status and a message that
 * holds each of the words. */
#define assert_fails(expr, ...)                                                                    \
    rs_test_fails((expr), #expr, __FILE__, __LINE__, __VA_ARGS__, (const char *)NULL)

void rs_test_ok(rescl_status st, const char *expr, const char *file, int line);
void rs_test_fails(rescl_status st, const char *expr, const char *file, int line,
                   rescl_status expected, ...);

/* The absolute path of a new empty folder (below TMPDIR), on the heap. */
char *rs_test_dir_make(void);
/* Removes it with all that it holds, and frees the name. */
void rs_test_dir_remove(char *dir);
/* Files and folders directly in `dir`. */
size_t rs_test_dir_count(const char *dir);

/* A folder of a test, or of all tests of a program: cmocka's setup and teardown. */
extern char *rs_test_dir;
int rs_test_dir_setup(void **state);
int rs_test_dir_teardown(void **state);

/* The formatted path, in one of a few buffers that are used in turn. */
const char *rs_test_path(const char *fmt, ...) RESCL_PRINTF(1, 2);

/* The value of RESCL_DATA_DIR, or NULL after printing that `what` is skipped for want of it; then
 * the test calls skip(). */
const char *rs_test_data_dir(const char *what);

#endif
