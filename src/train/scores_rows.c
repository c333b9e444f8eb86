/* Scores of images that have any number of labels. */
#include "alloc.h"
#include "error.h"
#include "mixed.h"
#include "scorestate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool rescl_scores_multi_label(const rescl_scores *s)
{
    return s->several;
}

const uint8_t *rescl_scores_targets(const rescl_scores *s, size_t index)
{
    return s->several && index < s->images ? s->truth + index * s->classes : NULL;
}

const float *rescl_scores_probs(const rescl_scores *s, size_t index)
{
    return s->probs && index < s->images ? s->probs + index * s->classes : NULL;
}

rescl_status rs_scores_reserve_rows(rescl_scores *s, size_t images)
{
    rescl_status st = RESCL_OK;
    size_t room = s->room, values, bytes;
    if (images <= room && s->truth)
        goto out;
    RS_TRY(rs_array_reserve(&s->image, &room, images, sizeof *s->image));
    RS_FAIL_IF(!rs_mul_size(room, s->classes, &values) ||
                   !rs_mul_size(values, sizeof *s->probs, &bytes),
               RESCL_ERR_MEMORY, "scores of %zu images and %zu classes do not fit into memory",
               images, s->classes);
    float *probs = realloc(s->probs, bytes);
    RS_OOM(probs);
    s->probs = probs;
    uint8_t *truth = realloc(s->truth, values);
    RS_OOM(truth);
    s->truth = truth;
    s->room = room;
    s->wide = false;
out:
    return st;
}

/* Takes in image s->images, whose probabilities and labels stand there. */
static void append(rescl_scores *s, size_t sample, float loss)
{
    const float *probs = s->probs + s->images * s->classes;
    const uint8_t *truth = s->truth + s->images * s->classes;
    rs_score_record r = {.sample = sample, .label = -1, .label_probability = NAN, .loss = loss};
    for (size_t c = 0; c < s->classes; c++) {
        const bool predicted = rs_predicts(probs[c]), own = truth[c] != 0;
        if (probs[c] > probs[r.prediction])
            r.prediction = (int32_t)c;
        if (own && r.label < 0) {
            r.label = (int32_t)c;
            r.label_probability = probs[c];
        }
        if (own != predicted)
            r.rank = RS_SCORE_FAR;
        s->support[c] += own;
        s->predicted[c] += predicted;
        s->correct[c] += own && predicted;
    }
    r.probability = probs[r.prediction];
    s->image[s->images++] = r;
}

void rs_scores_add_row(rescl_scores *s, size_t sample, const float *logits, const int32_t *row,
                       float loss)
{
    rs_class_probs(s->loss, logits, s->classes, s->probs + s->images * s->classes);
    for (size_t c = 0; c < s->classes; c++)
        s->truth[s->images * s->classes + c] = row[c] > RS_MIXED_ONE / 2;
    append(s, sample, loss);
}

/* The mean of the classes' binary cross-entropies, whose logarithms end at -100 as torch's BCELoss has it. */
static float loss_of(const float *probs, const uint8_t *targets, size_t classes)
{
    double sum = 0;
    for (size_t c = 0; c < classes; c++) {
        const double p = (double)probs[c];
        sum -= fmax(log(targets[c] ? p : 1 - p), -100);
    }
    return (float)(sum / (double)classes);
}

rescl_status rescl_scores_add_multi_label(rescl_scores *s, const float *probs,
                                          const uint8_t *targets, const float *losses, size_t n)
{
    rescl_status st = RESCL_OK;
    size_t images, count;

    RS_FAIL_IF(s->images > 0 && !s->several, RESCL_ERR_ARG,
               "images of several labels among scores of images of one");
    RS_FAIL_IF(!rs_add_size(s->images, n, &images) || !rs_mul_size(n, s->classes, &count),
               RESCL_ERR_ARG, "%zu images of %zu classes are too many", n, s->classes);
    for (size_t i = 0; i < count; i++)
        RS_FAIL_IF(
            isnan(probs[i]) || targets[i] > 1, RESCL_ERR_ARG,
            "image %zu: the probability %g and target %u of class %zu; expected numbers, and "
            "targets of 0 and 1",
            i / s->classes, (double)probs[i], targets[i], i % s->classes);
    s->several = true;
    RS_TRY(rs_scores_reserve_rows(s, images));
    for (size_t i = 0; i < n; i++) {
        const float *p = probs + i * s->classes;
        const uint8_t *t = targets + i * s->classes;
        memcpy(s->probs + s->images * s->classes, p, s->classes * sizeof *p);
        memcpy(s->truth + s->images * s->classes, t, s->classes);
        append(s, s->images, losses ? losses[i] : loss_of(p, t, s->classes));
    }
out:
    return st;
}
