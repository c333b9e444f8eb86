/* RandomHorizontalFlip(p=strength). */
#include "augment.h"
#include "flip.h"

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    (void)mean;
    if ((double)rs_rng_uniform(rng) < number[0])
        rs_image_mirror(image);
    return RESCL_OK;
}

static const rescl_option hflip = {.name = "hflip",
                                   .type = RESCL_OPTION_REAL,
                                   .value = "0",
                                   .range = "[0,1]",
                                   .group = "data",
                                   .metavar = "P",
                                   .help = "probability of a horizontal flip of a training image"};

const rs_augment_def rs_augment_hflip = {.options = {&hflip}, .strengths = 1, .apply = apply};
