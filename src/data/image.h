/* Decoding images. A format is one file and one line of imageformats.def; image.c tells them apart. */
#ifndef RS_IMAGE_H
#define RS_IMAGE_H

#include "pixel.h"

#include <rescl/data.h>

/* Of an image that is written or lies in memory. */
#define RS_MAX_PIXELS RESCL_IMAGE_WHOLE_PIXELS

static inline bool rs_image_is_deep(const rescl_image *image)
{
    return rs_pixel_is_deep(image->bit_depth);
}

static inline size_t rs_image_channels(const rescl_image *image)
{
    return rs_pixel_samples(image->channels);
}

/* Of a pixel. */
static inline size_t rs_image_pixel_bytes(const rescl_image *image)
{
    return rs_pixel_bytes(image->channels, image->bit_depth);
}

/* Of all pixels. */
static inline size_t rs_image_bytes(const rescl_image *image)
{
    return image->width * image->height * rs_image_pixel_bytes(image);
}

/* An image of the same form that has other pixels. */
static inline rescl_image rs_image_like(const rescl_image *image, size_t width, size_t height,
                                        uint8_t *pixels)
{
    return (rescl_image){.width = width,
                         .height = height,
                         .pixels = pixels,
                         .channels = image->channels,
                         .bit_depth = image->bit_depth};
}

/* Gives an image, in place, as many channels and bits: a fourth channel is opaque, or laid on white; 16 bits are
 * 257 times 8, or are cut. `channels` may be 1, which is as 3. Nothing is done where it has them. */
rescl_status rs_image_convert(rescl_image *image, size_t channels, size_t bit_depth) RESCL_CHECK;
/* The same of a copy, which is the caller's to free. */
rescl_status rs_image_converted(const rescl_image *image, size_t channels, size_t bit_depth,
                                rescl_image *out) RESCL_CHECK;

/* What a decoder gives: the pixels as they lie in the file, its orientation (0 and 1: upright), and
 * bits of rescl_image_notice. */
typedef struct rs_decoded {
    rescl_image image;
    unsigned orientation, notices;
} rs_decoded;

/* Decodes a whole file in memory. `name` stands in messages. Options are complete: max_pixels is not
 * 0, and min_side is at least what is documented. Nothing is to be freed after a failure. */
typedef rescl_status (*rs_image_decoder)(const uint8_t *data, size_t bytes, const char *name,
                                         const rescl_image_options *options, rs_decoded *out);

/* The size of an image by the first `bytes` of its file of `file_bytes`, and the checks that the
 * header allows. A failure may mean that `bytes` were too few. */
typedef rescl_status (*rs_image_prober)(const uint8_t *data, size_t bytes, size_t file_bytes,
                                        const char *name, const rescl_image_options *options,
                                        rescl_image_info *out);

typedef struct rs_image_format {
    const char *name;     /* "PNG" */
    const char *suffixes; /* of files' names, with blanks between: ".jpg .jpeg" */
    size_t least_bytes;   /* fewer are a file that was cut short */
    /* Whether a file is of this format by its first bytes, or by what there is of them. */
    bool (*recognises)(const uint8_t *data, size_t bytes);
    rs_image_decoder decode;
    rs_image_prober probe;
    /* The mark that a whole file ends with, which begins `end_within` bytes before its end at most; NULL:
     * there is none, and `probe` tells whether the file is whole. */
    const char *end;
    size_t end_bytes, end_within;
} rs_image_format;

#define RS_IMAGE_FORMAT(stem) extern const rs_image_format rs_image_##stem;
#include "imageformats.def"
#undef RS_IMAGE_FORMAT

/* As rescl_image_probe_with, of `bytes` bytes of an open file from `at` on. */
rescl_status rs_image_probe_at(int fd, uint64_t at, size_t bytes, const char *name,
                               const rescl_image_options *options, rescl_image_info *out)
    RESCL_CHECK;

/* Whether data begin with `magic`, or are a beginning of it of two bytes at least. */
bool rs_image_begins(const uint8_t *data, size_t bytes, const char *magic, size_t magic_bytes);

/* What a format answers in builds without its library: "a WebP", "libwebp", Debian's package, the option
 * after RESCL_WITH_. */
rescl_status rs_image_lacks_library(const char *name, const char *what, const char *library,
                                    const char *package, const char *option) RESCL_CHECK;

/* The file of a PNG, on the heap. `name` stands in messages. */
rescl_status rs_png_encode(const char *name, const rescl_image *image, uint8_t **png, size_t *bytes)
    RESCL_CHECK;

/* An image of 8-bit RGB as a JPEG file in memory, for free(). `quality` is libjpeg's, 1 to 100. */
rescl_status rs_jpeg_encode(const rescl_image *image, int quality, uint8_t **data, size_t *bytes)
    RESCL_CHECK;

/* Tag 0x0112 of the first directory of EXIF data (a TIFF header and what it points to, maybe behind
 * "Exif\0\0"): 1 to 8, and 1 for another value; 0 where there is none or the data are damaged. */
unsigned rs_exif_orientation(const uint8_t *exif, size_t bytes);
/* The same of the text of an XMP packet. */
unsigned rs_xmp_orientation(const uint8_t *xmp, size_t bytes);
/* That of a whole PNG file, by its chunks before and after the pixels; 0 where there is none. */
unsigned rs_png_orientation(const uint8_t *data, size_t bytes);

/* Turns and mirrors an image from EXIF orientation 1 to 8 to upright. */
rescl_status rs_image_orient(rescl_image *image, unsigned orientation) RESCL_CHECK;

#endif
