#include "testing.h"

#include "path.h"
#include "zipfile.h"

#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLENTY ((size_t)1 << 24)

/* Written by Python's zipfile (make_zips.py). */
static const char *zip_path(const char *name)
{
    return rs_test_path("%s/tests/file/zips/%s", RESCL_TEST_SOURCE_DIR, name);
}

static void needs_libzip(void)
{
    if (!rescl_has_feature("zip"))
        skip();
}

static void open_fails(const char *name, const char *word)
{
    rs_zip *z = NULL;
    assert_fails(rs_zip_open(zip_path(name), &z), RESCL_ERR_FORMAT, name, word);
    assert_null(z);
}

static void read_fails(const char *name, const char *entry, const char *word)
{
    rs_zip *z = NULL;
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(rs_zip_open(zip_path(name), &z));
    const rs_zip_entry *e = rs_zip_find(z, entry);
    assert_non_null(e);
    assert_fails(rs_zip_read_all(z, e, PLENTY, &data, &bytes), RESCL_ERR_FORMAT, name, entry, word);
    assert_null(data);
    rs_zip_close(z);
}

/* The text of deflated.txt. */
static char *make_text(void)
{
    char *text = calloc(1000, 12);
    size_t len = 0;
    assert_non_null(text);
    for (int i = 0; i < 1000; i++)
        len += (size_t)sprintf(text + len, "line %d\n", i);
    return text;
}

static void check_whole(const char *name)
{
    rs_zip *z = NULL;
    char *data = NULL, *text = make_text();
    size_t bytes = 0;
    assert_ok(rs_zip_open(zip_path(name), &z));
    assert_int_equal(rs_zip_count(z), 4);
    assert_string_equal(rs_zip_at(z, 0)->name, "a/");
    assert_string_equal(rs_zip_at(z, 3)->name, "empty");
    assert_null(rs_zip_at(z, 4));
    assert_null(rs_zip_find(z, "deflated.txt"));

    const rs_zip_entry *e = rs_zip_find(z, "a/deflated.txt");
    assert_ptr_equal(e, rs_zip_at(z, 1));
    assert_int_equal(e->bytes, strlen(text));
    assert_true(e->packed < e->bytes);
    assert_fails(rs_zip_read_all(z, e, 1000, &data, &bytes), RESCL_ERR_FORMAT, "a/deflated.txt",
                 "at most 1000");
    assert_ok(rs_zip_read_all(z, e, PLENTY, &data, &bytes));
    assert_int_equal(bytes, strlen(text));
    assert_string_equal(data, text);
    free(data);

    e = rs_zip_find(z, "a/stored.bin");
    assert_ok(rs_zip_read_all(z, e, 256, &data, &bytes));
    assert_int_equal(bytes, 256);
    for (int i = 0; i < 256; i++)
        assert_int_equal((unsigned char)data[i], i);
    free(data);
    assert_ok(rs_zip_read_all(z, rs_zip_find(z, "empty"), 0, &data, &bytes));
    assert_int_equal(bytes, 0);
    assert_int_equal(data[0], 0);
    free(data);
    free(text);
    rs_zip_close(z);
}

static void reads_stored_and_deflated_entries(void **state)
{
    (void)state;
    needs_libzip();
    check_whole("both.zip");
    check_whole("zip64.zip");
    rs_zip *z = NULL;
    assert_ok(rs_zip_open(zip_path("none.zip"), &z));
    assert_int_equal(rs_zip_count(z), 0);
    assert_null(rs_zip_find(z, "a"));
    rs_zip_close(z);
}

static void reads_ranges_in_any_order(void **state)
{
    static const struct {
        const char *name;
        size_t from, bytes;
    } wanted[] = {
        {"a/deflated.txt", 100, 5000}, {"a/deflated.txt", 5100, 50}, {"a/stored.bin", 200, 56},
        {"a/deflated.txt", 5, 5},      {"a/stored.bin", 3, 7},       {"a/stored.bin", 1, 255},
        {"a/deflated.txt", 0, 8890},   {"a/stored.bin", 0, 256},     {"a/stored.bin", 256, 0},
    };
    (void)state;
    needs_libzip();
    rs_zip *z = NULL;
    char *text = make_text(), stored[256], got[8890];
    for (int i = 0; i < 256; i++)
        stored[i] = (char)i;
    assert_ok(rs_zip_open(zip_path("both.zip"), &z));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const rs_zip_entry *e = rs_zip_find(z, wanted[i].name);
        const char *truth = strcmp(e->name, "a/stored.bin") == 0 ? stored : text;
        assert_ok(rs_zip_read(z, e, wanted[i].from, got, wanted[i].bytes));
        assert_memory_equal(got, truth + wanted[i].from, wanted[i].bytes);
    }
    const rs_zip_entry *e = rs_zip_find(z, "a/stored.bin");
    assert_fails(rs_zip_read(z, e, 200, got, 57), RESCL_ERR_FORMAT, "a/stored.bin", "has 256");
    assert_fails(rs_zip_read(z, e, 257, got, 0), RESCL_ERR_FORMAT, "a/stored.bin", "has 256");
    assert_fails(rs_zip_read(z, e, UINT64_MAX, got, 2), RESCL_ERR_FORMAT, "has 256");
    free(text);
    rs_zip_close(z);
}

static void takes_what_deflate_can_give(void **state)
{
    (void)state;
    needs_libzip();
    rs_zip *z = NULL;
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(rs_zip_open(zip_path("zeros.zip"), &z));
    assert_ok(rs_zip_read_all(z, rs_zip_at(z, 0), PLENTY, &data, &bytes));
    assert_int_equal(bytes, 1 << 20);
    free(data);
    rs_zip_close(z);
}

static void refuses_impossible_sizes(void **state)
{
    (void)state;
    needs_libzip();
    open_fails("bomb.zip", "deflated bytes cannot give");
    open_fails("stored_sizes.zip", "'a/stored.bin' says it has 1048576 bytes, stored as 256");
    open_fails("beyond.zip", "take more than");
    open_fails("overlap.zip", "take more than");
    read_fails("shorter.zip", "a/deflated.txt", "damaged");
    read_fails("longer.zip", "a/deflated.txt", "damaged");
}

static void refuses_what_is_damaged_or_of_another_kind(void **state)
{
    (void)state;
    needs_libzip();
    open_fails("twice.zip", "two entries named 'same'");
    open_fails("cut.zip", "cut short or damaged");
    open_fails("../make_zips.py", "not a whole zip archive");
    open_fails(".", "not a regular file");
    read_fails("checksum.zip", "a/stored.bin", "checksum");
    read_fails("encrypted.zip", "a/deflated.txt", "encrypted");
    read_fails("bzip2.zip", "packed", "method 12");
    rs_zip *z = NULL;
    assert_fails(rs_zip_open(zip_path("absent.zip"), &z), RESCL_ERR_NOT_FOUND, "absent.zip");
}

static void says_when_it_was_built_without(void **state)
{
    (void)state;
    rs_zip *z = NULL;
    if (rescl_has_feature("zip"))
        skip();
    assert_fails(rs_zip_open(zip_path("both.zip"), &z), RESCL_ERR_UNSUPPORTED, "both.zip",
                 "libzip-dev", "RESCL_WITH_ZIP");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_stored_and_deflated_entries),
        cmocka_unit_test(reads_ranges_in_any_order),
        cmocka_unit_test(takes_what_deflate_can_give),
        cmocka_unit_test(refuses_impossible_sizes),
        cmocka_unit_test(refuses_what_is_damaged_or_of_another_kind),
        cmocka_unit_test(says_when_it_was_built_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
