/* RandomVerticalFlip(p=strength). */
#include "augment.h"
#include "flip.h"

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    (void)mean;
    if ((double)rs_rng_uniform(rng) < number[0])
        rs_image_upside_down(image);
    return RESCL_OK;
}

static const rescl_option vflip = {.name = "vflip",
                                   .type = RESCL_OPTION_REAL,
                                   .value = "0",
                                   .range = "[0,1]",
                                   .group = "data",
                                   .metavar = "P",
                                   .help = "probability of a vertical flip of a training image"};

const rs_augment_def rs_augment_vflip = {
    .options = {&vflip}, .strengths = 1, .stage = RS_AUGMENT_INPUT, .apply = apply};
