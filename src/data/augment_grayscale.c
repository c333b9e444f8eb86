/* RandomGrayscale(p=strength). */
#include "augment.h"
#include "colour.h"

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    (void)mean;
    if ((double)rs_rng_uniform(rng) < number[0])
        rs_image_grey(image);
    return RESCL_OK;
}

static const rescl_option grayscale = {.name = "grayscale",
                                       .type = RESCL_OPTION_REAL,
                                       .value = "0",
                                       .range = "[0,1]",
                                       .group = "data",
                                       .alias = "grayscale-prob",
                                       .metavar = "P",
                                       .help =
                                           "probability that a training image loses its colours"};

const rs_augment_def rs_augment_grayscale = {
    .options = {&grayscale}, .strengths = 1, .stage = RS_AUGMENT_INPUT, .apply = apply};
