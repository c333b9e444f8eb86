/* What the names of a file's tensors tell, and how they find a model's parameters. */
#include "testing.h"

#include "attr.h"
#include "error.h"
#include "exportfile.h"
#include "netmodel.h"
#include "path.h"
#include "weightfile.h"

#include <stdlib.h>
#include <string.h>

typedef struct tensor {
    const char *name;
    size_t ndim, dim[4];
} tensor;

static rs_wfile *open_with(const tensor *t, size_t count)
{
    enum { MOST = 8 };
    static const float zeros[64 * 64 * 9];
    char *path = rs_path_join(rs_test_dir, "w.safetensors");
    rs_st_source list[MOST] = {0};
    rs_wfile *f = NULL;
    assert_true(path && count <= MOST);
    for (size_t i = 0; i < count; i++) {
        list[i] =
            (rs_st_source){.name = t[i].name, .dtype = RS_ST_F32, .ndim = t[i].ndim, .data = zeros};
        memcpy(list[i].dim, t[i].dim, sizeof t[i].dim);
    }
    assert_ok(rs_st_write(path, NULL, 0, list, count));
    assert_ok(rs_wfile_open(path, &f));
    free(path);
    return f;
}

static void the_library_is_the_one_that_explains_the_most_names(void **state)
{
    static const struct {
        tensor t[5];
        size_t count;
        rs_naming naming;
        size_t classes;
    } rows[] = {
        {{{"conv1.weight", 4, {16, 3, 3, 3}}, {"bn1.weight", 1, {16}}, {"fc.weight", 2, {7, 64}}},
         3,
         RS_NAMING_TORCHVISION,
         7},
        {{{"conv1_conv/kernel:0", 4, {3, 3, 3, 16}}, {"probs/kernel:0", 2, {7, 64}}},
         2,
         RS_NAMING_KERAS,
         7},
        {{{"conv1/conv1_W:0", 4, {3, 3, 3, 16}}, {"fc10/fc10_W:0", 2, {10, 64}}},
         2,
         RS_NAMING_KERAS1,
         10},
        /* Heads of Keras' old name on other bodies. */
        {{{"conv1_conv/kernel:0", 4, {3, 3, 3, 16}},
          {"fc10/kernel:0", 2, {10, 64}},
          {"fc10/bias:0", 1, {10}}},
         3,
         RS_NAMING_KERAS,
         10},
        {{{"module.conv1.weight", 4, {16, 3, 3, 3}},
          {"module.bn1.weight", 1, {16}},
          {"module.layer1.0.bn1.weight", 1, {16}},
          {"module.fc6.weight", 2, {6, 64}}},
         4,
         RS_NAMING_TORCHVISION,
         6},
        {{{"conv1.weight", 4, {16, 3, 3, 3}}}, 1, RS_NAMING_RESCL, 0}, /* two have it */
        {{{"nowhere.0.weight", 4, {16, 3, 3, 3}}}, 1, RS_NAMING_RESCL, 0},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_wfile *f = open_with(rows[i].t, rows[i].count);
        const rs_wfile_about *a = rs_wfile_describe(f);
        assert_int_equal(a->naming, rows[i].naming);
        assert_int_equal(a->classes, rows[i].classes);
        assert_true(a->bn_eps == rs_naming_get(rows[i].naming)->bn_eps);
        rs_wfile_close(f);
    }
}

static void every_librarys_names_find_the_parameters(void **state)
{
    static const struct {
        tensor t;
        const char *param; /* NULL: unexpected */
    } rows[] = {
        {{"conv1.weight", 4, {16, 3, 3, 3}}, "conv1.weight"},
        {{"module.layer2.0.downsample.1.running_mean", 1, {32}},
         "layer2.0.downsample.1.running_mean"},
        {{"conv3_block1_0_bn/moving_mean:0", 1, {32}}, "layer2.0.downsample.1.running_mean"},
        {{"x/bn3a_branch1/bn3a_branch1_running_std:0", 1, {32}},
         "layer2.0.downsample.1.running_var"},
        {{"predictions/bias:0", 1, {10}}, "fc.bias"},
        {{"fc1000/bias:0", 1, {10}}, "fc.bias"},
        {{"layer1.0.conv1.bias", 1, {16}}, NULL}, /* the model's has none */
        {{"layer1.1.conv1.weight", 4, {16, 16, 3, 3}}, NULL},
        {{"fc.bias.ema", 1, {10}}, NULL},
    };
    rescl_model *m = NULL;
    (void)state;
    assert_ok(rs_model_build(&(rescl_model_options){.name = "resnet8"}, &m));
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_wfile *f = open_with(&rows[i].t, 1);
        rs_matching found;
        assert_ok(rs_wfile_match(f, m->graph, &found));
        assert_int_equal(found.of[RS_MATCHED], rows[i].param ? 1 : 0);
        assert_int_equal(found.of[RS_UNEXPECTED], rows[i].param ? 0 : 1);
        for (size_t k = 0; k < found.count; k++)
            if (found.item[k].state == RS_MATCHED)
                assert_string_equal(m->graph->param[found.item[k].param].name, rows[i].param);
        rs_matching_fini(&found);
        rs_wfile_close(f);
    }
    rescl_model_destroy(m);
}

