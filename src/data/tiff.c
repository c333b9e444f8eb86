/* Reading TIFF through libtiff: grey, palettes, RGB, CMYK and YCbCr of up to 16 bits a sample, in strips
 * or tiles, by whatever compression libtiff knows; of several pages the first.
 *
 * libtiff only unpacks: rows of samples become RGB here, with the values of Pillow. Its messages are
 * the file's own, through the handlers of TIFFOpenOptions, so threads do not disturb each other. */
#include "error.h"
#include "heavyturn.h"
#include "imagerows.h"

static bool recognises(const uint8_t *data, size_t bytes)
{
    return rs_image_begins(data, bytes, "II*\0", 4) || rs_image_begins(data, bytes, "MM\0*", 4) ||
           rs_image_begins(data, bytes, "II+\0", 4) || rs_image_begins(data, bytes, "MM\0+", 4);
}

#ifdef RS_HAVE_TIFF

#include "alloc.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#define MAX_SAMPLES 5 /* that are looked at: four inks and alpha */
#define MAX_BAND    RESCL_IMAGE_MAX_BYTES

typedef struct reader {
    TIFF *tiff;
    const char *name;
    const uint8_t *data; /* the file as libtiff reads it */
    size_t bytes, at;
    char message[192];
    bool damaged; /* libtiff warned of pixels that it makes up */
    bool in_pixels;

    uint32_t width, height;
    uint16_t photometric, compression, bits, samples, orientation;
    bool planes; /* each sample in strips or tiles of its own */
    bool tiled;
    bool as_rgb;    /* by libtiff's own conversion: YCbCr that libjpeg does not convert */
    size_t colours; /* samples of a pixel that are its colour */
    size_t alpha;   /* the sample that is alpha; 0: none */
    bool premultiplied;
    uint16_t *map[3]; /* of a palette */
    bool map_is_bytes;
    rs_image_samples deep;
    bool stays_deep; /* rows are of 16 bits */

    /* Rows that are unpacked: one of strips, else those of a row of tiles or of a strip of each plane. */
    uint8_t *band, *tile;
    size_t band_rows, row_bytes, plane_bytes;
    const uint8_t *plane[MAX_SAMPLES]; /* of the row that is read */
    uint8_t *inks;                     /* a row of CMYK */
    uint32_t *raster;                  /* the image as libtiff converts it; NULL: it does not */
    bool in_turn;                      /* until these are freed */
} reader;

/* ---- what libtiff calls ------------------------------------------------------------------ */

static void keep_message(reader *r, const char *format, va_list args)
{
    if (!r->message[0])
        vsnprintf(r->message, sizeof r->message, format, args);
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff, (void)module;
    keep_message(user, format, args);
    return 1;
}

/* These two codecs go on where bits are missing, and make the pixels up. */
static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    reader *r = user;
    char text[192];
    va_list again;
    (void)tiff, (void)module;
    va_copy(again, args);
    vsnprintf(text, sizeof text, format, again);
    va_end(again);
    rs_log(RESCL_LOG_DEBUG, "%s: libtiff: %s", r->name, text);
    if (r->in_pixels &&
        (r->compression == COMPRESSION_JPEG || r->compression == COMPRESSION_CCITTRLE ||
         r->compression == COMPRESSION_CCITTRLEW || r->compression == COMPRESSION_CCITTFAX3 ||
         r->compression == COMPRESSION_CCITTFAX4)) {
        r->damaged = true;
        keep_message(r, format, args);
    }
    return 1;
}

static tmsize_t on_read(thandle_t handle, void *dst, tmsize_t bytes)
{
    reader *r = handle;
    const size_t left = r->at < r->bytes ? r->bytes - r->at : 0;
    const size_t n = (size_t)bytes < left ? (size_t)bytes : left;
    if (bytes < 0)
        return -1;
    if (n > 0)
        memcpy(dst, r->data + r->at, n);
    r->at += n;
    return (tmsize_t)n;
}

static tmsize_t on_write(thandle_t handle, void *src, tmsize_t bytes)
{
    (void)handle, (void)src, (void)bytes;
    return -1;
}

