#include "fixtures.h"
#include "testing.h"

#include "error.h"
#include "netmodel.h"
#include "path.h"
#include "safetensors.h"

#include <rescl/weights.h>

#include <stdlib.h>
#include <string.h>

static void check_same_weights(const rescl_model *a, const rescl_model *b)
{
    assert_int_equal(a->weights.count, b->weights.count);
    for (size_t i = 0; i < a->weights.count; i++)
        assert_memory_equal(a->weights.data[i], b->weights.data[i],
                            a->weights.elems[i] * sizeof(float));
}

static void loads_what_it_saved(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b \"c\"", "\xe2\x82\xac"};
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = 3,
                                   .image_size = 20,
                                   .dropout = 0.25,
                                   .label_smoothing = 0.1,
                                   .seed = 3,
                                   .class_names = names};
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    rescl_model *a = NULL, *b = NULL;
    rescl_model_info info;
    assert_ok(rescl_model_create(&o, &a));
    assert_ok(rescl_model_save(a, path));
    assert_ok(rescl_model_load(path, &b));
    rescl_model_get_info(b, &info);
    assert_string_equal(info.name, "resnet8");
    assert_int_equal(info.classes, 3);
    assert_int_equal(info.image_size, 20);
    assert_true(info.dropout == 0.25 && b->label_smoothing == 0.1);
    assert_string_equal(rescl_model_class_name(b, 1), names[1]);
    assert_string_equal(rescl_model_class_name(b, 2), names[2]);
    check_same_weights(a, b);
    rescl_model_destroy(a);
    rescl_model_destroy(b);
}

/* A million classes behind resnet50 are 8 GB of weights, which a description does without. */
static void a_description_has_no_weights(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    const rescl_model_options big = {
        .struct_size = sizeof big, .name = "resnet50", .classes = 1000000};
    const rescl_model_options small = {
        .struct_size = sizeof small, .name = "resnet8", .classes = 6, .image_size = TEST_SIZE};
    rescl_model *m = NULL, *made = NULL;
    rescl_model_info info;
    rescl_weights *w = NULL;
    rescl_match_list *report = NULL;
    float value;
    assert_ok(rescl_model_describe(&big, &m));
    rescl_model_get_info(m, &info);
    assert_int_equal(info.params, 23561152u + 2049u * 1000000u);
    assert_int_equal(m->weights.count, 0);
    rescl_model_destroy(m);

    assert_ok(rescl_model_describe(&small, &m));
    assert_ok(rescl_model_create(&small, &made));
    assert_fails(rescl_model_save(m, path), RESCL_ERR_ARG, "resnet8", "no weights");
    assert_fails(rescl_model_export(m, path, NULL), RESCL_ERR_ARG, "no weights");
    assert_fails(rescl_model_export_onnx(m, path), RESCL_ERR_ARG, "no weights");
    assert_fails(rescl_model_get_parameter(m, m->graph->param[0].name, &value,
                                           rs_shape_count(&m->graph->param[0].spec.shape)),
                 RESCL_ERR_ARG, "no weights");
    assert_ok(rescl_model_save(made, path));
    assert_ok(rescl_weights_open(path, &w));
    assert_ok(rescl_weights_match(w, m, &report));
    assert_int_equal(rescl_match_list_count(report, RESCL_MATCHED), m->graph->nparams);
    rescl_match_list_destroy(report);
    assert_fails(rescl_weights_load(w, m, RESCL_LOAD_STRICT, NULL), RESCL_ERR_ARG, "no weights");
    rescl_weights_close(w);
    rescl_model_destroy(made);
    rescl_model_destroy(m);
}

static void replaces_weights(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    rescl_model_options o = {.struct_size = sizeof o,
                             .name = "resnet8",
                             .classes = 6,
                             .image_size = TEST_SIZE,
                             .seed = 99};
    rescl_model *a = rs_test_model(), *b = NULL;
    assert_ok(rescl_model_create(&o, &b));
    assert_ok(rescl_model_save(a, path));
    assert_ok(rescl_model_load_weights(b, path));
    check_same_weights(a, b);
    rescl_model_destroy(a);
    rescl_model_destroy(b);
}

