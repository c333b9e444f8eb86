/* Scores as an evaluation fills them, and the probabilities that they keep. */
#ifndef RS_SCORING_H
#define RS_SCORING_H

#include <rescl/model.h>
#include <rescl/scores.h>

/* Room for so many images: until then adding allocates nothing. */
rescl_status rs_scores_reserve(rescl_scores *s, size_t images) RESCL_CHECK;

/* Adds an image, sample `sample` of its set, by its logits. There has to be room. */
void rs_scores_add_logits(rescl_scores *s, size_t sample, const float *logits, int32_t label,
                          float loss);

/* The same of several labels: row[c] above RS_MIXED_ONE / 2 is one of them. */
void rs_scores_add_row(rescl_scores *s, size_t sample, const float *logits, const int32_t *row,
                       float loss);
rescl_status rs_scores_reserve_rows(rescl_scores *s, size_t images) RESCL_CHECK;
/* Whether a class whose probability is that counts as predicted, where an image has several labels. */
static inline bool rs_predicts(float probability)
{
    return probability > 0.5f;
}

/* (images, classes), or NULL where they had no room. */
const float *rs_scores_probs(const rescl_scores *s);

/* What logits mean that are added: probabilities by the softmax, or by each class's sigmoid, of images of one
 * label or of several. Before any is added. */
void rs_scores_set_task(rescl_scores *s, rescl_loss loss, bool multi_label);

/* Class probabilities, in double: the softmax of a network that was trained by cross-entropy, of other losses the
 * sigmoid of each class. */
void rs_class_probs(rescl_loss loss, const float *logits, size_t classes, float *probs);

#endif
