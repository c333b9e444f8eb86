/* Prediction of many images: threads read and resize them while the device works on a batch. The
 * loader does it, of a dataset whose samples are what the caller's source gives; what cannot be
 * read is a sample with the label UNREAD, whose error is kept until its turn. */
#include "dataset.h"
#include "error.h"
#include "predictor.h"
#include "threadpool.h"

#include <stdlib.h>
#include <string.h>

#define UNREAD (-1)

/* Threads beyond the processors decode nothing sooner, and each holds an image; a few more than one
 * hide the waits for a disk. */
#define FEW_WORKERS 4

typedef struct stream {
    rescl_image_source source;
    void *user;
    rescl_error **error; /* by image; NULL where it was read */
    rs_loader *loader;
} stream;

static rescl_status keep_error(stream *s, size_t index, rescl_status status)
{
    rescl_status st = RESCL_OK;
    const rescl_error *last = rescl_last_error();
    RS_OOM(s->error[index] = malloc(sizeof **s->error));
    if (last->status == status)
        *s->error[index] = *last;
    else /* the source failed by itself */
        *s->error[index] = (rescl_error){.status = status, .file = __FILE__, .line = __LINE__};
out:
    return st;
}

static rescl_status get_image(const rescl_dataset *set, size_t index, rescl_image *image,
                              int32_t *label)
{
    rescl_status st = RESCL_OK;
    stream *s = set->state;
    const rescl_status read = s->source(index, image, s->user);
    *label = 0;
    if (read == RESCL_OK)
        goto out;
    *label = UNREAD;
    rescl_image_free(image);
    RS_TRY(keep_error(s, index, read));
    RS_OOM(image->pixels = calloc(1, 3));
    image->width = image->height = 1;
out:
    return st;
}

/* Runs a batch, sends the one behind it if that is made, and hands over the images in order. */
static rescl_status predict_batch(rescl_predictor *p, const rs_batch *batch, stream *s,
                                  float *probs, rescl_prediction_sink sink)
{
    rescl_status st = RESCL_OK;
    const size_t first = batch->index * p->batch, classes = p->model->classes;
    if (!p->ahead)
        RS_TRY(rs_predictor_send(p, batch->pixels, batch->n));
    p->ahead = false;
    RS_TRY(rs_predictor_forward(p));
    const rs_batch *next = rs_loader_peek(s->loader);
    if (next)
        RS_TRY(rs_predictor_send(p, next->pixels, next->n));
    p->ahead = next != NULL;
    RS_TRY(rs_predictor_settle(p, batch->n, probs));
    for (size_t i = 0; i < batch->n; i++) {
        const rescl_error *error = s->error[first + i];
        const rescl_prediction one = {.index = first + i,
                                      .slot = i,
                                      .status = error ? error->status : RESCL_OK,
                                      .probs = error ? NULL : probs + i * classes};
        if (error)
            rs_error_restore(error);
        RS_FAIL_IF(!sink(&one, s->user), RESCL_ERR_INTERRUPTED,
                   "the prediction was stopped on request");
        free(s->error[first + i]);
        s->error[first + i] = NULL;
    }
out:
    return st;
}

rescl_status rescl_predictor_stream(rescl_predictor *p, size_t count, size_t workers,
                                    rescl_image_source source, rescl_prediction_sink sink,
                                    void *user)
{
    static const rs_dataset_format format = {.name = "stream", .get = get_image};
    rescl_status st = RESCL_OK;
    const rescl_model *m = p->model;
    stream s = {.source = source, .user = user};
    rescl_dataset set = {.format = &format, .origin = "images", .state = &s};
    const size_t useful = rs_cpu_count() > FEW_WORKERS ? rs_cpu_count() : FEW_WORKERS;
    const rs_loader_options load = {.batch = p->batch,
                                    .height = m->image_size,
                                    .width = m->image_size,
                                    .resize = m->resize,
                                    .preprocess = m->preprocess,
                                    .normalize = m->normalize,
                                    .channels = m->channels,
                                    .bit_depth = m->graph->bit_depth,
                                    .tta = p->tta,
                                    .workers = workers < useful ? workers : useful,
                                    .depth = 2};
    const rs_batch *batch = NULL;
    float *probs = NULL;

    RS_FAIL_IF(!source || !sink, RESCL_ERR_ARG, "a stream of images without a %s",
               source ? "sink" : "source of them");
    if (count == 0)
        goto out;
    set.count = set.total = count;
    RS_OOM(s.error = calloc(count, sizeof *s.error));
    RS_OOM(probs = calloc(p->batch, m->classes * sizeof *probs));
    RS_TRY(rs_loader_create(&set, &load, &s.loader));
    RS_TRY(rs_loader_start(s.loader, 0, 0));
    for (;;) {
        RS_TRY(rs_loader_next(s.loader, &batch));
        if (!batch)
            break;
        RS_TRY(predict_batch(p, batch, &s, probs, sink));
        rs_loader_release(s.loader, batch);
        batch = NULL;
    }
out:
    rs_predictor_forget(p);
    rs_loader_release(s.loader, batch);
    rs_loader_destroy(s.loader);
    for (size_t i = 0; s.error && i < count; i++)
        free(s.error[i]);
    free(s.error);
    free(probs);
    return st;
}
