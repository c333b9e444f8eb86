/* Reading images: the format is told by the first bytes, never by the name. */
#include "image.h"

#include "error.h"
#include "optionvalue.h"
#include "path.h"
#include "whatis.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    size_t bytes;
    const char *magic;
    rs_image_decoder decode;
    rs_image_prober probe;
    size_t end_bytes; /* of the mark that a whole file ends with, which begins so many bytes ... */
    const char *end;
    size_t end_within; /* ... before the file's end at most */
} decoders[] = {
    {8, "\x89PNG\r\n\x1a\n", rs_png_decode, rs_png_probe, 4, "IEND", 8},
    {3, "\xff\xd8\xff", rs_jpeg_decode, rs_jpeg_probe, 2, "\xff\xd9", 64},
};

#define HEAD_BYTES 16384 /* hold the header of nearly every file */
#define MIN_SIDE   2048  /* of an image that is made smaller: twice what any usual network reads */

bool rescl_image_has_suffix(const char *name)
{
    static const char *const suffixes[] = {".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".jif"};
    const size_t n = strlen(name);
    for (size_t i = 0; i < RS_COUNT(suffixes); i++) {
        const size_t m = strlen(suffixes[i]);
        if (n > m && strcasecmp(name + n - m, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* The number of the format in `decoders`, or one past its end. */
static size_t format_of(const uint8_t *data, size_t bytes)
{
    size_t i = 0;
    while (i < RS_COUNT(decoders) &&
           (bytes < decoders[i].bytes || memcmp(data, decoders[i].magic, decoders[i].bytes) != 0))
        i++;
    return i;
}

/* Says what a file is that no decoder takes, and the cure. */
static rescl_status refuse(const uint8_t *data, size_t bytes, const char *name)
{
    static const char *const cures[] = {
        [RS_FILE_IMAGE] = ("convert it first, for instance with ImageMagick's "
                           "'mogrify -auto-orient -format png'"),
        [RS_FILE_WEIGHTS] = "give an image",
        [RS_FILE_ARCHIVE] = "unpack it first",
        [RS_FILE_STANDIN] = "replace it with the image itself",
        [RS_FILE_OTHER] = "give an image",
    };
    rescl_status st = RESCL_OK;
    const rs_file_kind *kind = rs_file_whatis(data, bytes);
    RS_FAIL_IF(bytes == 0, RESCL_ERR_FORMAT, "%s: is empty, expected a PNG or a JPEG", name);
    for (size_t i = 0; i < RS_COUNT(decoders); i++)
        RS_FAIL_IF(bytes < decoders[i].bytes && memcmp(data, decoders[i].magic, bytes) == 0,
                   RESCL_ERR_FORMAT, "%s: truncated: only the first %zu bytes of an image", name,
                   bytes);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: neither a PNG nor a JPEG, but %s; %s", name, kind->name,
            kind->cure ? kind->cure : cures[kind->class]);
out:
    return st;
}

static rescl_status require_format(const uint8_t *data, size_t bytes, const char *name,
                                   size_t *format)
{
    rescl_status st = RESCL_OK;
    *format = format_of(data, bytes);
    if (*format == RS_COUNT(decoders))
        RS_TRY(refuse(data, bytes, name));
out:
    return st;
}

void rescl_image_options_init(rescl_image_options *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_image_options){0}, sizeof *out);
}

const char *rescl_image_notice_text(rescl_image_notice notice)
{
#define DARK(bits)                                                                                 \
    "of 16 bits a sample only the lowest " #bits                                                   \
    " bits are used, hence dark; --sample-bits " #bits " (sample_bits) scales them"
    switch (notice) {
    case RESCL_IMAGE_END_DAMAGED:
        return "read, for the pixels are all there, but the file ends early or is damaged after "
               "them";
    case RESCL_IMAGE_REDUCED:
        return "more than 64 Mi pixels, made smaller while being decoded";
    case RESCL_IMAGE_USES_8_BITS:
        return DARK(8);
    case RESCL_IMAGE_USES_10_BITS:
        return DARK(10);
    case RESCL_IMAGE_USES_12_BITS:
        return DARK(12);
    case RESCL_IMAGE_USES_14_BITS:
        return DARK(14);
    case RESCL_IMAGE_EXCEEDS_SAMPLE_BITS:
        return "16-bit samples are above the range that --sample-bits (sample_bits) says, and "
               "become white";
    }
#undef DARK
    return NULL;
}

/* The caller's options with defaults in place of zeros. */
static rescl_status take_options(const rescl_image_options *options, rescl_image_options *out)
{
    rescl_status st = RESCL_OK;
    if (options)
        RS_TRY(rs_options_take(out, sizeof *out, options, "rescl_image_options"));
    else
        rescl_image_options_default(out);
    out->max_pixels = out->max_pixels ? out->max_pixels : RESCL_IMAGE_MAX_PIXELS;
    out->min_side = out->min_side > MIN_SIDE ? out->min_side : MIN_SIDE;
    out->sample_bits = out->sample_bits ? out->sample_bits : 16;
    RS_FAIL_IF(out->sample_bits < 8 || out->sample_bits > 16, RESCL_ERR_ARG,
               "sample_bits: %zu; expected 8 to 16, or 0", out->sample_bits);
out:
    return st;
}

rescl_status rescl_image_decode_with(const void *data, size_t bytes, const char *name,
                                     const rescl_image_options *options, rescl_image *out,
                                     unsigned *notices)
{
    rescl_status st = RESCL_OK;
    rescl_image_options o = {0};
    rs_decoded decoded = {0};
    size_t format;
    *out = (rescl_image){0};
    RS_TRY(take_options(options, &o));
    RS_TRY(require_format(data, bytes, name, &format));
    RS_TRY(decoders[format].decode(data, bytes, name, &o, &decoded));
    RS_TRY(rs_image_orient(&decoded.image, decoded.orientation));
    *out = decoded.image;
    decoded.image.pixels = NULL;
    if (notices)
        *notices = decoded.notices;
out:
    rescl_image_free(&decoded.image);
    return st;
}

rescl_status rescl_image_decode(const void *data, size_t bytes, const char *name, rescl_image *out)
{
    return rescl_image_decode_with(data, bytes, name, NULL, out, NULL);
}

rescl_status rescl_image_read_with(const char *path, const rescl_image_options *options,
                                   rescl_image *out, unsigned *notices)
{
    rescl_status st = RESCL_OK;
    char *data = NULL;
    size_t bytes;
    *out = (rescl_image){0};
    RS_TRY(rs_file_read(path, RESCL_IMAGE_MAX_BYTES, &data, &bytes));
    RS_TRY(rescl_image_decode_with(data, bytes, path, options, out, notices));
out:
    free(data);
    return st;
}

rescl_status rescl_image_read(const char *path, rescl_image *out)
{
    return rescl_image_read_with(path, NULL, out, NULL);
}

/* ---- checking without decoding ----------------------------------------------------------- */

/* Opens no more than regular files: opening a device may wait or do something. */
static rescl_status open_regular(const char *path, int *fd, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    struct stat info;
    if (stat(path, &info) != 0) {
        const int why = errno;
        RS_FAIL_IF(lstat(path, &info) == 0 && S_ISLNK(info.st_mode), RESCL_ERR_NOT_FOUND,
                   "%s: a link that leads to no file (%s)", path, strerror(why));
        RS_FAIL(why == ENOENT || why == ENOTDIR ? RESCL_ERR_NOT_FOUND : RESCL_ERR_IO, "%s: %s",
                path, strerror(why));
    }
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a file but a %s", path,
               S_ISDIR(info.st_mode)    ? "folder"
               : S_ISFIFO(info.st_mode) ? "FIFO"
               : S_ISSOCK(info.st_mode) ? "socket"
                                        : "device");
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    RS_FAIL_IF(*fd < 0 || fstat(*fd, &info) != 0, RESCL_ERR_IO, "%s: cannot open: %s", path,
               strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode) || (uintmax_t)info.st_size > RESCL_IMAGE_MAX_BYTES,
               RESCL_ERR_FORMAT, "%s: has %jd bytes; an image has at most %zu", path,
               (intmax_t)info.st_size, RESCL_IMAGE_MAX_BYTES);
    *bytes = (size_t)info.st_size;
out:
    return st;
}

