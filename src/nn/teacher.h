/* A teacher of a replica: another network on its device, in inference, whose logits a loss goes by
 * (distillation.c). It reads the same images, prepared as it wants them. Its activations lie where the student's
 * do, which run before or after it. */
#ifndef RS_TEACHER_H
#define RS_TEACHER_H

#include "attr.h"
#include "net.h"

/* What to make one of. */
typedef struct rs_teacher_plan {
    const rs_graph
        *graph; /* borrowed as long as the teacher lives, of the student's input and classes */
    const rs_weights *weights;
    const float (*table)[256]; /* what it reads for each byte of a channel: rs_images */
    rs_distillation_attr loss; /* of the student */
} rs_teacher_plan;

#define RS_TEACHER_NETS 4

typedef struct rs_teacher {
    rescl_device *dev;
    rs_store *store;
    rs_net *net[RS_TEACHER_NETS]; /* to be bound to the replica's workspace */
    size_t nets;
    rs_buffer *logits;           /* of the last batch */
    rs_buffer *table, *students; /* tables of both */
} rs_teacher;

/* For batches of each of `count` sizes, up to RS_TEACHER_NETS; 0: none such. */
rescl_status rs_teacher_create(rescl_device *dev, const rs_teacher_plan *plan, const size_t *batch,
                               size_t count, rescl_precision precision, rs_teacher **out)
    RESCL_CHECK;
void rs_teacher_destroy(rs_teacher *t);
/* Device memory that it takes besides the workspace. */
rescl_status rs_teacher_bytes(rescl_device *dev, const rs_teacher_plan *plan, size_t batch,
                              uint64_t *out) RESCL_CHECK;

/* Enqueues: logits of n images. Before anything of the student's is in the workspace. `block` is as rs_images_pack
 * makes it, and stays so. */
rescl_status rs_teacher_run(rs_teacher *t, size_t n, rs_kernel *normalize, rs_buffer *block)
    RESCL_CHECK;
/* Enqueues: the logits of the last run into a tensor of as many images. */
rescl_status rs_teacher_give(rs_teacher *t, const rs_tensor *logits) RESCL_CHECK;

#endif