/* Of two tensors for one parameter the first is taken; torch's counters are passed over. */
static void a_parameter_is_taken_once(void **state)
{
    static const tensor t[] = {{"fc.bias", 1, {10}},
                               {"predictions/bias:0", 1, {10}},
                               {"bn1.num_batches_tracked", 1, {1}},
                               {"fc.weight", 2, {4, 64}}};
    rescl_model *m = NULL;
    rs_matching found;
    rs_wfile *f = open_with(t, RS_COUNT(t));
    (void)state;
    assert_ok(rs_model_build(&(rescl_model_options){.name = "resnet8"}, &m));
    assert_ok(rs_wfile_match(f, m->graph, &found));
    assert_int_equal(found.of[RS_MATCHED], 1);
    assert_int_equal(found.of[RS_RESHAPED], 1);
    assert_int_equal(found.of[RS_UNEXPECTED], 1);
    assert_string_equal(rs_wfile_at(f, found.item[m->graph->nparams].tensor)->name,
                        "predictions/bias:0");
    rs_matching_fini(&found);
    rs_wfile_close(f);
    rescl_model_destroy(m);
}

enum { CHANNELS = 5, UNITS = 3 };

/* A dense layer that flattens a map. */
static rs_graph *flattening_graph(size_t h, size_t w)
{
    const rs_dense_attr attr = {.units = UNITS, .bias = true};
    rs_graph *g = NULL;
    rs_value x, logits;
    assert_ok(rs_graph_create(&g));
    assert_ok(rs_graph_input(g, h, w, CHANNELS, &x));
    assert_ok(rs_graph_add(g, "top", &rs_op_dense, &attr, sizeof attr, RS_SCHEME_LINEAR_UNIFORM, &x,
                           1, &logits));
    assert_ok(rs_graph_alias(g, logits, RS_NAMING_TORCHVISION, "fc"));
    assert_ok(rs_graph_alias(g, logits, RS_NAMING_KERAS, "probs"));
    assert_ok(rs_graph_finish(g, logits, &(rs_loss){0}));
    return g;
}

/* Torch's row of a unit has its inputs as (c, h, w), Keras' matrix its rows as (h, w, c). */
static void check_stored(const rs_wfile *file, rs_naming naming, const float *own, size_t h,
                         size_t w)
{
    const rs_wfile_tensor *t = rs_wfile_at(file, 0);
    const size_t ins = h * w * CHANNELS;
    float in_file[64];
    assert_true(ins * UNITS <= RS_COUNT(in_file));
    assert_int_equal(t->ndim, 2);
    assert_ok(rs_wfile_read(file, 0, in_file)); /* (in, out), whatever the inputs are */
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t c = 0; c < CHANNELS; c++) {
                const size_t hwc = (y * w + x) * CHANNELS + c, chw = (c * h + y) * w + x;
                const float *found =
                    &in_file[(naming == RS_NAMING_TORCHVISION ? chw : hwc) * UNITS];
                assert_memory_equal(found, &own[hwc * UNITS], UNITS * sizeof *own);
            }
}

static void a_flattened_map_lies_as_the_library_flattens_it(void **state)
{
    static const struct {
        size_t h, w;
    } maps[] = {{1, 1}, {2, 2}, {2, 1}, {1, 4}};
    static const struct {
        const char *format;
        rs_naming naming;
    } files[] = {{"safetensors", RS_NAMING_TORCHVISION},
                 {"safetensors", RS_NAMING_RESCL},
                 {"hdf5", RS_NAMING_KERAS}};
    static const char *const classes[UNITS] = {"a", "b", "c"};
    const rs_ckpt_model about = {
        .name = "tiny", .classes = UNITS, .image_size = 1, .class_name = classes};
    char *path = rs_path_join(rs_test_dir, "w");
    (void)state;
    for (size_t i = 0; i < RS_COUNT(maps); i++)
        for (size_t k = 0; k < RS_COUNT(files); k++) {
            if (strcmp(files[k].format, "hdf5") == 0 && !rescl_has_feature("hdf5"))
                continue;
            const rs_export_options o = {.format = rs_format_get(files[k].format),
                                         .naming = files[k].naming,
                                         .dtype = RS_ST_F32};
            rs_graph *g = flattening_graph(maps[i].h, maps[i].w);
            rs_weights w, back;
            rs_matching found;
            rs_wfile *f = NULL;
            assert_ok(rs_weights_create(g, &w));
            assert_ok(rs_weights_create(g, &back));
            rs_weights_init(g, &w, 1);
            assert_ok(rs_export(path, g, &w, &about, &o));
            assert_ok(rs_wfile_open(path, &f));
            check_stored(f, files[k].naming, w.data[0], maps[i].h, maps[i].w);
            assert_ok(rs_wfile_match(f, g, &found));
            assert_int_equal(found.of[RS_MATCHED], 2);
            assert_ok(rs_wfile_load(f, g, &found, &back));
            for (size_t p = 0; p < w.count; p++)
                assert_memory_equal(back.data[p], w.data[p], w.elems[p] * sizeof(float));
            rs_matching_fini(&found);
            rs_wfile_close(f);
            rs_weights_fini(&w);
            rs_weights_fini(&back);
            rs_graph_destroy(g);
        }
    free(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_library_is_the_one_that_explains_the_most_names),
        TEST(every_librarys_names_find_the_parameters),
        TEST(a_parameter_is_taken_once),
        TEST(a_flattened_map_lies_as_the_library_flattens_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
