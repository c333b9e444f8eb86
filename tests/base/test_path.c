#include "testing.h"

#include "path.h"
#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_join(const char *a, const char *b, const char *expected)
{
    char *joined = rs_path_join(a, b);
    assert_string_equal(joined, expected);
    free(joined);
}

static void joins(void **state)
{
    (void)state;
    check_join("a", "b", "a/b");
    check_join("a/", "b", "a/b");
    check_join("", "b", "b");
    check_join("/", "b", "/b");
}

static void makes_folders(void **state)
{
    (void)state;
    char *deep = rs_path_join(rs_test_dir, "x/y//z/");
    assert_ok(rs_mkdirs(deep));
    assert_ok(rs_mkdirs(deep));
    assert_true(rs_path_is_dir(deep));
    char *file = rs_path_join(rs_test_dir, "file");
    assert_ok(rs_file_write(file, "1", 1));
    char *below = rs_path_join(file, "sub");
    assert_fails(rs_mkdirs(below), RESCL_ERR_IO, file);
    assert_false(rs_path_is_dir(file));
    assert_false(rs_path_is_dir(below));
    assert_fails(rs_mkdirs(""), RESCL_ERR_ARG, "empty");
    free(below);
    free(file);
    free(deep);
}

static void check_content(const char *path, const char *expected, size_t bytes)
{
    char *data = NULL;
    size_t got = 0;
    assert_ok(rs_file_read(path, 1 << 20, &data, &got));
    assert_int_equal(got, bytes);
    assert_memory_equal(data, expected, bytes);
    assert_int_equal(data[got], 0);
    free(data);
}

static void reads_with_a_limit(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "data"), *fifo = rs_path_join(rs_test_dir, "fifo"),
         *data = NULL;
    size_t bytes;
    assert_ok(rs_file_write(path, "ab\0cd", 5));
    check_content(path, "ab\0cd", 5);
    assert_ok(rs_file_read(path, 5, &data, &bytes));
    free(data);
    data = NULL;
    assert_fails(rs_file_read(path, 4, &data, &bytes), RESCL_ERR_FORMAT, "5 bytes", "at most 4");
    assert_fails(rs_file_read(rs_test_dir, 4, &data, &bytes), RESCL_ERR_FORMAT, "regular");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_fails(rs_file_read(fifo, 4, &data, &bytes), RESCL_ERR_FORMAT, "regular");
    assert_int_equal(unlink(path), 0);
    assert_fails(rs_file_read(path, 4, &data, &bytes), RESCL_ERR_NOT_FOUND, path);
    assert_null(data);
    assert_ok(rs_file_write(path, "", 0));
    check_content(path, "", 0);
    free(fifo);
    free(path);
}

static void commits_or_leaves_nothing(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "weights");
    assert_ok(rs_file_write(path, "old", 3));

    rs_atomic_file f;
    assert_ok(rs_atomic_open(&f, path));
    assert_ok(rs_atomic_write(&f, "ne", 2));
    assert_int_equal(rs_test_dir_count(rs_test_dir), 2);
    check_content(path, "old", 3); /* not before the commit */
    rs_atomic_abort(&f);
    rs_atomic_abort(&f);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    check_content(path, "old", 3);

    assert_ok(rs_atomic_open(&f, path));
    assert_ok(rs_atomic_write(&f, "ne", 2));
    assert_ok(rs_atomic_write(&f, "w!", 2));
    assert_ok(rs_atomic_commit(&f));
    rs_atomic_abort(&f);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    check_content(path, "new!", 4);
    assert_fails(rs_atomic_write(&f, "x", 1), RESCL_ERR_ARG, "not open");
    assert_fails(rs_atomic_commit(&f), RESCL_ERR_ARG, "not open");

    rs_atomic_file zero = {0};
    rs_atomic_abort(&zero); /* must not close descriptor 0 */
    assert_true(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
    free(path);
}

static void two_writers_of_one_path(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "shared");
    rs_atomic_file a, b;
    assert_ok(rs_atomic_open(&a, path));
    assert_ok(rs_atomic_open(&b, path)); /* does not take the other's for stale */
    assert_ok(rs_atomic_write(&a, "first", 5));
    assert_ok(rs_atomic_write(&b, "second", 6));
    assert_ok(rs_atomic_commit(&a));
    check_content(path, "first", 5);
    assert_ok(rs_atomic_commit(&b));
    check_content(path, "second", 6);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    free(path);
}

/* Only what a writer that died has left goes, not what is merely named like it. */
static void follows_links_and_replaces_files_alone(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "file"), *link = rs_path_join(rs_test_dir, "link"),
         *lost = rs_path_join(rs_test_dir, "lost"), *fifo = rs_path_join(rs_test_dir, "fifo");
    struct stat info;
    assert_ok(rs_file_write(path, "old", 3));
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(symlink("nowhere", lost), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_ok(rs_file_write(link, "new", 3));
    check_content(path, "new", 3);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_fails(rs_file_write(lost, "x", 1), RESCL_ERR_IO, "leads nowhere");
    assert_fails(rs_file_write(fifo, "x", 1), RESCL_ERR_IO, "no regular file");
    assert_fails(rs_file_write("/dev/null", "x", 1), RESCL_ERR_IO, "no regular file");
    free(path);
    free(link);
    free(lost);
    free(fifo);
}