static toff_t on_seek(thandle_t handle, toff_t to, int whence)
{
    reader *r = handle;
    const toff_t from = whence == SEEK_CUR ? r->at : whence == SEEK_END ? r->bytes : 0;
    r->at = (size_t)(from + to);
    return r->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    const reader *r = handle;
    return r->bytes;
}

static rescl_status fail_reading(const reader *r)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(errno == ENOMEM, RESCL_ERR_MEMORY, "%s: out of host memory", r->name);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: corrupted TIFF: %s", r->name,
            r->message[0] ? r->message : "libtiff cannot read it");
out:
    return st;
}

static rescl_status open_file(reader *r)
{
    rescl_status st = RESCL_OK;
    TIFFOpenOptions *how = TIFFOpenOptionsAlloc();
    RS_OOM(how);
    TIFFOpenOptionsSetMaxSingleMemAlloc(how, (tmsize_t)MAX_BAND);
    TIFFOpenOptionsSetErrorHandlerExtR(how, on_error, r);
    TIFFOpenOptionsSetWarningHandlerExtR(how, on_warning, r);
    errno = 0; /* libtiff's errors are words: this tells want of memory from damage */
    r->tiff = TIFFClientOpenExt(r->name, "rm", r, on_read, on_write, on_seek, on_close, on_size,
                                NULL, NULL, how);
    if (!r->tiff)
        RS_TRY(fail_reading(r));
out:
    TIFFOpenOptionsFree(how);
    return st;
}

/* ---- the header -------------------------------------------------------------------------- */

/* What the first directory says. */
static void read_tags(reader *r)
{
    uint16_t planar = PLANARCONFIG_CONTIG;
    TIFFGetField(r->tiff, TIFFTAG_IMAGEWIDTH, &r->width);
    TIFFGetField(r->tiff, TIFFTAG_IMAGELENGTH, &r->height);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_BITSPERSAMPLE, &r->bits);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLESPERPIXEL, &r->samples);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_COMPRESSION, &r->compression);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ORIENTATION, &r->orientation);
    if (!TIFFGetField(r->tiff, TIFFTAG_PHOTOMETRIC, &r->photometric))
        r->photometric = r->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    r->planes = planar == PLANARCONFIG_SEPARATE && r->samples > 1;
    r->tiled = TIFFIsTiled(r->tiff) != 0;
}

/* The sample that is alpha: the first extra one that says so. Four samples of RGB that say nothing are
 * taken for RGBA, as Pillow does. Where `fourth`, a fourth sample counts whatever it is. */
static void find_alpha(reader *r, bool fourth)
{
    uint16_t count = 0, *kind = NULL;
    const bool told = TIFFGetField(r->tiff, TIFFTAG_EXTRASAMPLES, &count, &kind) && count > 0;
    for (uint16_t i = 0; told && r->alpha == 0 && i < count; i++) {
        const size_t sample = r->colours + i;
        if (kind[i] != EXTRASAMPLE_UNSPECIFIED && sample < r->samples && sample < MAX_SAMPLES) {
            r->alpha = sample;
            r->premultiplied = kind[i] == EXTRASAMPLE_ASSOCALPHA;
        }
    }
    if (!told && r->colours == 3 && r->samples == 4)
        r->alpha = 3;
    if (!fourth || r->alpha != 0 || r->samples < 4)
        return;
    if (r->photometric == PHOTOMETRIC_MINISBLACK)
        r->colours = 3; /* bands, as of satellites */
    if (r->colours == 3)
        r->alpha = 3;
}

/* NULL, or what the file has that is not supported. */
static const char *find_unsupported(reader *r)
{
    uint16_t format = SAMPLEFORMAT_UINT, inks = INKSET_CMYK;
    uint32_t subfile = 0;
    const uint16_t bits = r->bits;
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_INKSET, &inks);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SUBFILETYPE, &subfile);
    if (r->compression == COMPRESSION_OJPEG)
        return "with JPEG data of the old kind, as raw photos have";
    if (!TIFFIsCODECConfigured(r->compression))
        return "of a compression that this libtiff was built without";
    if (subfile & FILETYPE_REDUCEDIMAGE)
        return "whose first image is a thumbnail, as of raw photos";
    if (format == SAMPLEFORMAT_IEEEFP || format == SAMPLEFORMAT_INT || format > SAMPLEFORMAT_VOID)
        return format == SAMPLEFORMAT_INT ? "of signed samples" : "of floating-point samples";
    if (bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 16)
        return bits < 16 ? "with an odd number of bits a sample"
                         : "with more than 16 bits a sample";
    if (r->colours == 0)
        return "of a colour space other than grey, a palette, RGB, CMYK and YCbCr";
    if (r->photometric == PHOTOMETRIC_SEPARATED && inks != INKSET_CMYK)
        return "of inks other than CMYK";
    if ((r->colours > 1 && bits < 8) || (r->photometric == PHOTOMETRIC_PALETTE && bits > 8))
        return "with colours of such a number of bits";
    return NULL;
}

