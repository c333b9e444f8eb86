/* Trains a few steps and writes all that is needed to repeat them elsewhere:
 *
 *     export_steps DATA OUT.safetensors [MODEL [BATCH [STEPS [DEVICE [PRECISION [SEED]]]]]]
 *
 * DATA is a folder or the name of a built-in set; by default resnet50_signs, 32, 10, fp32 and 1, Adam
 * as in configs/signs-course.ini. tests/oracle/compare_torch.py reads the file, which holds
 *
 *     weight.<param>, grad.<param>   before the first step, and its gradients (our layouts)
 *     pixels, labels                 of every step
 *     losses                         before each update, float64 means of the samples' losses
 *     mask.<relu>                    where the first step's activation is above 0
 *     pooled.<maxpool>               what the first step's max pooling chose from */
#include "attr.h"
#include "error.h"
#include "loader.h"
#include "net.h"
#include "net_fixture.h"
#include "netmodel.h"
#include "normalize.h"
#include "rescl/rescl.h"
#include "safetensors.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LR 1e-3
static const rs_optim_hyper adam = {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-7}};

typedef struct task {
    const char *data, *out, *model, *device, *precision;
    uint64_t batch, steps, seed;
    rescl_runtime *runtime;
    rescl_device *dev;
    rescl_dataset *set;
    rescl_model *net_model;
    rs_loader *loader;
    rs_store *store;
    rs_net *net;
    rs_workspace *workspace;
    rs_weights grad;
    float *pixels; /* of all steps */
    int32_t *labels;
    double *losses;
    size_t batch_pixels;
    float *last; /* the output before the one that is being visited */
    rs_shape last_shape;
    rs_st_source *tensor; /* what is written; name and data are freed at the end */
    size_t tensors;
} task;

/* Takes a copy of `data`. */
static rescl_status add_tensor(task *t, const char *kind, const char *name, rs_st_dtype dtype,
                               const rs_shape *shape, const void *data)
{
    rescl_status st = RESCL_OK;
    rs_st_source *grown = NULL;
    rs_st_source s = {.dtype = dtype, .ndim = (size_t)shape->ndim};
    const size_t bytes = rs_shape_count(shape) * rs_st_dtype_bytes(dtype);
    char *full = NULL;
    void *copy = NULL;

    for (int i = 0; i < shape->ndim; i++)
        s.dim[i] = shape->dim[i];
    RS_OOM(grown = realloc(t->tensor, (t->tensors + 1) * sizeof *grown));
    t->tensor = grown;
    RS_OOM(full = rs_strf("%s%s%s", kind, *name ? "." : "", name));
    RS_OOM(copy = malloc(bytes));
    memcpy(copy, data, bytes);
    s.name = full;
    s.data = copy;
    t->tensor[t->tensors++] = s;
    full = NULL;
out:
    free(full);
    return st;
}

static rescl_status add_weights(task *t, const char *kind, const rs_weights *w, bool all)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = t->net_model->graph;
    for (size_t i = 0; i < w->count; i++)
        if (all || g->param[i].trainable)
            RS_TRY(add_tensor(t, kind, g->param[i].name, RS_ST_F32, &g->param[i].spec.shape,
                              w->data[i]));
out:
    return st;
}

