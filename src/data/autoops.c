#include "autoops.h"

#include "colour.h"

#include <math.h>

#define RADIANS (3.14159265358979323846 / 180)

bool rs_auto_is_signed(rs_auto_op op)
{
    return op >= RS_AUTO_SHEAR_X && op <= RS_AUTO_SHARPNESS;
}

double rs_auto_magnitude(rs_auto_op op, rs_auto_space space, double strength,
                         const rescl_image *image)
{
    const bool wide = space == RS_AUTO_WIDE;
    switch (op) {
    case RS_AUTO_SHEAR_X:
    case RS_AUTO_SHEAR_Y:
        return strength * (wide ? 0.99 : 0.3);
    case RS_AUTO_TRANSLATE_X:
        return strength * (wide ? 32.0 : 150.0 / 331.0 * (double)image->width);
    case RS_AUTO_TRANSLATE_Y:
        return strength * (wide ? 32.0 : 150.0 / 331.0 * (double)image->height);
    case RS_AUTO_ROTATE:
        return strength * (wide ? 135 : 30);
    case RS_AUTO_BRIGHTNESS:
    case RS_AUTO_COLOR:
    case RS_AUTO_CONTRAST:
    case RS_AUTO_SHARPNESS:
        return strength * (wide ? 0.99 : 0.9);
    case RS_AUTO_POSTERIZE:
        return 8 - rint(strength * (wide ? 6 : 4));
    case RS_AUTO_SOLARIZE:
        return 255 * (1 - strength);
    case RS_AUTO_IDENTITY:
    case RS_AUTO_AUTOCONTRAST:
    case RS_AUTO_EQUALIZE:
    case RS_AUTO_INVERT:
    case RS_AUTO_OPS:
        break;
    }
    return 0;
}

/* Shear is about the corner, by the magnitude as a slope; the others are about the middle. */
static rescl_status bend(rescl_image *image, rs_auto_op op, double magnitude, rs_fill fill)
{
    const bool shears = op == RS_AUTO_SHEAR_X || op == RS_AUTO_SHEAR_Y;
    rs_affine a = {.scale = 1,
                   .center_x = shears ? 0 : (double)image->width / 2,
                   .center_y = shears ? 0 : (double)image->height / 2};
    double m[8];

    if (op == RS_AUTO_SHEAR_X)
        a.shear_x = atan(magnitude);
    if (op == RS_AUTO_SHEAR_Y)
        a.shear_y = atan(magnitude);
    if (op == RS_AUTO_TRANSLATE_X)
        a.translate_x = trunc(magnitude);
    if (op == RS_AUTO_TRANSLATE_Y)
        a.translate_y = trunc(magnitude);
    if (op == RS_AUTO_ROTATE)
        a.angle = -magnitude * RADIANS; /* counterclockwise */
    rs_affine_inverse(&a, m);
    return rs_image_warp(image, m, fill);
}

rescl_status rs_image_auto(rescl_image *image, rs_auto_op op, double magnitude, rs_fill fill)
{
    switch (op) {
    case RS_AUTO_SHEAR_X:
    case RS_AUTO_SHEAR_Y:
    case RS_AUTO_TRANSLATE_X:
    case RS_AUTO_TRANSLATE_Y:
    case RS_AUTO_ROTATE:
        return bend(image, op, magnitude, fill);
    case RS_AUTO_BRIGHTNESS:
        return rs_image_enhance(image, RS_ENHANCE_BRIGHTNESS, 1 + magnitude);
    case RS_AUTO_COLOR:
        return rs_image_enhance(image, RS_ENHANCE_COLOR, 1 + magnitude);
    case RS_AUTO_CONTRAST:
        return rs_image_enhance(image, RS_ENHANCE_CONTRAST, 1 + magnitude);
    case RS_AUTO_SHARPNESS:
        return rs_image_enhance(image, RS_ENHANCE_SHARPNESS, 1 + magnitude);
    case RS_AUTO_POSTERIZE:
        rs_image_posterize(image, (unsigned)magnitude);
        break;
    case RS_AUTO_SOLARIZE:
        rs_image_solarize(image, magnitude);
        break;
    case RS_AUTO_AUTOCONTRAST:
        rs_image_autocontrast(image);
        break;
    case RS_AUTO_EQUALIZE:
        rs_image_equalize(image);
        break;
    case RS_AUTO_INVERT:
        rs_image_invert(image);
        break;
    case RS_AUTO_IDENTITY:
    case RS_AUTO_OPS:
        break;
    }
    return RESCL_OK;
}
