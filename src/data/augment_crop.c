/* RandomResizedCrop(scale=(scale, 1), ratio=(1 / ratio, ratio)): a rectangle of at least this share of
 * the image's area is cut out. Fitting it to the input is the loader's. */
#include "augment.h"
#include "cut.h"

#include <math.h>

#define CROP_TRIES 10 /* torchvision's */

enum { SCALE, RATIO };

/* The largest in the middle whose width over height is within 1 / ratio to ratio. */
static rs_rect middle(size_t w, size_t h, double ratio)
{
    rs_rect r = {.width = w, .height = h};
    if ((double)w > (double)h * ratio)
        r.width = (size_t)rint((double)h * ratio);
    if ((double)h > (double)w * ratio)
        r.height = (size_t)rint((double)w * ratio);
    r.left = (w - r.width) / 2;
    r.top = (h - r.height) / 2;
    return r;
}

static rs_rect draw(size_t w, size_t h, double scale, double ratio, rs_rng *rng)
{
    const double area = (double)w * (double)h;
    for (int i = 0; i < CROP_TRIES; i++) {
        const double share = area * rs_rng_range(rng, scale, 1);
        const double aspect = ratio > 1 ? exp(rs_rng_range(rng, -log(ratio), log(ratio))) : 1;
        const double across = rint(sqrt(share * aspect)), down = rint(sqrt(share / aspect));
        if (across >= 1 && down >= 1 && across <= (double)w && down <= (double)h) {
            rs_rect r = {.width = (size_t)across, .height = (size_t)down};
            r.top = rs_rng_below(rng, (uint32_t)(h - r.height + 1));
            r.left = rs_rng_below(rng, (uint32_t)(w - r.width + 1));
            return r;
        }
    }
    return middle(w, h, ratio > 1 ? ratio : 1);
}

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    const rs_rect r = draw(image->width, image->height, number[SCALE], number[RATIO], rng);

    (void)mean;
    return rs_image_cut(image, &r);
}

bool rs_augment_stretches(const rs_augment *a)
{
    return a->number[RS_AUGMENT_crop][RATIO] > 1;
}

static const rescl_option scale = {
    .name = "scale",
    .type = RESCL_OPTION_REAL,
    .value = "1",
    .range = "(0,1]",
    .group = "data",
    .metavar = "SHARE",
    .help = "random resized crop: a square of at least this share of the image's area; 1: no crop"};

static const rescl_option ratio = {
    .name = "ratio",
    .type = RESCL_OPTION_REAL,
    .value = "1",
    .range = "[1,10]",
    .group = "data",
    .metavar = "R",
    .help = "of --scale: rectangles from 1/R to R times as wide as high, stretched to squares; "
            "torchvision's is 1.3333"};

const rs_augment_def rs_augment_crop = {
    .options = {&scale, &ratio}, .strengths = 1, .crops = true, .apply = apply};
