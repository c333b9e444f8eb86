/* What a network needs to be checked: nothing that it launches is without a case. */
#include "fixtures.h"
#include "testing.h"

#include "checks.h"
#include "net.h"
#include "netmodel.h"

static void need(const rs_graph *g, rs_mode mode, rescl_precision precision, rs_checks *all)
{
    rs_net *net = NULL;
    assert_ok(rs_net_outline(rs_test_device(), g, 4, mode, precision, &net));
    for (size_t i = 0; i < rs_net_nodes(net); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(net, i, (rs_pass)pass);
            if (plan)
                assert_ok(rs_checks_add(all, plan));
        }
    rs_net_destroy(net);
}

static void every_kernel_has_a_case(void **state)
{
    const rescl_model_options about = {.struct_size = sizeof about, .name = "resnet50"};
    rescl_model *model = NULL;
    (void)state;
    assert_ok(rs_model_build(&about, &model));
    for (int p = 0; rescl_precision_name((rescl_precision)p); p++) {
        rs_checks all = {0};
        need(model->graph, RS_MODE_TRAIN, (rescl_precision)p, &all);
        need(model->graph, RS_MODE_EVAL, (rescl_precision)p, &all);
        assert_true(all.count > 0);
        assert_int_equal(all.without, 0);
        rs_checks_fini(&all);
    }
    rescl_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_a_case),
    };
    return cmocka_run_group_tests_name("selftest", tests, NULL, NULL);
}
