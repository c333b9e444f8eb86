/* Where the cache lies, and when it is not trusted. */
#include "cachefolder.h"
#include "path.h"
#include "str.h"
#include "testing.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_path(const char *expected)
{
    char *got = NULL;
    assert_ok(rs_cache_path(&got));
    assert_string_equal(got, expected);
    free(got);
}

static void finds_the_cache(void **state)
{
    (void)state;
    setenv("HOME", "/home/me", 1);
    setenv("XDG_CACHE_HOME", "/var/xdg", 1);
    setenv("RESCL_CACHE_DIR", "/mine", 1);
    check_path("/mine");
    setenv("RESCL_CACHE_DIR", "", 1);
    check_path("/var/xdg/rescl");
    setenv("XDG_CACHE_HOME", "relative", 1);
    check_path("/home/me/.cache/rescl");
    unsetenv("XDG_CACHE_HOME");
    check_path("/home/me/.cache/rescl");
}

/* A folder below /tmp would be whoever's made it first. */
static void takes_the_home_from_the_user_database(void **state)
{
    (void)state;
    unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("RESCL_CACHE_DIR");
    const struct passwd *me = getpwuid(geteuid());
    if (me && rs_path_is_dir(me->pw_dir)) {
        char *expected = rs_path_join(me->pw_dir, ".cache/rescl");
        check_path(expected);
        free(expected);
    } else {
        char *got = NULL;
        assert_fails(rs_cache_path(&got), RESCL_ERR_NOT_FOUND, "set RESCL_CACHE_DIR");
    }
}

static void makes_folders_for_the_user_alone(void **state)
{
    (void)state;
    char *base = rs_path_join(rs_test_dir, "a/cache/"), *got = NULL;
    struct stat info;
    setenv("RESCL_CACHE_DIR", base, 1);
    assert_ok(rs_cache_folder("programs", &got));
    assert_int_equal(stat(got, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(base, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    free(got);
    free(base);
}

static void refused(const char *why)
{
    char *got = NULL;
    assert_fails(rs_cache_folder("programs", &got), RESCL_ERR_IO, why);
    assert_null(got);
}

static void trusts_nobody_else(void **state)
{
    (void)state;
    char *base = rs_path_join(rs_test_dir, "cache"), *programs = rs_path_join(base, "programs"),
         *link = rs_path_join(rs_test_dir, "link"), *slashed = rs_path_join(link, ""), *got = NULL;
    setenv("RESCL_CACHE_DIR", base, 1);
    assert_ok(rs_cache_folder("programs", &got));
    free(got);
    char *const folder[] = {base, programs};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chmod(folder[i], 0777), 0);
        refused("may be written by others");
        assert_int_equal(chmod(folder[i], 0770), 0);
        refused("may be written by others");
        assert_int_equal(chmod(folder[i], 0755), 0);
        if (geteuid() != 0)
            continue;
        assert_int_equal(chown(folder[i], 65534, (gid_t)-1), 0);
        refused("belongs to another user");
        assert_int_equal(chown(folder[i], 0, (gid_t)-1), 0);
    }
    assert_ok(rs_cache_folder("programs", &got));
    free(got);
    assert_int_equal(symlink("cache", link), 0);
    setenv("RESCL_CACHE_DIR", link, 1);
    refused("is a link");
    setenv("RESCL_CACHE_DIR", slashed, 1);
    refused("is a link");
    free(base);
    free(programs);
    free(link);
    free(slashed);
}

static void knows_its_own_files(void **state)
{
    (void)state;
    char *file = rs_path_join(rs_test_dir, "file"), *link = rs_path_join(rs_test_dir, "link");
    assert_ok(rs_file_write(file, "x", 1));
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_true(rs_cache_owns(file));
    assert_false(rs_cache_owns(link));
    assert_false(rs_cache_owns(rs_test_dir));
    assert_int_equal(chmod(file, 0666), 0);
    assert_false(rs_cache_owns(file));
    free(file);
    free(link);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, rs_test_dir_setup, rs_test_dir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_cache),
        cmocka_unit_test(takes_the_home_from_the_user_database),
        IN_DIR(makes_folders_for_the_user_alone),
        IN_DIR(trusts_nobody_else),
        IN_DIR(knows_its_own_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
