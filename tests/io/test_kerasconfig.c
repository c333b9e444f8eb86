/* Configurations as Keras writes them, cut to what is read. */
#include "testing.h"

#include "error.h"
#include "kerasconfig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LAYER(class, config) "{\"class_name\":\"" class "\",\"config\":{" config "}}"
#define MODEL(layers)                                                                              \
    "{\"class_name\":\"Functional\",\"config\":{\"name\":\"m\",\"layers\":[" layers "]}}"
#define NAMED(class, name) LAYER(class, "\"name\":\"" name "\"")
#define RESCALING(scale, offset)                                                                   \
    LAYER("Rescaling", "\"name\":\"r\",\"scale\":" scale ",\"offset\":" offset)
#define BN(name, eps)    LAYER("BatchNormalization", "\"name\":\"" name "\",\"epsilon\":" eps)
#define DENSE(name, act) LAYER("Dense", "\"name\":\"" name "\",\"activation\":\"" act "\"")

static void layers_are_found_by_their_groups(void **state)
{
#define INPUT LAYER("InputLayer", "\"name\":\"i\",\"batch_shape\":[null,64,64,3]") ","
#define INNER MODEL(NAMED("Conv2D", "inner") "," NAMED("Conv2D", "inner2")) ","
#define OWN   NAMED("Pkg>MyLayer2D", "c") ","
#define LAST  NAMED("GlobalAveragePooling2D", "d")
#define A     NAMED("Conv2D", "a") ","
#define B     NAMED("Conv2D", "b") ","
    static const char json[] = MODEL(INPUT A INNER B OWN LAST);
    static const struct {
        const char *path, *name;
    } rows[] = {{"layers/conv2d", "a"},
                {"layers/functional/layers/conv2d", "inner"},
                {"layers/functional/layers/conv2d_1", "inner2"},
                {"layers/conv2d_1", "b"},
                {"layers/my_layer2d", "c"},
                {"layers/global_average_pooling2d", "d"}};
    rs_keras_config c = {0};
    (void)state;
    assert_ok(rs_keras_config_parse(json, "f", &c));
    assert_int_equal(c.count, 7);
    assert_int_equal(c.image_size, 64);
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const rs_keras_layer *l = rs_keras_config_find(&c, rows[i].path);
        assert_non_null(l);
        assert_string_equal(l->name, rows[i].name);
    }
    assert_null(rs_keras_config_find(&c, "layers/conv2d_2"));
    rs_keras_config_fini(&c);
}

/* Keras 1 and 2.0 gave the layers of a Sequential as its config. */
static void a_list_is_a_config_too(void **state)
{
    rs_keras_config c = {0};
    (void)state;
    assert_ok(rs_keras_config_parse(
        "{\"class_name\":\"Sequential\",\"config\":[" BN("x", "0.001") "]}", "f", &c));
    assert_int_equal(c.count, 1);
    assert_true(rs_keras_config_epsilon(&c) == 0.001);
    rs_keras_config_fini(&c);
}

