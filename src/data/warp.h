/* Images bent: each pixel is taken from somewhere else, bilinearly. */
#ifndef RS_WARP_H
#define RS_WARP_H

#include <rescl/data.h>
#include <rescl/option.h>

/* What is seen beyond the edges. Keras' names, and scipy's coordinates. */
typedef enum rs_fill_mode {
    RS_FILL_CONSTANT, /* a colour; half a pixel around the image still shows its edge, as in Pillow */
    RS_FILL_NEAREST, /* aaaa|abcd|dddd */
    RS_FILL_REFLECT, /* dcba|abcd|dcba */
    RS_FILL_WRAP,    /* bcd|abcd|bcd: the last pixel lies on the first, of a distance of n - 1 */
    RS_FILL_MODES
} rs_fill_mode;

typedef struct rs_fill {
    rs_fill_mode mode;
    uint8_t value; /* of all channels, for RS_FILL_CONSTANT */
} rs_fill;

/* The options of whatever bends images: --fill-mode and --fill. */
extern const rescl_option rs_fill_option_mode, rs_fill_option_value;
rs_fill rs_fill_of(double mode, double value);

/* Pillow's Image.transform with PERSPECTIVE and BILINEAR: the middle (x, y) of a pixel of the result,
 * which is half a pixel from its corner, is taken at
 *   ((m0 x + m1 y + m2) / (m6 x + m7 y + 1), (m3 x + m4 y + m5) / (m6 x + m7 y + 1)). */
rescl_status rs_image_warp(rescl_image *image, const double m[8], rs_fill fill) RESCL_CHECK;

/* A change of an image as torchvision.transforms.functional.affine has it, about (center_x, center_y)
 * of its corner: turned by `angle`, sheared along x and y (all in radians, clockwise), magnified by
 * `scale`, then moved. */
typedef struct rs_affine {
    double angle, shear_x, shear_y, scale, translate_x, translate_y, center_x, center_y;
} rs_affine;

/* The m of rs_image_warp. */
void rs_affine_inverse(const rs_affine *a, double m[8]);

/* The m that shows what lies in `from` where `to` is: corners x, y; clockwise from the top left one.
 * False where there is none, because three of them lie on a line. */
bool rs_perspective_inverse(double from[4][2], double to[4][2], double m[8]);

#endif