/* A file that does not fit leaves every weight as it was. */
static void keeps_weights_when_a_file_does_not_fit(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    rescl_model_options o = {.struct_size = sizeof o,
                             .name = "resnet8",
                             .classes = 7,
                             .image_size = TEST_SIZE,
                             .seed = 99};
    rescl_model *a = rs_test_model(), *b = NULL, *before = NULL;
    assert_ok(rescl_model_create(&o, &b));
    assert_ok(rescl_model_create(&o, &before));
    assert_ok(rescl_model_save(a, path));
    assert_fails(rescl_model_load_weights(b, path), RESCL_ERR_SHAPE, "fc.", "6)", "7)");
    check_same_weights(b, before);
    assert_fails(rescl_model_load_weights(b, rs_test_path("%s/absent", rs_test_dir)),
                 RESCL_ERR_NOT_FOUND);
    rescl_model_destroy(a);
    rescl_model_destroy(b);
    rescl_model_destroy(before);
}

/* ---- how images are fitted ---------------------------------------------------------------- */

static rescl_resize resize_of(const char *path, size_t image_size)
{
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet8", .image_size = image_size};
    rescl_weights *w = NULL;
    rescl_model *m = NULL;
    rescl_model_info info;
    assert_ok(rescl_weights_open(path, &w));
    assert_ok(rescl_weights_create_model(w, &o, RESCL_LOAD_COMPLETE, NULL, &m));
    rescl_model_get_info(m, &info);
    if (image_size)
        assert_int_equal(info.image_size, image_size);
    rescl_model_destroy(m);
    rescl_weights_close(w);
    return info.resize;
}

static void remembers_how_images_are_fitted(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    const rescl_resize given = {.resize_size = 2 * TEST_SIZE,
                                .interpolation = RESCL_INTERPOLATION_BICUBIC};
    rescl_model *m = rs_test_model();
    assert_ok(rescl_model_save(m, path));
    rescl_resize got = resize_of(path, 0);
    assert_true(got.resize_size == 0 && !got.keep_exact);
    assert_true(got.interpolation == RESCL_INTERPOLATION_BILINEAR);
    assert_ok(rescl_model_set_resize(m, &given));
    assert_ok(rescl_model_save(m, path));
    got = resize_of(path, 0);
    assert_true(got.resize_size == 2 * TEST_SIZE && !got.keep_exact);
    assert_true(got.interpolation == RESCL_INTERPOLATION_BICUBIC);
    assert_int_equal(resize_of(path, 3 * TEST_SIZE).resize_size, 6 * TEST_SIZE);
    rescl_model_destroy(m);
}

/* Files of other libraries: of 8 pixels, the crop shows 7. */
static void fits_images_as_is_usual(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    const rescl_export_options torchvision = {.struct_size = sizeof torchvision,
                                              .names = "torchvision"};
    static const char key[] = "rescl_model", other[] = "other_model";
    rescl_model *m = rs_test_model();
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(rescl_model_export(m, path, &torchvision));
    assert_int_equal(resize_of(path, 0).resize_size, 0); /* it holds rescl's description */
    assert_ok(rs_file_read(path, SIZE_MAX, &data, &bytes));
    char *at = strstr(data + 8, key);
    assert_non_null(at);
    memcpy(at, other, sizeof other - 1);
    assert_ok(rs_file_write(path, data, bytes));
    const rescl_resize usual = resize_of(path, 0), large = resize_of(path, 224);
    assert_int_equal(usual.resize_size, 36); /* of 32 */
    assert_int_equal(large.resize_size, 256);
    assert_true(usual.keep_exact && large.keep_exact);
    free(data);
    rescl_model_destroy(m);
}

/* ---- a new head -------------------------------------------------------------------------- */

/* The body's parameters are those of `a`, the head's those of `b`. */
static void check_body_of(const rescl_model *m, const rescl_model *a, const rescl_model *b)
{
    for (size_t i = 0; i < m->graph->nparams; i++) {
        const rs_param *p = &m->graph->param[i];
        const rescl_model *from = rs_graph_in_head(m->graph, i) ? b : a;
        const int k = rs_graph_find_param(from->graph, p->name);
        assert_true(k >= 0);
        if (memcmp(m->weights.data[i], from->weights.data[k],
                   m->weights.elems[i] * sizeof(float)) != 0)
            fail_msg("%s is not that of the %s", p->name,
                     rs_graph_in_head(m->graph, i) ? "new head" : "file");
    }
}

