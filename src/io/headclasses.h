/* Whether the last layer of a file is made for a model's classes. Names decide, not numbers. */
#ifndef RS_HEADCLASSES_H
#define RS_HEADCLASSES_H

#include "netmodel.h"
#include "weightfile.h"

#include <rescl/weights.h>

/* What became of the head, and for RESCL_HEAD_REORDERED which of the file's classes each of the
 * model's is. Start it as {0}. */
typedef struct rs_head {
    rescl_head_match match;
    size_t *from; /* by the model's class */
} rs_head;

/* Compares the classes where the last layer matched. In the modes that allow a new head, one of other
 * classes becomes missing in `m`, and its tensors unexpected. */
rescl_status rs_head_settle(const rs_wfile *f, const rescl_model *model, rescl_load_mode mode,
                            rs_matching *m, rs_head *out) RESCL_CHECK;

/* In the modes that do not, RESCL_ERR_ARG with both classes. */
rescl_status rs_head_check(const rs_wfile *f, const rescl_model *model, rescl_load_mode mode,
                           const rs_head *h) RESCL_CHECK;

/* Puts the classes of a head that was read into the model's order. */
rescl_status rs_head_reorder(const rs_head *h, const rs_graph *g, rs_weights *w) RESCL_CHECK;

void rs_head_fini(rs_head *h);

#endif