static void settle_colours(reader *r, bool fourth)
{
    switch (r->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
        r->colours = 1;
        break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
        r->colours = 3;
        break;
    case PHOTOMETRIC_SEPARATED:
        r->colours = 4;
        break;
    default:
        break;
    }
    /* libjpeg converts pixels whose samples lie together. */
    if (r->photometric == PHOTOMETRIC_YCBCR && r->compression == COMPRESSION_JPEG && !r->planes)
        TIFFSetField(r->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    else
        r->as_rgb = r->photometric == PHOTOMETRIC_YCBCR;
    find_alpha(r, fourth);
}

/* Each piece lies in a file of so many bytes, where it tells its place. */
static rescl_status check_pieces(const reader *r, size_t file_bytes)
{
    rescl_status st = RESCL_OK;
    const uint32_t count = r->tiled ? TIFFNumberOfTiles(r->tiff) : TIFFNumberOfStrips(r->tiff);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t at = TIFFGetStrileOffset(r->tiff, i);
        const uint64_t bytes = TIFFGetStrileByteCount(r->tiff, i);
        RS_FAIL_IF(at > file_bytes || bytes > file_bytes - at, RESCL_ERR_FORMAT,
                   "%s: corrupted TIFF: piece %u of %u lies behind the end of the file", r->name, i,
                   count);
    }
out:
    return st;
}

static rescl_status read_header(reader *r, const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    RS_TRY(open_file(r));
    read_tags(r);
    RS_TRY(rs_image_check_size(r->name, r->width, r->height, options, NULL));
    settle_colours(r, options->channels == 4);
    const char *what = find_unsupported(r);
    RS_FAIL_IF(what, RESCL_ERR_FORMAT,
               "%s: a TIFF %s, which is not supported; convert it to PNG or to a usual TIFF",
               r->name, what);
    RS_FAIL_IF(r->samples < r->colours, RESCL_ERR_FORMAT,
               "%s: corrupted TIFF: %u samples a pixel, expected at least %zu", r->name, r->samples,
               r->colours);
    if (r->photometric == PHOTOMETRIC_PALETTE) {
        RS_FAIL_IF(!TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &r->map[0], &r->map[1], &r->map[2]),
                   RESCL_ERR_FORMAT, "%s: corrupted TIFF: it has no palette", r->name);
        r->map_is_bytes = true;
        for (size_t i = 0; i < (size_t)3 << r->bits; i++)
            r->map_is_bytes &= r->map[i % 3][i / 3] < 256;
    }
out:
    return st;
}

/* ---- rows of samples --------------------------------------------------------------------- */

static size_t used_planes(const reader *r)
{
    const size_t used = r->alpha ? r->alpha + 1 : r->colours;
    return r->planes ? used : 1;
}

/* Before memory is taken. */
static void wait_if_heavy(reader *r, size_t bytes)
{
    r->in_turn = bytes > RS_HEAVY_BYTES;
    if (r->in_turn)
        rs_heavy_turn_begin();
}

