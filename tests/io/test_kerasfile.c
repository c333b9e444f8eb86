/* Files that Keras 2 and Keras 3 wrote (tests/golden/make_keras.py), and what their networks compute
 * there. */
#include "testing.h"

#include "error.h"
#include "net_fixture.h"
#include "netmodel.h"
#include "safetensors.h"
#include "weightfile.h"

#include <fcntl.h>
#include <math.h>
#include <rescl/weights.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define GOLDEN RESCL_TEST_SOURCE_DIR "/tests/golden/"

enum { SIZE = 16, BATCH = 2, CLASSES = 6, PIXELS = BATCH * SIZE * SIZE * 3 };

/* The name of the file as Keras wrote it: unpacked into the test's folder. */
static const char *unpack(const char *name)
{
    static char data[1 << 22];
    const char *path = rs_test_path("%s/%s", rs_test_dir, name);
    gzFile packed = gzopen(rs_test_path(GOLDEN "%s.gz", name), "rb");
    FILE *out = fopen(path, "wb");
    assert_true(packed && out);
    const int bytes = gzread(packed, data, sizeof data);
    assert_true(bytes > 0 && gzeof(packed));
    assert_int_equal(fwrite(data, 1, (size_t)bytes, out), bytes);
    assert_int_equal(fclose(out), 0);
    gzclose(packed);
    return path;
}

static void read_record(const char *file, const char *name, float *dst, size_t count)
{
    rs_st_file *f = NULL;
    assert_ok(rs_st_open(rs_test_path(GOLDEN "%s.safetensors", file), &f));
    const rs_st_tensor *t = rs_st_find(f, name);
    assert_true(t && t->dtype == RS_ST_F32 && t->bytes == count * sizeof *dst);
    assert_ok(rs_st_read(f, t, dst));
    rs_st_close(f);
}

/* The largest difference of logits, relative to the largest logit. */
static double distance(const float *a, const float *b)
{
    double gap = 0.0, most = 0.0;
    for (size_t i = 0; i < BATCH * CLASSES; i++) {
        gap = fmax(gap, fabs((double)a[i] - (double)b[i]));
        most = fmax(most, fabs((double)b[i]));
    }
    return gap / most;
}

static void check_logits(const rescl_model *m, const char *file, const char *record)
{
    static float pixels[PIXELS];
    static const int32_t labels[BATCH];
    float wanted[BATCH * CLASSES];
    size_t count;
    net_fixture f;
    read_record(file, "pixels", pixels, PIXELS);
    read_record(file, record, wanted, RS_COUNT(wanted));
    net_fixture_open(&f, rs_test_device(), m->graph, &m->weights, NULL, BATCH, RS_MODE_EVAL);
    net_forward_loss(&f, pixels, labels, 1);
    float *logits = net_read(&f, rs_net_logits(f.net), &count);
    assert_int_equal(count, RS_COUNT(wanted));
    assert_true(distance(logits, wanted) < 1e-4);
    free(logits);
    net_fixture_close(&f);
}

static void every_form_gives_what_keras_computes(void **state)
{
    static const struct {
        const char *record, *suffix;
        int first, last; /* versions of Keras */
        double bn_eps;
        size_t image_size; /* what the file says */
    } rows[] = {
        {"model", ".h5", 2, 3, 1.001e-5, SIZE},  {"fc10", ".h5", 2, 3, 1.001e-5, SIZE},
        {"hidden", ".h5", 2, 3, 1.001e-5, SIZE}, {"nested", ".keras", 2, 3, 1.001e-5, SIZE},
        {"epsilon", ".keras", 2, 3, 1e-3, SIZE}, {"functional", ".weights.h5", 3, 3, 1.001e-5, 0},
        {"named", ".h5", 2, 2, 1.001e-5, 0},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++)
        for (int version = rows[i].first; version <= rows[i].last; version++) {
            const rescl_model_options o = {
                .struct_size = sizeof o, .name = "resnet8", .image_size = SIZE};
            const char *file = version == 2 ? "keras2" : "keras3";
            const char *path =
                unpack(rs_test_path("%s_%s%s", file, rows[i].record, rows[i].suffix));
            rescl_weights *w = NULL;
            rescl_weights_info about;
            rescl_model *m = NULL;
            if (strcmp(rows[i].suffix, ".keras") == 0 && !rescl_has_feature("zip"))
                continue;
            assert_ok(rescl_weights_open(path, &w));
            rescl_weights_get_info(w, &about);
            assert_string_equal(about.names, "keras");
            assert_true(about.bn_eps == rows[i].bn_eps);
            assert_int_equal(about.image_size, rows[i].image_size);
            assert_int_equal(about.classes, CLASSES);
            assert_ok(rescl_weights_create_model(w, &o, RESCL_LOAD_STRICT, NULL, &m));
            check_logits(m, file, rows[i].record);
            rescl_model_destroy(m);
            rescl_weights_close(w);
        }
}

/* The configuration is that of one model alone. */
static void a_whole_model_needs_no_name(void **state)
{
    const rescl_model_options o = {.struct_size = sizeof o, .name = "resnet20"};
    rescl_weights *w = NULL;
    rescl_model *m = NULL;
    rescl_model_info info;
    (void)state;
    assert_ok(rescl_weights_open(unpack("keras3_model.h5"), &w));
    assert_ok(rescl_weights_create_model(w, NULL, RESCL_LOAD_STRICT, NULL, &m));
    rescl_model_get_info(m, &info);
    assert_string_equal(info.name, "resnet8");
    rescl_model_destroy(m);
    m = NULL;
    assert_fails(rescl_weights_create_model(w, &o, RESCL_LOAD_STRICT, NULL, &m),
                 RESCL_ERR_NOT_FOUND, "its tensors fit resnet8");
    rescl_weights_close(w);
}

static void weights_without_names_are_refused_with_the_cure(void **state)
{
    rescl_weights *w = NULL;
    (void)state;
    assert_fails(rescl_weights_open(unpack("keras2_functional.weights.h5"), &w),
                 RESCL_ERR_UNSUPPORTED, "keras2_functional.weights.h5", "no names of layers",
                 "model.save('model.keras')");
}

/* HDF5 has no room for so many names in an attribute of fixed length. */
static void thousands_of_classes_are_written_and_read(void **state)
{
    enum { MANY = 12000 };
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet8", .classes = MANY, .image_size = SIZE};
    const char *path = rs_test_path("%s/many.h5", rs_test_dir);
    rescl_model *m = NULL, *back = NULL;
    (void)state;
    assert_ok(rescl_model_create(&o, &m));
    assert_ok(rescl_model_export(m, path, NULL));
    assert_ok(rescl_model_load(path, &back));
    assert_int_equal(back->classes, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(back->class_name[i], m->class_name[i]);
    rescl_model_destroy(m);
    rescl_model_destroy(back);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_form_gives_what_keras_computes),
        TEST(a_whole_model_needs_no_name),
        TEST(weights_without_names_are_refused_with_the_cure),
        TEST(thousands_of_classes_are_written_and_read),
    };
    if (!rescl_has_feature("hdf5")) {
        print_message("skipped: this build is without HDF5\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
