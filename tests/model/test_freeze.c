/* Freezing layers by part and by name. */
#include "attr.h"
#include "error.h"
#include "netmodel.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>

static rescl_model *model_of(const char *name)
{
    const rescl_model_options options = {
        .struct_size = sizeof options, .name = name, .image_size = 32};
    rescl_model *m = NULL;
    assert_ok(rs_model_build(&options, &m));
    return m;
}

/* Whether the parameters of a layer are trained; a normalisation's statistics go with them unless
 * norm_eval is asked for. */
static bool trains(const rescl_model *m, const char *layer)
{
    for (size_t i = 0; i < m->graph->nnodes; i++) {
        const rs_node *n = &m->graph->node[i];
        if (strcmp(n->name, layer) == 0)
            return rs_graph_trains(m->graph, n);
    }
    fail_msg("%s has no layer %s", m->name, layer);
    return false;
}

static size_t frozen_norms(const rescl_model *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->graph->nnodes; i++) {
        const rs_batchnorm_attr *attr = m->graph->node[i].attr;
        count += m->graph->node[i].op == &rs_op_batchnorm && attr->frozen;
    }
    return count;
}

static void check(const rescl_model *m, const char *frozen, const char *trained)
{
    char list[256], *rest = NULL;
    snprintf(list, sizeof list, "%s", frozen);
    for (char *p = strtok_r(list, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
        if (trains(m, p))
            fail_msg("%s is trained", p);
    snprintf(list, sizeof list, "%s", trained);
    for (char *p = strtok_r(list, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
        if (!trains(m, p))
            fail_msg("%s is frozen", p);
}

static void parts_have_names(void **state)
{
    rescl_model *m = model_of("resnet50_keras");
    (void)state;
    assert_ok(rescl_model_freeze(m, "stem", false));
    check(m, "conv1 bn_conv1", "res2a_branch2a fc1000");
    assert_int_equal(frozen_norms(m), 1);
    assert_ok(rescl_model_freeze(m, "stage1,stage4", false));
    check(m, "res2a_branch1 bn2c_branch2c res5a_branch2a bn5c_branch2c",
          "conv1 res3a_branch2a res4f_branch2c fc1000");
    assert_ok(rescl_model_freeze(m, "body", false));
    check(m, "conv1 bn_conv1 res2a_branch1 res5c_branch2c bn5c_branch2c", "fc1000");
    assert_int_equal(frozen_norms(m), 53);
    assert_ok(rescl_model_freeze(m, "head", false));
    check(m, "fc1000", "conv1 bn5c_branch2c");
    rescl_model_destroy(m);
}

static void names_may_be_globs(void **state)
{
    rescl_model *m = model_of("resnet50_keras");
    (void)state;
    assert_ok(rescl_model_freeze(m, "conv1, res2*,bn[23]a_branch2?", false));
    check(m, "conv1 res2a_branch1 res2c_branch2c bn2a_branch2a bn3a_branch2c",
          "bn_conv1 res3a_branch1 bn2a_branch1 bn2b_branch2a fc1000");
    rescl_model_destroy(m);
    m = model_of("resnet8");
    assert_ok(rescl_model_freeze(m, "layer1.*,*.downsample.*", false));
    check(m, "layer1.0.conv1 layer1.0.bn2 layer2.0.downsample.0 layer3.0.downsample.1",
          "conv1 layer2.0.conv1 fc");
    rescl_model_destroy(m);
}

static void counts_what_is_trained(void **state)
{
    rescl_model *m = model_of("resnet50_keras");
    rescl_model_info info;
    (void)state;
    assert_ok(rescl_model_freeze(m, "body", false));
    rescl_model_get_info(m, &info);
    assert_int_equal(info.trainable, 2049000);
    assert_int_equal(info.params, 25636712);
    rescl_model_destroy(m);
}

static void a_call_replaces_the_one_before(void **state)
{
    rescl_model *m = model_of("resnet8");
    (void)state;
    assert_ok(rescl_model_freeze(m, "stage1", true));
    assert_int_equal(frozen_norms(m), 9);
    check(m, "layer1.0.bn1", "bn1 layer2.0.bn1");
    assert_ok(rescl_model_freeze(m, "", false));
    assert_int_equal(frozen_norms(m), 0);
    check(m, "", "layer1.0.bn1 layer1.0.conv1");
    assert_ok(rescl_model_freeze(m, NULL, true));
    assert_int_equal(frozen_norms(m), 9);
    assert_null(m->frozen);
    rescl_model_destroy(m);
}

static void refuses_what_freezes_nothing_or_all(void **state)
{
    rescl_model *m = model_of("resnet8");
    (void)state;
    assert_ok(rescl_model_freeze(m, "stage2", false));
    assert_fails(rescl_model_freeze(m, "stage1,stage4", false), RESCL_ERR_ARG, "'stage4'",
                 "stage1 to stage3");
    assert_fails(rescl_model_freeze(m, "stge2", false), RESCL_ERR_ARG, "did you mean 'stage2'?",
                 "resnet8");
    assert_fails(rescl_model_freeze(m, "layer1.0.conf1", false), RESCL_ERR_ARG,
                 "did you mean 'layer1.0.conv1'?");
    assert_fails(rescl_model_freeze(m, "maxpool*,relu", false), RESCL_ERR_ARG, "'maxpool*'",
                 "that has parameters");
    assert_fails(rescl_model_freeze(m, "body,head", false), RESCL_ERR_ARG, "leaves no layer");
    /* The model is as the last call that went well left it. */
    check(m, "layer2.0.conv1", "conv1 layer1.0.conv1 fc");
    assert_string_equal(m->frozen, "stage2");
    rescl_model_destroy(m);
}

/* Neither the list nor the nearest name is of a part that the model lacks. */
static void offers_only_what_the_model_has(void **state)
{
    rescl_model *m = model_of("resnet8");
    (void)state;
    for (size_t i = 0; i < m->graph->nnodes; i++)
        if (m->graph->node[i].part == RS_PART_STEM)
            m->graph->node[i].part = 1;
    assert_fails(rescl_model_freeze(m, "stem", false), RESCL_ERR_ARG, "'stem' matches no layer",
                 "expected body, head, stage1 to stage3, or a pattern");
    assert_null(strstr(rescl_last_error()->message, "did you mean 'stem'"));
    for (size_t i = 0; i < m->graph->nnodes; i++)
        m->graph->node[i].part = RS_PART_STEM;
    assert_fails(rescl_model_freeze(m, "stage1", false), RESCL_ERR_ARG,
                 "expected body, stem, or a pattern");
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_have_names),
        cmocka_unit_test(names_may_be_globs),
        cmocka_unit_test(counts_what_is_trained),
        cmocka_unit_test(a_call_replaces_the_one_before),
        cmocka_unit_test(refuses_what_freezes_nothing_or_all),
        cmocka_unit_test(offers_only_what_the_model_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