/* Room for what is unpacked at once. */
static rescl_status make_band(reader *r)
{
    rescl_status st = RESCL_OK;
    const size_t samples = r->planes ? 1 : r->samples;
    const tmsize_t piece = r->tiled ? TIFFTileRowSize(r->tiff) : TIFFScanlineSize(r->tiff);
    uint32_t across = 1, tile_width = r->width, rows = 1;
    size_t bytes = 0;
    if (r->tiled) {
        TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, &tile_width);
        TIFFGetField(r->tiff, TIFFTAG_TILELENGTH, &rows);
        across = tile_width ? (uint32_t)rs_div_up(r->width, tile_width) : 0;
    } else if (r->planes) {
        TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ROWSPERSTRIP, &rows);
        rows = rows < r->height ? rows : r->height;
    }
    const size_t needed = rs_div_up((size_t)tile_width * samples * r->bits, 8);
    RS_FAIL_IF(piece <= 0 || rows == 0 || across == 0 || (size_t)piece < needed ||
                   (across > 1 && (size_t)piece * 8 != (size_t)tile_width * samples * r->bits),
               RESCL_ERR_FORMAT, "%s: corrupted TIFF: pieces of %ux%u pixels", r->name, tile_width,
               rows);
    r->band_rows = rows;
    r->row_bytes = (size_t)piece * across;
    RS_FAIL_IF(!rs_mul_size(r->row_bytes, rows, &r->plane_bytes) ||
                   !rs_mul_size(r->plane_bytes, used_planes(r), &bytes) || bytes > MAX_BAND,
               RESCL_ERR_FORMAT, "%s: a TIFF in pieces of %ux%u pixels, which are too large",
               r->name, tile_width, rows);
    wait_if_heavy(r, bytes);
    RS_OOM(r->band = calloc(bytes, 1));
    if (r->tiled)
        RS_OOM(r->tile = calloc((size_t)piece, rows));
    if (r->photometric == PHOTOMETRIC_SEPARATED)
        RS_OOM(r->inks = calloc(r->width, 4));
out:
    return st;
}

/* The tiles of a row of them, beside each other. */
static bool load_tiles(reader *r, uint32_t y, uint16_t sample, uint8_t *dst)
{
    const size_t piece = (size_t)TIFFTileRowSize(r->tiff);
    const tmsize_t bytes = (tmsize_t)(piece * r->band_rows);
    uint32_t width = 0;
    TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, &width);
    for (uint32_t x = 0, i = 0; x < r->width; x += width, i++) {
        const uint32_t tile = TIFFComputeTile(r->tiff, x, y, 0, sample);
        if (TIFFReadEncodedTile(r->tiff, tile, r->tile, bytes) != bytes)
            return false;
        for (size_t row = 0; row < r->band_rows; row++)
            memcpy(dst + row * r->row_bytes + i * piece, r->tile + row * piece, piece);
    }
    return true;
}

/* The rows from `y` on. */
static bool load_band(reader *r, uint32_t y)
{
    const size_t left = r->height - y, rows = left < r->band_rows ? left : r->band_rows;
    for (size_t s = 0; s < used_planes(r); s++) {
        uint8_t *dst = r->band + s * r->plane_bytes;
        if (r->tiled) {
            if (!load_tiles(r, y, (uint16_t)s, dst))
                return false;
        } else {
            const uint32_t strip = TIFFComputeStrip(r->tiff, y, (uint16_t)s);
            const tmsize_t bytes = (tmsize_t)(rows * r->row_bytes);
            if (TIFFReadEncodedStrip(r->tiff, strip, dst, bytes) != bytes)
                return false;
        }
    }
    return true;
}

/* Sets r->plane to row y. */
static bool load_row(reader *r, uint32_t y)
{
    const size_t row = y % r->band_rows;
    if (!r->tiled && !r->planes) {
        if (TIFFReadScanline(r->tiff, r->band, y, 0) != 1)
            return false;
    } else if (row == 0 && !load_band(r, y)) {
        return false;
    }
    for (size_t s = 0; s < MAX_SAMPLES; s++)
        r->plane[s] = r->band + row * r->row_bytes +
                      (r->planes && s < used_planes(r) ? s * r->plane_bytes : 0);
    return !r->damaged;
}

/* Sample s of pixel x, as it is in the file. */
static unsigned sample_at(const reader *r, size_t s, size_t x)
{
    const uint8_t *p = r->plane[s];
    const size_t i = r->planes ? x : x * r->samples + s, per_byte = 8 / (r->bits < 8 ? r->bits : 8);
    uint16_t wide;
    if (r->bits == 8)
        return p[i];
    if (r->bits == 16) {
        memcpy(&wide, p + 2 * i, sizeof wide);
        return wide;
    }
    return p[i / per_byte] >> (8 - r->bits * (i % per_byte + 1)) & ((1u << r->bits) - 1);
}

