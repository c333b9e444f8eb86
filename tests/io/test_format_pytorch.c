/* Files that torch.save of PyTorch 1.13 and 2 wrote (make_pytorch.py), in both of its forms. */
#include "testing.h"

#include "alloc.h"
#include "dtype.h"
#include "error.h"
#include "format.h"
#include "path.h"

#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *torch_path(const char *name)
{
    return rs_test_path("%s/tests/io/pytorch/%s", RESCL_TEST_SOURCE_DIR, name);
}

static bool is_zip(const char *name)
{
    return !strstr(name, ".old.") && !strstr(name, ".pkl");
}

static bool can_read(const char *name)
{
    return rescl_has_feature("zip") || !is_zip(name);
}

static rescl_status open_list(const char *path, rs_wfile_list *list)
{
    const rs_format *f = &rs_format_pytorch;
    *list = (rs_wfile_list){0};
    return f->open(path, list);
}

static void close_list(rs_wfile_list *list)
{
    if (list->file)
        rs_format_pytorch.close(list->file);
    free(list->tensor);
}

static const rs_wfile_tensor *find(const rs_wfile_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->tensor[i].name, name) == 0)
            return &list->tensor[i];
    return NULL;
}

typedef struct expected {
    const char *name;
    rs_st_dtype dtype;
    size_t ndim, dim[4];
    size_t count;
    double value[24];
} expected;

static double value_at(rs_st_dtype dtype, const void *data, size_t i)
{
    if (dtype == RS_ST_I64)
        return (double)((const int64_t *)data)[i];
    float x;
    rs_floats_decode(dtype, (const char *)data + i * rs_st_dtype_bytes(dtype), 1, &x);
    return (double)x;
}

static void check_tensor(const rs_wfile_list *list, const expected *e)
{
    const rs_wfile_tensor *t = find(list, e->name);
    assert_non_null(t);
    assert_int_equal(t->dtype, e->dtype);
    assert_int_equal(t->ndim, e->ndim);
    for (size_t i = 0; i < e->ndim; i++)
        assert_int_equal(t->dim[i], e->dim[i]);
    /* In a block of its exact size, so that a write past its end shows under AddressSanitizer. */
    void *data = malloc(e->count * rs_st_dtype_bytes(e->dtype) + (e->count == 0));
    assert_non_null(data);
    assert_ok(rs_format_pytorch.read(list->file, t->source, data));
    for (size_t i = 0; i < e->count; i++)
        assert_float_equal(value_at(e->dtype, data, i), e->value[i], 0.0);
    free(data);
}

#define UP_TO_23                                                                                   \
    {                                                                                              \
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23       \
    }

