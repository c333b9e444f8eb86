/* Scores inside: scores.c, and scores_rows.c for images of any number of labels. */
#ifndef RS_SCORESTATE_H
#define RS_SCORESTATE_H

#include "scoring.h"

/* Of an image of several labels: its first label or -1, the most probable class, and as its rank whether its
 * labels are those that were predicted: 0, or RS_SCORE_FAR. */
typedef struct rs_score_record {
    size_t sample;
    int32_t label, prediction;
    float probability, label_probability, loss;
    uint8_t rank; /* of the label, at most RS_SCORE_FAR */
} rs_score_record;

#define RS_SCORE_FAR 255

struct rescl_scores {
    size_t classes, images, room;
    rescl_loss loss;                       /* by which logits become probabilities */
    bool several;                          /* an image has any number of labels */
    rs_score_record *image;                /* (room) */
    float *probs;                          /* (room, classes); NULL where they would be too many */
    uint8_t *truth;                        /* (room, classes), 1 for each label; of `several` */
    bool wide;                             /* they are: NULL is no want of memory */
    size_t *support, *predicted, *correct; /* (classes) */
    double *area;                          /* (classes): average precision */
    size_t areas;                          /* images that `area` is of */
};

/* Whether an image is of a class. */
static inline bool rs_score_is_of(const rescl_scores *s, size_t image, size_t class_index)
{
    return s->several ? s->truth[image * s->classes + class_index] != 0
                      : (size_t)s->image[image].label == class_index;
}

#endif
