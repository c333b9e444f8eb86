/* Image files: what is whole, damaged, cut short, repaired, large. */
#include "fuzz.h"

#include <rescl/data.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rescl_image image;
    rescl_image_options options;
    unsigned notices = 0;
    rescl_image_options_default(&options);
    options.max_pixels = (size_t)1 << 20; /* for speed */
    options.sample_bits = size % 2 ? 12 : 16;
    if (rescl_image_decode_with(data, size, "fuzz", &options, &image, &notices) == RESCL_OK) {
        unsigned sum = 0;
        for (size_t i = 0; i < image.width * image.height * 3; i++)
            sum += image.pixels[i];
        if (sum == 0xffffffffu) /* reads each pixel */
            return 1;
    }
    rescl_image_free(&image);
    return 0;
}
