/* Decoding images. A format is one file: png.c, jpeg.c; image.c tells them apart. */
#ifndef RS_IMAGE_H
#define RS_IMAGE_H

#include <rescl/data.h>

#define RS_MAX_PIXELS ((size_t)64 << 20) /* of an image that is read or written */

/* Decodes a whole file in memory. `name` stands in messages. *orientation is the file's EXIF
 * orientation, left alone where it has none; the pixels come as they lie in the file. */
typedef rescl_status (*rs_image_decoder)(const uint8_t *data, size_t bytes, const char *name,
                                         rescl_image *out, unsigned *orientation);

/* The size of an image by the first `bytes` of its file of `file_bytes`, and the checks that the
 * header allows. A failure may mean that `bytes` were too few. */
typedef rescl_status (*rs_image_prober)(const uint8_t *data, size_t bytes, size_t file_bytes,
                                        const char *name, rescl_image_info *out);

rescl_status rs_png_decode(const uint8_t *data, size_t bytes, const char *name, rescl_image *out,
                           unsigned *orientation) RESCL_CHECK;
rescl_status rs_jpeg_decode(const uint8_t *data, size_t bytes, const char *name, rescl_image *out,
                            unsigned *orientation) RESCL_CHECK;

rescl_status rs_png_probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          rescl_image_info *out) RESCL_CHECK;
rescl_status rs_jpeg_probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                           rescl_image_info *out) RESCL_CHECK;

/* Tag 0x0112 of the first directory of EXIF data (a TIFF header and what it points to): 1 to 8, or
 * 1 where there is none or the data are damaged. */
unsigned rs_exif_orientation(const uint8_t *tiff, size_t bytes);

/* Turns and mirrors an image from EXIF orientation 1 to 8 to upright. */
rescl_status rs_image_orient(rescl_image *image, unsigned orientation) RESCL_CHECK;

#endif
