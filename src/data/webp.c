/* Reading WebP through libwebp: lossy and lossless, with alpha; of an animation the first frame.
 *
 * The container is read here (RFC 9649), and libwebp gets the chunks of one frame: so a file that ends
 * behind its pixels is read all the same. */
#include "alloc.h"
#include "error.h"
#include "heavyturn.h"
#include "imagerows.h"

#include <stdlib.h>
#include <string.h>

#define RIFF_BYTES   12
#define HEADER_BYTES 8  /* of a chunk: its name and its length */
#define VP8X_BYTES   10 /* flags, and the size of the canvas */
#define ANMF_BYTES   16 /* place and size of a frame, before its chunks */
#define LOSSY        1  /* WebPBitstreamFeatures.format */
#define VP8L_BYTES   5  /* what a lossless image begins with: a sign, and its size */

static bool recognises(const uint8_t *data, size_t bytes)
{
    return rs_image_begins(data, bytes < 4 ? bytes : 4, "RIFF", 4) &&
           (bytes < RIFF_BYTES || memcmp(data + 8, "WEBP", 4) == 0);
}

#ifdef RS_HAVE_WEBP

#include <webp/decode.h>

/* What a file holds. Offsets are from its start; lengths of 0 mean that there is none. */
typedef struct container {
    size_t width, height; /* of the canvas */
    size_t x, y;          /* of the frame on it */
    size_t at, bytes;     /* of the frame's chunks */
    size_t frames;
    size_t exif, exif_bytes, xmp, xmp_bytes;
    bool is_cut; /* the file ends before it says */
} container;

static size_t little(const uint8_t *p, size_t bytes)
{
    size_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (size_t)p[i] << 8 * i;
    return v;
}

static bool is_named(const uint8_t *chunk, const char *name)
{
    return memcmp(chunk, name, 4) == 0;
}

/* The chunks of one frame among those from `at` to `end`: alpha, if it has some, and its pixels. Of the
 * file only `have` bytes are there. */
static void find_frame(const uint8_t *data, size_t have, size_t at, size_t end, container *c)
{
    size_t first = 0;
    while (at + HEADER_BYTES <= have && at + HEADER_BYTES <= end) {
        const size_t length = little(data + at + 4, 4);
        if (length > end - at - HEADER_BYTES)
            return;
        if (is_named(data + at, "ALPH"))
            first = at;
        if (is_named(data + at, "VP8 ") || is_named(data + at, "VP8L")) {
            c->at = first ? first : at;
            c->bytes = at + HEADER_BYTES + length - c->at;
            return;
        }
        at += HEADER_BYTES + length + length % 2;
    }
}

/* One chunk of the file, which lies in it whole. */
static void take_chunk(const uint8_t *data, size_t have, size_t at, size_t length, container *c)
{
    const uint8_t *body = data + at + HEADER_BYTES;
    const bool is_here = at + HEADER_BYTES + length <= have;
    if (is_named(data + at, "VP8X") && length >= VP8X_BYTES && is_here) {
        c->width = little(body + 4, 3) + 1;
        c->height = little(body + 7, 3) + 1;
    } else if (is_named(data + at, "ANMF") && length >= ANMF_BYTES) {
        if (c->frames++ == 0 && at + HEADER_BYTES + ANMF_BYTES <= have) {
            c->x = 2 * little(body, 3);
            c->y = 2 * little(body + 3, 3);
            find_frame(data, have, at + HEADER_BYTES + ANMF_BYTES, at + HEADER_BYTES + length, c);
        }
    } else if (is_named(data + at, "EXIF") && is_here) {
        c->exif = at + HEADER_BYTES;
        c->exif_bytes = length;
    } else if (is_named(data + at, "XMP ") && is_here) {
        c->xmp = at + HEADER_BYTES;
        c->xmp_bytes = length;
    }
}

/* Of a file of `bytes`, the first `have` of which are in memory. */
static rescl_status read_container(const uint8_t *data, size_t have, size_t bytes, const char *name,
                                   container *c)
{
    rescl_status st = RESCL_OK;
    const size_t said = little(data + 4, 4);
    size_t at = RIFF_BYTES;
    *c = (container){.is_cut = said > bytes - 8};
    const size_t end = c->is_cut ? bytes : said + 8;
    while (at + HEADER_BYTES <= have && at + HEADER_BYTES <= end) {
        const size_t length = little(data + at + 4, 4);
        if (length > end - at - HEADER_BYTES)
            break;
        take_chunk(data, have, at, length, c);
        at += HEADER_BYTES + length + length % 2;
    }
    if (c->frames == 0)
        find_frame(data, have, RIFF_BYTES, end, c);
    RS_FAIL_IF(c->bytes == 0, RESCL_ERR_FORMAT, "%s: corrupted WebP: %s", name,
               c->is_cut ? "the file ends too early" : "it holds no image");
out:
    return st;
}

