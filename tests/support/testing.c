#define _GNU_SOURCE /* nftw */
#include "testing.h"

#include "str.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*at_end)(void);

void rs_test_at_end(void (*end)(void))
{
    assert_true(!at_end || at_end == end);
    at_end = end;
}

int rs_test_group(const char *name, const struct CMUnitTest *tests, size_t count,
                  CMFixtureFunction setup, CMFixtureFunction teardown)
{
    const int failed = _cmocka_run_group_tests(name, tests, count, setup, teardown);
    if (at_end)
        at_end();
    at_end = NULL;
    return failed;
}

void rs_test_ok(rescl_status st, const char *expr, const char *file, int line)
{
    if (st == RESCL_OK)
        return;
    print_error("%s: %s: %s\n", expr, rescl_status_name(st), rescl_last_error()->message);
    _fail(file, line);
}

void rs_test_fails(rescl_status st, const char *expr, const char *file, int line,
                   rescl_status expected, ...)
{
    const char *message = st == RESCL_OK ? "" : rescl_last_error()->message;
    if (st != expected) {
        print_error("%s: gave \"%s\" (%s), expected \"%s\"\n", expr, rescl_status_name(st), message,
                    rescl_status_name(expected));
        _fail(file, line);
    }
    va_list words;
    va_start(words, expected);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        if (!strstr(message, word)) {
            print_error("%s: the message \"%s\" lacks \"%s\"\n", expr, message, word);
            va_end(words);
            _fail(file, line);
        }
    }
    va_end(words);
}

char *rs_test_dir_make(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = rs_strf("%s/rescl-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(dir);
    assert_non_null(mkdtemp(dir));
    char *absolute = realpath(dir, NULL);
    assert_non_null(absolute);
    free(dir);
    return absolute;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

void rs_test_dir_remove(char *dir)
{
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

size_t rs_test_dir_count(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(d);
    return count;
}

char *rs_test_dir;

int rs_test_dir_setup(void **state)
{
    (void)state;
    rs_test_dir = rs_test_dir_make();
    return 0;
}

int rs_test_dir_teardown(void **state)
{
    (void)state;
    rs_test_dir_remove(rs_test_dir);
    rs_test_dir = NULL;
    return 0;
}

const char *rs_test_path(const char *fmt, ...)
{
    static char paths[4][4096];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(path, sizeof paths[0], fmt, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof paths[0]);
    return path;
}

const char *rs_test_data_dir(const char *what)
{
    const char *dir = getenv("RESCL_DATA_DIR");
    if (dir && *dir)
        return dir;
    print_message("skipped: %s (RESCL_DATA_DIR is not set)\n", what);
    return NULL;
}
