#include "testing.h"

#include "catalogue.h"
#include "error.h"

#include <string.h>

/* How many layers with parameters the graph has, and how many of them the library names. */
static size_t count_layers(const rs_graph *g, rs_naming naming, size_t *named)
{
    size_t layers = 0;
    *named = 0;
    for (size_t i = 0; i < g->nnodes; i++) {
        layers += g->node[i].nparam > 0;
        *named += g->node[i].nparam > 0 && rs_layer_name(g, i, naming);
    }
    return layers;
}

/* A library names either every layer with parameters, each by a name of its own, or none: it does
 * not have the model. rescl has all. */
static void a_library_names_all_layers_or_none(void **state)
{
    (void)state;
    for (const char *const *name = rescl_model_names(); *name; name++) {
        rescl_model *m = NULL;
        rs_name_index index = {0};
        assert_ok(rs_model_build(&(rescl_model_options){.name = *name}, &m));
        assert_ok(rs_name_index_add(&index, m->graph));
        rs_name_index_sort(&index);
        for (size_t i = 1; i < index.count; i++)
            if (index.entry[i].naming == index.entry[i - 1].naming &&
                strcmp(index.entry[i].layer, index.entry[i - 1].layer) == 0)
                fail_msg("%s has two layers '%s'", *name, index.entry[i].layer);
        for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++) {
            size_t named;
            const size_t layers = count_layers(m->graph, n, &named);
            if (named != layers && (named > 0 || n == RS_NAMING_RESCL))
                fail_msg("%s has %zu layers with parameters, of which %s names %zu", *name, layers,
                         rs_naming_get(n)->name, named);
        }
        rs_name_index_fini(&index);
        rescl_model_destroy(m);
    }
}

/* Any library's weights can be read into any residual network. */
static void every_library_names_the_residual_networks(void **state)
{
    (void)state;
    for (const rs_model_def *def = rs_family_resnet; def->name; def++) {
        rescl_model *m = NULL;
        assert_ok(rs_model_build(&(rescl_model_options){.name = def->name}, &m));
        for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++) {
            size_t named;
            const size_t layers = count_layers(m->graph, n, &named);
            assert_true(layers > 0);
            assert_int_equal(named, layers);
        }
        rescl_model_destroy(m);
    }
}

/* Names from files of these libraries; the first is rescl's own. */
static void names_are_those_of_the_libraries(void **state)
{
    static const struct {
        const char *model, *name[RS_NAMINGS];
    } rows[] = {
        {"resnet50_keras", {"conv1", "conv1", "conv1_conv", "conv1"}},
        {"resnet50_keras", {"bn_conv1", "bn1", "conv1_bn", "bn_conv1"}},
        {"resnet50_keras",
         {"res2a_branch1", "layer1.0.downsample.0", "conv2_block1_0_conv", "res2a_branch1"}},
        {"resnet50_keras", {"bn5c_branch2c", "layer4.2.bn3", "conv5_block3_3_bn", "bn5c_branch2c"}},
        {"resnet50_keras", {"fc1000", "fc", "predictions", "fc1000"}},
        {"resnet18", {"layer2.1.conv2", "layer2.1.conv2", "conv3_block2_2_conv", "res3b_branch2b"}},
        {"resnet18",
         {"layer4.0.downsample.1", "layer4.0.downsample.1", "conv5_block1_0_bn", "bn5a_branch1"}},
        {"resnet152",
         {"layer3.25.conv1", "layer3.25.conv1", "conv4_block26_1_conv", "res4z_branch2a"}},
        {"resnet152", {"layer3.35.bn3", "layer3.35.bn3", "conv4_block36_3_bn", "bn4b35_branch2c"}},
        {"resnet101_keras",
         {"conv4_block23_2_conv", "layer3.22.conv2", "conv4_block23_2_conv", "res4w_branch2b"}},
        {"resnet8", {"fc", "fc", "predictions", "fc10"}},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        rescl_model *m = NULL;
        rs_name_index index = {0};
        assert_ok(rs_model_build(&(rescl_model_options){.name = rows[i].model}, &m));
        assert_ok(rs_name_index_add(&index, m->graph));
        rs_name_index_sort(&index);
        for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++) {
            const char *name = rows[i].name[n];
            const rs_name_entry *e = rs_name_index_find(&index, n, name, strlen(name));
            assert_non_null(e);
            assert_string_equal(rs_layer_name(m->graph, (size_t)e->node, n), name);
            assert_string_equal(m->graph->node[e->node].name, rows[i].name[RS_NAMING_RESCL]);
        }
        rs_name_index_fini(&index);
        rescl_model_destroy(m);
    }
}

