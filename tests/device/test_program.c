#include "device_support.h"
#include "testing.h"

#include "path.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void builds_each_program_once(void **state)
{
    (void)state;
    rs_kernel *a = NULL, *b = NULL, *c = NULL;
    assert_ok(rs_kernel_get(test_dev, "basic", "-DEXTRA=1", "scale", &a));
    assert_int_equal(test_stats(test_dev).builds, 1);
    assert_ok(rs_kernel_get(test_dev, "basic", "-DEXTRA=1", "options", &b));
    assert_ok(rs_kernel_get(test_dev, "basic", "-DEXTRA=1", "scale", &c));
    assert_int_equal(test_stats(test_dev).builds, 1);
    assert_ptr_equal(a, c);
    assert_ptr_not_equal(a, b);
    assert_true(rs_kernel_max_group(a) >= 1);
    assert_true(rs_kernel_max_group(a) <= rescl_device_get_info(test_dev)->max_group);
    assert_ok(rs_kernel_get(test_dev, "basic", "-DEXTRA=2", "scale", &b));
    assert_int_equal(test_stats(test_dev).builds, 2);
}

static void on_build(const rescl_build_event *e, void *user)
{
    rescl_build_event *seen = user;
    assert_string_equal(e->file, e->built > 1 || (e->built == 1 && !e->done) ? "broken" : "basic");
    assert_int_equal(e->building, !e->done);
    assert_int_equal(e->built, seen->built + e->done);
    assert_int_equal(e->done, !seen->done);
    *seen = *e;
}

/* What comes from the disk cache is no compiling, a build that fails is. */
static void tells_when_it_compiles(void **state)
{
    (void)state;
    rescl_build_event seen = {.done = true};
    rs_kernel *k = NULL;
    char option[64];
    snprintf(option, sizeof option, "-DTELLS=%ld", (long)getpid());
    rescl_device_on_build(test_dev, on_build, &seen);
    assert_ok(rs_kernel_get(test_dev, "basic", option, "scale", &k));
    assert_int_equal(seen.built, 1);
    assert_ok(rs_kernel_get(test_dev, "basic", option, "options", &k));
    assert_int_equal(seen.built, 1);
    assert_fails(rs_kernel_get(test_dev, "broken", option, "broken", &k), RESCL_ERR_BUILD,
                 "broken");
    assert_int_equal(seen.built, 2);
    assert_true(seen.done);
    rescl_device_on_build(test_dev, NULL, NULL);
}

static void names_what_is_missing(void **state)
{
    (void)state;
    rs_kernel *k = NULL;
    assert_fails(rs_kernel_get(test_dev, "basic", "", "scales", &k), RESCL_ERR_NOT_FOUND,
                 "basic.cl has no kernel scales", "scale");
    assert_fails(rs_kernel_get(test_dev, "no_such_file", "", "x", &k), RESCL_ERR_NOT_FOUND,
                 "no_such_file.cl");
    assert_null(k);
}

/* The file that the message says the log lies in. */
static void check_log_file(const char *message)
{
    static const char before[] = "the whole log: ";
    char path[512], *text = NULL;
    size_t bytes = 0;
    const char *at = strstr(message, before);
    assert_non_null(at);
    at += sizeof before - 1;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(at, "\n"), at);
    assert_ok(rs_file_read(path, 1 << 20, &text, &bytes));
    assert_non_null(strstr(text, "nobody_declared_this"));
    assert_non_null(strstr(text, "-DSOME=1"));
    free(text);
}

static void explains_a_failed_build(void **state)
{
    (void)state;
    rs_kernel *k = NULL;
    const rescl_device_info *info = rescl_device_get_info(test_dev);
    for (int i = 0; i < 2; i++) { /* the second time it is remembered */
        assert_fails(rs_kernel_get(test_dev, "broken", "-DSOME=1", "broken", &k), RESCL_ERR_BUILD,
                     "broken.clh:4: error: ", "nobody_declared_this", "kernel file broken.cl",
                     info->name, info->driver, "-DSOME=1", ">    4 |     return y + nobody",
                     "     2 | {\n", "     5 | }");
        check_log_file(rescl_last_error()->message);
    }
    assert_fails(rs_kernel_get(test_dev, "basic", "-this-is-no-option", "scale", &k),
                 RESCL_ERR_BUILD, "-this-is-no-option");
    assert_int_equal(test_stats(test_dev).builds, 0);
    assert_null(k);
}

/* ---- threads ----------------------------------------------------------------------------- */

typedef struct request {
    const char *file, *options, *kernel;
    rs_kernel *got;
    rescl_status st;
} request;

static void *get_kernel(void *arg)
{
    request *r = arg;
    r->st = rs_kernel_get(test_dev, r->file, r->options, r->kernel, &r->got);
    return NULL;
}

static void builds_from_any_thread(void **state)
{
    (void)state;
    request requests[] = {
        {.file = "basic", .options = "-DEXTRA=11", .kernel = "scale"},
        {.file = "basic", .options = "-DEXTRA=11", .kernel = "scale"},
        {.file = "basic", .options = "-DEXTRA=12", .kernel = "scale"},
        {.file = "broken", .options = "", .kernel = "broken"},
        {.file = "basic", .options = "-DEXTRA=11", .kernel = "options"},
        {.file = "broken", .options = "", .kernel = "broken"},
    };
    enum { THREADS = sizeof requests / sizeof requests[0] };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_kernel, &requests[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(requests[i].st,
                         strcmp(requests[i].file, "broken") ? RESCL_OK : RESCL_ERR_BUILD);
    assert_ptr_equal(requests[0].got, requests[1].got);
    assert_ptr_not_equal(requests[0].got, requests[2].got);
    assert_ptr_not_equal(requests[0].got, requests[4].got);
    assert_int_equal(test_stats(test_dev).builds, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(builds_each_program_once, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(tells_when_it_compiles, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(names_what_is_missing, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(explains_a_failed_build, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(builds_from_any_thread, test_device_setup,
                                        test_device_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