static void loads_the_body_below_a_new_head(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    const struct {
        size_t classes, hidden, missing, reshaped;
    } heads[] = {{7, 0, 0, 2}, {7, 5, 2, 2}, {6, 5, 2, 1}};
    rescl_model *old = rs_test_model();
    assert_ok(rescl_model_save(old, path));
    for (size_t i = 0; i < RS_COUNT(heads); i++) {
        rescl_model_options o = {.struct_size = sizeof o,
                                 .name = "resnet8",
                                 .classes = heads[i].classes,
                                 .hidden = heads[i].hidden,
                                 .image_size = TEST_SIZE,
                                 .seed = 99};
        rescl_model *m = NULL, *fresh = NULL;
        rescl_weights *w = NULL;
        rescl_match_list *report = NULL;
        assert_ok(rescl_model_create(&o, &m));
        assert_ok(rescl_model_create(&o, &fresh));
        assert_ok(rescl_weights_open(path, &w));
        assert_fails(rescl_weights_load(w, m, (rescl_load_mode)9, NULL), RESCL_ERR_ARG, "9");
        assert_fails(rescl_weights_load(w, m, RESCL_LOAD_COMPLETE, NULL),
                     heads[i].missing ? RESCL_ERR_NOT_FOUND : RESCL_ERR_SHAPE, path);
        assert_ok(rescl_weights_load(w, m, RESCL_LOAD_BODY, &report));
        assert_int_equal(rescl_match_list_count(report, RESCL_MISSING), heads[i].missing);
        assert_int_equal(rescl_match_list_count(report, RESCL_RESHAPED), heads[i].reshaped);
        if (heads[i].classes != 6)
            check_body_of(m, old, fresh);
        rescl_match_list_destroy(report);
        rescl_weights_close(w);
        rescl_model_destroy(m);
        rescl_model_destroy(fresh);
    }
    rescl_model_destroy(old);
}

/* A head may be new, a body not. */
static void refuses_the_body_of_another_model(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet50", .classes = 6, .image_size = 32, .seed = 99};
    rescl_model *old = rs_test_model(), *m = NULL;
    rescl_weights *w = NULL;
    assert_ok(rescl_model_save(old, path));
    assert_ok(rescl_model_create(&o, &m));
    assert_ok(rescl_weights_open(path, &w));
    assert_fails(rescl_weights_load(w, m, RESCL_LOAD_BODY, NULL), RESCL_ERR_FORMAT, path,
                 "says that it is of resnet8, and is to be loaded as resnet50");
    assert_fails(rescl_weights_load(w, m, RESCL_LOAD_COMPLETE_BODY, NULL), RESCL_ERR_NOT_FOUND,
                 path, "'layer1.0.conv3.weight'", "its tensors fit resnet8");
    rescl_weights_close(w);
    rescl_model_destroy(m);
    rescl_model_destroy(old);
}

/* The hidden layer is part of what a file says of its model. */
static void keeps_the_hidden_layer(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = 3,
                                   .hidden = 12,
                                   .image_size = TEST_SIZE,
                                   .seed = 3};
    rescl_model *a = NULL, *b = NULL;
    rescl_model_info info;
    assert_ok(rescl_model_create(&o, &a));
    assert_ok(rescl_model_save(a, path));
    assert_ok(rescl_model_load(path, &b));
    rescl_model_get_info(b, &info);
    assert_int_equal(info.hidden, 12);
    check_same_weights(a, b);
    rescl_model_destroy(a);
    rescl_model_destroy(b);
}

static rescl_status load_as(const char *path, const rescl_model_options *o, rescl_model **out)
{
    rescl_weights *w = NULL;
    assert_ok(rescl_weights_open(path, &w));
    const rescl_status st = rescl_weights_create_model(w, o, RESCL_LOAD_STRICT, NULL, out);
    rescl_weights_close(w);
    return st;
}