static const char *reason_of(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return "the data end too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "it uses what libwebp does not know";
    default:
        return "the data are damaged";
    }
}

/* What the frame says of itself, and where it lies. */
static rescl_status read_frame(const uint8_t *data, size_t have, const char *name,
                               const rescl_image_options *options, container *c,
                               WebPBitstreamFeatures *frame)
{
    rescl_status st = RESCL_OK;
    const size_t here = have > c->at ? have - c->at : 0;
    const VP8StatusCode code =
        WebPGetFeatures(data + c->at, here < c->bytes ? here : c->bytes, frame);
    RS_FAIL_IF(code != VP8_STATUS_OK, RESCL_ERR_FORMAT, "%s: corrupted WebP: %s", name,
               reason_of(code));
    const size_t width = (size_t)frame->width, height = (size_t)frame->height;
    if (c->frames == 0) {
        c->width = width;
        c->height = height;
    }
    RS_TRY(rs_image_check_size(name, c->width, c->height, options, NULL));
    RS_FAIL_IF(c->x > c->width || width > c->width - c->x || c->y > c->height ||
                   height > c->height - c->y,
               RESCL_ERR_FORMAT,
               "%s: corrupted WebP: its first frame does not lie within its %zux%zu pixels", name,
               c->width, c->height);
out:
    return st;
}

/* The result: the canvas, by `factor` smaller. */
typedef struct canvas {
    size_t factor, width, height, channels;
    uint8_t *pixels;
} canvas;

static rescl_status make_canvas(const container *c, const WebPBitstreamFeatures *frame,
                                const rescl_image_options *options, canvas *out)
{
    rescl_status st = RESCL_OK;
    const bool covers = (size_t)frame->width == c->width && (size_t)frame->height == c->height;
    out->factor = rs_image_factor(c->width, c->height, options);
    out->width = rs_div_up(c->width, out->factor);
    out->height = rs_div_up(c->height, out->factor);
    out->channels = frame->has_alpha || !covers ? 4 : 3; /* what no frame covers is transparent */
    RS_OOM(out->pixels = calloc(out->width * out->height, out->channels));
out:
    return st;
}

/* What decoding the alpha of a lossy frame ends with: libwebp from 1.4 on says OUT_OF_MEMORY of the frame where
 * the alpha is damaged. It is a byte of flags, and numbers or a lossless image without its beginning. */
static VP8StatusCode status_of_alpha(const uint8_t *data, const container *c,
                                     const WebPBitstreamFeatures *frame)
{
    const size_t length = little(data + c->at + 4, 4);
    const uint8_t *alpha = data + c->at + HEADER_BYTES;
    const uint32_t width = (uint32_t)frame->width, height = (uint32_t)frame->height;
    const uint32_t size = (width - 1) | (height - 1) << 14;
    WebPDecoderConfig config;
    if (length < 2 || (alpha[0] & 3) > 1 || (alpha[0] >> 4 & 3) > 1 || alpha[0] >> 6 > 1 ||
        !WebPInitDecoderConfig(&config))
        return VP8_STATUS_BITSTREAM_ERROR;
    if ((alpha[0] & 3) == 0)
        return length - 1 < (size_t)width * height ? VP8_STATUS_BITSTREAM_ERROR : VP8_STATUS_OK;
    uint8_t *image = malloc(VP8L_BYTES + length - 1);
    if (!image)
        return VP8_STATUS_OUT_OF_MEMORY;
    image[0] = 0x2f;
    for (size_t i = 0; i < 4; i++)
        image[1 + i] = (uint8_t)(size >> 8 * i);
    memcpy(image + VP8L_BYTES, alpha + 1, length - 1);
    const VP8StatusCode code = WebPDecode(image, VP8L_BYTES + length - 1, &config);
    WebPFreeDecBuffer(&config.output);
    free(image);
    return code;
}

/* Decodes the frame to its place, in the size of the result. Of lossless pixels and of alpha the library keeps the
 * whole frame, also where it makes it smaller. */
