#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "data_support.h"
#include "dataset.h"
#include "path.h"

static const char *at(const char *name)
{
    return rs_test_path("%s/%s", rs_test_dir, name);
}

static void put(const char *name)
{
    put_image(at(name), 77);
}

/* A set in which class "a" has 40 good images and "b" two. */
static int make_images(void **state)
{
    rs_test_dir_setup(state);
    assert_ok(rs_mkdirs(at("train/a")));
    assert_ok(rs_mkdirs(at("train/b")));
    for (int i = 0; i < 40; i++)
        put_image(rs_test_path("%s/train/a/%02d.png", rs_test_dir, i), 1);
    put("train/b/0.png");
    put("train/b/1.png");
    return 0;
}

static rescl_dataset *open_train(bool strict)
{
    rescl_dataset *set = NULL;
    const rescl_data_options o = {
        .struct_size = sizeof o, .path = rs_test_dir, .split = "train", .strict_data = strict};
    assert_ok(rescl_dataset_open(&o, &set));
    return set;
}

static void make_socket(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && strlen(path) < sizeof name.sun_path);
    strcpy(name.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    close(fd);
}

static void takes_good_sets_as_they_are(void **state)
{
    (void)state;
    rescl_dataset *set = open_train(true);
    rescl_bad_image bad;
    size_t checked = 0;
    assert_ok(rescl_dataset_check(set, &checked));
    assert_int_equal(checked, 42);
    assert_int_equal(rescl_dataset_count(set), 42);
    assert_false(rescl_dataset_bad(set, 0, &bad));
    rescl_dataset_close(set);
}

/* Each is named with its reason, whatever it is, and nothing waits for it. */
static void leaves_out_what_cannot_be_read(void **state)
{
    (void)state;
    static const char *const reasons[] = {"is empty", "a FIFO", "leads to no file", "a socket"};
    put_bytes(at("train/a/05x.png"), "", 0);
    assert_int_equal(mkfifo(at("train/a/06x.png"), 0600), 0);
    assert_int_equal(symlink("nowhere", at("train/a/07x.png")), 0);
    make_socket(at("train/a/08x.png"));
    rescl_dataset *set = open_train(false);
    rescl_bad_image bad;
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_check(set, NULL));
    assert_int_equal(rescl_dataset_count(set), 42);
    for (size_t i = 0; i < 4; i++) {
        assert_true(rescl_dataset_bad(set, i, &bad));
        assert_non_null(strstr(bad.path, rs_test_path("0%zux.png", 5 + i)));
        assert_non_null(strstr(bad.reason, reasons[i]));
        assert_string_equal(bad.class_name, "a");
    }
    assert_false(rescl_dataset_bad(set, 4, &bad));
    for (size_t i = 0; i < 42; i++) {
        assert_ok(rescl_dataset_get(set, i, &image, &label));
        assert_int_equal(label, i >= 40);
        rescl_image_free(&image);
    }
    rescl_dataset_close(set);
}

static void refuses_them_when_strict(void **state)
{
    (void)state;
    put_bytes(at("train/a/05x.png"), "text", 4);
    rescl_dataset *set = open_train(true);
    rescl_bad_image bad;
    assert_fails(rescl_dataset_check(set, NULL), RESCL_ERR_FORMAT, "1 of 43 images", "05x.png");
    assert_true(rescl_dataset_bad(set, 0, &bad));
    rescl_dataset_close(set);
}

/* Files are not bad because this process has too many of them open. */
static void blames_no_file_for_the_machine(void **state)
{
    (void)state;
    rescl_dataset *set = open_train(false);
    rescl_bad_image bad;
    struct rlimit was, none;
    const int next = dup(0);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const rescl_status st = rescl_dataset_check(set, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_fails(st, RESCL_ERR_IO, "cannot open");
    assert_false(rescl_dataset_bad(set, 0, &bad));
    assert_ok(rescl_dataset_check(set, NULL));
    rescl_dataset_close(set);
}

static void finds_classes_that_are_lost(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_bad_image first;
    put_bytes(at("train/b/0.png"), "", 0);
    set = open_train(false);
    assert_ok(rescl_dataset_check(set, NULL));
    assert_null(rs_dataset_lost_class(set, &first));
    rescl_dataset_close(set);
    put_bytes(at("train/b/1.png"), "", 0);
    set = open_train(false);
    assert_ok(rescl_dataset_check(set, NULL));
    assert_string_equal(rs_dataset_lost_class(set, &first), "b");
    rescl_dataset_close(set);
    for (int i = 0; i < 40; i++)
        put_bytes(rs_test_path("%s/train/a/%02d.png", rs_test_dir, i), "", 0);
    set = open_train(false);
    assert_fails(rescl_dataset_check(set, NULL), RESCL_ERR_FORMAT, "none of its 42 images");
    rescl_dataset_close(set);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_images, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(takes_good_sets_as_they_are), TEST(leaves_out_what_cannot_be_read),
        TEST(refuses_them_when_strict),    TEST(blames_no_file_for_the_machine),
        TEST(finds_classes_that_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
