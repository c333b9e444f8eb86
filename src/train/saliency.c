/* Grad-CAM. The map comes from the device, where evaluation keeps it; the gradient of what follows it
 * is computed on the host. */
#include "alloc.h"
#include "error.h"
#include "head.h"
#include "heatmap.h"
#include "predictor.h"

#include <stdlib.h>

static rescl_status find_map(const rescl_predictor *p, rs_tensor *map)
{
    rescl_status st = RESCL_OK;
    *map = rs_net_features(rs_replica_net(p->replica, RS_MODE_EVAL, p->batch));
    RS_FAIL_IF(!map->buf, RESCL_ERR_UNSUPPORTED, "model '%s' has no map to explain it by",
               p->model->name);
    RS_FAIL_IF(map->shape.dim[1] < RS_FEATURES_SIDE || map->shape.dim[2] < RS_FEATURES_SIDE,
               RESCL_ERR_UNSUPPORTED,
               "model '%s' has no stage with a map of %dx%d or more at %zux%zu, and its last one, "
               "%zux%zu, says nothing of where in the image something is; a larger input is needed",
               p->model->name, RS_FEATURES_SIDE, RS_FEATURES_SIDE, p->model->image_size,
               p->model->image_size, map->shape.dim[1], map->shape.dim[2]);
out:
    return st;
}

rescl_status rescl_predictor_saliency_size(const rescl_predictor *p, size_t *height, size_t *width)
{
    rescl_status st = RESCL_OK;
    rs_tensor map;
    RS_TRY(find_map(p, &map));
    *height = map.shape.dim[1];
    *width = map.shape.dim[2];
out:
    return st;
}

rescl_status rescl_predictor_saliency_layer(const rescl_predictor *p, const char **name)
{
    rescl_status st = RESCL_OK;
    rs_tensor map;
    RS_TRY(find_map(p, &map));
    const rs_graph *g = p->model->graph;
    *name = g->node[g->value[g->features].producer].name;
out:
    return st;
}

/* ReLU(sum over channels of the mean gradient times the features). */
static rescl_status weigh(const float *features, const double *diff, size_t pixels, size_t channels,
                          float *map)
{
    rescl_status st = RESCL_OK;
    double *alpha = NULL;
    RS_OOM(alpha = calloc(channels, sizeof *alpha));
    for (size_t i = 0; i < pixels * channels; i++)
        alpha[i % channels] += diff[i] / (double)pixels;
    for (size_t i = 0; i < pixels; i++) {
        double sum = 0;
        for (size_t c = 0; c < channels; c++)
            sum += alpha[c] * (double)features[i * channels + c];
        map[i] = sum > 0 ? (float)sum : 0;
    }
out:
    free(alpha);
    return st;
}

rescl_status rs_grad_cam(const rs_graph *g, const rs_weights *w, const float *features,
                         size_t class_index, float *map)
{
    rescl_status st = RESCL_OK;
    const rs_shape *shape = &g->value[g->features].shape;
    const size_t pixels = shape->dim[1] * shape->dim[2], channels = shape->dim[3];
    double *diff = NULL;

    RS_OOM(diff = calloc(pixels * channels, sizeof *diff));
    RS_TRY(rs_head_gradient(g, w, features, class_index, NULL, diff));
    RS_TRY(weigh(features, diff, pixels, channels, map));
out:
    free(diff);
    return st;
}

rescl_status rescl_predictor_saliency(rescl_predictor *p, size_t index, size_t class_index,
                                      float *map)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = p->model;
    float *features = NULL;
    rs_tensor all;
    RS_TRY(find_map(p, &all));
    RS_FAIL_IF(index >= p->count, RESCL_ERR_ARG,
               "there is no image %zu, the last prediction was of %zu", index, p->count);
    const size_t count = all.shape.dim[1] * all.shape.dim[2] * all.shape.dim[3];
    RS_OOM(features = malloc(count * sizeof *features));
    RS_TRY(rs_tensor_read(p->replica->dev, &all, index * count, count, features));
    RS_TRY(rs_grad_cam(m->graph, &m->weights, features, class_index, map));
out:
    free(features);
    return st;
}

rescl_status rescl_predictor_saliency_overlay(const rescl_predictor *p, const rescl_image *image,
                                              const float *map, rescl_image *out)
{
    rescl_status st = RESCL_OK;
    rs_heatmap heat = {.value = map};
    const size_t size = p->model->image_size;
    rs_view view;
    *out = (rescl_image){0};
    RS_TRY(rescl_predictor_saliency_size(p, &heat.height, &heat.width));
    RS_TRY(rs_view_init(&view, image, size, size, &p->model->resize));
    RS_TRY(rs_heatmap_overlay(&heat, image, &view, size, size, out));
out:
    return st;
}
