/* A small residual network as Keras writes it, whole and with one thing changed. */
#include "testing.h"

#include "attr.h"
#include "error.h"
#include "kerasgraph.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

/* Keras 3 and Keras 2 have other forms for what a layer reads. */
#define TENSOR3(name)                                                                              \
    "{\"class_name\":\"__keras_tensor__\",\"config\":{\"shape\":[null,8,8,4],\"keras_history\":"   \
    "[\"" name "\",0,0]}}"
#define READS3(args) "[{\"args\":[" args "],\"kwargs\":{\"mask\":null}}]"
#define READS2(name) "[[[\"" name "\",0,0,{}]]]"
#define LAYER(class, name, config, reads)                                                          \
    "{\"class_name\":\"" class "\",\"name\":\"" name "\",\"config\":{\"name\":\"" name "\"" config \
                               "},\"inbound_nodes\":" reads "}"
#define CONV(name, reads)                                                                          \
    LAYER("Conv2D", name,                                                                          \
          ",\"kernel_size\":[3,3],\"strides\":[1,1],\"padding\":\"same\",\"dilation_rate\":[1,1]," \
          "\"activation\":\"linear\"",                                                             \
          reads)
#define BN(name, reads)   LAYER("BatchNormalization", name, ",\"epsilon\":0.001", reads)
#define RELU(name, reads) LAYER("Activation", name, ",\"activation\":\"relu\"", reads)
#define INPUT             LAYER("InputLayer", "i", ",\"batch_shape\":[null,16,16,3]", "[]")
#define PAD(reads)        LAYER("ZeroPadding2D", "pad", ",\"padding\":[[1,1],[1,1]]", reads)
#define STEM(reads)                                                                                \
    LAYER("Conv2D", "c1", ",\"kernel_size\":[3,3],\"strides\":[2,2],\"padding\":\"valid\"", reads)
#define MEAN(reads) LAYER("GlobalAveragePooling2D", "mean", "", reads)
#define TOP(reads)  LAYER("Dense", "top", ",\"activation\":\"softmax\"", reads)
#define MODEL(layers)                                                                              \
    "{\"class_name\":\"Functional\",\"config\":{\"name\":\"m\",\"layers\":[" layers                \
    "],\"output_layers\":[[\"top\",0,0]]}}"

#define BODY3                                                                                                          \
    INPUT "," PAD(READS3(TENSOR3("i"))) "," STEM(READS3(TENSOR3("pad"))) "," BN("b1", READS3(TENSOR3("c1"))) "," RELU( \
        "r1",                                                                                                          \
        READS3(TENSOR3(                                                                                                \
            "b1"))) "," CONV("c2",                                                                                     \
                             READS3(TENSOR3(                                                                           \
                                 "r1"))) "," BN("b2",                                                                  \
                                                READS3(TENSOR3(                                                        \
                                                    "c2"))) "," LAYER("Add", "sum", "",                                \
                                                                      READS3("[" TENSOR3("r1") "," TENSOR3(            \
                                                                          "b2") "]")) "," RELU("r"                     \
                                                                                               "2",                    \
                                                                                               READS3(TENSOR3(         \
                                                                                                   "sum")))
#define KERAS3 MODEL(BODY3 "," MEAN(READS3(TENSOR3("r2"))) "," TOP(READS3(TENSOR3("mean"))))
#define KERAS2                                                                                                         \
    MODEL(                                                                                                             \
        INPUT                                                                                                          \
        "," PAD(READS2("i")) "," STEM(READS2("pad")) "," BN("b1", READS2("c1")) "," RELU("r1", READS2("b1")) "," CONV( \
            "c2",                                                                                                      \
            READS2(                                                                                                    \
                "r1")) "," BN("b2",                                                                                    \
                              READS2(                                                                                  \
                                  "c2")) "," LAYER("Add", "sum", "",                                                   \
                                                   "[[[\"b2\",0,0,{}],[\"r1\",0,0,{}]]"                                \
                                                   "]") "," RELU("r2",                                                 \
                                                                 READS2(                                               \
                                                                     "sum")) "," MEAN(READS2("r"                       \
                                                                                             "2")) "," TOP(READS2("mean")))
