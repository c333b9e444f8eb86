/* Prediction: images of any size to class probabilities. */
#include "alloc.h"
#include "colour.h"
#include "error.h"
#include "image.h"
#include "metrics.h"
#include "predictor.h"
#include "scoring.h"
#include "viewmean.h"
#include "views.h"

#include <stdlib.h>
#include <string.h>

rescl_status rescl_predictor_create(rescl_device *device, const rescl_model *model,
                                    size_t batch_size, rescl_predictor **out)
{
    rescl_status st = RESCL_OK;
    rescl_predictor *p = NULL;
    const size_t views = rs_views_count(model->tta);
    rs_replica_options plan = {.precision = model->precision,
                               .check_numerics = model->check_numerics};

    RS_FAIL_IF(batch_size == 0, RESCL_ERR_ARG, "a batch size of 0");
    RS_FAIL_IF(!rs_mul_size(batch_size, views, &plan.eval_batch), RESCL_ERR_ARG,
               "a batch size of %zu with %zu views of each image is too large", batch_size, views);
    RS_TRY(rs_model_need_weights(model));
    RS_OOM(p = calloc(1, sizeof *p));
    p->model = model;
    p->batch = batch_size;
    p->tta = model->tta;
    p->views = views;
    RS_OOM(p->labels = rs_aligned_calloc(plan.eval_batch, sizeof *p->labels));
    RS_OOM(p->scratch = calloc(model->classes, sizeof *p->scratch));
    RS_TRY(rs_replica_create(device, model->graph, &model->weights, &plan, &p->replica));
    RS_OOM(p->pixels = rs_aligned_calloc(plan.eval_batch, p->replica->bytes));
    *out = p, p = NULL;
out:
    rescl_predictor_destroy(p);
    return st;
}

void rescl_predictor_destroy(rescl_predictor *p)
{
    if (!p)
        return;
    rs_replica_destroy(p->replica);
    rs_aligned_free(p->pixels);
    rs_aligned_free(p->labels);
    free(p->scratch);
    free(p);
}

rescl_status rs_predictor_send(rescl_predictor *p, const uint8_t *pixels, size_t count)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = p->model;
    const size_t inputs = p->batch * p->views, filled = count * p->views;
    float table[RS_PIXEL_CHANNELS][256];

    if (filled < inputs) {
        if (pixels != p->pixels)
            memcpy(p->pixels, pixels, filled * p->replica->bytes);
        memset(p->pixels + filled * p->replica->bytes, 0, (inputs - filled) * p->replica->bytes);
        pixels = p->pixels;
    }
    RS_TRY(rs_preprocess_table(m->preprocess, &m->normalize, m->channels, table));
    RS_TRY(rs_replica_send(p->replica, &(rs_images){inputs, pixels, (const float(*)[256])table,
                                                    p->labels, NULL, NULL}));
out:
    return st;
}

void rs_predictor_forget(rescl_predictor *p)
{
    if (p->ahead)
        rs_replica_abandon(p->replica);
    p->ahead = false;
}

rescl_status rs_predictor_forward(rescl_predictor *p)
{
    rescl_status st = RESCL_OK;
    rs_net *net = rs_replica_net(p->replica, RS_MODE_EVAL, p->batch * p->views);

    p->count = 0;
    RS_TRY(rs_replica_receive(p->replica, net));
    RS_TRY(rs_replica_forward(p->replica, net, 0, 0));
out:
    return st;
}

rescl_status rs_predictor_settle(rescl_predictor *p, size_t count, float *probs)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = p->model;
    rs_net *net = rs_replica_net(p->replica, RS_MODE_EVAL, p->batch * p->views);
    const char *layer = NULL;

    RS_TRY(rs_replica_settle(p->replica));
    if (!rs_all_finite(p->replica->logits, count * p->views * m->classes)) {
        RS_TRY(rs_net_explain_nonfinite(net, 0, 0, &layer));
        RS_FAIL(RESCL_ERR_NUMERIC,
                "the model's output is not finite; its weights are damaged or do not fit the "
                "input; first seen in layer '%s'",
                layer);
    }
    rs_view_mean(m->loss, p->replica->logits, p->views, count, m->classes, p->scratch, probs);
    p->count = count;
out:
    return st;
}

/* An image as inputs, which lie `stride` bytes apart. */
static rescl_status prepare(const rescl_predictor *p, const rescl_image *image, uint8_t *dst,
                            size_t stride)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = p->model;
    const size_t depth = m->graph->bit_depth;
    const bool other = rs_image_channels(image) != rs_pixel_samples(m->channels) ||
                       rs_image_is_deep(image) != rs_pixel_is_deep(depth);
    rescl_image own = {0};

    if (image->pixels && (other || m->channels == 1)) {
        RS_TRY(rs_image_converted(image, m->channels, depth, &own));
        image = &own;
    }
    if (own.pixels && m->channels == 1)
        rs_image_grey(&own);
    RS_TRY(rs_views_make(image, p->tta, m->image_size, m->image_size, &m->resize, m->preprocess,
                         dst, stride));
out:
    rescl_image_free(&own);
    return st;
}

rescl_status rescl_predictor_run(rescl_predictor *p, const rescl_image *images, size_t count,
                                 float *probs)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = p->replica->bytes;

    RS_FAIL_IF(count > p->batch, RESCL_ERR_ARG,
               "%zu images at once; the predictor was made for batches of %zu", count, p->batch);
    for (size_t i = 0; i < count; i++)
        RS_TRY(prepare(p, &images[i], p->pixels + i * bytes, count * bytes));
    rs_predictor_forget(p);
    RS_TRY(rs_predictor_send(p, p->pixels, count));
    RS_TRY(rs_predictor_forward(p));
    RS_TRY(rs_predictor_settle(p, count, probs));
out:
    return st;
}
