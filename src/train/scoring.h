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

/* (images, classes), or NULL where they had no room. */
const float *rs_scores_probs(const rescl_scores *s);

/* What logits mean that are added: probabilities by the softmax, or by each class's sigmoid. Before any
 * is added. */
void rs_scores_set_loss(rescl_scores *s, rescl_loss loss);

/* Class probabilities, in double: the softmax of a network that was trained by cross-entropy, of other losses the
 * sigmoid of each class. */
void rs_class_probs(rescl_loss loss, const float *logits, size_t classes, float *probs);

#endif