/* A file's loss is taken where none is given, and several labels where either wants them. */
static void takes_several_labels_as_given(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    rescl_model_options o = {.struct_size = sizeof o,
                             .name = "resnet8",
                             .classes = 3,
                             .image_size = TEST_SIZE,
                             .loss = RESCL_LOSS_BCE};
    const rescl_model_options wanted = {.struct_size = sizeof wanted, .multi_label = true};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    assert_ok(rescl_model_save(m, path));
    rescl_model_destroy(m);
    assert_ok(rescl_model_load(path, &m));
    assert_true(m->loss == RESCL_LOSS_BCE && !m->multi_label);
    rescl_model_destroy(m);
    assert_ok(load_as(path, &wanted, &m));
    assert_true(m->loss == RESCL_LOSS_BCE && m->multi_label);
    rescl_model_destroy(m);
    o.loss = RESCL_LOSS_CROSS_ENTROPY;
    assert_ok(rescl_model_create(&o, &m));
    assert_ok(rescl_model_save(m, path));
    rescl_model_destroy(m);
    assert_fails(load_as(path, &wanted, &m), RESCL_ERR_ARG, "cross_entropy chooses one class");
}

/* What cannot be written is refused with what can, and leaves no file. */
static void refuses_exports_that_do_not_go_together(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/x.safetensors", rs_test_dir);
    rescl_model *m = rs_test_model();
    rescl_export_options o;
    rescl_export_options_default(&o);
    o.format = "safetensor";
    assert_fails(rescl_model_export(m, path, &o), RESCL_ERR_ARG, "safetensor", "hdf5");
    o.format = NULL;
    o.names = "caffe";
    assert_fails(rescl_model_export(m, path, &o), RESCL_ERR_ARG, "caffe", "timm", "keras1");
    o.names = "keras";
    assert_fails(
        rescl_model_export(m, path, &o), RESCL_ERR_ARG, "safetensors has no names of keras",
        "safetensors goes with rescl, torchvision or timm", "HDF5 goes with keras or keras1");
    o.names = NULL;
    o.dtype = "f64";
    assert_fails(rescl_model_export(m, path, &o), RESCL_ERR_ARG, "f64", "bf16");
    o.format = "hdf5";
    o.dtype = "bf16";
    assert_fails(rescl_model_export(m, path, &o), RESCL_ERR_ARG, "HDF5 has no bf16", "take f32");
    assert_fails(rescl_model_load_weights(m, path), RESCL_ERR_NOT_FOUND);
    rescl_model_destroy(m);
}

/* A name promises a format. */
static void refuses_the_endings_of_other_formats(void **state)
{
    static const struct {
        const char *name, *format;
        bool good;
    } rows[] = {{"x.pth", NULL, false},
                {"x.pt", "safetensors", false},
                {"x.onnx", NULL, false},
                {"x.npz", NULL, false},
                {"x.h5", "safetensors", false},
                {"x.safetensors", "hdf5", false},
                {"x.weights.h5", NULL, false},
                {"a.pth/x", NULL, true},
                {"x", NULL, true},
                {"x-v1.5", NULL, true},
                {"x.SafeTensors", NULL, true},
                {".pth", NULL, true},
                {"x.pth.safetensors", NULL, true}};
    rescl_model *m = rs_test_model();
    (void)state;
    assert_ok(rs_mkdirs(rs_test_path("%s/a.pth", rs_test_dir)));
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const rescl_export_options o = {.struct_size = sizeof o, .format = rows[i].format};
        const char *path = rs_test_path("%s/%s", rs_test_dir, rows[i].name);
        if (rows[i].good)
            assert_ok(rescl_model_export(m, path, &o));
        else
            assert_fails(rescl_model_export(m, path, &o), RESCL_ERR_ARG, path, ".h5");
    }
    rescl_model_destroy(m);
}

