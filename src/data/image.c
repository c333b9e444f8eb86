/* Reading images: the format is told by the first bytes, never by the name. */
#include "image.h"

#include "error.h"
#include "path.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    size_t bytes;
    const char *magic;
    rs_image_decoder decode;
} decoders[] = {
    {8, "\x89PNG\r\n\x1a\n", rs_png_decode},
    {3, "\xff\xd8\xff", rs_jpeg_decode},
};

bool rescl_image_has_suffix(const char *name)
{
    static const char *const suffixes[] = {".png", ".jpg", ".jpeg"};
    const size_t n = strlen(name);
    for (size_t i = 0; i < RS_COUNT(suffixes); i++) {
        const size_t m = strlen(suffixes[i]);
        if (n > m && strcasecmp(name + n - m, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* What a file is that no decoder takes. */
static const char *kind_of(const uint8_t *data, size_t bytes)
{
    static const struct {
        const char *name;
        size_t bytes;
        const char *magic;
    } kinds[] = {
        {"a GIF; convert it first", 4, "GIF8"},
        {"a BMP; convert it first", 2, "BM"},
        {"a RIFF file (WebP?); convert it first", 4, "RIFF"},
        {"a TIFF; convert it first", 4, "II*"},
        {"a TIFF; convert it first", 4, "MM\0*"},
        {"an HDF5 file", 4, "\x89HDF"},
    };
    if (bytes == 0)
        return "an empty file";
    if (bytes >= 12 && memcmp(data + 4, "ftyp", 4) == 0)
        return "a HEIF or AVIF (or a film); convert it first";
    for (size_t i = 0; i < RS_COUNT(kinds); i++) {
        if (bytes >= kinds[i].bytes && memcmp(data, kinds[i].magic, kinds[i].bytes) == 0)
            return kinds[i].name;
    }
    return "something else";
}

static rs_image_decoder decoder_of(const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < RS_COUNT(decoders); i++) {
        if (bytes >= decoders[i].bytes && memcmp(data, decoders[i].magic, decoders[i].bytes) == 0)
            return decoders[i].decode;
    }
    return NULL;
}

rescl_status rescl_image_decode(const void *data, size_t bytes, const char *name, rescl_image *out)
{
    rescl_status st = RESCL_OK;
    unsigned orientation = 1;
    const rs_image_decoder decode = decoder_of(data, bytes);
    *out = (rescl_image){0};
    RS_FAIL_IF(!decode, RESCL_ERR_FORMAT, "%s: neither a PNG nor a JPEG, but %s", name,
               kind_of(data, bytes));
    RS_TRY(decode(data, bytes, name, out, &orientation));
    RS_TRY(rs_image_orient(out, orientation));
out:
    if (st != RESCL_OK)
        rescl_image_free(out);
    return st;
}

rescl_status rescl_image_read(const char *path, rescl_image *out)
{
    rescl_status st = RESCL_OK;
    char *data = NULL;
    size_t bytes;
    *out = (rescl_image){0};
    RS_TRY(rs_file_read(path, RESCL_IMAGE_MAX_BYTES, &data, &bytes));
    RS_TRY(rescl_image_decode(data, bytes, path, out));
out:
    free(data);
    return st;
}

void rescl_image_free(rescl_image *image)
{
    if (!image)
        return;
    free(image->pixels);
    *image = (rescl_image){0};
}