static void the_head_is_known_where_a_relu_stands_before_it(void **state)
{
    static const struct {
        const char *json, *hidden, *output; /* NULL: not known */
    } rows[] = {
        {MODEL(DENSE("fc10", "softmax")), NULL, "fc10"},
        {MODEL(DENSE("a", "relu") "," DENSE("b", "softmax")), "a", "b"},
        {MODEL(DENSE("a", "linear") "," LAYER("ReLU", "\"name\":\"r\"") "," DENSE("b", "softmax")),
         "a", "b"},
        {MODEL(DENSE("a", "tanh") "," DENSE("b", "softmax")), NULL, NULL},
        {MODEL(DENSE("predictions", "softmax") "," DENSE("b", "softmax")), NULL, NULL},
        {MODEL(DENSE("a", "relu") "," DENSE("b", "relu") "," DENSE("c", "softmax")), NULL, NULL},
        {MODEL(BN("a", "0.1")), NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_keras_config c = {0};
        const rs_keras_layer *hidden, *output;
        assert_ok(rs_keras_config_parse(rows[i].json, "f", &c));
        output = rs_keras_config_head(&c, &hidden);
        assert_true((output != NULL) == (rows[i].output != NULL));
        assert_true((hidden != NULL) == (rows[i].hidden != NULL));
        if (output)
            assert_string_equal(output->name, rows[i].output);
        if (hidden)
            assert_string_equal(hidden->name, rows[i].hidden);
        rs_keras_config_fini(&c);
    }
}

static void what_no_model_computes_is_named(void **state)
{
    static const struct {
        const char *json, *words; /* NULL: nothing */
    } rows[] = {
        {MODEL(BN("a", "1e-3") "," BN("b", "1e-3") "," DENSE("c", "softmax")), NULL},
        {MODEL(DENSE("c", "linear")), NULL},
        {MODEL(DENSE("c", "linear") "," LAYER("Softmax", "\"name\":\"s\"")), NULL},
        {MODEL(DENSE("c", "linear") "," LAYER("Activation",
                                              "\"name\":\"s\",\"activation\":\"softmax\"")),
         NULL},
        {MODEL(DENSE("c", "sigmoid")), "'c' applies sigmoid"},
        {MODEL(DENSE("c", "relu")), "'c' applies relu"},
        {MODEL(DENSE("c", "linear") "," LAYER("Activation",
                                              "\"name\":\"s\",\"activation\":\"sigmoid\"")),
         "'s' applies sigmoid"},
        {MODEL(NAMED("Conv2D", "a") "," LAYER("Activation",
                                              "\"name\":\"r\",\"activation\":\"relu\"")),
         NULL},
        {MODEL(NAMED("Conv2D", "a") "," RESCALING("0.00392156862745098", "0.0")),
         "'r' gives x * 0.00392157 + 0"},
        {MODEL(LAYER("RandomFlip", "\"name\":\"a\"") "," LAYER(
             "Activation", "\"name\":\"r\",\"activation\":\"relu\"")),
         NULL},
        {MODEL(BN("a", "1e-3") "," BN("b", "1e-5")),
         "'a' and 'b' have epsilons of 0.001 and 1e-05"},
        {MODEL(LAYER("GlobalMaxPooling2D", "\"name\":\"top\"") "," DENSE("c", "softmax")),
         "'top' is a GlobalMaxPooling2D"},
        {MODEL(RESCALING("0.00392156862745098", "0.0")), NULL},
        {MODEL(RESCALING("0.00784313725490196", "-1")), NULL},
        {MODEL(RESCALING("1.0", "10")), "'r' gives x * 1 + 10"},
        {MODEL(DENSE("h", "tanh") "," DENSE("c", "softmax")), "'h' applies tanh"},
        {MODEL(LAYER("ReLU", "\"name\":\"r\",\"max_value\":6.0") "," DENSE("c", "softmax")),
         "'r' applies a ReLU that is limited"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_keras_config c = {0};
        char *unlike;
        assert_ok(rs_keras_config_parse(rows[i].json, "f", &c));
        assert_ok(rs_keras_config_unlike(&c, &unlike));
        assert_true((unlike != NULL) == (rows[i].words != NULL));
        if (unlike)
            assert_non_null(strstr(unlike, rows[i].words));
        free(unlike);
        rs_keras_config_fini(&c);
    }
}

static void rescaling_is_preprocessing(void **state)
{
    static const struct {
        const char *json;
        double mean, std;
    } rows[] = {{MODEL(RESCALING("0.00392156862745098", "0.0")), 0.0, 1.0},
                {MODEL(RESCALING("0.00784313725490196", "-1")), 0.5, 0.5}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_keras_config c = {0};
        rescl_normalize n;
        assert_ok(rs_keras_config_parse(rows[i].json, "f", &c));
        assert_true(rs_keras_config_normalize(&c, &n));
        for (size_t k = 0; k < 3; k++)
            assert_true(n.mean[k] == rows[i].mean && !signbit(n.mean[k]) &&
                        n.std[k] == rows[i].std);
        rs_keras_config_fini(&c);
    }
}

static void refuses_what_is_no_configuration(void **state)
{
    rs_keras_config c = {0};
    char deep[4096] = "";
    (void)state;
    assert_fails(rs_keras_config_parse("{", "f.keras", &c), RESCL_ERR_FORMAT, "f.keras", "no JSON");
    assert_fails(rs_keras_config_parse("[1]", "f", &c), RESCL_ERR_UNSUPPORTED, "lists no layers");
    assert_fails(rs_keras_config_parse("{\"class_name\":\"Mine\",\"config\":{}}", "f", &c),
                 RESCL_ERR_UNSUPPORTED, "functional or Sequential");
    assert_fails(rs_keras_config_parse("{\"config\":[{\"x\":1}]}", "f", &c), RESCL_ERR_FORMAT,
                 "layer 0");
    for (int i = 0; i < 20; i++)
        strcat(deep, "{\"class_name\":\"M\",\"config\":[");
    for (int i = 0; i < 20; i++)
        strcat(deep, "]}");
    assert_fails(rs_keras_config_parse(deep, "f", &c), RESCL_ERR_FORMAT, "nests models");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_found_by_their_groups),
        cmocka_unit_test(a_list_is_a_config_too),
        cmocka_unit_test(the_head_is_known_where_a_relu_stands_before_it),
        cmocka_unit_test(what_no_model_computes_is_named),
        cmocka_unit_test(rescaling_is_preprocessing),
        cmocka_unit_test(refuses_what_is_no_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
