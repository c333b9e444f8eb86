/* Stochastic depth within a network: against PyTorch given the masks, in nets that keep activations and in
 * those that compute them again; and inference, which knows nothing of it. */
#include "attr.h"
#include "error.h"
#include "golden.h"
#include "net_fixture.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in make_stochastic_depth.py. */
enum { RUN_SEED = 11, STEP = 0 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd};

static rescl_model *model_of(const char *name, double rate)
{
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = name,
                                   .classes = 6,
                                   .image_size = 32,
                                   .stochastic_depth = rate};
    rescl_model *m = NULL;
    assert_ok(rs_model_build(&o, &m));
    return m;
}

static void open_net(net_fixture *f, const rs_graph *g, const golden *from, rs_mode mode,
                     bool recompute)
{
    *f = (net_fixture){.dev = rs_test_device()};
    assert_ok(rs_store_create(f->dev, g, mode == RS_MODE_TRAIN ? &sgd : NULL, &f->store));
    assert_ok(rs_store_upload(f->store, &from->model->weights));
    rs_store_set_recompute(f->store, recompute);
    assert_ok(rs_net_plan(f->store, g, from->batch, mode, RESCL_PRECISION_FP32, &f->net));
    assert_ok(rs_workspace_create(f->dev, &f->net, 1, &f->workspace));
    net_feed(f, from->pixels, from->labels);
    assert_ok(rs_net_forward(f->net, RUN_SEED, STEP));
}

static void check_numbers(const golden *want, const char *name, const rs_tensor t,
                          const net_fixture *f, double tolerance)
{
    size_t n, m;
    float *got = net_read(f, t, &n);
    double *numbers = golden_numbers(want->file, name, &m), gap = 0.0, norm = 0.0, mean = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += (double)got[i] / (double)n;
        gap += m == n ? pow((double)got[i] - numbers[i], 2) : 0.0;
        norm += m == n ? pow(numbers[i], 2) : 0.0;
    }
    if (m == 1) { /* of the losses, their mean */
        gap = pow(mean - numbers[0], 2);
        norm = pow(numbers[0], 2);
    }
    if (!(sqrt(gap / norm) <= tolerance))
        fail_msg("%s is %.2e away", name, sqrt(gap / norm));
    free(got);
    free(numbers);
}

static void check_training(bool recompute)
{
    rescl_model *m = model_of("resnet8", 0.5);
    golden base, want = {0};
    net_fixture f;
    rs_weights grads;
    char path[512];

    golden_open("resnet8", &base);
    snprintf(path, sizeof path, "%s/tests/golden/stochastic_depth.safetensors",
             RESCL_TEST_SOURCE_DIR);
    assert_ok(rs_st_open(path, &want.file));
    open_net(&f, m->graph, &base, RS_MODE_TRAIN, recompute);
    check_numbers(&want, "logits", rs_net_logits(f.net), &f, 1e-4);
    check_numbers(&want, "loss", rs_net_losses(f.net), &f, 1e-5);
    assert_ok(rs_net_backward(f.net, &RS_STEP(RUN_SEED, STEP), NULL));
    net_grads(&f, m->graph, &grads);
    for (size_t i = 0; i < m->graph->nparams; i++)
        if (m->graph->param[i].trainable)
            golden_check(&want, "grad", m->graph->param[i].name, grads.data[i], grads.elems[i],
                         1e-3);
    rs_weights_fini(&grads);
    net_fixture_close(&f);
    rs_st_close(want.file);
    golden_close(&base);
    rescl_model_destroy(m);
}

static void is_as_in_pytorch(void **state)
{
    (void)state;
    check_training(false);
    check_training(true);
}

/* The same nodes and the same bits as without. */
static void inference_is_that_without(void **state)
{
    rescl_model *m = model_of("resnet8", 0.5);
    golden base;
    net_fixture with, without;
    size_t n, k;
    (void)state;

    golden_open("resnet8", &base);
    open_net(&with, m->graph, &base, RS_MODE_EVAL, false);
    open_net(&without, base.model->graph, &base, RS_MODE_EVAL, false);
    assert_int_equal(rs_net_nodes(with.net), rs_net_nodes(without.net));
    float *a = net_read(&with, rs_net_logits(with.net), &n);
    float *b = net_read(&without, rs_net_logits(without.net), &k);
    assert_int_equal(n, k);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
    net_fixture_close(&with);
    net_fixture_close(&without);
    golden_close(&base);
    rescl_model_destroy(m);
}

/* From 0 in the first block to the whole rate in the last, each with numbers of its own. */
static void rates_grow_with_depth(void **state)
{
    static const char *const name[] = {"resnet50", "resnet20", "resnet18_keras"};
    static const size_t blocks[] = {16, 9, 8};
    (void)state;

    for (size_t k = 0; k < RS_COUNT(name); k++) {
        rescl_model *m = model_of(name[k], 0.2), *plain = model_of(name[k], 0.0);
        const rs_graph *g = m->graph;
        size_t seen = 0;
        for (size_t i = 0; i < g->nnodes; i++) {
            const rs_dropout_attr *a = g->node[i].attr;
            if (g->node[i].op != &rs_op_dropout)
                continue;
            seen++;
            assert_true(a->rows && a->stream == 2 + seen);
            assert_true(fabs((double)a->rate - 0.2 * (double)seen / (double)(blocks[k] - 1)) <
                        1e-7);
        }
        assert_int_equal(seen, blocks[k] - 1);
        assert_int_equal(g->nnodes, plain->graph->nnodes + seen);
        assert_int_equal(g->nparams, plain->graph->nparams);
        rescl_model_destroy(m);
        rescl_model_destroy(plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_as_in_pytorch),
        cmocka_unit_test(inference_is_that_without),
        cmocka_unit_test(rates_grow_with_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
