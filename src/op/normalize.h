/* Images as bytes to the network's input: each byte is replaced by the number that a table has for it
 * and its channel, which are the same bits wherever they are looked up.
 *
 * A batch goes to the device as one block: the table, the bytes, and the targets from a multiple of 64
 * bytes on. */
#ifndef RS_NORMALIZE_H
#define RS_NORMALIZE_H

#include "cldevice.h"
#include "mixed.h"
#include "tensor.h"

/* A batch on the host. */
typedef struct rs_images {
    size_t n;
    const uint8_t *pixels;     /* (n, h, w, 3), grey where the network has one channel */
    const float (*table)[256]; /* 3: what stands for each byte of a channel */
    const int32_t *labels;     /* (n) */
    const rs_mixed *mixed;     /* (n); NULL: no image is mixed, and each counts the same */
    const int32_t
        *rows; /* (n, classes), what a network of several labels is to make of each class, in units
                          * of 1 / RS_MIXED_ONE; NULL: of each image its label */
} rs_images;

/* Of the table, with which a block begins. */
#define RS_TABLE_BYTES (3 * 256 * sizeof(float))

/* The targets (n, RS_TARGET_WORDS) of a loss; `mixed` may be NULL. */
void rs_targets_pack(const int32_t *labels, const rs_mixed *mixed, size_t n, int32_t *targets);

/* Bytes of the block of n images of `values` bytes each; 0 if no block is so large. `classes`: of targets
 * (n, classes), 0 for (n, RS_TARGET_WORDS). */
size_t rs_images_bytes(size_t n, size_t values, size_t classes);
/* `channels`: 3, or 1 of them, whose numbers the table has for each channel. */
void rs_images_pack(const rs_images *images, size_t values, size_t channels, size_t classes,
                    void *block);

/* For an input of that type: f32, bf16 or f16. */
rescl_status rs_normalize_kernel(rescl_device *dev, rs_dtype type, rs_kernel **out) RESCL_CHECK;
/* Enqueues on a kernel that rs_normalize_kernel gave for its type: `input` (n, h, w, 3 or 1) and `targets`
 * i32 from a block of as many images. */
rescl_status rs_normalize_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *block,
                                  const rs_tensor *input, const rs_tensor *targets) RESCL_CHECK;

#endif
