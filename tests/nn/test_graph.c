/* Building a graph: shapes, names, parameters, and what is refused. No device. */
#include "attr.h"
#include "graph.h"
#include "graph_kit.h"
#include "testing.h"

#include <string.h>

static void infers_shapes_and_parameters(void **state)
{
    rs_value x;
    rs_graph *g = kit_graph(9, 7, 3, &x);
    rs_problem p;
    (void)state;
    x = kit_conv(g, "a", x, 5, 3, 2);
    x = kit_bn(g, "b", x);
    kit_finish(g, x, 4);

    assert_int_equal(g->nnodes, 5); /* with gap, fc and loss */
    assert_int_equal(g->nparams, 1 + 4 + 2);
    assert_string_equal(g->param[0].name, "a.weight");
    assert_string_equal(g->param[4].name, "b.running_var");
    assert_true(g->param[2].trainable);
    assert_false(g->param[3].trainable);
    assert_int_equal(g->param[4].node, 1);
    assert_int_equal(rs_graph_find_param(g, "fc.bias"), 6);
    assert_int_equal(rs_graph_find_param(g, "fc.gamma"), -1);
    const rs_shape conv = rs_shape_4(1, 5, 4, 5), logits = rs_shape_2(1, 4);
    assert_true(rs_shape_equal(&g->value[g->node[0].dst].shape, &conv));
    assert_true(rs_shape_equal(&g->value[g->output].shape, &logits));
    assert_int_equal(g->value[g->labels].type, RS_I32);
    assert_int_equal(g->value[g->input].producer, -1);
    assert_int_equal(g->value[g->loss].producer, 4);
    const rs_shape weight = rs_shape_4(3, 3, 3, 5);
    assert_true(rs_shape_equal(&g->param[0].spec.shape, &weight));
    assert_int_equal(g->param[0].spec.fan_in, 27);
    assert_int_equal(g->param[0].spec.fan_out, 45);

    assert_ok(rs_graph_problem(g, 0, 6, true, &p));
    const rs_shape batched = rs_shape_4(6, 5, 4, 5);
    assert_true(rs_shape_equal(&p.dst, &batched));
    assert_ok(rs_graph_problem(g, 4, 6, true, &p)); /* the loss' labels follow the batch too */
    assert_int_equal(p.src[1].dim[0], 6);
    rs_graph_destroy(g);
}

static void copies_attributes(void **state)
{
    rs_value x, y;
    rs_graph *g = kit_graph(4, 4, 2, &x);
    rs_conv2d_attr attr = {
        .filters = 3, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1};
    char name[8] = "one";
    (void)state;
    assert_ok(rs_graph_add(g, name, &rs_op_conv2d, &attr, sizeof attr, RS_SCHEME_GLOROT_UNIFORM, &x,
                           1, &y));
    attr.filters = 99;
    strcpy(name, "two");
    assert_string_equal(g->node[0].name, "one");
    assert_int_equal(((const rs_conv2d_attr *)g->node[0].attr)->filters, 3);
    rs_graph_destroy(g);
}

static void refuses_what_does_not_fit(void **state)
{
    rs_value x, y = 0;
    rs_graph *g = kit_graph(4, 4, 2, &x);
    const rs_conv2d_attr big = {
        .filters = 3, .kernel_h = 5, .kernel_w = 5, .stride_h = 1, .stride_w = 1};
    (void)state;
    y = kit_conv(g, "half", x, 2, 3, 2);
    assert_fails(rs_graph_add(g, "half", &rs_op_relu, NULL, 0, RS_SCHEME_GLOROT_UNIFORM, &x, 1, &y),
                 RESCL_ERR_ARG, "'half'", "twice");
    assert_int_equal(y, -1);
    y = g->node[0].dst;
    assert_fails(rs_graph_add(g, "sum", &rs_op_add, NULL, 0, RS_SCHEME_GLOROT_UNIFORM,
                              (const rs_value[]){x, y}, 2, &y),
                 RESCL_ERR_SHAPE, "layer 'sum'", "(1, 4, 4, 2)", "(1, 2, 2, 2)");
    assert_fails(rs_graph_add(g, "big", &rs_op_conv2d, &big, sizeof big, RS_SCHEME_GLOROT_UNIFORM,
                              &x, 1, &y),
                 RESCL_ERR_SHAPE, "layer 'big'");
    assert_fails(rs_graph_add(g, "none", &rs_op_relu, NULL, 0, RS_SCHEME_GLOROT_UNIFORM,
                              (const rs_value[]){17}, 1, &y),
                 RESCL_ERR_ARG, "layer 'none'", "input 0");
    assert_fails(rs_graph_add(g, "none", &rs_op_relu, NULL, 0, RS_SCHEME_GLOROT_UNIFORM,
                              (const rs_value[]){-1}, 1, &y),
                 RESCL_ERR_ARG, "layer 'none'", "input 0");
    assert_fails(rs_graph_add(g, "none", &rs_op_relu, NULL, 0, RS_SCHEME_GLOROT_UNIFORM, &x, 0, &y),
                 RESCL_ERR_ARG, "layer 'none'", "0 inputs");
    assert_fails(rs_graph_add(g, "none", &rs_op_relu, NULL, 0, RS_SCHEME_GLOROT_UNIFORM,
                              (const rs_value[]){x, x}, 2, &y),
                 RESCL_ERR_ARG, "layer 'none'");
    assert_int_equal(g->nnodes, 1); /* nothing of all that was added */
    assert_fails(rs_graph_finish(g, x, &(rs_loss){0}), RESCL_ERR_SHAPE, "layer 'loss'");
    rs_graph_destroy(g);

    assert_ok(rs_graph_create(&g));
    assert_fails(rs_graph_input(g, 4, 0, 3, &x), RESCL_ERR_SHAPE, "input");
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(infers_shapes_and_parameters),
        cmocka_unit_test(copies_attributes),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
