/* RandomResizedCrop(scale=(strength, 1), ratio=(1, 1)): a square of at least this share of the image's
 * area is cut out. Fitting it to the input is the loader's. */
#include "augment.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CROP_TRIES 10 /* torchvision's */

/* Without a square that fits, the largest in the middle. */
static rescl_status apply(rescl_image *image, double scale, rs_rng *rng)
{
    rescl_status st = RESCL_OK;
    const size_t w = image->width, h = image->height;
    const double area = (double)w * (double)h;
    size_t side = w < h ? w : h, left = (w - side) / 2, top = (h - side) / 2;
    uint8_t *cut = NULL;

    for (int i = 0; i < CROP_TRIES; i++) {
        const double edge = rint(sqrt(area * rs_rng_range(rng, scale, 1)));
        if (edge >= 1 && edge <= (double)w && edge <= (double)h) {
            side = (size_t)edge;
            top = rs_rng_below(rng, (uint32_t)(h - side + 1));
            left = rs_rng_below(rng, (uint32_t)(w - side + 1));
            break;
        }
    }
    RS_OOM(cut = malloc(side * side * 3));
    for (size_t y = 0; y < side; y++)
        memcpy(cut + y * side * 3, image->pixels + ((top + y) * w + left) * 3, side * 3);
    free(image->pixels);
    image->pixels = cut;
    image->width = image->height = side;
out:
    return st;
}

const rs_augment_def rs_augment_crop = {
    .option = {.name = "scale",
               .type = RESCL_OPTION_REAL,
               .value = "1",
               .range = "(0,1]",
               .group = "data",
               .metavar = "SHARE",
               .help = "random resized crop: a square of at least this share of the image's area; "
                       "1: no crop"},
    .crops = true,
    .apply = apply,
};