/* The body is a model of its own in a Sequential. */
#define NESTED                                                                                     \
    "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":["                       \
    "{\"class_name\":\"Rescaling\",\"config\":{\"name\":\"r\",\"scale\":0.01,\"offset\":0}},"      \
    "{\"class_name\":\"Functional\",\"config\":{\"name\":\"m\",\"layers\":[" BODY3                 \
    "],\"output_layers\":[\"r2\",0,0]}}," MEAN(                                                    \
        "[]") ","                                                                                  \
              "{\"class_name\":\"Dropout\",\"config\":{\"name\":\"drop\"}}," TOP("[]") "]}}"

static rs_value add(rs_graph *g, const char *name, const rs_op *op, const void *attr, size_t bytes,
                    rs_value a, rs_value b)
{
    const rs_value src[2] = {a, b};
    rs_value out;
    assert_ok(
        rs_graph_add(g, name, op, attr, bytes, RS_SCHEME_GLOROT_UNIFORM, src, b < 0 ? 1 : 2, &out));
    return out;
}

static rs_graph *make_graph(void)
{
    rs_conv2d_attr conv = {.filters = 4,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .stride_h = 2,
                           .stride_w = 2,
                           .pad_top = 1,
                           .pad_bottom = 1,
                           .pad_left = 1,
                           .pad_right = 1,
                           .bias = true};
    const rs_batchnorm_attr norm = {.eps = 1e-3f, .momentum = 0.9f};
    const rs_pool_attr mean = {.global = true};
    const rs_dense_attr dense = {.units = 5, .bias = true};
    rs_graph *g;
    rs_value x, skip;
    assert_ok(rs_graph_create(&g));
    assert_ok(rs_graph_input(g, 16, 16, 3, &x));
    x = add(g, "c1", &rs_op_conv2d, &conv, sizeof conv, x, -1);
    x = add(g, "b1", &rs_op_batchnorm, &norm, sizeof norm, x, -1);
    x = skip = add(g, "r1", &rs_op_relu, NULL, 0, x, -1);
    conv.stride_h = conv.stride_w = 1;
    x = add(g, "c2", &rs_op_conv2d, &conv, sizeof conv, x, -1);
    x = add(g, "b2", &rs_op_batchnorm, &norm, sizeof norm, x, -1);
    x = add(g, "sum", &rs_op_add, NULL, 0, x, skip);
    x = add(g, "r2", &rs_op_relu, NULL, 0, x, -1);
    g->part = RS_PART_HEAD;
    x = add(g, "mean", &rs_op_avgpool, &mean, sizeof mean, x, -1);
    x = add(g, "top", &rs_op_dense, &dense, sizeof dense, x, -1);
    assert_ok(rs_graph_finish(g, x, &(rs_loss){0}));
    return g;
}

/* `json` with the first `was` become `is`. */
static char *change(const char *json, const char *was, const char *is)
{
    const char *at = strstr(json, was);
    assert_non_null(at);
    char *out = rs_strf("%.*s%s%s", (int)(at - json), json, is, at + strlen(was));
    assert_non_null(out);
    return out;
}

static char *difference(const char *json, bool body)
{
    rs_keras_config c = {0};
    rs_graph *g = make_graph();
    char *out;
    assert_ok(rs_keras_config_parse(json, "f", &c));
    assert_ok(rs_keras_config_differs(&c, NULL, g, body, &out));
    rs_keras_config_fini(&c);
    rs_graph_destroy(g);
    return out;
}

static void the_same_network_has_no_difference(void **state)
{
    static const char *const same[] = {KERAS3, KERAS2, NESTED};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(same); i++) {
        assert_null(difference(same[i], false));
        assert_null(difference(same[i], true));
    }
}

static void forms_of_the_same_are_the_same(void **state)
{
    static const struct {
        const char *was, *is;
    } rows[] = {
        /* of a map of 8x8 */
        {MEAN(READS2("r2")), LAYER("AveragePooling2D", "p", ",\"pool_size\":[8,8],\"strides\":null",
                                   READS2("r2")) "," LAYER("Flatten", "mean", "", READS2("p"))},
        {"\"activation\":\"softmax\"", "\"activation\":\"linear\""},
        {TOP(READS2("mean")), LAYER("Dense", "d", ",\"activation\":\"linear\"",
                                    READS2("mean")) "," LAYER("Softmax", "top", "", READS2("d"))},
        {MEAN(READS2("r2")), LAYER("Dropout", "o", "", READS2("r2")) "," MEAN(READS2("o"))},
        {"[[1,1],[1,1]]", "[1,1]"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        char *json = change(KERAS2, rows[i].was, rows[i].is);
        assert_null(difference(json, false));
        free(json);
    }
}

static void the_first_difference_is_named(void **state)
{
    static const struct {
        const char *was, *is, *words;
        bool in_head;
    } rows[] = {
        {"\"strides\":[2,2]", "\"strides\":[1,1]",
         "'c1' has strides of (1, 1), where the model has (2, 2)", false},
        {"\"dilation_rate\":[1,1]", "\"dilation_rate\":[2,2]", "'c2' has a dilation of (2, 2)",
         false},
        {"[[1,1],[1,1]]", "[[0,1],[0,1]]",
         "'c1' has padding above and below of (0, 1), where the model has (1, 1)", false},
        {"\"padding\":\"same\"", "\"padding\":\"valid\"", "'c2' has padding", false},
        {"\"kernel_size\":[3,3],\"strides\":[1,1]",
         "\"kernel_size\":[3,3],\"groups\":2,\"strides\":[1,1]",
         "'c2' has 2 groups, where the model has 1", false},
        {"\"activation\":\"linear\"", "\"activation\":\"relu\"", "'c2' applies relu", false},
        {RELU("r1", READS2("b1")), RELU("r1", READS2("c1")), "'r1' applies relu", false},
        {",[\"r1\",0,0,{}]]]", ",[\"b2\",0,0,{}]]]", "'sum' (Add) reads 'b2' and 'b2'", false},
        {LAYER("Add", "sum", "", "[[[\"b2\",0,0,{}],[\"r1\",0,0,{}]]]"),
         LAYER("Multiply", "sum", "", "[[[\"b2\",0,0,{}],[\"r1\",0,0,{}]]]"),
         "'sum' (Multiply) reads 'b2' and 'r1'", false},
        {READS2("pad"), "[[[\"pad\",0,0,{}]],[[\"i\",0,0,{}]]]", "'c1' is applied 2 times", false},
        {MEAN(READS2("r2")),
         LAYER("GlobalAveragePooling2D", "g", "",
               READS2("r2")) "," LAYER("Add", "mean", "", "[[[\"g\",0,0,{}],[\"g\",0,0,{}]]]"),
         "'mean' (Add) reads 'g' and 'g'", true},
        {MEAN(READS2("r2")),
         LAYER("AveragePooling2D", "p", ",\"pool_size\":[2,2],\"strides\":[2,2]",
               READS2("r2")) "," LAYER("Flatten", "mean", "", READS2("p")),
         "'p' (AveragePooling2D) reads 'r2'", true},
        {MEAN(READS2("r2")),
         LAYER("Rescaling", "s", ",\"scale\":2,\"offset\":0", READS2("r2")) "," MEAN(READS2("s")),
         "'s' (Rescaling) reads 'r2'", true},
        {"\"activation\":\"softmax\"", "\"activation\":\"sigmoid\"", "'top' applies sigmoid", true},
        {"[[\"top\",0,0]]", "[[\"top\",0,0],[\"mean\",0,0]]", "it has 2 outputs", true},
        {"[[\"top\",0,0]]", "[[\"mean\",0,0]]", "it ends in 'mean', and the model in 'top'", true},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        char *json = change(KERAS2, rows[i].was, rows[i].is), *whole = difference(json, false),
             *body = difference(json, true);
        assert_non_null(whole);
        assert_non_null(strstr(whole, rows[i].words));
        assert_true((body == NULL) == rows[i].in_head);
        free(json);
        free(whole);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_network_has_no_difference),
        cmocka_unit_test(forms_of_the_same_are_the_same),
        cmocka_unit_test(the_first_difference_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
