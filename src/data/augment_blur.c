/* RandomApply([GaussianBlur(sigma=(0.1, 2))], p=strength). */
#include "augment.h"
#include "colour.h"

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    (void)mean;
    if ((double)rs_rng_uniform(rng) >= number[0])
        return RESCL_OK;
    return rs_image_blur(image, rs_rng_range(rng, 0.1, 2.0)); /* torchvision's default */
}

static const rescl_option gaussian_blur = {
    .name = "gaussian_blur",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1]",
    .group = "data",
    .alias = "gaussian-blur-prob",
    .metavar = "P",
    .help = "probability that a training image is blurred, by a sigma of 0.1 to 2 pixels"};

const rs_augment_def rs_augment_blur = {.options = {&gaussian_blur},
                                        .strengths = 1,
                                        .stage = RS_AUGMENT_INPUT,
                                        .bytes = true,
                                        .apply = apply};
