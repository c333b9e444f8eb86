/* RandomAffine(degrees, translate=(translate_x, translate_y), scale=(1 - zoom, 1 + zoom),
 * shear=(-shear, shear)), in one interpolation about the middle. torchvision moves by whole pixels,
 * this by any part of one. */
#include "augment.h"
#include "warp.h"

#define RADIANS (3.14159265358979323846 / 180)

enum { DEGREES, TRANSLATE_X, TRANSLATE_Y, ZOOM, SHEAR, FILL_MODE, FILL };

static double within(rs_rng *rng, double most)
{
    return most > 0 ? rs_rng_range(rng, -most, most) : 0;
}

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    const double w = (double)image->width, h = (double)image->height;
    rs_affine a = {.center_x = w / 2, .center_y = h / 2};
    double m[8];

    (void)mean;
    a.angle = within(rng, number[DEGREES]) * RADIANS;
    a.translate_x = within(rng, number[TRANSLATE_X]) * w;
    a.translate_y = within(rng, number[TRANSLATE_Y]) * h;
    a.scale = 1 + within(rng, number[ZOOM]);
    a.shear_x = within(rng, number[SHEAR]) * RADIANS;
    rs_affine_inverse(&a, m);
    return rs_image_warp(image, m, rs_fill_of(number[FILL_MODE], number[FILL]));
}

static const rescl_option degrees = {.name = "degrees",
                                     .type = RESCL_OPTION_REAL,
                                     .value = "0",
                                     .range = "[0,180]",
                                     .group = "data",
                                     .alias = "rotation-range",
                                     .metavar = "D",
                                     .help = "turn training images by -D to D degrees"};

static const rescl_option translate_x = {
    .name = "translate_x",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1]",
    .group = "data",
    .alias = "width-shift-range",
    .metavar = "SHARE",
    .help = "move training images to the left or the right by up to this share of their width"};

static const rescl_option translate_y = {
    .name = "translate_y",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1]",
    .group = "data",
    .alias = "height-shift-range",
    .metavar = "SHARE",
    .help = "move training images up or down by up to this share of their height"};

static const rescl_option zoom = {.name = "zoom",
                                  .type = RESCL_OPTION_REAL,
                                  .value = "0",
                                  .range = "[0,0.9]",
                                  .group = "data",
                                  .alias = "zoom-range",
                                  .metavar = "X",
                                  .help = "magnify training images by 1 - X to 1 + X"};

static const rescl_option shear = {.name = "shear",
                                   .type = RESCL_OPTION_REAL,
                                   .value = "0",
                                   .range = "[0,80]",
                                   .group = "data",
                                   .alias = "shear-range",
                                   .metavar = "D",
                                   .help = "shear training images by -D to D degrees"};

const rs_augment_def rs_augment_affine = {.options = {&degrees, &translate_x, &translate_y, &zoom,
                                                      &shear, &rs_fill_option_mode,
                                                      &rs_fill_option_value},
                                          .strengths = 5,
                                          .stage = RS_AUGMENT_INPUT,
                                          .apply = apply};
