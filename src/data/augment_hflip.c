/* RandomHorizontalFlip(p=strength). */
#include "augment.h"

static void mirror(rescl_image *image)
{
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *a = image->pixels + y * image->width * 3, *b = a + (image->width - 1) * 3;
        for (; a < b; a += 3, b -= 3)
            for (size_t c = 0; c < 3; c++) {
                const uint8_t kept = a[c];
                a[c] = b[c];
                b[c] = kept;
            }
    }
}

static rescl_status apply(rescl_image *image, double share, rs_rng *rng)
{
    if ((double)rs_rng_uniform(rng) < share)
        mirror(image);
    return RESCL_OK;
}

const rs_augment_def rs_augment_hflip = {
    .option = {.name = "hflip",
               .type = RESCL_OPTION_REAL,
               .value = "0",
               .range = "[0,1]",
               .group = "data",
               .metavar = "P",
               .help = "probability of a horizontal flip of a training image"},
    .apply = apply,
};