static rescl_status open_all(task *t)
{
    rescl_status st = RESCL_OK;
    rescl_precision precision = RESCL_PRECISION_FP32;
    const rescl_data_options data = {.struct_size = sizeof data, .path = t->data, .split = "train"};
    rescl_model_options model = {
        .struct_size = sizeof model, .name = t->model, .seed = t->seed, .image_size = 64};
    rs_loader_options loader = {.batch = t->batch,
                                .shuffle = true,
                                .drop_last = true,
                                .seed = t->seed,
                                .height = 64,
                                .width = 64};

    RS_TRY(rescl_precision_find(t->precision, &precision));
    RS_TRY(rescl_runtime_create(&t->runtime));
    RS_TRY(rescl_device_open(t->runtime, t->device, 0, &t->dev));
    RS_TRY(rescl_dataset_open(&data, &t->set));
    model.classes = rescl_dataset_classes(t->set);
    RS_TRY(rescl_model_create(&model, &t->net_model));
    loader.preprocess = t->net_model->preprocess;
    RS_TRY(rs_loader_create(t->set, &loader, &t->loader));
    RS_FAIL_IF(rs_loader_batches(t->loader) < t->steps, RESCL_ERR_ARG,
               "%s has %zu batches of %zu, fewer than the %zu steps", t->data,
               rs_loader_batches(t->loader), (size_t)t->batch, (size_t)t->steps);
    RS_TRY(rs_loader_start(t->loader, 0, 0));
    t->batch_pixels = (size_t)t->batch * 64 * 64 * 3;
    RS_OOM(t->pixels = malloc(t->steps * t->batch_pixels * sizeof *t->pixels));
    RS_OOM(t->labels = malloc(t->steps * t->batch * sizeof *t->labels));
    RS_OOM(t->losses = malloc(t->steps * sizeof *t->losses));
    RS_TRY(rs_store_create(t->dev, t->net_model->graph, &adam, &t->store));
    RS_TRY(rs_store_upload(t->store, &t->net_model->weights));
    RS_TRY(rs_net_plan(t->store, t->net_model->graph, t->batch, RS_MODE_TRAIN, precision, &t->net));
    RS_TRY(rs_workspace_create(t->dev, &t->net, 1, &t->workspace));
    RS_TRY(rs_weights_create(t->net_model->graph, &t->grad));
out:
    return st;
}

static rescl_status feed(task *t, size_t step)
{
    rescl_status st = RESCL_OK;
    const rs_tensor input = rs_net_input(t->net);
    int32_t *targets = NULL;

    net_write(t->dev, &input, t->pixels + step * t->batch_pixels);
    RS_OOM(targets = calloc(t->batch, RS_TARGET_WORDS * sizeof *targets));
    rs_targets_pack(t->labels + step * t->batch, NULL, t->batch, targets);
    RS_TRY(rs_write(t->dev, rs_net_labels(t->net).buf, 0, targets,
                    t->batch * RS_TARGET_WORDS * sizeof *targets));
out:
    free(targets);
    return st;
}

static rescl_status take_batch(task *t, size_t step)
{
    rescl_status st = RESCL_OK;
    const rs_batch *b = NULL;
    RS_TRY(rs_loader_next(t->loader, &b));
    for (size_t i = 0; i < t->batch_pixels; i++)
        t->pixels[step * t->batch_pixels + i] = b->table[i % 3][b->pixels[i]];
    memcpy(t->labels + step * t->batch, b->labels, t->batch * sizeof *t->labels);
    rs_loader_release(t->loader, b);
out:
    return st;
}

static rescl_status train_step(task *t, size_t step)
{
    rescl_status st = RESCL_OK;
    const rs_rates rates = rs_rates_uniform(LR, 0.0);
    float *loss = NULL;
    RS_OOM(loss = malloc(t->batch * sizeof *loss));
    RS_TRY(take_batch(t, step));
    RS_TRY(feed(t, step));
    RS_TRY(rs_net_forward(t->net, t->seed, step));
    RS_TRY(rs_net_backward(t->net, &RS_STEP(t->seed, step), NULL));
    RS_TRY(rs_read(t->dev, rs_net_losses(t->net).buf, 0, loss, t->batch * sizeof *loss));
    t->losses[step] = 0.0;
    for (size_t i = 0; i < t->batch; i++)
        t->losses[step] += (double)loss[i] / (double)t->batch;
    if (step == 0)
        RS_TRY(rs_store_download_grads(t->store, &t->grad));
    RS_TRY(rs_store_update(t->store, &rates, step + 1));
    printf("step %zu: loss %.9f\n", step + 1, t->losses[step]);
out:
    free(loss);
    return st;
}

/* The decisions of the first step: signs before each relu, and what a max pooling chose from. */
static rescl_status take_decisions(const rs_node *node, const rs_shape *shape, const float *data,
                                   void *user)
{
    rescl_status st = RESCL_OK;
    task *t = user;
    const rs_graph *g = t->net_model->graph;
    const size_t count = rs_shape_count(shape);
    const char *name = net_layer_name(g, node);
    uint8_t *mask = NULL;
    float *kept = NULL;

    if (node->op == &rs_op_batchnorm && ((const rs_batchnorm_attr *)node->attr)->relu) {
        RS_OOM(mask = malloc(count));
        for (size_t i = 0; i < count; i++)
            mask[i] = data[i] > 0.0f;
        RS_TRY(add_tensor(t, "mask", name, RS_ST_U8, shape, mask));
    }
    if (node->op == &rs_op_maxpool) /* it reads the layer before it, in all our networks */
        RS_TRY(add_tensor(t, "pooled", name, RS_ST_F32, &t->last_shape, t->last));
    RS_OOM(kept = malloc(count * sizeof *kept));
    memcpy(kept, data, count * sizeof *kept);
    free(t->last);
    t->last = kept;
    t->last_shape = *shape;
out:
    free(mask);
    return st;
}

