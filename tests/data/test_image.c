#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rescl/data.h>

#include "data_support.h"
#include "error.h"
#include "path.h"

static void names_what_is_no_image(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t bytes;
        const char *word;
    } files[] = {
        {"", 0, "is empty"},
        {"\x89PN", 3, "truncated"},
        {"\xff\xd8", 2, "truncated"},
        {"GIF89a??????", 12, "a GIF image; convert it first"},
        {"\x00\x00\x00\x0cjP  \r\n\x87\n", 12, "mogrify -auto-orient -format png"},
        {"????ftypheic", 12, "a HEIC"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "run 'git lfs pull'"},
        {"<!DOCTYPE html>\n<html>404", 25, "a web page"},
        {"just text, and more", 19, "but text; give an image"},
    };
    const char *path = rs_test_path("%s/image.png", rs_test_dir);
    rescl_image image;
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        put_bytes(path, files[i].data, files[i].bytes);
        assert_fails(rescl_image_read(path, &image), RESCL_ERR_FORMAT, path, files[i].word);
        assert_null(image.pixels);
    }
    assert_fails(rescl_image_read(rs_test_path("%s/absent.png", rs_test_dir), &image),
                 RESCL_ERR_NOT_FOUND, "absent.png");
    assert_int_not_equal(rescl_image_read(rs_test_dir, &image), RESCL_OK);
}

static void decodes_from_memory(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/memory.png", rs_test_dir);
    char *data;
    size_t bytes;
    rescl_image image;
    put_image(path, 77);
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    assert_ok(rescl_image_decode(data, bytes, "stdin", &image));
    assert_int_equal(image.width, 6);
    assert_int_equal(image.height, 4);
    assert_int_equal(image.pixels[71], 77);
    rescl_image_free(&image);
    assert_fails(rescl_image_decode(data, bytes / 2, "stdin", &image), RESCL_ERR_FORMAT, "stdin: ");
    free(data);
}

/* A file is judged by its header and its end, and whole where these do not suffice. */
static void probes_files(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/probed.png", rs_test_dir);
    rescl_image_info info;
    char *data;
    size_t bytes;
    put_image(path, 77);
    assert_ok(rescl_image_probe(path, &info));
    assert_int_equal(info.width, 6);
    assert_int_equal(info.height, 4);
    assert_string_equal(info.kind, "PNG");
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    put_bytes(path, data, bytes - 30);
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_FORMAT, path);
    assert_null(info.kind);
    put_bytes(path, data, 20);
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_FORMAT, path);
    put_bytes(path, "", 0);
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_FORMAT, "is empty");
    free(data);
}

/* Nothing but a regular file is opened, so that nothing can wait. */
static void probes_no_special_files(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/special.png", rs_test_dir);
    rescl_image_info info;
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_NOT_FOUND, path);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_NOT_FOUND, "a link that leads to no");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_FORMAT, "a FIFO");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_fails(rescl_image_probe(path, &info), RESCL_ERR_FORMAT, "a folder");
    rmdir(path);
    assert_fails(rescl_image_probe("/dev/null", &info), RESCL_ERR_FORMAT, "a device");
}

static void knows_the_names_of_images(void **state)
{
    (void)state;
    assert_true(rescl_image_has_suffix("a.png"));
    assert_true(rescl_image_has_suffix("x/y.z.JPG"));
    assert_true(rescl_image_has_suffix("a.Jpeg"));
    assert_true(rescl_image_has_suffix("a.jfif"));
    assert_true(rescl_image_has_suffix("a.JPE"));
    assert_true(rescl_image_has_suffix("a.jif"));
    assert_true(rescl_image_has_suffix("a.TIFF"));
    assert_false(rescl_image_has_suffix("a.gif"));
    assert_false(rescl_image_has_suffix("png"));
    assert_false(rescl_image_has_suffix(".png"));
    assert_false(rescl_image_has_suffix("a.png.txt"));
    assert_false(rescl_image_has_suffix(""));
}

/* The line in imageformats.def promises these two. */
static void every_format_has_its_files(void **state)
{
    (void)state;
    static const char *const stems[] = {
#define RS_IMAGE_FORMAT(stem) #stem,
#include "imageformats.def"
#undef RS_IMAGE_FORMAT
    };
    for (size_t i = 0; i < RS_COUNT(stems); i++) {
        struct stat info;
        assert_int_equal(
            stat(rs_test_path("%s/src/data/%s.c", RESCL_TEST_SOURCE_DIR, stems[i]), &info), 0);
        assert_int_equal(
            stat(rs_test_path("%s/tests/data/test_%s.c", RESCL_TEST_SOURCE_DIR, stems[i]), &info),
            0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_no_image),
        cmocka_unit_test(decodes_from_memory),
        cmocka_unit_test(probes_files),
        cmocka_unit_test(probes_no_special_files),
        cmocka_unit_test(knows_the_names_of_images),
        cmocka_unit_test(every_format_has_its_files),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