static const expected all[] = {
    {"plain", RS_ST_F32, 4, {2, 3, 2, 2}, 24, UP_TO_23},
    {"f16", RS_ST_F16, 1, {5}, 5, UP_TO_23},
    {"bf16", RS_ST_BF16, 1, {5}, 5, UP_TO_23},
    {"f64", RS_ST_F64, 1, {5}, 5, UP_TO_23},
    {"count", RS_ST_I64, 0, {0}, 1, {1099511627776.0}},
    {"scalar", RS_ST_F32, 0, {0}, 1, {2.5}},
    {"empty", RS_ST_F32, 2, {0, 3}, 0, {0}},
    {"transposed", RS_ST_F32, 2, {4, 3}, 12, {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}},
    {"sliced", RS_ST_F32, 2, {3, 3}, 9, {6, 7, 8, 16, 17, 18, 26, 27, 28}},
    {"expanded", RS_ST_F32, 2, {2, 3}, 6, {0, 1, 2, 0, 1, 2}},
    {"channels_last", RS_ST_F32, 4, {2, 3, 2, 2}, 24, UP_TO_23},
    {"offset", RS_ST_F32, 1, {13}, 13, {7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
    {"shared", RS_ST_F32, 1, {20}, 20, UP_TO_23},
    {"half_transposed", RS_ST_F16, 2, {4, 3}, 12, {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}},
    {"parameter", RS_ST_F32, 1, {4}, 4, UP_TO_23},
    {"noted", RS_ST_F32, 1, {4}, 4, UP_TO_23},
};

static void reads_tensors_of_every_kind_and_version(void **state)
{
    static const char *const names[] = {"tensors.1.13.zip.pth", "tensors.1.13.old.pth",
                                        "tensors.2.zip.pth", "tensors.2.old.pth"};
    (void)state;
    for (size_t k = 0; k < RS_COUNT(names); k++) {
        rs_wfile_list list;
        if (!can_read(names[k]))
            continue;
        const rs_format *format = NULL;
        assert_ok(rs_format_find(torch_path(names[k]), &format));
        assert_ptr_equal(format, &rs_format_pytorch);
        assert_ok(open_list(torch_path(names[k]), &list));
        assert_int_equal(list.count, RS_COUNT(all));
        assert_true(list.kcrs && !list.own && !list.model);
        for (size_t i = 0; i < RS_COUNT(all); i++) {
            assert_string_equal(list.tensor[i].name, all[i].name); /* in the dict's order */
            check_tensor(&list, &all[i]);
        }
        close_list(&list);
    }
}

static void reads_big_endian_values(void **state)
{
    static const expected types[] = {{"f32", RS_ST_F32, 1, {3}, 3, UP_TO_23},
                                     {"f16", RS_ST_F16, 1, {3}, 3, UP_TO_23},
                                     {"bf16", RS_ST_BF16, 1, {3}, 3, UP_TO_23},
                                     {"f64", RS_ST_F64, 1, {3}, 3, UP_TO_23},
                                     {"i64", RS_ST_I64, 0, {0}, 1, {7}}};
    rs_wfile_list list;
    (void)state;
    if (!rescl_has_feature("zip"))
        skip();
    assert_ok(open_list(torch_path("big_endian.pth"), &list));
    for (size_t i = 0; i < RS_COUNT(types); i++)
        check_tensor(&list, &types[i]);
    close_list(&list);
}

/* ---- which weights ------------------------------------------------------------------------- */

static char *logged;

static void keep_log(rescl_log_level level, const char *message, void *user)
{
    (void)level, (void)user;
    free(logged);
    logged = strdup(message);
}

static void finds_the_weights_of_checkpoints(void **state)
{
    static const struct {
        const char *name;
        double first; /* of fc.weight */
        const char *said;
    } rows[] = {
        {"checkpoint.1.13.zip.pth", 0, NULL},
        {"checkpoint.1.13.old.pth", 0, NULL},
        {"checkpoint.2.zip.pth", 0, NULL},
        {"checkpoint.2.old.pth", 0, NULL},
        {"averaged.1.13.zip.pth", 100, "those of 'state_dict_ema'; left alone are 'state_dict'"},
        {"averaged.1.13.old.pth", 100, "those of 'state_dict_ema'; left alone are 'state_dict'"},
        {"averaged.2.old.pth", 100, "those of 'state_dict_ema'; left alone are 'state_dict'"},
        {"deep.pth", 7, "those of 'model_ema.module.state_dict'; left alone are 'model'"},
        {"only.pth", 5, NULL},
        {"protocol4.pth", 0, NULL},
        {"protocol5.old.pth", 0, NULL},
        {"ancient.old.pth", 3, NULL},
        {"range.pth", 0, NULL},
        {"unchecked.pth", 0, NULL}, /* torch.serialization.set_crc32_options(False) */
        {"deflated.pth", 100, "'state_dict_ema'"},
    };
    (void)state;
    rescl_log_set(keep_log, NULL);
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const double x = rows[i].first;
        const expected weight = {"fc.weight", RS_ST_F32, 2,
                                 {2, 3},      6,         {x, x + 1, x + 2, x + 3, x + 4, x + 5}};
        rs_wfile_list list;
        if (!can_read(rows[i].name))
            continue;
        free(logged);
        logged = NULL;
        assert_ok(open_list(torch_path(rows[i].name), &list));
        assert_int_equal(list.count, 2);
        check_tensor(&list, &weight);
        close_list(&list);
        assert_true(rows[i].said ? logged && strstr(logged, rows[i].said) : !logged);
    }
    rescl_log_set(NULL, NULL);
    free(logged);
    logged = NULL;
}

/* ---- what is refused ----------------------------------------------------------------------- */

static void names_what_it_refuses(void **state)
{
    static const struct {
        const char *name, *found, *cure;
    } rows[] = {
        {"attack.pth", "'posix.system'", "calls nothing"},
        {"attack.old.pth", "'posix.system'", "calls nothing"},
        {"attack.pkl", "'posix.system'", "calls nothing"},
        {"module.pth", "a whole pickled module ('__main__.Net')", ".state_dict()"},
        {"script.pt", "a TorchScript program", "torch.jit.load"},
        {"object.pth", "'__main__.Mine'", "torch.save(model.state_dict()"},
        {"plain.pkl", "a pickle of Python, and not of torch.save", "torch.save("},
        {"tensor.pth", "one tensor without a name", "torch.save(model.state_dict()"},
        {"list.pth", "it is a list", "a dict of names and tensors"},
        {"nothing.pth", "a dict with the keys 'epoch', 'name'", "a dict of names and tensors"},
        {"arrays.pth", "its values are NumPy arrays", "torch.from_numpy(v)"},
        {"several.pth", "several dicts of weights, 'generator', 'critic'", "[KEY]"},
        {"sparse.pth", "tensor 'fc.weight' is sparse", "to_dense()"},
        {"quantised.pth", "tensor 'fc.weight' is quantised", "dequantize()"},
        {"complex.pth", "tensor 'fc.weight' is of the type complex64", "does not read"},
        {"meta.pth", "tensor 'fc.weight' is without values", "loaded"},
        {"missing.pth", "are missing (entry data/2)", "damaged"},
        {"short.pth", "have 20 bytes", "needs 24"},
    };
    (void)state;
    static const char made_by_attack[] = "/tmp/rescl-was-here";
    const int found_before = access(made_by_attack, F_OK);
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_wfile_list list;
        if (!can_read(rows[i].name))
            continue;
        const rs_format *format = NULL;
        assert_ok(rs_format_find(torch_path(rows[i].name), &format));
        assert_ptr_equal(format, &rs_format_pytorch);
        assert_fails(open_list(torch_path(rows[i].name), &list), RESCL_ERR_FORMAT, rows[i].name,
                     rows[i].found, rows[i].cure);
        close_list(&list);
    }
    assert_int_equal(access(made_by_attack, F_OK), found_before);
}

