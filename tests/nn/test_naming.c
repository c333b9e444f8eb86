#include "testing.h"

#include "error.h"
#include "graph_kit.h"
#include "naming.h"

#include <string.h>

static void takes_tensor_names_apart(void **state)
{
    static const struct {
        const char *name, *layer, *role; /* NULL: no layer; a counter */
    } rows[] = {
        {"layer1.0.conv1.weight", "layer1.0.conv1", "weight"},
        {"module.bn1.running_var", "module.bn1", "running_var"},
        {"bn1.num_batches_tracked", "bn1", NULL},
        {"layer1.0.conv1.total_ops", "layer1.0.conv1", NULL},
        {"conv1/conv1/kernel:0", "conv1", "weight"},
        {"conv1/kernel:0", "conv1", "weight"},
        {"a/b/bn/gamma:0", "bn", "weight"},
        {"bn/beta", "bn", "bias"},
        {"bn/moving_mean:0", "bn", "running_mean"},
        {"bn/moving_variance:0", "bn", "running_var"},
        {"res2a/res2a_W", "res2a", "weight"},
        {"bn2a_x/bn2a_x_running_std:0", "bn2a_x", "running_var"},
        {"fc1000/fc1000_b:0", "fc1000", "bias"},
        {"weight", NULL, NULL},
        {"conv1.", NULL, NULL},
        {"conv1.weights", NULL, NULL},
        {"conv1/", NULL, NULL},
        {"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rs_tensor_name t;
        const bool known = rs_tensor_name_parse(rows[i].name, &t);
        assert_int_equal(known, rows[i].layer != NULL);
        if (!known)
            continue;
        assert_int_equal(t.len, strlen(rows[i].layer));
        assert_memory_equal(t.layer, rows[i].layer, t.len);
        assert_int_equal(t.counter, rows[i].role == NULL);
        if (rows[i].role)
            assert_string_equal(t.role, rows[i].role);
        else
            assert_null(t.role);
    }
}

static void knows_libraries_by_name(void **state)
{
    rs_naming n;
    (void)state;
    for (rs_naming i = RS_NAMING_RESCL; i < RS_NAMINGS; i++) {
        assert_true(rs_naming_parse(rs_naming_get(i)->name, &n));
        assert_int_equal(n, i);
    }
    assert_true(rs_naming_parse("timm", &n));
    assert_int_equal(n, RS_NAMING_TORCHVISION);
    assert_false(rs_naming_parse("caffe", &n));
    assert_null(rs_naming_get(RS_NAMINGS));
}

static void finds_layers_by_what_libraries_call_them(void **state)
{
    rs_value x;
    rs_graph *g = kit_graph(8, 8, 3, &x);
    rs_name_index index = {0};
    (void)state;
    x = kit_conv(g, "features.0", x, 4, 3, 1);
    assert_ok(rs_graph_alias(g, x, RS_NAMING_TORCHVISION, "features.0"));
    assert_ok(rs_graph_alias(g, x, RS_NAMING_KERAS, "block1_conv1"));
    x = kit_bn(g, "features.1", x);
    assert_ok(rs_graph_alias(g, x, RS_NAMING_KERAS, "block1_bn1"));
    assert_ok(rs_graph_alias(g, x, RS_NAMING_KERAS, "norm#"));
    assert_fails(rs_graph_alias(g, 0, RS_NAMING_KERAS, "input"), RESCL_ERR_ARG, "input");
    kit_finish(g, x, 5);

    assert_string_equal(rs_layer_name(g, 0, RS_NAMING_RESCL), "features.0");
    assert_string_equal(rs_layer_name(g, 0, RS_NAMING_KERAS), "block1_conv1");
    assert_string_equal(rs_layer_name(g, 1, RS_NAMING_KERAS), "block1_bn1");
    assert_null(rs_layer_name(g, 0, RS_NAMING_KERAS1));
    assert_string_equal(rs_role_name(&g->node[0], &g->param[0], RS_NAMING_TORCHVISION), "weight");
    assert_string_equal(rs_role_name(&g->node[0], &g->param[0], RS_NAMING_KERAS), "kernel");
    assert_string_equal(rs_role_name(&g->node[1], &g->param[g->node[1].param[0]], RS_NAMING_KERAS),
                        "gamma");
    assert_string_equal(rs_role_name(&g->node[1], &g->param[g->node[1].state[1]], RS_NAMING_KERAS1),
                        "moving_variance");

    assert_ok(rs_name_index_add(&index, g));
    rs_name_index_sort(&index);
    static const struct {
        rs_naming naming;
        const char *name;
        int node;
    } rows[] = {
        {RS_NAMING_TORCHVISION, "features.0", 0}, {RS_NAMING_KERAS, "block1_conv1", 0},
        {RS_NAMING_KERAS, "norm12", 1},           {RS_NAMING_KERAS, "norm1234567", 1},
        {RS_NAMING_KERAS, "norm12345678", -1},    {RS_NAMING_KERAS, "norm", -1},
        {RS_NAMING_KERAS, "norm1x", -1},          {RS_NAMING_KERAS, "features.0", -1},
        {RS_NAMING_RESCL, "features.1", 1},       {RS_NAMING_KERAS1, "block1_conv1", -1},
    };
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const char *name = rows[i].name;
        const rs_name_entry *e = rs_name_index_find(&index, rows[i].naming, name, strlen(name));
        assert_int_equal(e ? e->node : -1, rows[i].node);
    }
    assert_true(rs_name_index_find(&index, RS_NAMING_RESCL, "fc", 2)->output);
    rs_name_index_fini(&index);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_tensor_names_apart),
        cmocka_unit_test(knows_libraries_by_name),
        cmocka_unit_test(finds_layers_by_what_libraries_call_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
