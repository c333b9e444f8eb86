#include "net_fixture.h"

#include "attr.h"
#include "half.h"
#include "normalize.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void net_fixture_open(net_fixture *f, rescl_device *dev, const rs_graph *g,
                      const rs_weights *weights, const rs_optim_hyper *hyper, size_t batch,
                      rs_mode mode)
{
    *f = (net_fixture){.dev = dev};
    assert_ok(rs_store_create(dev, g, hyper, &f->store));
    /* One by one: they need no second copy of them all. */
    for (size_t i = 0; i < weights->count; i++)
        assert_ok(rs_store_write_param(f->store, i, false, weights->data[i]));
    assert_ok(rs_net_plan(f->store, g, batch, mode, RESCL_PRECISION_FP32, &f->net));
    assert_ok(rs_workspace_create(dev, &f->net, 1, &f->workspace));
}

void net_fixture_close(net_fixture *f)
{
    rs_net_destroy(f->net);
    rs_workspace_destroy(f->workspace);
    rs_store_destroy(f->store);
    *f = (net_fixture){0};
}

void net_write(rescl_device *dev, const rs_tensor *t, const float *values)
{
    const size_t count = rs_shape_count(&t->shape);
    uint16_t *narrow = malloc(count * sizeof *narrow);
    assert_non_null(narrow);
    for (size_t i = 0; i < count; i++)
        narrow[i] = t->dtype == RS_BF16 ? rs_bf16_of_float(values[i]) : rs_f16_of_float(values[i]);
    assert_ok(rs_write(dev, t->buf, 0, t->dtype == RS_F32 ? (const void *)values : narrow,
                       count * rs_dtype_bytes(t->dtype)));
    free(narrow);
}

void net_feed(net_fixture *f, const float *pixels, const int32_t *labels)
{
    const rs_tensor input = rs_net_input(f->net), target = rs_net_labels(f->net);
    const size_t n = rs_net_batch(f->net);
    const size_t words = rs_shape_count(&target.shape);
    net_write(f->dev, &input, pixels);
    if (words != n * RS_TARGET_WORDS) {
        assert_ok(rs_write(f->dev, target.buf, 0, labels, words * sizeof *labels));
        return;
    }
    int32_t *targets = malloc(words * sizeof *targets);
    assert_non_null(targets);
    rs_targets_pack(labels, NULL, n, targets);
    assert_ok(rs_write(f->dev, target.buf, 0, targets, words * sizeof *targets));
    free(targets);
}

float *net_read(const net_fixture *f, rs_tensor t, size_t *count)
{
    const size_t n = rs_shape_count(&t.shape);
    float *out = malloc(n * sizeof *out);
    assert_non_null(out);
    assert_ok(rs_tensor_read(f->dev, &t, 0, n, out));
    *count = n;
    return out;
}

static double mean_loss(const net_fixture *f)
{
    size_t n;
    float *loss = net_read(f, rs_net_losses(f->net), &n);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)loss[i];
    free(loss);
    return sum / (double)n;
}

double net_forward_loss(net_fixture *f, const float *pixels, const int32_t *labels, uint64_t step)
{
    net_feed(f, pixels, labels);
    assert_ok(rs_net_forward(f->net, 1, step));
    return mean_loss(f);
}

double net_train_step(net_fixture *f, const float *pixels, const int32_t *labels, double lr,
                      double weight_decay, uint64_t step)
{
    const rs_rates rates = rs_rates_uniform(lr, weight_decay);
    const double loss = net_forward_loss(f, pixels, labels, step);
    assert_ok(rs_net_backward(f->net, &RS_STEP(1, step), NULL));
    assert_ok(rs_store_update(f->store, &rates, step));
    return loss;
}

void net_grads(net_fixture *f, const rs_graph *g, rs_weights *out)
{
    assert_ok(rs_weights_create(g, out));
    assert_ok(rs_store_download_grads(f->store, out));
}

static const rs_node *only_reader(const rs_graph *g, rs_value v)
{
    const rs_node *reader = NULL;
    size_t readers = 0;
    for (size_t i = 0; i < g->nnodes; i++)
        for (int k = 0; k < g->node[i].nsrc; k++)
            if (g->node[i].src[k] == v) {
                reader = &g->node[i];
                readers++;
            }
    assert_int_equal(readers, 1);
    return reader;
}

const char *net_layer_name(const rs_graph *g, const rs_node *fused)
{
    const rs_batchnorm_attr *attr = fused->attr;
    const rs_node *at = NULL;
    for (size_t i = 0; i < g->nnodes && !at; i++)
        if (strcmp(g->node[i].name, fused->name) == 0)
            at = &g->node[i];
    assert_non_null(at);
    if (fused->op != &rs_op_batchnorm)
        return at->name;
    for (int merged = (fused->nsrc == 2) + attr->relu; merged > 0; merged--)
        at = only_reader(g, at->dst);
    return at->name;
}

double net_distance(const float *a, const float *b, size_t count)
{
    double gap = 0.0, norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)a[i] - (double)b[i];
        gap += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(gap) / sqrt(norm);
}