static rescl_status paint(const uint8_t *data, const char *name, const container *c,
                          WebPDecoderConfig *config, canvas *to)
{
    rescl_status st = RESCL_OK;
    const size_t f = to->factor, row = to->width * to->channels, x = c->x / f, y = c->y / f;
    const bool heavy = f > 1 && (config->input.format != LOSSY || config->input.has_alpha);
    size_t width = rs_div_up((size_t)config->input.width, f);
    size_t height = rs_div_up((size_t)config->input.height, f);
    width = width < to->width - x ? width : to->width - x;
    height = height < to->height - y ? height : to->height - y;
    config->options.use_scaling = f > 1;
    config->options.scaled_width = (int)width;
    config->options.scaled_height = (int)height;
    config->output.colorspace = to->channels == 4 ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = to->pixels + y * row + x * to->channels;
    config->output.u.RGBA.stride = (int)row;
    config->output.u.RGBA.size = (height - 1) * row + width * to->channels;
    if (heavy)
        rs_heavy_turn_begin();
    VP8StatusCode code = WebPDecode(data + c->at, c->bytes, config);
    WebPFreeDecBuffer(&config->output);
    if (code == VP8_STATUS_OUT_OF_MEMORY && is_named(data + c->at, "ALPH")) {
        const VP8StatusCode alpha = status_of_alpha(data, c, &config->input);
        code = alpha == VP8_STATUS_OK ? code : alpha;
    }
    if (heavy)
        rs_heavy_turn_end();
    RS_FAIL_IF(code == VP8_STATUS_OUT_OF_MEMORY, RESCL_ERR_MEMORY, "%s: out of host memory", name);
    RS_FAIL_IF(code != VP8_STATUS_OK, RESCL_ERR_FORMAT, "%s: corrupted WebP: %s", name,
               reason_of(code));
out:
    return st;
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    rescl_status st = RESCL_OK;
    WebPDecoderConfig config;
    container c = {0};
    canvas to = {0};
    RS_FAIL_IF(!WebPInitDecoderConfig(&config), RESCL_ERR_UNSUPPORTED,
               "%s: libwebp is not the one that rescl was built for", name);
    RS_TRY(read_container(data, bytes, bytes, name, &c));
    RS_TRY(read_frame(data, bytes, name, options, &c, &config.input));
    RS_TRY(make_canvas(&c, &config.input, options, &to));
    RS_TRY(paint(data, name, &c, &config, &to));
    if (to.channels == 4 && options->channels != 4) {
        rs_image_lay_on_white(to.pixels, to.width * to.height);
        to.channels = 3;
    }
    out->orientation = c.exif_bytes ? rs_exif_orientation(data + c.exif, c.exif_bytes) : 0;
    if (out->orientation == 0 && c.xmp_bytes)
        out->orientation = rs_xmp_orientation(data + c.xmp, c.xmp_bytes);
    out->notices = (c.is_cut ? RESCL_IMAGE_END_DAMAGED : 0) |
                   (c.frames > 1 ? RESCL_IMAGE_FIRST_OF_SEVERAL : 0) |
                   (to.factor > 1 ? RESCL_IMAGE_REDUCED : 0);
    out->image = (rescl_image){
        .width = to.width, .height = to.height, .pixels = to.pixels, .channels = to.channels};
    to.pixels = NULL;
out:
    free(to.pixels);
    return st;
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    WebPBitstreamFeatures frame;
    container c = {0};
    RS_TRY(read_container(data, bytes, file_bytes, name, &c));
    RS_TRY(read_frame(data, bytes, name, options, &c, &frame));
    *out = (rescl_image_info){.width = c.width,
                              .height = c.height,
                              .kind = "WebP",
                              .colour = frame.has_alpha ? "RGBA" : "RGB",
                              .bits = 8};
out:
    return st;
}

#else

static rescl_status no_webp(const char *name)
{
    return rs_image_lacks_library(name, "a WebP", "libwebp", "libwebp-dev", "WEBP");
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    (void)data, (void)bytes, (void)options, (void)out;
    return no_webp(name);
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    (void)data, (void)bytes, (void)file_bytes, (void)options, (void)out;
    return no_webp(name);
}

#endif

const rs_image_format rs_image_webp = {
    .name = "WebP",
    .suffixes = ".webp",
    .least_bytes = RIFF_BYTES + HEADER_BYTES,
    .recognises = recognises,
    .decode = decode,
    .probe = probe,
};
