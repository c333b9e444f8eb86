/* The mistakes of a run's best evaluation as images: which they are, and what spoke for them. */
#ifndef RS_MISTAKES_H
#define RS_MISTAKES_H

#include "watch.h"

#include <jansson.h>

#define RS_WORST_MISTAKES 8 /* of the largest loss */
#define RS_PAIR_MISTAKES  4 /* one for each of the most confused pairs that has none among them */

typedef struct rs_mistakes {
    bool chosen; /* from an evaluation, which may have no mistakes */
    size_t count;
    rescl_image_scores image[RS_WORST_MISTAKES + RS_PAIR_MISTAKES];
} rs_mistakes;

/* Those of the run's scores. */
rescl_status rs_mistakes_choose(const rescl_scores *scores, rs_mistakes *out) RESCL_CHECK;

/* Removes the images of an earlier evaluation. */
rescl_status rs_mistakes_drop(const char *folder) RESCL_CHECK;

/* Writes images/mistake-1.png and so on to the run folder, in place of those that are there: the network's
 * input and, with `maps`, beside it the Grad-CAM map for the prediction by the weights in
 * weights/best.safetensors, unless the network's maps are too small. Appends an object for each to `list`: file, path, label, prediction, probability, loss.
 * *layer is that of the maps, borrowed from the graph; NULL: there are none. The team's weights stay as
 * they are. */
rescl_status rs_mistakes_write(const rs_mistakes *m, const rs_run_info *run, bool maps,
                               json_t *list, const char **layer) RESCL_CHECK;

#endif