/* Types that no network is made of have their names. */
static void lists_types_that_it_does_not_read(void **state)
{
    rs_wfile_list list;
    (void)state;
    if (!rescl_has_feature("zip"))
        skip();
    assert_ok(open_list(torch_path("f8.pth"), &list));
    assert_int_equal(find(&list, "a")->dtype, RS_ST_F8_E4M3);
    assert_int_equal(find(&list, "b")->dtype, RS_ST_U16);
    assert_int_equal(find(&list, "b")->dim[0], 3);
    close_list(&list);
}

/* Every beginning of a file is an error, and no end of it is read. */
static void refuses_what_was_cut(void **state)
{
    static const char *const names[] = {"averaged.2.old.pth", "averaged.2.zip.pth"};
    char *dir = rs_test_dir_make(), *path = rs_path_join(dir, "cut.pth"), *data = NULL;
    (void)state;
    for (size_t k = 0; k < RS_COUNT(names); k++) {
        size_t bytes = 0;
        if (!can_read(names[k]))
            continue;
        assert_ok(rs_file_read(torch_path(names[k]), 1 << 20, &data, &bytes));
        for (size_t cut = 4; cut < bytes; cut += 37) {
            rs_wfile_list list;
            assert_ok(rs_file_write(path, data, cut));
            assert_fails(open_list(path, &list), RESCL_ERR_FORMAT, path);
            close_list(&list);
        }
        free(data);
    }
    free(path);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tensors_of_every_kind_and_version),
        cmocka_unit_test(reads_big_endian_values),
        cmocka_unit_test(finds_the_weights_of_checkpoints),
        cmocka_unit_test(names_what_it_refuses),
        cmocka_unit_test(lists_types_that_it_does_not_read),
        cmocka_unit_test(refuses_what_was_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
