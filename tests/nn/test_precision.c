/* The types that a precision gives a network's values. */
#include "attr.h"
#include "error.h"
#include "graph_kit.h"
#include "testing.h"

#include <string.h>

enum { EDGE = 8, CLASSES = 5, BATCH = 4 };

static rs_graph *network(void)
{
    rs_value x;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    kit_finish(g, kit_shortcut(g, x), CLASSES);
    return g;
}

static rs_dtype type_of(const rs_graph *g, const char *layer)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (strcmp(g->node[i].name, layer) == 0)
            return g->value[g->node[i].dst].type;
    fail_msg("there is no layer %s", layer);
    return RS_F32;
}

static void names_are_found(void **state)
{
    rescl_precision p;
    (void)state;

    for (int i = 0; rescl_precision_name((rescl_precision)i); i++) {
        assert_ok(rescl_precision_find(rescl_precision_name((rescl_precision)i), &p));
        assert_int_equal(p, i);
    }
    assert_null(rescl_precision_name((rescl_precision)4));
    assert_fails(rescl_precision_find("fp61", &p), RESCL_ERR_ARG, "fp16");
}

static void the_head_is_f32(void **state)
{
    rs_graph *g = network();
    rs_problem p;
    (void)state;

    rs_graph_set_precision(g, RESCL_PRECISION_BF16);
    assert_int_equal(g->value[g->input].type, RS_BF16);
    assert_int_equal(g->value[g->labels].type, RS_I32);
    assert_int_equal(type_of(g, "c1"), RS_BF16);
    assert_int_equal(type_of(g, "r3"), RS_BF16);
    assert_int_equal(type_of(g, "gap"), RS_F32);
    assert_int_equal(type_of(g, "fc"), RS_F32);
    assert_int_equal(g->value[g->loss].type, RS_F32);
    for (size_t i = 0; i < g->nnodes; i++)
        if (strcmp(g->node[i].name, "gap") == 0) {
            assert_ok(rs_graph_problem(g, i, BATCH, true, &p));
            assert_int_equal(p.src_type[0], RS_BF16);
            assert_int_equal(p.dst_type, RS_F32);
            assert_true(p.want_diff[0]);
        }
    rs_graph_set_precision(g, RESCL_PRECISION_FP16);
    assert_int_equal(type_of(g, "r3"), RS_F16);
    rs_graph_set_precision(g, RESCL_PRECISION_TF32);
    assert_int_equal(type_of(g, "r3"), RS_F32);
    assert_ok(rs_graph_problem(g, 0, BATCH, true, &p));
    assert_int_equal(p.math, RS_MATH_TF32);
    rs_graph_set_precision(g, RESCL_PRECISION_FP32);
    assert_ok(rs_graph_problem(g, 0, BATCH, true, &p));
    assert_int_equal(p.math, RS_MATH_F32);
    assert_int_equal(p.src_type[0], RS_F32);
    rs_graph_destroy(g);
}

/* Without a pooling that turns 16 bits into f32, all that is tied to the dense layer is f32. */
static void what_is_tied_to_dense_is_f32(void **state)
{
    const rs_dense_attr dense = {.units = CLASSES};
    rs_value x, y, z;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    (void)state;

    y = kit_wall(g, "wall", kit_conv(g, "c1", x, 4, 3, 1));
    y = kit_add(g, "sum", kit_conv(g, "c2", y, 4, 3, 1), y);
    assert_ok(rs_graph_add(g, "fc", &rs_op_dense, &dense, sizeof dense, RS_SCHEME_GLOROT_UNIFORM,
                           &y, 1, &z));
    assert_ok(rs_graph_finish(g, z, &(rs_loss){0}));
    rs_graph_set_precision(g, RESCL_PRECISION_BF16);
    assert_int_equal(type_of(g, "sum"), RS_F32);
    assert_int_equal(type_of(g, "c2"), RS_F32);
    assert_int_equal(type_of(g, "wall"), RS_F32);
    assert_int_equal(type_of(g, "c1"), RS_BF16);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(the_head_is_f32),
        cmocka_unit_test(what_is_tied_to_dense_is_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
