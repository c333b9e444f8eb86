/* RandomPerspective(distortion_scale=strength, p=0.5): each corner moves towards the middle by up to
 * this share of half the side. */
#include "augment.h"
#include "warp.h"

#include <math.h>

#define SHARE 0.5 /* of images, torchvision's default */

enum { DISTORTION, FILL_MODE, FILL };

/* 0 to `most`. */
static double inwards(rs_rng *rng, double most)
{
    return (double)rs_rng_below(rng, (uint32_t)most + 1);
}

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    const double right = (double)image->width - 1, bottom = (double)image->height - 1;
    const double across = floor(number[DISTORTION] * floor((double)image->width / 2));
    const double down = floor(number[DISTORTION] * floor((double)image->height / 2));
    double from[4][2] = {{0, 0}, {right, 0}, {right, bottom}, {0, bottom}};
    double to[4][2], m[8];

    (void)mean;
    if ((double)rs_rng_uniform(rng) >= SHARE)
        return RESCL_OK;
    for (size_t i = 0; i < 4; i++) {
        const double x = inwards(rng, across), y = inwards(rng, down);
        to[i][0] = from[i][0] > 0 ? right - x : x;
        to[i][1] = from[i][1] > 0 ? bottom - y : y;
    }
    if (!rs_perspective_inverse(from, to, m))
        return RESCL_OK;
    return rs_image_warp(image, m, rs_fill_of(number[FILL_MODE], number[FILL]));
}

static const rescl_option perspective = {
    .name = "perspective",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1]",
    .group = "data",
    .metavar = "X",
    .help =
        "bend half of the training images as if seen from aside; corners move by up to X of half "
        "a side"};

const rs_augment_def rs_augment_perspective = {
    .options = {&perspective, &rs_fill_option_mode, &rs_fill_option_value},
    .strengths = 1,
    .stage = RS_AUGMENT_INPUT,
    .apply = apply};
