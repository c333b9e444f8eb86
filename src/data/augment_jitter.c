/* ColorJitter(strength, strength, strength, hue): brightness, contrast and saturation by factors of
 * 1 +- strength, and the hue, in any order. */
#include "augment.h"
#include "colour.h"
#include "error.h"

enum { STRENGTH, HUE };

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    enum { TURN = 3, ALL };
    static const rs_enhance kinds[] = {RS_ENHANCE_BRIGHTNESS, RS_ENHANCE_CONTRAST,
                                       RS_ENHANCE_COLOR};
    rescl_status st = RESCL_OK;
    const double strength = number[STRENGTH], hue = number[HUE];
    const size_t count = hue > 0 ? ALL : TURN;
    uint32_t order[ALL];

    (void)mean;
    rs_rng_permutation(rng, order, count);
    for (size_t i = 0; i < count; i++)
        if (order[i] == TURN)
            rs_image_shift_hue(image, rs_rng_range(rng, -hue, hue));
        else if (strength > 0)
            RS_TRY(rs_image_enhance(image, kinds[order[i]],
                                    rs_rng_range(rng, 1 - strength, 1 + strength)));
out:
    return st;
}

static const rescl_option color_jitter = {
    .name = "color_jitter",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1]",
    .group = "data",
    .metavar = "X",
    .help = "scale brightness, contrast and saturation of training images by 1 - X to 1 + X"};

static const rescl_option hue = {
    .name = "hue",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,0.5]",
    .group = "data",
    .metavar = "X",
    .help = "turn the hue of training images by -X to X of the colour circle"};

const rs_augment_def rs_augment_jitter = {
    .options = {&color_jitter, &hue}, .strengths = 2, .apply = apply};
