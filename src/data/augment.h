/* Random changes of training images, as torchvision's transforms make them. */
#ifndef RS_AUGMENT_H
#define RS_AUGMENT_H

#include <rescl/data.h>

/* All 0: nothing is changed. */
typedef struct rs_augment {
    /* RandomResizedCrop(scale=(this, 1), ratio=(1, 1)): a square of at least this share of the
     * image's area is cut out; 0: none is. Fitting it to the input is the caller's. */
    double scale;
    double hflip; /* RandomHorizontalFlip: how likely a mirror image is */
    /* ColorJitter(this, this, this): brightness, contrast and saturation, in any order, by factors
     * of 1 +- this; at most 1. */
    double color_jitter;
} rs_augment;

/* Changes image `index` of its set in place. What comes of it depends on the arguments alone. */
rescl_status rs_image_augment(rescl_image *image, const rs_augment *a, uint64_t seed,
                              uint64_t epoch, uint64_t index) RESCL_CHECK;

/* Pillow's ImageEnhance.Brightness, Contrast and Color: 1 changes nothing, 0 leaves black, the mean
 * grey, or the greys alone. Factors up to 2. */
typedef enum rs_enhance { RS_ENHANCE_BRIGHTNESS, RS_ENHANCE_CONTRAST, RS_ENHANCE_COLOR } rs_enhance;

void rs_image_enhance(rescl_image *image, rs_enhance what, double factor);

#endif
