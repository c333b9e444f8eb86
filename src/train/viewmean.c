#include "viewmean.h"

#include "error.h"
#include "netmodel.h"
#include "scoring.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

void rs_view_mean(rescl_loss loss, const float *logits, size_t views, size_t n, size_t classes,
                  float *scratch, float *probs)
{
    for (size_t i = 0; i < n; i++) {
        float *mean = probs + i * classes;
        rs_class_probs(loss, logits + i * classes, classes, mean);
        for (size_t v = 1; v < views; v++) {
            rs_class_probs(loss, logits + (v * n + i) * classes, classes, scratch);
            for (size_t k = 0; k < classes; k++)
                mean[k] += scratch[k];
        }
        for (size_t k = 0; views > 1 && k < classes; k++)
            mean[k] /= (float)views;
    }
}

rescl_status rs_view_outputs_init(rs_view_outputs *v, size_t batch, const rescl_model *model)
{
    rescl_status st = RESCL_OK;
    const size_t classes = model->classes;
    *v = (rs_view_outputs){.label_smoothing = model->label_smoothing, .loss = model->loss};
    RS_OOM(v->logits = calloc(batch, classes * sizeof *v->logits));
    RS_OOM(v->losses = calloc(batch, sizeof *v->losses));
    RS_OOM(v->scratch = calloc(classes, sizeof *v->scratch));
out:
    return st;
}

void rs_view_outputs_fini(rs_view_outputs *v)
{
    free(v->logits);
    free(v->losses);
    free(v->scratch);
    *v = (rs_view_outputs){0};
}

/* That of softmax_xent, of logarithms of probabilities. */
static float loss_of(const float *logs, size_t classes, int32_t label, double smoothing)
{
    double all = 0;
    for (size_t k = 0; k < classes; k++)
        all += (double)logs[k];
    return (float)(-(1 - smoothing) * (double)logs[label] - smoothing / (double)classes * all);
}

static float mean_of(const float *losses, size_t views, size_t n, size_t i)
{
    double sum = 0;
    for (size_t v = 0; v < views; v++)
        sum += (double)losses[v * n + i];
    return (float)(sum / (double)views);
}

void rs_view_outputs_take(rs_view_outputs *v, const rs_batch *batch, rs_outputs *o)
{
    const size_t classes = o->classes;
    if (!v->logits || batch->views <= 1)
        return;
    const bool sigmoid = v->loss != RESCL_LOSS_CROSS_ENTROPY;
    rs_view_mean(v->loss, o->logits, batch->views, batch->n, classes, v->scratch, v->logits);
    for (size_t i = 0; i < batch->n; i++) {
        float *logs = v->logits + i * classes;
        for (size_t k = 0; k < classes; k++)
            logs[k] = logf(fmaxf(logs[k], FLT_MIN)) -
                      (sigmoid ? logf(fmaxf(1.0f - logs[k], FLT_MIN)) : 0.0f);
        v->losses[i] = sigmoid ? mean_of(o->losses, batch->views, batch->n, i)
                               : loss_of(logs, classes, batch->labels[i], v->label_smoothing);
    }
    *o = (rs_outputs){batch->n, classes, v->logits, v->losses};
}
