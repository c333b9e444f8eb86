/* Reading images: the format is told by the first bytes, never by the name. */
#include "image.h"

#include "error.h"
#include "optionvalue.h"
#include "path.h"
#include "str.h"
#include "whatis.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const rs_image_format *const formats[] = {
#define RS_IMAGE_FORMAT(stem) &rs_image_##stem,
#include "imageformats.def"
#undef RS_IMAGE_FORMAT
};

#define HEAD_BYTES 16384 /* hold the header of nearly every file */
#define MIN_SIDE   2048  /* of an image that is made smaller: twice what any usual network reads */

/* Whether `name` ends with one of the endings of a list with blanks between. */
static bool ends_with_any(const char *name, const char *endings)
{
    const size_t n = strlen(name);
    while (*endings) {
        const size_t m = strcspn(endings, " ");
        if (n > m && strncasecmp(name + n - m, endings, m) == 0)
            return true;
        endings += m + strspn(endings + m, " ");
    }
    return false;
}

bool rescl_image_has_suffix(const char *name)
{
    for (size_t i = 0; i < RS_COUNT(formats); i++)
        if (ends_with_any(name, formats[i]->suffixes))
            return true;
    return false;
}

bool rs_image_begins(const uint8_t *data, size_t bytes, const char *magic, size_t magic_bytes)
{
    return bytes >= 2 && memcmp(data, magic, bytes < magic_bytes ? bytes : magic_bytes) == 0;
}

rescl_status rs_image_lacks_library(const char *name, const char *what, const char *library,
                                    const char *package, const char *option)
{
    rescl_status st = RESCL_OK;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "%s: %s, and this rescl was built without %s; install its development package (Debian: "
            "%s) and build again with -DRESCL_WITH_%s=ON",
            name, what, library, package, option);
out:
    return st;
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
    rs_str known = {0};
    for (size_t i = 0; i < RS_COUNT(formats); i++)
        RS_TRY(rs_str_appendf(&known, "%s%s", i ? i + 1 < RS_COUNT(formats) ? ", " : " or " : "",
                              formats[i]->name));
    RS_FAIL_IF(bytes == 0, RESCL_ERR_FORMAT, "%s: is empty, expected an image: %s", name,
               known.text);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: no %s, but %s; %s", name, known.text, kind->name,
            kind->cure ? kind->cure : cures[kind->class]);
out:
    rs_str_fini(&known);
    return st;
}

static rescl_status require_format(const uint8_t *data, size_t bytes, const char *name,
                                   const rs_image_format **out)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;
    while (i < RS_COUNT(formats) && !formats[i]->recognises(data, bytes))
        i++;
    if (i == RS_COUNT(formats))
        RS_TRY(refuse(data, bytes, name));
    RS_FAIL_IF(bytes < formats[i]->least_bytes, RESCL_ERR_FORMAT,
               "%s: truncated: only the first %zu bytes of an image", name, bytes);
    *out = formats[i];
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
    case RESCL_IMAGE_FIRST_OF_SEVERAL:
        return "the file holds several images, such as pages or frames; the first is taken";
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
    out->channels = out->channels ? out->channels : 3;
    out->bit_depth = out->bit_depth ? out->bit_depth : 8;
    RS_FAIL_IF(out->channels != 3 && out->channels != 4, RESCL_ERR_ARG,
               "channels %zu of images: expected 3, 4, which keeps alpha, or 0", out->channels);
    RS_FAIL_IF(out->bit_depth != 8 && out->bit_depth != 16, RESCL_ERR_ARG,
               "bit_depth %zu: expected 8, 16 or 0", out->bit_depth);
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
    const rs_image_format *format = NULL;
    *out = (rescl_image){0};
    RS_TRY(take_options(options, &o));
    RS_TRY(require_format(data, bytes, name, &format));
    RS_TRY(format->decode(data, bytes, name, &o, &decoded));
    RS_TRY(rs_image_orient(&decoded.image, decoded.orientation));
    RS_TRY(rs_image_convert(&decoded.image, o.channels, o.bit_depth));
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
static rescl_status read_at(int fd, const char *path, uint64_t offset, uint8_t *data, size_t bytes,
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

/* All of an image, on the heap, where it is not there yet. */
static rescl_status read_whole(int fd, const char *path, uint64_t at, size_t bytes, uint8_t **data)
{
    rescl_status st = RESCL_OK;
    if (*data)
        goto out;
    RS_OOM(*data = malloc(bytes + 1));
    RS_TRY(rs_file_read_at(fd, path, at, *data, bytes));
out:
    return st;
}

/* Whether the mark that ends a whole file of the format, if it has one, is among the last bytes. */
static bool has_end(const rs_image_format *format, const uint8_t *last, size_t bytes)
{
    const size_t n = format->end_bytes, within = format->end_within;
    if (!format->end)
        return true;
    for (size_t i = bytes > within ? bytes - within : 0; i + n <= bytes; i++)
        if (memcmp(last + i, format->end, n) == 0)
            return true;
    return false;
}

rescl_status rs_image_probe_at(int fd, uint64_t at, size_t bytes, const char *name,
                               const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    rescl_image_options o = {0};
    uint8_t head[HEAD_BYTES], last[64], *whole = NULL;
    const rs_image_format *format = NULL;
    const size_t tail = bytes < sizeof last ? bytes : sizeof last;
    rescl_image image = {0};
    size_t got;
    *out = (rescl_image_info){0};
    RS_TRY(take_options(options, &o));
    RS_TRY(read_at(fd, name, at, head, bytes < sizeof head ? bytes : sizeof head, &got));
    RS_TRY(require_format(head, got, name, &format));
    st = format->probe(head, got, bytes, name, &o, out);
    if (st != RESCL_OK && bytes > got) { /* the header may be longer */
        RS_TRY(read_whole(fd, name, at, bytes, &whole));
        st = format->probe(whole, bytes, bytes, name, &o, out);
    }
    RS_TRY(st);
    RS_TRY(read_at(fd, name, at + (bytes - tail), last, tail, &got));
    if (!has_end(format, last, got)) { /* cut short, or whole with something behind it */
        RS_TRY(read_whole(fd, name, at, bytes, &whole));
        RS_TRY(rescl_image_decode_with(whole, bytes, name, &o, &image, NULL));
    }
out:
    if (st != RESCL_OK)
        *out = (rescl_image_info){0};
    rescl_image_free(&image);
    free(whole);
    return st;
}

rescl_status rescl_image_probe(const char *path, rescl_image_info *out)
{
    return rescl_image_probe_with(path, NULL, out);
}

rescl_status rescl_image_probe_with(const char *path, const rescl_image_options *options,
                                    rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    size_t bytes;
    int fd = -1;
    *out = (rescl_image_info){0};
    RS_TRY(open_regular(path, &fd, &bytes));
    RS_TRY(rs_image_probe_at(fd, 0, bytes, path, options, out));
out:
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
