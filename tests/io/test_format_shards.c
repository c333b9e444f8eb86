/* Sharded weights as huggingface_hub writes them (make_shards.py). */
#include "testing.h"

#include "error.h"
#include "path.h"
#include "weightfile.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>

static const char *shards_path(const char *name)
{
    return rs_test_path("%s/tests/io/shards/%s", RESCL_TEST_SOURCE_DIR, name);
}

static void reads_all_files_of_an_index(void **state)
{
    static const char *const names[] = {"model.safetensors.index.json",
                                        "pytorch_model.bin.index.json"};
    (void)state;
    for (size_t k = 0; k < RS_COUNT(names); k++) {
        rs_wfile *f = NULL;
        float values[24];
        if (k == 1 && !rescl_has_feature("zip"))
            continue;
        assert_ok(rs_wfile_open(shards_path(names[k]), &f));
        assert_string_equal(rs_wfile_describe(f)->format, "shards");
        assert_int_equal(rs_wfile_count(f), 4);
        for (size_t i = 0; i < 4; i++) {
            const rs_wfile_tensor *t = rs_wfile_at(f, i);
            if (strcmp(t->name, "fc.weight") == 0) {
                assert_ok(rs_wfile_read(f, i, values)); /* (4, 2), turned to (2, 4) */
                for (size_t v = 0; v < 8; v++)
                    assert_float_equal((double)values[v], (double)(v % 4 * 2 + v / 4), 0.0);
            } else if (strcmp(t->name, "conv1.weight") == 0) {
                assert_ok(rs_wfile_read(f, i, values));
                assert_float_equal((double)values[1], 12.0, 0.0); /* the second filter's first */
                assert_int_equal(t->shape.dim[3], 2);
            }
        }
        rs_wfile_close(f);
    }
}

static void refuses_an_index_that_does_not_fit_its_files(void **state)
{
    static const struct {
        const char *index, *word;
    } rows[] = {
        {"{\"weight_map\": {\"a\": \"absent.safetensors\"}}", "absent.safetensors: no such file"},
        {"{\"weight_map\": {\"a\": \"../a.safetensors\"}}", "expected one beside it"},
        {"{\"weight_map\": {\"a\": \"..\"}}", "expected one beside it"},
        {"{\"weight_map\": {\"a\": 1}}", "is no text"},
        {"{\"weight_map\": {\"a\": \"x.index.json\"}}", "is an index itself"},
        {"{\"weight_map\": {\"other\": \"one.safetensors\"}}", "'other' is not in"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\"}}", "in two of"},
        {"{\"weight_map\": {\"a\": \"three.safetensors\", \"b\": \"one.safetensors\"}}",
         "'a' is not in 'three.safetensors'"},
        {"{\"weight_map\": []}", "a JSON text"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\"}", "a JSON text"},
    };
    char *dir = rs_test_dir_make(), *index = rs_path_join(dir, "x.index.json");
    static const char *const shards[] = {"one.safetensors", "two.safetensors", "three.safetensors"};
    const float value = 1;
    rs_st_source tensor = {.name = "a", .dtype = RS_ST_F32, .ndim = 1, .dim = {1}, .data = &value};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(shards); i++) {
        char *path = rs_path_join(dir, shards[i]);
        tensor.name = i == 2 ? "b" : "a";
        assert_ok(rs_st_write(path, NULL, 0, &tensor, 1));
        free(path);
    }
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_wfile *f = NULL;
        assert_ok(rs_file_write(index, rows[i].index, strlen(rows[i].index)));
        const rescl_status st = rs_wfile_open(index, &f);
        assert_fails(st, i == 0 ? RESCL_ERR_NOT_FOUND : RESCL_ERR_FORMAT, "x.index.json",
                     rows[i].word);
        assert_null(f);
    }
    free(index);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_files_of_an_index),
        cmocka_unit_test(refuses_an_index_that_does_not_fit_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
