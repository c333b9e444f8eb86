/* Images to the network's input: each byte is replaced by the number that a table has for it and its channel,
 * which are the same bits wherever they are looked up. A sample of 16 bits becomes what lies as far between the
 * table's first and last number of its channel, by roundings that are the same everywhere, too.
 *
 * A batch goes to the device as one block: the table, the samples, and the targets from a multiple of 64
 * bytes on. */
#ifndef RS_NORMALIZE_H
#define RS_NORMALIZE_H

#include "cldevice.h"
#include "mixed.h"
#include "pixel.h"
#include "tensor.h"

/* A batch on the host. */
typedef struct rs_images {
    size_t n;
    const uint8_t
        *pixels; /* (n, h, w, samples of pixel.h), grey where the network has one channel */
    const float (*table)[256]; /* RS_PIXEL_CHANNELS: what stands for each byte of a channel */
    const int32_t *labels;     /* (n) */
    const rs_mixed *mixed;     /* (n); NULL: no image is mixed, and each counts the same */
    const int32_t
        *rows; /* (n, classes), what a network of several labels is to make of each class, in units
                          * of 1 / RS_MIXED_ONE; NULL: of each image its label */
} rs_images;

/* Of the table, with which a block begins. */
#define RS_TABLE_BYTES (RS_PIXEL_CHANNELS * 256 * sizeof(float))

/* The number for a sample of 16 bits of a channel that has `table`. */
float rs_deep_value(const float table[256], uint16_t sample);

/* The targets (n, RS_TARGET_WORDS) of a loss; `mixed` may be NULL. */
void rs_targets_pack(const int32_t *labels, const rs_mixed *mixed, size_t n, int32_t *targets);

/* How images lie in a block. */
typedef struct rs_block_form {
    size_t values;    /* of an image */
    size_t channels;  /* 3, 4, or 1, whose numbers the table has for each of three */
    size_t bit_depth; /* of a value: 8 or 16 */
    size_t classes;   /* of targets (n, classes); 0: (n, RS_TARGET_WORDS) */
} rs_block_form;

/* Bytes of the block of n images; 0 if no block is so large. */
size_t rs_images_bytes(size_t n, const rs_block_form *form);
void rs_images_pack(const rs_images *images, const rs_block_form *form, void *block);

/* What stands in rs_support_use for images of that form. */
const char *rs_normalize_choice(size_t channels, size_t bit_depth);
/* And back: channels, 3 or 4, and bit_depth. */
rs_block_form rs_normalize_form(const char *choice);
/* For an input of that type: f32, bf16 or f16. */
rescl_status rs_normalize_kernel(rescl_device *dev, rs_dtype type, const char *choice,
                                 rs_kernel **out) RESCL_CHECK;
/* Enqueues on a kernel that rs_normalize_kernel gave for its type and form: `input` (n, h, w, channels) and
 * `targets` i32 from a block of as many images. */
rescl_status rs_normalize_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *block,
                                  const rs_tensor *input, const rs_tensor *targets) RESCL_CHECK;

#endif
