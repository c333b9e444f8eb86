/* Changes of an image's colours and of its sharpness, in place, as Pillow and torchvision make them. A fourth
 * channel stays as it is, as alpha does in Pillow's; only blur is of all channels. What is marked takes images of
 * 8 bits alone. */
#ifndef RS_COLOUR_H
#define RS_COLOUR_H

#include <rescl/data.h>

/* Pillow's ImageEnhance.Brightness, Contrast, Color and Sharpness: 1 changes nothing, 0 leaves black,
 * the mean grey, the greys alone, or a smooth image. Factors up to 2. Sharpness is of 8 bits. */
typedef enum rs_enhance {
    RS_ENHANCE_BRIGHTNESS,
    RS_ENHANCE_CONTRAST,
    RS_ENHANCE_COLOR,
    RS_ENHANCE_SHARPNESS
} rs_enhance;

rescl_status rs_image_enhance(rescl_image *image, rs_enhance what, double factor) RESCL_CHECK;

/* Hue by `turns` of the colour circle: torchvision's adjust_hue, of tensors. */
void rs_image_shift_hue(rescl_image *image, double turns);
/* Luma in all channels. */
void rs_image_grey(rescl_image *image);
/* torchvision's gaussian_blur with the edges reflected, of a kernel that reaches 3 sigma. Of 8 bits. */
rescl_status rs_image_blur(rescl_image *image, double sigma) RESCL_CHECK;

/* Of 8 bits: Pillow's ImageOps of these names. Posterize keeps `bits` of 8; solarize inverts what is at least
 * `threshold`. */
void rs_image_posterize(rescl_image *image, unsigned bits);
void rs_image_solarize(rescl_image *image, double threshold);
void rs_image_autocontrast(rescl_image *image);
void rs_image_equalize(rescl_image *image);
void rs_image_invert(rescl_image *image);

#endif
