/* The loss scale's rule, and the launches that undo it. */
#include "lossscale.h"

#include "error.h"
#include "fixtures.h"
#include "graph_kit.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void halves_and_doubles(void **state)
{
    rs_loss_scale s = {.scale = RS_LOSS_SCALE_FIRST};
    (void)state;

    assert_true(rs_loss_scale_next(&s, false));
    assert_true(s.scale == 32768.0 && s.skipped == 1);
    for (int i = 0; i < RS_LOSS_SCALE_STEPS - 1; i++)
        assert_true(rs_loss_scale_next(&s, true));
    assert_true(s.scale == 32768.0);
    assert_true(rs_loss_scale_next(&s, true));
    assert_true(s.scale == 65536.0 && s.good == 0 && s.skipped == 1);
    assert_true(rs_loss_scale_next(&s, true));
    assert_true(rs_loss_scale_next(&s, false)); /* the count begins again */
    assert_true(s.good == 0);
}

static void ends_at_the_least(void **state)
{
    rs_loss_scale s = {.scale = RS_LOSS_SCALE_FIRST};
    (void)state;

    for (int i = 0; i < 16; i++)
        assert_true(rs_loss_scale_next(&s, false));
    assert_true(s.scale == RS_LOSS_SCALE_LEAST && s.skipped == 16);
    assert_false(rs_loss_scale_next(&s, false));
    assert_true(s.scale == RS_LOSS_SCALE_LEAST && s.skipped == 16);
    assert_true(rs_loss_scale_next(&s, true));
}

static void ends_at_the_most(void **state)
{
    rs_loss_scale s = {.scale = RS_LOSS_SCALE_MOST, .good = RS_LOSS_SCALE_STEPS - 1};
    (void)state;

    assert_true(rs_loss_scale_next(&s, true));
    assert_true(s.scale == RS_LOSS_SCALE_MOST && s.good == 0);
}

/* Gradients of a scaled loss, by their own numbers: 65536 times what is wanted. */
static void set_gradients(rs_store *s, const rs_weights *w, double scale)
{
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < w->elems[i]; k++)
            w->data[i][k] = (float)((double)(k % 31) * 0.125 * scale);
    assert_ok(rs_store_upload_grads(s, w));
}

static void unscales_and_finds(void **state)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};
    rs_value x;
    rs_graph *g = kit_graph(8, 8, 3, &x);
    rs_store *s = NULL;
    rs_weights w, got;
    rs_loss_scale scale = {.scale = RS_LOSS_SCALE_FIRST};
    bool good = false;
    (void)state;

    kit_finish(g, kit_bn(g, "b1", kit_conv(g, "c1", x, 5, 3, 1)), 7);
    assert_ok(rs_weights_create(g, &w));
    assert_ok(rs_weights_create(g, &got));
    assert_ok(rs_store_create(rs_test_device(), g, &sgd, &s));
    assert_ok(rs_store_prepare_unscale(s));
    set_gradients(s, &w, 65536.0);
    assert_ok(rs_store_unscale(s, 65536.0));
    assert_ok(rs_store_judge(s, &scale, &good));
    assert_true(good);
    assert_ok(rs_store_download_grads(s, &got));
    for (size_t i = 0; i < w.count; i++)
        for (size_t k = 0; g->param[i].trainable && k < w.elems[i]; k++)
            assert_true(got.data[i][k] == (float)(k % 31) * 0.125f);
    for (size_t b = 0; b < RS_COUNT(bad); b++) /* in the first, a middle and the last number */
        for (size_t at = 0; at < 3; at++) {
            const int i = rs_graph_find_param(g, at == 2 ? "fc.bias" : "c1.weight");
            set_gradients(s, &w, 1.0);
            w.data[i][at == 1 ? w.elems[i] / 2 : at == 2 ? w.elems[i] - 1 : 0] = bad[b];
            assert_ok(rs_store_write_param(s, (size_t)i, true, w.data[i]));
            assert_ok(rs_store_unscale(s, 2.0));
            assert_ok(rs_store_judge(s, &scale, &good));
            assert_false(good);
        }
    set_gradients(s, &w, 1.0);
    assert_ok(rs_store_unscale(s, 2.0));
    assert_ok(rs_store_judge(s, &scale, &good));
    assert_true(good); /* what one step met is not the next one's */
    assert_true(scale.skipped == 3 * RS_COUNT(bad) && scale.good == 1);
    scale.scale = RS_LOSS_SCALE_LEAST;
    w.data[0][0] = NAN;
    assert_ok(rs_store_write_param(s, 0, true, w.data[0]));
    assert_ok(rs_store_unscale(s, 1.0));
    assert_fails(rs_store_judge(s, &scale, &good), RESCL_ERR_NUMERIC, "the least");
    rs_weights_fini(&w);
    rs_weights_fini(&got);
    rs_store_destroy(s);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_and_doubles),
        cmocka_unit_test(ends_at_the_least),
        cmocka_unit_test(ends_at_the_most),
        cmocka_unit_test(unscales_and_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
