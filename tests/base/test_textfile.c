#include "testing.h"

#include "textfile.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHORT = 50, LONG = 60000 };

static void expect_text(FILE *f, const char *text)
{
    char got[100] = "";
    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    assert_string_equal(got, text);
    assert_false(ferror(f));
    fclose(f);
}

static void reads_files(void **state)
{
    (void)state;
    const char *why, *path = rs_test_path("%s/a", rs_test_dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("one\ntwo", f);
    fclose(f);
    expect_text(rs_text_open(path, SHORT, &why), "one\ntwo");
    assert_null(why);
    assert_null(rs_text_open(rs_test_path("%s/none", rs_test_dir), SHORT, &why));
    assert_string_equal(why, "No such file or directory");
}

static void gives_up_a_pipe_that_nobody_writes_to(void **state)
{
    (void)state;
    const char *why, *path = rs_test_path("%s/pipe", rs_test_dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(rs_text_open(path, SHORT, &why));
    assert_string_equal(why, "nobody writes to this pipe");
}

static void *write_late(void *path)
{
    usleep(20000);
    const int fd = open(path, O_WRONLY);
    (void)!write(fd, "late", 4);
    usleep(20000);
    (void)!write(fd, "r", 1);
    close(fd);
    return NULL;
}

static void waits_for_who_writes_late(void **state)
{
    (void)state;
    pthread_t writer;
    const char *why;
    const char *path = rs_test_path("%s/pipe", rs_test_dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_late, (void *)path), 0);
    expect_text(rs_text_open(path, LONG, &why), "later");
    pthread_join(writer, NULL);
}

/* What a shell's <(command) is, whose command may take its time. */
static void *write_to_it(void *fd)
{
    usleep(4 * SHORT * 1000);
    (void)!write(*(int *)fd, "x", 1);
    close(*(int *)fd);
    return NULL;
}

static void waits_for_who_has_opened_it(void **state)
{
    (void)state;
    pthread_t writer;
    const char *why;
    int end[2];
    assert_int_equal(pipe(end), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_to_it, &end[1]), 0);
    expect_text(rs_text_open(rs_test_path("/dev/fd/%d", end[0]), SHORT, &why), "x");
    pthread_join(writer, NULL);
    close(end[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_files),
        TEST(gives_up_a_pipe_that_nobody_writes_to),
        TEST(waits_for_who_writes_late),
        TEST(waits_for_who_has_opened_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