/* Names that are read, beside those that are written. */
static void reads_every_spelling(void **state)
{
    static const struct {
        rs_naming naming;
        const char *read, *own;
    } rows[] = {
        {RS_NAMING_KERAS, "probs", "fc1000"},
        {RS_NAMING_KERAS1, "fc6", "fc1000"},
        {RS_NAMING_KERAS1, "res3b3_branch2a", "res3d_branch2a"},
        {RS_NAMING_KERAS1, "bn2b1_branch2c", "bn2b_branch2c"},
        {RS_NAMING_KERAS1, "res2b0_branch2a", NULL},
        {RS_NAMING_KERAS1, "res2b01_branch2a", NULL},
        {RS_NAMING_KERAS1, "res2d_branch2a", NULL}, /* the stage has three blocks */
        {RS_NAMING_TORCHVISION, "fc6", NULL},
        {RS_NAMING_TORCHVISION, "classifier", NULL},
    };
    rescl_model *m = NULL;
    rs_name_index index = {0};
    (void)state;
    assert_ok(rs_model_build(&(rescl_model_options){.name = "resnet50_keras"}, &m));
    assert_ok(rs_name_index_add(&index, m->graph));
    rs_name_index_sort(&index);
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const char *name = rows[i].read;
        const rs_name_entry *e = rs_name_index_find(&index, rows[i].naming, name, strlen(name));
        if (rows[i].own && !e)
            fail_msg("'%s' names no layer", name);
        if (rows[i].own)
            assert_string_equal(m->graph->node[e->node].name, rows[i].own);
        else
            assert_null(e);
    }
    rs_name_index_fini(&index);
    rescl_model_destroy(m);
}

static void knows_the_layers_of_all_models(void **state)
{
    rs_catalogue all;
    const char *const *names = rescl_model_names();
    (void)state;
    assert_ok(rs_catalogue_init(&all));
    for (size_t i = 0; i < all.models; i++)
        assert_string_equal(all.model[i]->name, names[i]);
    assert_null(names[all.models]);
    assert_true(rs_name_index_find(&all.index, RS_NAMING_TORCHVISION, "fc", 2)->output);
    assert_false(rs_name_index_find(&all.index, RS_NAMING_KERAS, "conv1_conv", 10)->output);
    assert_non_null(rs_name_index_find(&all.index, RS_NAMING_KERAS1, "bn4b35_branch2c", 15));
    assert_null(rs_name_index_find(&all.index, RS_NAMING_TORCHVISION, "nowhere.0", 9));
    rs_catalogue_fini(&all);
}

/* The library's order, in which Keras reads weights: its layers by their distance from the end. */
static void layers_come_in_the_librarys_order(void **state)
{
    static const struct {
        rs_naming naming;
        const char *after[6];
    } rows[] = {
        {RS_NAMING_TORCHVISION,
         {"layer1.0.bn2", "layer1.0.conv3", "layer1.0.bn3", "layer1.0.downsample.0",
          "layer1.0.downsample.1", "layer1.1.conv1"}},
        {RS_NAMING_KERAS,
         {"conv2_block1_2_bn", "conv2_block1_0_conv", "conv2_block1_3_conv", "conv2_block1_0_bn",
          "conv2_block1_3_bn", "conv2_block2_1_conv"}},
        {RS_NAMING_KERAS1,
         {"bn2a_branch2b", "res2a_branch2c", "res2a_branch1", "bn2a_branch2c", "bn2a_branch1",
          "res2b_branch2a"}},
    };
    rescl_model *m = NULL;
    (void)state;
    assert_ok(rs_model_build(&(rescl_model_options){.name = "resnet50"}, &m));
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        size_t at = 0;
        for (size_t a = 0; a < m->graph->naliases && at < RS_COUNT(rows[i].after); a++) {
            const rs_alias *alias = &m->graph->alias[a];
            const bool here = strcmp(alias->name, rows[i].after[at]) == 0;
            if (alias->naming == rows[i].naming && (here || at > 0))
                assert_string_equal(alias->name, rows[i].after[at++]);
        }
        assert_int_equal(at, RS_COUNT(rows[i].after));
    }
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_names_all_layers_or_none),
        cmocka_unit_test(every_library_names_the_residual_networks),
        cmocka_unit_test(names_are_those_of_the_libraries),
        cmocka_unit_test(reads_every_spelling),
        cmocka_unit_test(knows_the_layers_of_all_models),
        cmocka_unit_test(layers_come_in_the_librarys_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
