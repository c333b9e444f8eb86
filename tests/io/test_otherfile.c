#include "testing.h"

#include "error.h"
#include "otherfile.h"
#include "path.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = rs_test_dir_make();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    rs_test_dir_remove(dir);
    return 0;
}

static void names_files_of_other_kinds_and_the_cure(void **state)
{
    static const struct {
        const char *name, *data;
        size_t bytes;
        const char *found, *cure;
    } rows[] = {
        {"a.safetensors", "", 0, "is an empty file", "download"},
        {"a.safetensors", "\0\0\0\0\0\0\0\0\0\0", 10, "nothing but zero bytes", "download"},
        {"a.safetensors", "\xff\1\2\3\4\5\6\7\x8", 9, "is unknown data", "write it again"},
        {"a.bin", "\xff\1\2\3\4\5\6\7\x8", 9, "is unknown data", "reads weights from safetensors"},
        {"a.h5", "\x89PNG\r\n\x1a\n....", 12, "is a PNG image", "reads weights from safetensors"},
        {"a.pth", "\xff\xd8\xff\xe0", 4, "is a JPEG image", "reads weights from safetensors"},
        {"a.npy", "\x93NUMPY\1\0v\0{'descr'", 18, "is a NumPy array (.npy)", "save_file({name:"},
        {"a.gguf", "GGUF\3\0\0\0", 8, "is a GGUF file", "PyTorch or safetensors"},
        {"a.tflite", "\x1c\0\0\0TFL3", 8, "is a TensorFlow Lite model", "model.save("},
        {"a.onnx", "\x08\x07\x12\7pytorch", 11, "is an ONNX model", "state_dict()"},
        {"a", "\x08\x0d\x12\7pytorch", 11, "is an ONNX model", "state_dict()"},
        {"saved_model.pb", "\x08\1\x12\xff\1", 5, "is a TensorFlow SavedModel", "model.save("},
        {"a.ckpt.data-00000-of-00001", "\1\2\3\4", 4, "is a TensorFlow checkpoint", "model.save("},
        {"checkpoint", "model_checkpoint_path: \"a\"", 26, "is a TensorFlow checkpoint",
         "model.save("},
        {"a.pth", "\x1f\x8b\x08\0", 4, "is compressed by gzip", "gunzip"},
        {"a.pth", "version https://git-lfs.github.com/spec/v1\noid", 46, "git-lfs pointer",
         "git lfs pull"},
        {"a.pth", "<!DOCTYPE html><html>", 21, "is a web page (HTML)", "download"},
        {"config.json", "{\"architectures\": []}", 21, "is a JSON text", "*.index.json"},
        {"a.pth", "Not Found", 9, "is text", "reads weights from safetensors"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        char *path = rs_path_join(dir, rows[i].name);
        assert_ok(rs_file_write(path, rows[i].data, rows[i].bytes));
        assert_fails(rs_refuse_other_file(path), RESCL_ERR_FORMAT, path, rows[i].found,
                     rows[i].cure);
        /* Only the cure of what lies about its kind speaks of damage. */
        assert_null(strstr(rescl_last_error()->message, "corrupt"));
        unlink(path);
        free(path);
    }
}

static void looks_into_archives(void **state)
{
    static const struct {
        const char *name, *found, *cure;
    } rows[] = {
        {"arrays.npz", "is a NumPy archive (.npz)", "safetensors.numpy.save_file(dict(numpy.load("},
        {"holds.zip", "holds 'folder/weights.pth'", "unpack it"},
        {"zeros.zip", "is a ZIP archive of other things", "reads weights from safetensors"},
        {"cut.zip", "not a whole zip archive", "cut short"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const char *path =
            rs_test_path("%s/tests/file/zips/%s", RESCL_TEST_SOURCE_DIR, rows[i].name);
        if (rescl_has_feature("zip"))
            assert_fails(rs_refuse_other_file(path), RESCL_ERR_FORMAT, path, rows[i].found,
                         rows[i].cure);
        else
            assert_fails(rs_refuse_other_file(path), RESCL_ERR_UNSUPPORTED, path, "libzip-dev");
    }
}

static void names_folders(void **state)
{
    char *folder = rs_path_join(dir, "model"), *graph = rs_path_join(folder, "saved_model.pb");
    (void)state;
    assert_fails(rs_refuse_other_file(folder), RESCL_ERR_NOT_FOUND, folder);
    assert_ok(rs_mkdirs(folder));
    assert_fails(rs_refuse_other_file(folder), RESCL_ERR_FORMAT, folder, "is a folder");
    assert_ok(rs_file_write(graph, "\x08\1\x12", 3));
    assert_fails(rs_refuse_other_file(folder), RESCL_ERR_FORMAT, folder, "TensorFlow SavedModel",
                 "load_model");
    free(graph);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_files_of_other_kinds_and_the_cure),
        cmocka_unit_test(looks_into_archives),
        cmocka_unit_test(names_folders),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
