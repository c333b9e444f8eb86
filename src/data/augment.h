/* Random changes of training images, as torchvision's transforms make them.
 *
 * An augmentation is an object, rs_augment_<stem>, at the end of augment_<stem>.c, and a line of
 * augments.def. How much it does is a training option, which it declares. */
#ifndef RS_AUGMENT_H
#define RS_AUGMENT_H

#include "rng.h"

#include <rescl/data.h>
#include <rescl/option.h>

typedef struct rs_augment_def {
    rescl_option option; /* its strength, a number; by default it leaves images alone */
    bool crops;          /* it decides which part of an image is seen: the centre is not cut out */
    /* Changes an image in place. Draws from `rng` alone; all of them together have 256 words for an
     * image. */
    rescl_status (*apply)(rescl_image *image, double strength, rs_rng *rng);
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

/* How strong each one is; 0: it is left out, so that {0} changes nothing. */
typedef struct rs_augment {
    double strength[RS_AUGMENT_COUNT];
} rs_augment;

/* Sets the strength of one to its option's value. */
void rs_augment_set(rs_augment *a, size_t i, double value);
/* Whether one of those that are not left out crops. */
bool rs_augment_crops(const rs_augment *a);

/* Changes image `index` of its set in place. What comes of it depends on the arguments alone. */
rescl_status rs_image_augment(rescl_image *image, const rs_augment *a, uint64_t seed,
                              uint64_t epoch, uint64_t index) RESCL_CHECK;

/* Pillow's ImageEnhance.Brightness, Contrast and Color: 1 changes nothing, 0 leaves black, the mean
 * grey, or the greys alone. Factors up to 2. */
typedef enum rs_enhance { RS_ENHANCE_BRIGHTNESS, RS_ENHANCE_CONTRAST, RS_ENHANCE_COLOR } rs_enhance;

void rs_image_enhance(rescl_image *image, rs_enhance what, double factor);

#endif