static void knows_which_library_has_a_model(void **state)
{
    static const struct {
        const char *model, *names;
        size_t hidden;
        bool has;
    } rows[] = {
        {"resnet18", "torchvision", 0, true},   {"resnet18", "timm", 0, true},
        {"resnet18", "torchvision", 8, false},  {"resnet18", "keras", 0, false},
        {"resnet20", "torchvision", 0, false},  {"resnet8", "timm", 0, false},
        {"resnet50_signs", "keras1", 0, false}, {"resnet50_keras", "keras", 0, true},
        {"resnet50_keras", "keras1", 0, true},  {"resnet50_keras", "torchvision", 0, false},
        {"resnet18_keras", "keras", 0, false},  {"resnet18", "caffe", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const rescl_model_options o = {.name = rows[i].model, .hidden = rows[i].hidden};
        rescl_model *m = NULL;
        assert_ok(rs_model_build(&o, &m));
        assert_int_equal(rescl_model_in_library(m, rows[i].names), rows[i].has);
        rescl_model_destroy(m);
    }
}

/* ---- files that lie ---------------------------------------------------------------------- */

static void write_claim(const char *path, const char *model)
{
    const float x[4] = {0};
    const rs_st_meta meta[] = {
        {"format", "rescl"}, {"format_version", "1"}, {"filter_layout", "RSCK"}, {"model", model}};
    const rs_st_source one = {
        .name = "fc.weight", .dtype = RS_ST_F32, .ndim = 1, .dim = {4}, .data = x};
    assert_ok(rs_st_write(path, meta, 4, &one, 1));
}

#define CLAIM(name, size)                                                                          \
    "{\"name\":\"" name "\",\"classes\":1,\"image_size\":" size                                    \
    ",\"dropout\":0,\"label_smoothing\":0,\"seed\":\"1\",\"preprocess\":\"unit\","                 \
    "\"class_names\":[\"x\"]}"

static void refuses_files_that_claim_too_much(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/claim.safetensors", rs_test_dir);
    rescl_model *m = NULL;
    write_claim(path, CLAIM("resnet9", "32"));
    assert_fails(rescl_model_load(path, &m), RESCL_ERR_NOT_FOUND, "resnet9");
    write_claim(path, CLAIM("resnet8", "32"));
    assert_fails(rescl_model_load(path, &m), RESCL_ERR_NOT_FOUND, "conv1.weight");
    /* At this size the dense layer alone would have half a gigabyte of weights. */
    write_claim(path, CLAIM("resnet50_signs", "8192"));
    assert_fails(rescl_model_load(path, &m), RESCL_ERR_NOT_FOUND, path);
    assert_null(m);
}

static void survives_damaged_files(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/m.safetensors", rs_test_dir);
    rescl_model *a = rs_test_model(), *b = NULL;
    char *whole;
    size_t bytes, header;
    assert_ok(rescl_model_save(a, path));
    assert_ok(rs_file_read(path, 1 << 26, &whole, &bytes));
    header = (unsigned char)whole[0] + 256u * (unsigned char)whole[1] + 8;
    assert_true(header < bytes);
    for (size_t n = 0; n < bytes; n += n < 64 ? 1 : bytes / 40) {
        assert_ok(rs_file_write(path, whole, n));
        assert_fails(rescl_model_load(path, &b), RESCL_ERR_FORMAT, path);
    }
    for (size_t i = 0; i < header; i += 41) { /* any answer but a crash will do */
        whole[i] ^= 0x15;
        assert_ok(rs_file_write(path, whole, bytes));
        if (rescl_model_load(path, &b) == RESCL_OK)
            rescl_model_destroy(b);
        b = NULL;
        whole[i] ^= 0x15;
    }
    free(whole);
    rescl_model_destroy(a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_description_has_no_weights),
        TEST(loads_what_it_saved),
        TEST(remembers_how_images_are_fitted),
        TEST(fits_images_as_is_usual),
        TEST(replaces_weights),
        TEST(keeps_weights_when_a_file_does_not_fit),
        TEST(loads_the_body_below_a_new_head),
        TEST(refuses_the_body_of_another_model),
        TEST(keeps_the_hidden_layer),
        TEST(takes_several_labels_as_given),
        TEST(refuses_exports_that_do_not_go_together),
        TEST(refuses_the_endings_of_other_formats),
        TEST(knows_which_library_has_a_model),
        TEST(refuses_files_that_claim_too_much),
        TEST(survives_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
