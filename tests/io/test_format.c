#include "testing.h"

#include "error.h"
#include "format.h"
#include "path.h"

#include <rescl/weights.h>
#include <stdlib.h>
#include <string.h>

static void every_format_is_whole(void **state)
{
    const char *const *names = rescl_weights_formats();
    size_t written = 0;
    (void)state;
    for (size_t i = 0; rs_formats[i]; i++) {
        const rs_format *f = rs_formats[i];
        assert_true(f->title && f->suffix[0] && f->recognises && f->open && f->read && f->close);
        if (!f->write) {
            assert_null(rs_format_get(f->name));
            continue;
        }
        assert_string_equal(f->name, names[written++]);
        assert_ptr_equal(rs_format_get(f->name), f);
        assert_true(f->namings & RS_BIT(f->naming));
        assert_true(f->dtypes & RS_BIT(RS_ST_F32));
    }
    assert_null(names[written]);
    assert_null(rs_format_get("none-such"));
}

static void a_suffix_tells_what_to_write(void **state)
{
    static const struct {
        const char *path, *format;
    } rows[] = {{"x.h5", "hdf5"},
                {"a.b/x.hdf5", "hdf5"},
                {"x.safetensors", "safetensors"},
                {"x.h5.new", "safetensors"},
                {"x", "safetensors"}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++)
        assert_string_equal(rs_format_of_path(rows[i].path)->name, rows[i].format);
}

/* The first bytes tell, whatever the file is called. */
static void first_bytes_tell_what_to_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *format;
    } rows[] = {{"\x89HDF\r\n\x1a\n", 8, "hdf5"},
                {"\x02\0\0\0\0\0\0\0{}", 10, "safetensors"},
                {"\x80\2}q\0.", 6, "pytorch"},
                {"{\"weight_map\": {}}", 18, "shards"},
                {"\x89HDF\r\n", 6, NULL},
                {"no", 2, NULL},
                {"", 0, NULL}};
    char *dir = rs_test_dir_make(), *path = rs_path_join(dir, "x.h5");
    const char *absent = rs_test_path("%s/absent", dir);
    const rs_format none = {.name = "none"}, *f = NULL;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        f = &none;
        assert_ok(rs_file_write(path, rows[i].bytes, rows[i].count));
        if (rows[i].format)
            assert_ok(rs_format_find(path, &f));
        else
            assert_fails(rs_format_find(path, &f), RESCL_ERR_FORMAT, path);
        assert_string_equal(f->name, rows[i].format ? rows[i].format : "none");
    }
    assert_fails(rs_format_find(absent, &f), RESCL_ERR_NOT_FOUND, absent);
    free(path);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_whole),
        cmocka_unit_test(a_suffix_tells_what_to_write),
        cmocka_unit_test(first_bytes_tell_what_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
