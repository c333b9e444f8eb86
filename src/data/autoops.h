/* The operations of torchvision's automatic augmentations, and the policies of AutoAugment. */
#ifndef RS_AUTOOPS_H
#define RS_AUTOOPS_H

#include "warp.h"

/* In the order in which RandAugment and TrivialAugment count them; Invert is AutoAugment's. */
typedef enum rs_auto_op {
    RS_AUTO_IDENTITY,
    RS_AUTO_SHEAR_X,
    RS_AUTO_SHEAR_Y,
    RS_AUTO_TRANSLATE_X,
    RS_AUTO_TRANSLATE_Y,
    RS_AUTO_ROTATE,
    RS_AUTO_BRIGHTNESS,
    RS_AUTO_COLOR,
    RS_AUTO_CONTRAST,
    RS_AUTO_SHARPNESS,
    RS_AUTO_POSTERIZE,
    RS_AUTO_SOLARIZE,
    RS_AUTO_AUTOCONTRAST,
    RS_AUTO_EQUALIZE,
    RS_AUTO_INVERT,
    RS_AUTO_OPS
} rs_auto_op;

/* How far the operations go: RandAugment and AutoAugment, or TrivialAugment's wide space. */
typedef enum rs_auto_space { RS_AUTO_USUAL, RS_AUTO_WIDE } rs_auto_space;

/* Whether a magnitude may be negative. */
bool rs_auto_is_signed(rs_auto_op op);
/* The magnitude at a `strength` of 0 to 1, for an image. */
double rs_auto_magnitude(rs_auto_op op, rs_auto_space space, double strength,
                         const rescl_image *image);
rescl_status rs_image_auto(rescl_image *image, rs_auto_op op, double magnitude, rs_fill fill)
    RESCL_CHECK;

#define RS_AUTO_POLICIES 25 /* of each dataset: one is drawn for an image */
#define RS_AUTO_BINS     10 /* of strength */

/* Two operations, each with its probability in tenths and its bin. */
typedef struct rs_auto_policy {
    struct {
        uint8_t op, tenths, bin;
    } step[2];
} rs_auto_policy;

/* Cubuk et al., "AutoAugment" (2019), as torchvision has them. */
extern const rs_auto_policy rs_auto_imagenet[RS_AUTO_POLICIES], rs_auto_cifar10[RS_AUTO_POLICIES],
    rs_auto_svhn[RS_AUTO_POLICIES];

#endif