static rescl_status run(task *t)
{
    rescl_status st = RESCL_OK;
    char batch[24], steps[24], size[24], classes[24], lr[24], eps[24];

    RS_TRY(open_all(t));
    for (size_t i = 0; i < t->steps; i++)
        RS_TRY(train_step(t, i));
    RS_TRY(rs_store_upload(t->store, &t->net_model->weights));
    RS_TRY(feed(t, 0));
    RS_TRY(rs_net_visit(t->net, t->seed, 0, take_decisions, t));
    RS_TRY(add_weights(t, "weight", &t->net_model->weights, true));
    RS_TRY(add_weights(t, "grad", &t->grad, false));
    const rs_shape losses = rs_shape_1(t->steps), labels = rs_shape_2(t->steps, t->batch);
    const rs_shape pixels = rs_shape_4(t->steps * t->batch, 64, 64, 3);
    RS_TRY(add_tensor(t, "losses", "", RS_ST_F64, &losses, t->losses));
    RS_TRY(add_tensor(t, "labels", "", RS_ST_I32, &labels, t->labels));
    RS_TRY(add_tensor(t, "pixels", "", RS_ST_F32, &pixels, t->pixels));

    snprintf(batch, sizeof batch, "%zu", (size_t)t->batch);
    snprintf(steps, sizeof steps, "%zu", (size_t)t->steps);
    snprintf(size, sizeof size, "%zu", t->net_model->image_size);
    snprintf(classes, sizeof classes, "%zu", t->net_model->classes);
    snprintf(lr, sizeof lr, "%.17g", LR);
    snprintf(eps, sizeof eps, "%.17g", adam.number[2]);
    const rs_st_meta meta[] = {{"model", t->model}, {"batch", batch},           {"steps", steps},
                               {"size", size},      {"classes", classes},       {"lr", lr},
                               {"eps", eps},        {"precision", t->precision}};
    RS_TRY(rs_st_write(t->out, meta, RS_COUNT(meta), t->tensor, t->tensors));
out:
    return st;
}

static void close_all(task *t)
{
    for (size_t i = 0; i < t->tensors; i++) {
        free((void *)(uintptr_t)t->tensor[i].name);
        free((void *)(uintptr_t)t->tensor[i].data);
    }
    free(t->tensor);
    rs_weights_fini(&t->grad);
    rs_workspace_destroy(t->workspace);
    rs_net_destroy(t->net);
    rs_store_destroy(t->store);
    rs_loader_destroy(t->loader);
    rescl_model_destroy(t->net_model);
    rescl_dataset_close(t->set);
    rescl_device_close(t->dev);
    rescl_runtime_destroy(t->runtime);
    free(t->pixels);
    free(t->labels);
    free(t->losses);
    free(t->last);
}

int main(int argc, char **argv)
{
    task t = {.model = "resnet50_signs", .batch = 32, .steps = 10, .precision = "fp32", .seed = 1};
    rescl_status st;
    if (argc < 3 || argc > 9 || (argc > 4 && !rs_parse_u64(argv[4], &t.batch)) ||
        (argc > 5 && !rs_parse_u64(argv[5], &t.steps)) ||
        (argc > 8 && !rs_parse_u64(argv[8], &t.seed)) || t.batch == 0 || t.steps == 0) {
        fprintf(stderr,
                "usage: export_steps DATA OUT.safetensors [MODEL [BATCH [STEPS [DEVICE [PRECISION "
                "[SEED]]]]]]\n");
        return 2;
    }
    t.data = argv[1];
    t.out = argv[2];
    if (argc > 3)
        t.model = argv[3];
    if (argc > 6)
        t.device = argv[6];
    if (argc > 7)
        t.precision = argv[7];
    st = run(&t);
    if (st != RESCL_OK)
        fprintf(stderr, "export_steps: %s\n", rescl_last_error()->message);
    close_all(&t);
    return st == RESCL_OK ? 0 : 1;
}
