/* Random changes of training images, as torchvision's transforms make them.
 *
 * An augmentation is an object, rs_augment_<stem>, at the end of augment_<stem>.c, and a line of
 * augments.def. How much it does are training options, which it declares. */
#ifndef RS_AUGMENT_H
#define RS_AUGMENT_H

#include "pixel.h"
#include "rng.h"

#include <rescl/data.h>
#include <rescl/option.h>

#define RS_AUGMENT_NUMBERS 7

/* A batch of inputs (n, height, width, samples of pixel.h). Image i is mixed with image i - 1, the first with the last,
 * as torchvision rolls them. */
typedef struct rs_mix_batch {
    uint8_t *pixels;
    size_t n, height, width, channels, bit_depth;
} rs_mix_batch;

/* Images are changed twice: as they are read, and when they have the size of the network's input. What
 * goes by pixels, or takes long, is for the second. Then a batch is changed as a whole. */
typedef enum rs_augment_stage {
    RS_AUGMENT_SOURCE,
    RS_AUGMENT_INPUT,
    RS_AUGMENT_BATCH
} rs_augment_stage;

typedef struct rs_augment_def {
    /* Its numbers, NULL behind the last; a choice counts as its place in the list. The first
     * `strengths` turn it on where one is not its default, which leaves images alone; the others say
     * how, and may be shared with other augmentations. */
    const rescl_option *options[RS_AUGMENT_NUMBERS];
    size_t strengths;
    rs_augment_stage stage;
    bool bytes; /* it takes images of 8 bits alone */
    bool crops; /* it decides which part of an image is seen: the centre is not cut out */
    /* RESCL_ERR_ARG for numbers that do not go together; may be NULL. */
    rescl_status (*check)(const double *number);
    /* Changes an image in place. Draws from `rng` alone: all of a stage together have 128 words for an
     * image. `mean` is the colour that the network reads as 0, or nearly. */
    rescl_status (*apply)(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng);
    /* In its place of the stage RS_AUGMENT_BATCH: see mix.h. *share is that of the other image in each. A
     * batch has 256 words. */
    rescl_status (*mix)(const rs_mix_batch *batch, const double *number, rs_rng *rng,
                        double *share);
} rs_augment_def;

enum {
#define RS_AUGMENT(stem) RS_AUGMENT_##stem,
#include "augments.def"
#undef RS_AUGMENT
    RS_AUGMENT_COUNT
};

#define RS_AUGMENT(stem) extern const rs_augment_def rs_augment_##stem;
#include "augments.def"
#undef RS_AUGMENT

/* Augmentation i < RS_AUGMENT_COUNT; NULL behind the last. */
const rs_augment_def *rs_augment_at(size_t i);

/* The numbers of each one; all 0: it is left out, so that {0} changes nothing. */
typedef struct rs_augment {
    double number[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS];
    uint8_t mean[RS_PIXEL_CHANNELS];
} rs_augment;

/* Gives one the values of its options. */
void rs_augment_set(rs_augment *a, size_t i, const double *value);
bool rs_augment_is_on(const rs_augment *a, size_t i);
/* Whether one of a stage is on. */
bool rs_augment_acts(const rs_augment *a, rs_augment_stage stage);
/* Whether one of those that are on crops. */
bool rs_augment_crops(const rs_augment *a);
/* Whether what it crops is stretched to the input. */
bool rs_augment_stretches(const rs_augment *a);
/* RESCL_ERR_ARG where an option's value (value[i] for augmentation i) changes nothing, because what it
 * is about is off, or where values do not go together. */
rescl_status rs_augment_check(double value[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS]) RESCL_CHECK;

/* RESCL_ERR_ARG where one that is on does not take images of so many bits. */
rescl_status rs_augment_check_depth(const rs_augment *a, size_t bit_depth) RESCL_CHECK;

/* Changes image `index` of its set in place. What comes of it depends on the arguments alone. */
rescl_status rs_image_augment(rescl_image *image, const rs_augment *a, rs_augment_stage stage,
                              uint64_t seed, uint64_t epoch, uint64_t index) RESCL_CHECK;

#endif