/* Up to `bytes` from `offset`; *got is less where the file ends. */
static rescl_status read_at(int fd, const char *path, size_t offset, uint8_t *data, size_t bytes,
                            size_t *got)
{
    rescl_status st = RESCL_OK;
    *got = 0;
    while (*got < bytes) {
        const ssize_t n = pread(fd, data + *got, bytes - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR)
            continue;
        RS_FAIL_IF(n < 0, RESCL_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            break;
        *got += (size_t)n;
    }
out:
    return st;
}

/* Whether the mark that ends a whole file of the format is among the last bytes. */
static bool has_end(size_t format, const uint8_t *last, size_t bytes)
{
    const size_t n = decoders[format].end_bytes;
    const size_t within = decoders[format].end_within;
    for (size_t i = bytes > within ? bytes - within : 0; i + n <= bytes; i++)
        if (memcmp(last + i, decoders[format].end, n) == 0)
            return true;
    return false;
}

rescl_status rescl_image_probe(const char *path, rescl_image_info *out)
{
    return rescl_image_probe_with(path, NULL, out);
}

rescl_status rescl_image_probe_with(const char *path, const rescl_image_options *options,
                                    rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    rescl_image_options o = {0};
    uint8_t head[HEAD_BYTES], last[64];
    size_t bytes, got, format;
    rescl_image image = {0};
    char *whole = NULL;
    int fd = -1;
    *out = (rescl_image_info){0};
    RS_TRY(take_options(options, &o));
    RS_TRY(open_regular(path, &fd, &bytes));
    RS_TRY(read_at(fd, path, 0, head, sizeof head, &got));
    RS_TRY(require_format(head, got, path, &format));
    st = decoders[format].probe(head, got, bytes, path, &o, out);
    if (st != RESCL_OK && bytes > got) { /* the header may be longer */
        RS_TRY(rs_file_read(path, RESCL_IMAGE_MAX_BYTES, &whole, &bytes));
        st = decoders[format].probe((uint8_t *)whole, bytes, bytes, path, &o, out);
    }
    RS_TRY(st);
    RS_TRY(
        read_at(fd, path, bytes > sizeof last ? bytes - sizeof last : 0, last, sizeof last, &got));
    if (!has_end(format, last, got)) /* cut short, or whole with something behind it */
        RS_TRY(rescl_image_read_with(path, &o, &image, NULL));
out:
    if (st != RESCL_OK)
        *out = (rescl_image_info){0};
    rescl_image_free(&image);
    free(whole);
    if (fd >= 0)
        close(fd);
    return st;
}

void rescl_image_free(rescl_image *image)
{
    if (!image)
        return;
    free(image->pixels);
    *image = (rescl_image){0};
}
