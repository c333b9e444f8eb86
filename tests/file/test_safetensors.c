#include "testing.h"

#include "path.h"
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *path;

static int make_dir(void **state)
{
    rs_test_dir_setup(state);
    path = rs_path_join(rs_test_dir, "a.safetensors");
    return 0;
}

static int remove_dir(void **state)
{
    free(path);
    return rs_test_dir_teardown(state);
}

/* A file of a length field, a header and `data_bytes` of data. */
static void put_file(uint64_t length, const char *header, size_t header_bytes, size_t data_bytes)
{
    const size_t bytes = 8 + header_bytes + data_bytes;
    char *file = calloc(1, bytes);
    assert_non_null(file);
    for (int i = 0; i < 8; i++)
        file[i] = (char)(length >> (8 * i));
    memcpy(file + 8, header, header_bytes);
    assert_ok(rs_file_write(path, file, bytes));
    free(file);
}

static void open_fails(const char *word)
{
    rs_st_file *f = NULL;
    assert_fails(rs_st_open(path, &f), RESCL_ERR_FORMAT, path, word);
    assert_null(f);
}

/* ---- malformed headers ------------------------------------------------------------------- */

#define T(dtype, shape, begin, end)                                                                \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *word;
} malformed[] = {
    {"[]", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"{", 0, "not JSON"},
    {"{}x", 0, "not JSON"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"a\":" T("F32", "[1]", 0, 4) "}", 4, "twice"},
    {"{\"a\":1}", 0, "'a' is not an object"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "has no dtype"},
    {"{\"a\":" T("F33", "[1]", 0, 4) "}", 4, "is of the type 'F33', which rescl does not know"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "has no shape"},
    {"{\"a\":" T("F32", "[-1]", 0, 4) "}", 4, "dimension 0 is not a size"},
    {"{\"a\":" T("F32", "[1.0]", 0, 4) "}", 4, "dimension 0 is not a size"},
    {"{\"a\":" T("F32", "[\"1\"]", 0, 4) "}", 4, "dimension 0 is not a size"},
    {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "9 dimensions"},
    {"{\"a\":" T("F32", "[4611686018427387904,4]", 0, 4) "}", 4, "overflows"},
    {"{\"a\":" T("F64", "[9223372036854775807]", 0, 4) "}", 4, "overflows"},
    {"{\"a\":" T("F32", "[99999999999999999999]", 0, 4) "}", 4, "not JSON"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "data_offsets"},
    {"{\"a\":" T("F32", "[1]", -4, 0) "}", 4, "data_offsets"},
    {"{\"a\":" T("F32", "[1]", 4, 0) "}", 4, "before it begins"},
    {"{\"a\":" T("F32", "[2]", 0, 8) "}", 4, "ends at byte 8"},
    {"{\"a\":" T("F32", "[1]", 9223372036854775803, 9223372036854775807) "}", 4, "ends at byte"},
    {"{\"a\":" T("F32", "[2]", 0, 4) "}", 4, "its shape and dtype need 8"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"b\":" T("F32", "[1]", 0, 4) "}", 4, "overlap"},
    {"{\"a\":" T("F32", "[2]", 0, 8) ",\"b\":" T("F32", "[2]", 4, 12) "}", 12, "overlap"},
    {"{\"a\":" T("F32", "[1]", 4, 8) "}", 8, "4 bytes before tensor 'a'"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"b\":" T("F32", "[1]", 8, 12) "}", 12, "before tensor 'b'"},
    {"{\"a\":" T("F32", "[1]", 0, 4) "}", 5, "1 bytes after the last tensor"},
    {"{}", 1, "1 bytes after the last tensor"},
    {"{\"__metadata__\":1}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":null,\"a\":1}", 0, "'a' is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "'k' is not a string"},
};

static void refuses_malformed_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        const char *h = malformed[i].header;
        put_file(strlen(h), h, strlen(h), malformed[i].data_bytes);
        open_fails(malformed[i].word);
    }
}