static uint8_t byte_at(reader *r, size_t s, size_t x, bool is_alpha)
{
    const unsigned v = sample_at(r, s, x), most = (1u << r->bits) - 1;
    return r->bits == 16  ? rs_image_sample(&r->deep, v, is_alpha)
           : r->bits == 8 ? (uint8_t)v
                          : (uint8_t)(v * 255 / most);
}

/* ---- rows of RGB ------------------------------------------------------------------------- */

static void convert_colour(reader *r, size_t x, uint8_t *rgb)
{
    if (r->photometric == PHOTOMETRIC_PALETTE) {
        const unsigned index = sample_at(r, 0, x);
        for (size_t c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(r->map_is_bytes ? r->map[c][index] : r->map[c][index] >> 8);
    } else if (r->colours == 1) {
        const uint8_t grey = byte_at(r, 0, x, false);
        memset(rgb, r->photometric == PHOTOMETRIC_MINISWHITE ? 255 - grey : grey, 3);
    } else {
        for (size_t c = 0; c < 3; c++)
            rgb[c] = byte_at(r, c, x, false);
    }
}

/* The row that is loaded, of 16 bits, as RGB or RGBA of 16 bits. */
static void convert_deep_row(reader *r, size_t channels, uint16_t *dst)
{
    for (size_t x = 0; x < r->width; x++, dst += channels) {
        for (size_t c = 0; c < 3; c++) {
            const size_t s = r->colours == 1 ? 0 : c;
            const uint16_t v = rs_image_deep_sample(&r->deep, sample_at(r, s, x), false);
            dst[c] = r->photometric == PHOTOMETRIC_MINISWHITE ? (uint16_t)(65535 - v) : v;
        }
        if (channels < 4)
            continue;
        const uint16_t alpha = rs_image_deep_sample(&r->deep, sample_at(r, r->alpha, x), true);
        dst[3] = alpha;
        for (size_t c = 0; r->premultiplied && alpha > 0 && c < 3; c++) {
            const uint32_t v = 65535u * dst[c] / alpha;
            dst[c] = (uint16_t)(v < 65535 ? v : 65535);
        }
    }
}

/* The row that is loaded, as RGB or RGBA. */
static void convert_row(reader *r, size_t channels, uint8_t *dst)
{
    if (r->photometric == PHOTOMETRIC_SEPARATED) {
        for (size_t i = 0; i < 4 * (size_t)r->width; i++)
            r->inks[i] = (uint8_t)(255 - byte_at(r, i % 4, i / 4, false));
        for (size_t x = 0; x < r->width; x++)
            rs_image_from_cmyk(r->inks + 4 * x, dst + channels * x, 1);
    }
    for (size_t x = 0; x < r->width; x++, dst += channels) {
        if (r->photometric != PHOTOMETRIC_SEPARATED)
            convert_colour(r, x, dst);
        if (channels < 4)
            continue;
        const unsigned alpha = byte_at(r, r->alpha, x, true);
        dst[3] = (uint8_t)alpha;
        for (size_t c = 0; r->premultiplied && alpha > 0 && c < 3; c++) {
            const unsigned v = 255u * dst[c] / alpha;
            dst[c] = (uint8_t)(v < 255 ? v : 255);
        }
    }
}

/* The whole image by libtiff's own conversion, in the order of the file. */
static rescl_status make_raster(reader *r)
{
    rescl_status st = RESCL_OK;
    TIFFRGBAImage image;
    char message[1024] = "";
    const size_t pixels = (size_t)r->width * r->height;
    bool good;
    RS_FAIL_IF(
        pixels > RS_MAX_PIXELS, RESCL_ERR_FORMAT,
        "%s: a TIFF of YCbCr of %ux%u, which is not supported: those of more than %zu pixels "
        "are read row by row; save it again as RGB",
        r->name, r->width, r->height, RS_MAX_PIXELS);
    wait_if_heavy(r, pixels * sizeof *r->raster);
    RS_OOM(r->raster = calloc(pixels, sizeof *r->raster));
    RS_FAIL_IF(!TIFFRGBAImageOK(r->tiff, message) ||
                   !TIFFRGBAImageBegin(&image, r->tiff, 1, message),
               RESCL_ERR_FORMAT, "%s: a TIFF that libtiff cannot convert: %s", r->name, message);
    image.req_orientation = image.orientation;
    good = TIFFRGBAImageGet(&image, r->raster, r->width, r->height) && !r->damaged;
    TIFFRGBAImageEnd(&image);
    if (!good)
        RS_TRY(fail_reading(r));
out:
    return st;
}

static void take_raster_row(const reader *r, uint32_t y, uint8_t *dst)
{
    const uint32_t *src = r->raster + (size_t)y * r->width;
    for (size_t x = 0; x < r->width; x++, dst += 3) {
        dst[0] = (uint8_t)TIFFGetR(src[x]);
        dst[1] = (uint8_t)TIFFGetG(src[x]);
        dst[2] = (uint8_t)TIFFGetB(src[x]);
    }
}

static void close_reader(reader *r)
{
    if (r->tiff)
        TIFFClose(r->tiff);
    free(r->band);
    free(r->tile);
    free(r->inks);
    free(r->raster);
    if (r->in_turn)
        rs_heavy_turn_end();
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    rescl_status st = RESCL_OK;
    reader r = {.name = name, .data = data, .bytes = bytes, .deep.bits = options->sample_bits};
    rs_image_rows rows = {0};
    RS_TRY(read_header(&r, options));
    r.message[0] = '\0';
    r.in_pixels = true;
    errno = 0;
    RS_TRY(r.as_rgb ? make_raster(&r) : make_band(&r));
    r.stays_deep = rs_pixel_is_deep(options->bit_depth) && r.bits == 16 && !r.as_rgb &&
                   r.photometric != PHOTOMETRIC_SEPARATED;
    RS_TRY(rs_image_rows_init(&rows, r.width, r.height, r.alpha && !r.as_rgb ? 4 : 3, r.stays_deep,
                              options));
    errno = 0;
    for (uint32_t y = 0; y < r.height; y++) {
        uint8_t *dst = rs_image_rows_at(&rows, y);
        if (r.as_rgb)
            take_raster_row(&r, y, dst);
        else if (!load_row(&r, y))
            RS_TRY(fail_reading(&r));
        else if (r.stays_deep)
            convert_deep_row(&r, rows.channels, (uint16_t *)(void *)dst);
        else
            convert_row(&r, rows.channels, dst);
        rs_image_rows_put(&rows, y);
    }
    out->orientation = r.orientation;
    out->notices = (r.bits == 16 ? rs_image_samples_notice(&r.deep) : 0) |
                   (TIFFLastDirectory(r.tiff) ? 0 : RESCL_IMAGE_FIRST_OF_SEVERAL);
    rs_image_rows_take(&rows, out);
out:
    rs_image_rows_fini(&rows);
    close_reader(&r);
    return st;
}

static const char *colour_of(const reader *r)
{
    return r->photometric == PHOTOMETRIC_PALETTE ? "palette"
           : r->colours == 4                     ? "CMYK"
           : r->colours == 3                     ? (r->alpha ? "RGBA" : "RGB")
           : r->alpha                            ? "gray+alpha"
                                                 : "gray";
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    reader r = {.name = name, .data = data, .bytes = bytes};
    RS_TRY(read_header(&r, options));
    RS_TRY(check_pieces(&r, file_bytes));
    *out = (rescl_image_info){.width = r.width,
                              .height = r.height,
                              .kind = "TIFF",
                              .colour = colour_of(&r),
                              .bits = r.bits};
out:
    close_reader(&r);
    return st;
}

#else

static rescl_status no_tiff(const char *name)
{
    return rs_image_lacks_library(name, "a TIFF", "libtiff", "libtiff-dev", "TIFF");
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    (void)data, (void)bytes, (void)options, (void)out;
    return no_tiff(name);
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    (void)data, (void)bytes, (void)file_bytes, (void)options, (void)out;
    return no_tiff(name);
}

#endif

const rs_image_format rs_image_tiff = {
    .name = "TIFF",
    .suffixes = ".tif .tiff",
    .least_bytes = 8,
    .recognises = recognises,
    .decode = decode,
    .probe = probe,
};