static void removes_stale_files_of_its_own(void **state)
{
    (void)state;
    static const char *const names[] = {"a.tmp-mine", "a.tmp-12",       "a.tmp-12-",
                                        "a.tmp-12-x", "a.tmp-12-3.bak", "ab.tmp-12-3"};
    char *path = rs_path_join(rs_test_dir, "a");
    assert_ok(rs_file_write(rs_test_path("%s/a.tmp-12-3", rs_test_dir), "x", 1));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_ok(rs_file_write(rs_test_path("%s/%s", rs_test_dir, names[i]), "x", 1));
    assert_ok(rs_file_write(path, "x", 1));
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1 + sizeof names / sizeof *names);
    free(path);
}

static void reports_what_the_system_says(void **state)
{
    (void)state;
    char *missing = rs_path_join(rs_test_dir, "no/such/file");
    assert_fails(rs_file_write(missing, "x", 1), RESCL_ERR_IO, missing);
    assert_int_equal(rescl_last_error()->sys_errno, ENOENT);
    free(missing);

    /* A folder in the way: the rename fails, and nothing is left beside it. */
    char *taken = rs_path_join(rs_test_dir, "taken");
    assert_ok(rs_mkdirs(taken));
    assert_fails(rs_file_write(taken, "x", 1), RESCL_ERR_IO, taken);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    free(taken);

    rs_atomic_file f;
    if (access("/dev/full", W_OK) != 0)
        return;
    char *path = rs_path_join(rs_test_dir, "full");
    assert_ok(rs_atomic_open(&f, path));
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    assert_true(dup2(full, f.fd) >= 0); /* from here the disk is full */
    close(full);
    assert_fails(rs_atomic_write(&f, "x", 1), RESCL_ERR_IO, path);
    assert_int_equal(rescl_last_error()->sys_errno, ENOSPC);
    rs_atomic_abort(&f);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    free(path);
}

/* Writes files of one repeated letter, each a letter further, until it is killed. */
static void write_for_ever(const char *path)
{
    enum { BYTES = 1 << 16 };
    static char text[BYTES];
    for (int round = 0;; round = (round + 1) % 26) {
        memset(text, 'a' + round, sizeof text);
        rs_atomic_file f;
        if (rs_atomic_open(&f, path) != RESCL_OK)
            _exit(1);
        for (size_t at = 0; at < sizeof text; at += 4096) {
            if (rs_atomic_write(&f, text + at, 4096) != RESCL_OK)
                _exit(1);
        }
        if (rs_atomic_commit(&f) != RESCL_OK)
            _exit(1);
        rs_atomic_abort(&f);
    }
}

static void survives_sigkill(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "killed");
    assert_ok(rs_file_write(path, "", 0));
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_for_ever(path);
        usleep((useconds_t)(3000 + 1700 * (i % 7)));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); /* it did not fail by itself */

        char *data = NULL;
        size_t bytes = 0;
        if (access(path, F_OK) != 0)
            continue; /* killed before the first commit */
        assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
        assert_int_equal(bytes, 1 << 16);
        for (size_t b = 1; b < bytes; b++)
            assert_int_equal(data[b], data[0]);
        free(data);
    }
    /* What the dead writers left goes with the next write. */
    assert_ok(rs_file_write(path, "alive", 5));
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    check_content(path, "alive", 5);
    free(path);
}

/* The system takes 3 of 6 bytes: the file stays as it was. */
static void appends_whole_lines_or_none(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "limited");
    struct rlimit was, less;
    assert_ok(rs_file_append_line(path, "first"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    less = was;
    less.rlim_cur = 6 + 3;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    const rescl_status st = rs_file_append_line(path, "other");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_fails(st, RESCL_ERR_IO, "only 3 of 6 bytes were written");
    check_content(path, "first\n", 6);
    free(path);
}

static void appends_lines(void **state)
{
    (void)state;
    char *path = rs_path_join(rs_test_dir, "results.csv");
    assert_ok(rs_file_append_line(path, "epoch,loss"));
    assert_ok(rs_file_append_line(path, "1,0.5"));
    check_content(path, "epoch,loss\n1,0.5\n", 17);
    assert_fails(rs_file_append_line(rs_test_dir, "x"), RESCL_ERR_IO, rs_test_dir);
    if (access("/dev/full", W_OK) == 0)
        assert_fails(rs_file_append_line("/dev/full", "x"), RESCL_ERR_IO, "/dev/full");
    free(path);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, rs_test_dir_setup, rs_test_dir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins),
        IN_DIR(makes_folders),
        IN_DIR(follows_links_and_replaces_files_alone),
        IN_DIR(reads_with_a_limit),
        IN_DIR(commits_or_leaves_nothing),
        IN_DIR(two_writers_of_one_path),
        IN_DIR(reports_what_the_system_says),
        IN_DIR(survives_sigkill),
        IN_DIR(appends_lines),
        IN_DIR(removes_stale_files_of_its_own),
        IN_DIR(appends_whole_lines_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