static void refuses_impossible_lengths(void **state)
{
    (void)state;
    assert_ok(rs_file_write(path, "", 0));
    open_fails("the header's length alone takes 8");
    assert_ok(rs_file_write(path, "1234567", 7));
    open_fails("the header's length alone takes 8");
    put_file(0, "", 0, 0);
    open_fails("empty");
    put_file(3, "{}", 2, 0);
    open_fails("was cut");
    put_file(RS_ST_MAX_HEADER + 1ull, "{}", 2, 0);
    open_fails("at most 100000000");
    put_file(UINT64_MAX, "{}", 2, 0);
    open_fails("at most 100000000");
    rs_st_file *f = NULL;
    assert_fails(rs_st_open(rs_test_dir, &f), RESCL_ERR_FORMAT, "not a regular file");
    char *absent = rs_path_join(rs_test_dir, "absent");
    assert_fails(rs_st_open(absent, &f), RESCL_ERR_NOT_FOUND, absent);
    free(absent);
}

static void refuses_deep_nesting(void **state)
{
    (void)state;
    static char deep[200000];
    strcpy(deep, "{\"a\":");
    memset(deep + 5, '[', sizeof deep - 5);
    put_file(sizeof deep, deep, sizeof deep, 0);
    open_fails("not JSON");
}

/* ---- whole files ------------------------------------------------------------------------- */

static const float weights[6] = {1.0f, -2.5f, 3e-41f, 1e38f, 0.0f, -0.0f};
static const int64_t number[1] = {-7};

static const rs_st_meta metadata[] = {{"format", "rescl"}, {"name", "a \"quoted\" \xc3\xa4 name"}};

static const rs_st_source sources[] = {
    {.name = "conv.weight", .dtype = RS_ST_F32, .ndim = 2, .dim = {2, 3}, .data = weights},
    {.name = "scalar", .dtype = RS_ST_I64, .ndim = 0, .data = number},
    {.name = "nothing", .dtype = RS_ST_F32, .ndim = 2, .dim = {0, 4}, .data = weights},
    {.name = "bytes", .dtype = RS_ST_U8, .ndim = 1, .dim = {3}, .data = "xyz"},
};

static void reads_what_it_wrote(void **state)
{
    (void)state;
    rs_st_file *f = NULL;
    float back[6];
    int64_t n = 0;
    assert_ok(rs_st_write(path, metadata, 2, sources, 4));
    assert_ok(rs_st_open(path, &f));
    assert_int_equal(rs_st_count(f), 4);
    assert_string_equal(rs_st_meta_get(f, "name"), metadata[1].value);
    assert_null(rs_st_meta_get(f, "absent"));
    assert_null(rs_st_find(f, "absent"));
    const rs_st_tensor *t = rs_st_find(f, "conv.weight");
    assert_non_null(t);
    assert_int_equal(t->dtype, RS_ST_F32);
    assert_int_equal(t->ndim, 2);
    assert_int_equal(t->dim[1], 3);
    assert_ok(rs_st_read(f, t, back));
    assert_memory_equal(back, weights, sizeof back);
    t = rs_st_find(f, "scalar");
    assert_int_equal(t->ndim, 0);
    assert_ok(rs_st_read(f, t, &n));
    assert_int_equal(n, -7);
    assert_int_equal(rs_st_find(f, "nothing")->bytes, 0);
    assert_null(rs_st_at(f, 4));
    rs_st_close(f);
    rs_st_close(NULL);
}

static void writes_the_same_bytes(void **state)
{
    (void)state;
    char *first, *second;
    size_t n, m;
    assert_ok(rs_st_write(path, metadata, 2, sources, 4));
    assert_ok(rs_file_read(path, 1 << 20, &first, &n));
    assert_ok(rs_st_write(path, metadata, 2, sources, 4));
    assert_ok(rs_file_read(path, 1 << 20, &second, &m));
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    assert_int_equal((unsigned char)first[0] % 8, 0);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 1);
    free(first);
    free(second);
}

