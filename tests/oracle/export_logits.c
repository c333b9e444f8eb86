/* Writes a model as ONNX, and what it answers to 20 images of noise:
 *
 *     export_logits MODEL SIZE OUT.onnx OUT.safetensors
 *
 * Weights, biases and running statistics are random, none of them neutral.
 * tests/oracle/check_onnx.py asks ONNX Runtime the same; the second file holds pixels (NHWC) and
 * logits. */
#include "error.h"
#include "net_fixture.h"
#include "netmodel.h"
#include "rng.h"
#include "safetensors.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 20, CLASSES = 10, SEED = 5 };

static void fill(float *x, size_t n, uint64_t stream, float low, float high)
{
    rs_rng r;
    rs_rng_init(&r, SEED, stream);
    for (size_t i = 0; i < n; i++)
        x[i] = low + (high - low) * rs_rng_uniform(&r);
}

static void stir(const rs_graph *g, rs_weights *w)
{
    for (size_t i = 0; i < g->nparams; i++) {
        const rs_init_kind init = g->param[i].spec.init;
        if (init == RS_INIT_ONE)
            fill(w->data[i], w->elems[i], 1000 + i, 0.5f, 1.0f);
        else if (init == RS_INIT_ZERO || init == RS_INIT_BIAS)
            fill(w->data[i], w->elems[i], 1000 + i, -0.2f, 0.2f);
    }
}

int main(int argc, char **argv)
{
    rescl_model *m = NULL;
    net_fixture f;
    size_t count;
    if (argc != 5) {
        fprintf(stderr, "usage: export_logits MODEL SIZE OUT.onnx OUT.safetensors\n");
        return 2;
    }
    const size_t size = (size_t)strtoul(argv[2], NULL, 10), elems = IMAGES * size * size * 3;
    assert_ok(rescl_model_create(&(rescl_model_options){.struct_size = sizeof(rescl_model_options),
                                                        .name = argv[1],
                                                        .classes = CLASSES,
                                                        .image_size = size,
                                                        .dropout = 0.5,
                                                        .seed = SEED},
                                 &m));
    stir(m->graph, &m->weights);
    assert_ok(rescl_model_export_onnx(m, argv[3]));

    float *pixels = calloc(elems, sizeof *pixels);
    int32_t labels[IMAGES] = {0};
    assert_non_null(pixels);
    fill(pixels, elems, 1, -1.0f, 1.0f);
    net_fixture_open(&f, rs_test_device(), m->graph, &m->weights, NULL, IMAGES, RS_MODE_EVAL);
    net_forward_loss(&f, pixels, labels, 1);
    float *logits = net_read(&f, rs_net_logits(f.net), &count);
    const rs_st_source tensors[] = {
        {.name = "pixels", RS_ST_F32, 4, {IMAGES, size, size, 3}, pixels},
        {.name = "logits", RS_ST_F32, 2, {IMAGES, CLASSES}, logits}};
    assert_ok(rs_st_write(argv[4], NULL, 0, tensors, RS_COUNT(tensors)));
    net_fixture_close(&f);
    free(logits);
    free(pixels);
    rescl_model_destroy(m);
    return 0;
}
