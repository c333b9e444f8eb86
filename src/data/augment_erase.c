/* RandomErasing(p=strength) with torchvision's scale, ratio and value 0: a rectangle becomes what the
 * network reads as 0. */
#include "augment.h"
#include "cut.h"

#include <math.h>

#define ERASE_TRIES 10 /* torchvision's, like the numbers below */
#define LEAST_SHARE 0.02
#define MOST_SHARE  0.33
#define LEAST_RATIO 0.3
#define MOST_RATIO  3.3

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    const size_t w = image->width, h = image->height;
    const double area = (double)w * (double)h;

    if ((double)rs_rng_uniform(rng) >= number[0])
        return RESCL_OK;
    for (int i = 0; i < ERASE_TRIES; i++) {
        const double share = area * rs_rng_range(rng, LEAST_SHARE, MOST_SHARE);
        const double ratio = exp(rs_rng_range(rng, log(LEAST_RATIO), log(MOST_RATIO)));
        const size_t down = (size_t)rint(sqrt(share * ratio));
        const size_t across = (size_t)rint(sqrt(share / ratio));
        if (down >= h || across >= w)
            continue;
        rs_rect r = {.width = across, .height = down};
        r.top = rs_rng_below(rng, (uint32_t)(h - down + 1));
        r.left = rs_rng_below(rng, (uint32_t)(w - across + 1));
        rs_image_erase(image, &r, mean);
        break;
    }
    return RESCL_OK;
}

static const rescl_option random_erase = {
    .name = "random_erase",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,1]",
    .group = "data",
    .alias = "reprob",
    .metavar = "P",
    .help = "probability that a rectangle of 2 to 33 % of a training image is erased"};

const rs_augment_def rs_augment_erase = {
    .options = {&random_erase}, .strengths = 1, .stage = RS_AUGMENT_INPUT, .apply = apply};