static void writes_an_empty_file(void **state)
{
    (void)state;
    rs_st_file *f = NULL;
    assert_ok(rs_st_write(path, NULL, 0, NULL, 0));
    assert_ok(rs_st_open(path, &f));
    assert_int_equal(rs_st_count(f), 0);
    assert_null(rs_st_meta_get(f, "format"));
    rs_st_close(f);
}

static void refuses_bad_names(void **state)
{
    (void)state;
    const rs_st_source twice[] = {sources[0], sources[0]};
    const rs_st_source reserved = {.name = "__metadata__", .dtype = RS_ST_U8};
    const rs_st_source latin = {.name = "\xe4", .dtype = RS_ST_U8};
    const rs_st_meta bad = {"k", "\xff"};
    assert_fails(rs_st_write(path, NULL, 0, twice, 2), RESCL_ERR_ARG, "is taken");
    assert_fails(rs_st_write(path, NULL, 0, &reserved, 1), RESCL_ERR_ARG, "is taken");
    assert_fails(rs_st_write(path, NULL, 0, &latin, 1), RESCL_ERR_ARG, "not UTF-8");
    assert_fails(rs_st_write(path, &bad, 1, NULL, 0), RESCL_ERR_ARG, "not UTF-8");
    assert_int_equal(rs_test_dir_count(rs_test_dir), 0);
}

/* Opens whatever lies at `path` and reads all of it; says whether it opened. */
static bool try_all(void)
{
    rs_st_file *f = NULL;
    if (rs_st_open(path, &f) != RESCL_OK)
        return false;
    for (size_t i = 0; i < rs_st_count(f); i++) {
        const rs_st_tensor *t = rs_st_at(f, i);
        char *to = malloc(t->bytes + 1);
        assert_non_null(to);
        assert_ok(rs_st_read(f, t, to));
        free(to);
    }
    rs_st_close(f);
    return true;
}

static void put_raw(const char *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    char *whole;
    size_t bytes;
    assert_ok(rs_st_write(path, metadata, 2, sources, 4));
    assert_ok(rs_file_read(path, 1 << 20, &whole, &bytes));
    for (size_t n = 0; n < bytes; n++) {
        put_raw(whole, n);
        if (try_all())
            fail_msg("a file cut to %zu of %zu bytes was accepted", n, bytes);
    }
    free(whole);
}

/* No flipped bit may crash the reader or make it read outside (the sanitizers see to that). In the
 * data nothing can be noticed; in the length field everything must be. */
static void survives_every_flipped_bit(void **state)
{
    (void)state;
    char *whole;
    size_t bytes;
    assert_ok(rs_st_write(path, metadata, 2, sources, 4));
    assert_ok(rs_file_read(path, 1 << 20, &whole, &bytes));
    for (size_t i = 0; i < bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            whole[i] ^= (char)(1 << bit);
            put_raw(whole, bytes);
            const bool opened = try_all();
            if (i < 8 && opened)
                fail_msg("bit %d of length byte %zu was not noticed", bit, i);
            whole[i] ^= (char)(1 << bit);
        }
    put_raw(whole, bytes);
    assert_true(try_all());
    free(whole);
}

static void notices_a_file_that_shrinks(void **state)
{
    (void)state;
    rs_st_file *f = NULL;
    float back[6];
    assert_ok(rs_st_write(path, NULL, 0, sources, 1));
    assert_ok(rs_st_open(path, &f));
    put_raw("", 0);
    assert_fails(rs_st_read(f, rs_st_at(f, 0), back), RESCL_ERR_FORMAT, "shorter");
    rs_st_close(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(refuses_malformed_headers),  TEST(refuses_impossible_lengths),
        TEST(refuses_deep_nesting),       TEST(reads_what_it_wrote),
        TEST(writes_the_same_bytes),      TEST(writes_an_empty_file),
        TEST(refuses_bad_names),          TEST(refuses_every_truncation),
        TEST(survives_every_flipped_bit), TEST(notices_a_file_that_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
