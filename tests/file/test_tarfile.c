#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "path.h"
#include "rng.h"
#include "tarfile.h"

/* Archives of GNU tar, Python and webdataset: tests/data/make_archives.py. */
static const char *archive(const char *name)
{
    return rs_test_path("%s/tests/data/shards/%s", RESCL_TEST_SOURCE_DIR, name);
}

/* Wants these files, by the ends of their names. */
static void expect_files(const char *path, const char *const *ends, size_t count)
{
    rs_tar t;
    bool more = false;
    assert_ok(rs_tar_open(path, &t));
    for (size_t i = 0; i < count; i++) {
        assert_ok(rs_tar_next(&t, &more));
        assert_true(more);
        const size_t n = strlen(t.name), m = strlen(ends[i]);
        if (n < m || strcmp(t.name + n - m, ends[i]) != 0)
            fail_msg("%s: member %zu is %s, expected %s", path, i, t.name, ends[i]);
    }
    assert_ok(rs_tar_next(&t, &more));
    assert_false(more);
    rs_tar_close(&t);
}

static void reads_every_form(void **state)
{
    (void)state;
    static const char *const long_names[] = {"a-long-name/in it/0.cls", "a-long-name/in it/0.png",
                                             "a-long-name/in it/1.cls", "a-long-name/in it/1.png",
                                             "./read.me"};
    static const char *const short_names[] = {"a/x.0.png", "a/x.cls", "a/y.png", "a/z.cls"};
    expect_files(archive("gnu.tar"), long_names, 5);
    expect_files(archive("pax.tar"), long_names, 5);
    expect_files(archive("ustar.tar"), short_names, 4);
}

static void finds_the_bytes(void **state)
{
    (void)state;
    rs_tar t;
    bool more;
    char text[16] = "";
    assert_ok(rs_tar_open(archive("gnu.tar"), &t));
    assert_ok(rs_tar_next(&t, &more));
    assert_int_equal(t.size, 4);
    assert_ok(rs_file_read_at(t.fd, t.path, t.at, text, 4));
    assert_string_equal(text, "cat\n");
    rs_tar_close(&t);
    rs_tar_close(&t);
}

/* *whole gets whether the archive's end is there. */
static rescl_status read_to_end(const char *path, bool *whole)
{
    rs_tar t;
    bool more = true;
    rescl_status st = rs_tar_open(path, &t);
    while (st == RESCL_OK && more)
        st = rs_tar_next(&t, &more);
    *whole = !t.lacks_end;
    rs_tar_close(&t);
    return st;
}

static rescl_status read_all(const char *path)
{
    bool whole;
    return read_to_end(path, &whole);
}

static rescl_status read_bytes(const char *data, size_t bytes, bool *whole)
{
    const char *path = rs_test_path("%s/bad.tar", rs_test_dir);
    FILE *f = fopen(path, "wb"); /* rs_file_write waits for the disk */
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
    return read_to_end(path, whole);
}

static void refuses_damage(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/bad.tar", rs_test_dir);
    char *data;
    size_t bytes, end = 0;
    rs_rng rng;
    bool whole;
    assert_ok(rs_file_read(archive("pax.tar"), 1 << 20, &data, &bytes));
    for (size_t i = 0; i < bytes; i++)
        end = data[i] ? i / 512 * 512 + 512 : end;
    for (size_t n = 0; n < bytes; n += n % 512 ? 112 : 912) {
        const rescl_status st = read_bytes(data, n, &whole);
        if (n < end + 512)
            assert_true(st == RESCL_ERR_FORMAT || (st == RESCL_OK && !whole));
        else
            assert_true(st == RESCL_OK && whole);
    }
    rs_tar t;
    bool more;
    assert_ok(rs_tar_open(archive("pax.tar"), &t));
    assert_ok(rs_tar_next(&t, &more));
    assert_ok(rs_file_write(path, data, t.at + t.size - 1)); /* cut within the first file */
    rs_tar_close(&t);
    assert_fails(read_all(path), RESCL_ERR_FORMAT, path, "too early");
    rs_rng_init(&rng, 1, 1);
    for (int i = 0; i < 60; i++) {
        const uint32_t at = rs_rng_below(&rng, 9 * 512);
        data[at] ^= 1;
        const rescl_status st = read_bytes(data, bytes, &whole);
        assert_true(st == RESCL_OK || st == RESCL_ERR_FORMAT);
        data[at] ^= 1;
    }
    data[0] ^= 1;
    assert_ok(rs_file_write(path, data, bytes));
    assert_fails(read_all(path), RESCL_ERR_FORMAT, path, "not a tar archive");
    free(data);
    assert_ok(rs_file_write(path, "", 0));
    assert_fails(read_all(path), RESCL_ERR_FORMAT, path, "too early");
    assert_fails(read_all(rs_test_path("%s/gone.tar", rs_test_dir)), RESCL_ERR_NOT_FOUND, "gone");
    assert_fails(read_all(rs_test_dir), RESCL_ERR_FORMAT, "not a file");
}

/* Whatever changes in a header is seen, and a zero at its beginning does not end the archive. */
static void refuses_damaged_headers(void **state)
{
    (void)state;
    char *data;
    size_t bytes, headers = 0;
    rs_tar t;
    bool more, whole;
    assert_ok(rs_file_read(archive("ustar.tar"), 1 << 20, &data, &bytes));
    assert_ok(rs_tar_open(archive("ustar.tar"), &t));
    for (;; headers++) {
        assert_ok(rs_tar_next(&t, &more));
        if (!more)
            break;
        char *header = data + t.at - 512;
        for (size_t i = 0; i < 512; i += 29) { /* the blank behind the checksum is at 155 */
            header[i] ^= 1;
            assert_int_equal(read_bytes(data, bytes, &whole), RESCL_ERR_FORMAT);
            header[i] ^= 1;
        }
        const char first = header[0];
        header[0] = '\0';
        assert_int_equal(read_bytes(data, bytes, &whole), RESCL_ERR_FORMAT);
        header[0] = first;
        header[512] ^= 1; /* the member's own byte */
        assert_ok(read_bytes(data, bytes, &whole));
        header[512] ^= 1;
    }
    assert_int_equal(headers, 4);
    memset(data + 512 * 2, 0, 512); /* the second header, behind one block of bytes */
    assert_fails(read_bytes(data, bytes, &whole), RESCL_ERR_FORMAT, "single block of zeros");
    rs_tar_close(&t);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(finds_the_bytes),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(refuses_damaged_headers),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
