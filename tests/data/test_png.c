#include "testing.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rescl/data.h>

#include "data_support.h"
#include "error.h"
#include "path.h"
#include "rng.h"

enum { WIDTH = 13, HEIGHT = 11 }; /* no multiples of 8, and both Adam7 halves are uneven */

static char *path;

static int make_dir(void **state)
{
    rs_test_dir_setup(state);
    path = rs_path_join(rs_test_dir, "image.png");
    return 0;
}

static int remove_dir(void **state)
{
    free(path);
    return rs_test_dir_teardown(state);
}

/* What a file of the test is made of: samples of `depth` bits, `channels` of them per pixel. */
typedef struct variant {
    const char *name;
    int color, depth, channels;
    bool interlaced, transparent; /* transparent: a tRNS chunk */
} variant;

static const variant variants[] = {
    {"gray 1", PNG_COLOR_TYPE_GRAY, 1, 1, false, false},
    {"gray 2", PNG_COLOR_TYPE_GRAY, 2, 1, false, false},
    {"gray 4", PNG_COLOR_TYPE_GRAY, 4, 1, true, false},
    {"gray 8", PNG_COLOR_TYPE_GRAY, 8, 1, false, false},
    {"gray 16", PNG_COLOR_TYPE_GRAY, 16, 1, true, false},
    {"gray 8 tRNS", PNG_COLOR_TYPE_GRAY, 8, 1, false, true},
    {"gray 2 tRNS", PNG_COLOR_TYPE_GRAY, 2, 1, false, true},
    {"gray 16 tRNS", PNG_COLOR_TYPE_GRAY, 16, 1, false, true},
    {"palette 1", PNG_COLOR_TYPE_PALETTE, 1, 1, false, false},
    {"palette 2", PNG_COLOR_TYPE_PALETTE, 2, 1, true, false},
    {"palette 4", PNG_COLOR_TYPE_PALETTE, 4, 1, false, false},
    {"palette 8", PNG_COLOR_TYPE_PALETTE, 8, 1, true, false},
    {"palette 8 tRNS", PNG_COLOR_TYPE_PALETTE, 8, 1, false, true},
    {"rgb 8", PNG_COLOR_TYPE_RGB, 8, 3, false, false},
    {"rgb 8 interlaced", PNG_COLOR_TYPE_RGB, 8, 3, true, false},
    {"rgb 16", PNG_COLOR_TYPE_RGB, 16, 3, true, false},
    {"rgb 8 tRNS", PNG_COLOR_TYPE_RGB, 8, 3, false, true},
    {"gray+alpha 8", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2, false, false},
    {"gray+alpha 16", PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2, true, false},
    {"rgba 8", PNG_COLOR_TYPE_RGB_ALPHA, 8, 4, true, false},
    {"rgba 16", PNG_COLOR_TYPE_RGB_ALPHA, 16, 4, false, false},
};

/* Sample c of pixel (x, y), in [0, 2^depth). */
static unsigned sample_at(const variant *v, int x, int y, int c)
{
    const unsigned mix = (unsigned)(x * 7919 + y * 104729 + c * 1299709) * 2654435761u;
    return mix >> (32 - v->depth);
}

static png_color palette_at(unsigned i)
{
    return (png_color){(png_byte)(i * 37 + 5), (png_byte)(255 - i * 11), (png_byte)(i * i)};
}

/* The sample that a gray or RGB tRNS chunk makes transparent: that of pixel (3, 2). */
static unsigned key_sample(const variant *v, int c)
{
    return sample_at(v, 3, 2, c);
}

/* A sample of `depth` bits as 8: repeated for few bits, cut for 16. */
static unsigned to_byte(unsigned sample, int depth)
{
    return depth == 16 ? sample >> 8 : sample * 255u / ((1u << depth) - 1);
}

static void expected_pixel(const variant *v, int x, int y, uint8_t out[3])
{
    unsigned rgb[3], alpha = 255;
    const unsigned first = sample_at(v, x, y, 0);
    bool is_key = v->transparent;
    for (int c = 0; c < v->channels; c++)
        is_key = is_key && sample_at(v, x, y, c) == key_sample(v, c);
    if (v->color == PNG_COLOR_TYPE_PALETTE) {
        const png_color p = palette_at(first);
        rgb[0] = p.red, rgb[1] = p.green, rgb[2] = p.blue;
        alpha = v->transparent && first < 128 ? first * 2 : 255;
    } else {
        const bool gray = v->channels < 3;
        for (int c = 0; c < 3; c++)
            rgb[c] = to_byte(sample_at(v, x, y, gray ? 0 : c), v->depth);
        if (v->channels % 2 == 0)
            alpha = to_byte(sample_at(v, x, y, v->channels - 1), v->depth);
        else if (is_key)
            alpha = 0;
    }
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)((rgb[c] * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* The tests' own errors are not to be survived. */
static void on_error(png_structp png, png_const_charp message)
{
    (void)png;
    fail_msg("the test cannot write its PNG: %s", message);
}

static void put_chunks(png_structp png, png_infop info, const variant *v)
{
    png_color palette[256];
    png_byte alpha[128];
    const int colors = 1 << (v->depth > 8 ? 8 : v->depth);
    png_set_IHDR(png, info, WIDTH, HEIGHT, v->depth, v->color,
                 v->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (v->color == PNG_COLOR_TYPE_PALETTE) {
        for (int i = 0; i < colors; i++)
            palette[i] = palette_at((unsigned)i);
        png_set_PLTE(png, info, palette, colors);
        for (int i = 0; i < 128; i++)
            alpha[i] = (png_byte)(2 * i);
        if (v->transparent)
            png_set_tRNS(png, info, alpha, 128, NULL);
    } else if (v->transparent) {
        png_color_16 key = {.gray = (png_uint_16)key_sample(v, 0)};
        if (v->channels == 3) {
            key.red = (png_uint_16)key_sample(v, 0);
            key.green = (png_uint_16)key_sample(v, 1);
            key.blue = (png_uint_16)key_sample(v, 2);
        }
        png_set_tRNS(png, info, NULL, 0, &key);
    }
    png_write_info(png, info);
}

static void put_variant(const variant *v)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    put_chunks(png, info, v);
    png_byte rows[HEIGHT][WIDTH * 8] = {{0}};
    png_bytep row[HEIGHT];
    for (int y = 0; y < HEIGHT; y++) {
        row[y] = rows[y];
        for (int i = 0; i < WIDTH * v->channels; i++) {
            const unsigned s = sample_at(v, i / v->channels, y, i % v->channels);
            if (v->depth == 16)
                rows[y][2 * i] = (png_byte)(s >> 8), rows[y][2 * i + 1] = (png_byte)s;
            else
                rows[y][i * v->depth / 8] |= (png_byte)(s << (8 - v->depth - i * v->depth % 8));
        }
    }
    png_write_image(png, row);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(file), 0);
}

static void reads_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(variants); i++) {
        const variant *v = &variants[i];
        rescl_image image;
        put_variant(v);
        assert_ok(rescl_image_read(path, &image));
        assert_int_equal(image.width, WIDTH);
        assert_int_equal(image.height, HEIGHT);
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                uint8_t want[3];
                const uint8_t *got = image.pixels + (y * WIDTH + x) * 3;
                expected_pixel(v, x, y, want);
                if (memcmp(got, want, 3) != 0)
                    fail_msg("%s, pixel (%d, %d): got %d %d %d, expected %d %d %d", v->name, x, y,
                             got[0], got[1], got[2], want[0], want[1], want[2]);
            }
        }
        rescl_image_free(&image);
    }
}

static rescl_image make_image(size_t width, size_t height)
{
    rescl_image image = {.width = width, .height = height, .pixels = malloc(width * height * 3)};
    assert_non_null(image.pixels);
    for (size_t i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i * i / 7 + i);
    return image;
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {64, 64}, {101, 67}};
    for (size_t i = 0; i < RS_COUNT(sizes); i++) {
        rescl_image image = make_image(sizes[i][0], sizes[i][1]), back;
        assert_ok(rescl_image_write(path, &image));
        assert_ok(rescl_image_read(path, &back));
        assert_int_equal(back.width, image.width);
        assert_int_equal(back.height, image.height);
        assert_memory_equal(back.pixels, image.pixels, image.width * image.height * 3);
        rescl_image_free(&image);
        rescl_image_free(&back);
        assert_null(back.pixels);
        rescl_image_free(&back);
    }
    rescl_image_free(NULL);
}

static void writes_whole_or_not_at_all(void **state)
{
    (void)state;
    rescl_image image = make_image(5, 5);
    const rescl_image bad[] = {{.width = 0, .height = 5, .pixels = image.pixels},
                               {.width = 5, .height = 0, .pixels = image.pixels},
                               {.width = 5, .height = 5, .pixels = NULL},
                               {.width = SIZE_MAX, .height = 2, .pixels = image.pixels},
                               {.width = 1 << 20, .height = 1 << 20, .pixels = image.pixels}};
    char *inner = rs_path_join(rs_test_dir, "new"), *target = rs_path_join(inner, "image.png");
    assert_fails(rescl_image_write(target, &image), RESCL_ERR_IO, "new");
    assert_ok(rs_mkdirs(inner));
    for (size_t i = 0; i < RS_COUNT(bad); i++)
        assert_fails(rescl_image_write(target, &bad[i]), RESCL_ERR_ARG, "image.png");
    assert_int_equal(rs_test_dir_count(inner), 0);
    assert_ok(rescl_image_write(target, &image));
    assert_int_equal(rs_test_dir_count(inner), 1);
    rescl_image_free(&image);
    free(target);
    free(inner);
}

/* Sets the header's width and height in a file's bytes, and its checksum. */
static void set_size(uint8_t *png, uint32_t width, uint32_t height)
{
    uint32_t crc = 0xffffffffu;
    for (int i = 0; i < 4; i++) {
        png[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        png[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    for (int i = 12; i < 29; i++) {
        crc ^= png[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (int i = 0; i < 4; i++)
        png[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
}

static void refuses_sizes_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        const char *word;
    } sizes[] = {
        {0, 5, "corrupted"},         {0x7fffffff, 0x7fffffff, "corrupted"},
        {60000, 60000, "too large"}, {67108864, 1, "cannot hold"},
        {8000, 8000, "cannot hold"}, {1, 60000000, "cannot hold"},
        {20, 12, "corrupted"}, /* more rows than there is data */
    };
    char *data;
    size_t bytes;
    put_variant(&variants[13]);
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    for (size_t i = 0; i < RS_COUNT(sizes); i++) {
        rescl_image image;
        set_size((uint8_t *)data, sizes[i].width, sizes[i].height);
        put_bytes(path, data, bytes);
        assert_fails(rescl_image_read(path, &image), RESCL_ERR_FORMAT, sizes[i].word);
    }
    free(data);
}

/* Where the file's pixels end: behind the last chunk of them, but for the checksums of zlib (4) and of
 * the chunk. What is left of deflate's data then is the mark of its end, of 1 or 2 bytes. */
static size_t end_of_pixels(const char *data, size_t bytes)
{
    size_t end = 0;
    for (size_t i = 8; i + 12 <= bytes;) {
        const uint8_t *p = (const uint8_t *)data + i;
        const size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (memcmp(p + 4, "IDAT", 4) == 0)
            end = i + 8 + n - 4;
        i += n + 12;
    }
    return end;
}

/* A file that was cut short is read if its pixels are all there, and only then. */
static void survives_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(variants); i += 3) {
        char *data;
        size_t bytes;
        rescl_image whole, image;
        unsigned notices = 1;
        put_variant(&variants[i]);
        assert_ok(rescl_image_read_with(path, NULL, &whole, &notices));
        assert_int_equal(notices & RESCL_IMAGE_END_DAMAGED, 0);
        assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
        const size_t end = end_of_pixels(data, bytes);
        for (size_t n = 0; n < bytes; n += n < 60 ? 3 : n < end - 4 ? 17 : 1) {
            char *cut = malloc(n ? n : 1); /* of its exact size */
            assert_non_null(cut);
            memcpy(cut, data, n);
            const rescl_status st = rescl_image_decode_with(cut, n, path, NULL, &image, &notices);
            free(cut);
            assert_true(n >= end ? st == RESCL_OK : n >= end - 2 || st == RESCL_ERR_FORMAT);
            if (st == RESCL_OK) {
                assert_true(notices & RESCL_IMAGE_END_DAMAGED);
                assert_memory_equal(image.pixels, whole.pixels, WIDTH * HEIGHT * 3);
            }
            rescl_image_free(&image);
        }
        rescl_image_free(&whole);
        free(data);
    }
}

/* The file with other bytes at `at`. */
static void put_changed(const char *data, size_t bytes, size_t at, const char *with, size_t count)
{
    char *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    memcpy(copy + at, with, count);
    put_bytes(path, copy, bytes);
    free(copy);
}

static void bears_a_flaw_after_the_last_row(void **state)
{
    (void)state;
    char *data;
    size_t bytes;
    rescl_image image;
    unsigned notices = 0;
    put_variant(&variants[13]);
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    put_changed(data, bytes, bytes - 4, "abcd", 4); /* IEND's checksum; not every libpng reads it */
    assert_ok(rescl_image_read(path, &image));
    rescl_image_free(&image);
    put_changed(data, bytes, bytes - 8, "tEXt", 4);
    assert_ok(rescl_image_read_with(path, NULL, &image, &notices));
    assert_true(notices & RESCL_IMAGE_END_DAMAGED);
    rescl_image_free(&image);
    put_changed(data, bytes, bytes - 16, "abcd", 4); /* the checksum of the pixels */
    assert_fails(rescl_image_read(path, &image), RESCL_ERR_FORMAT, "corrupted PNG");
    free(data);
}

/* The end of zlib's data, which is the checksum of the pixels, was never written. */
static void bears_pixels_without_checksum(void **state)
{
    (void)state;
    char *data;
    size_t bytes;
    rescl_image image, whole;
    uint8_t file[8192], *at = file;
    put_variant(&variants[13]);
    assert_ok(rescl_image_read(path, &whole));
    assert_ok(rs_file_read(path, sizeof file, &data, &bytes));
    const size_t end = end_of_pixels(data, bytes);
    memcpy(at, data, 33); /* the signature and the header */
    at += 33;
    at += make_chunk(at, "IDAT", data + 41, end - 41);
    at += make_chunk(at, "IEND", "", 0);
    put_bytes(path, file, (size_t)(at - file));
    assert_ok(rescl_image_read(path, &image));
    assert_memory_equal(image.pixels, whole.pixels, WIDTH * HEIGHT * 3);
    rescl_image_free(&image);
    rescl_image_free(&whole);
    free(data);
}

static void names_what_xcode_makes(void **state)
{
    (void)state;
    uint8_t file[64] = "\x89PNG\r\n\x1a\n";
    rescl_image image;
    put_bytes(path, file, 8 + make_chunk(file + 8, "CgBI", "\x50\0\x20\2", 4));
    assert_fails(rescl_image_read(path, &image), RESCL_ERR_FORMAT, "CgBI", "not supported");
}

/* A row of two pixels of 16 bits a sample. */
static void put_row16(int type, const png_byte *row)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    png_set_IHDR(png, info, 2, 1, 16, type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_write_row(png, row);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(file), 0);
}

/* Gray of 16 bits a sample that go up to `most`. */
static void put_gray16(unsigned most)
{
    put_row16(PNG_COLOR_TYPE_GRAY, (png_byte[]){0, 0, (png_byte)(most >> 8), (png_byte)most});
}

static void scales_alpha_as_the_colours(void **state)
{
    (void)state;
    rescl_image image;
    rescl_image_options options;
    unsigned notices = 99;
    rescl_image_options_default(&options);
    options.sample_bits = 12;
    put_row16(PNG_COLOR_TYPE_GRAY_ALPHA, (png_byte[]){4, 0, 0x0f, 0xff, 4, 0, 0, 0});
    assert_ok(rescl_image_read_with(path, &options, &image, &notices));
    assert_int_equal(notices, 0);
    assert_int_equal(image.pixels[0], 64);
    assert_int_equal(image.pixels[3], 255);
    rescl_image_free(&image);
}

static void notices_unused_bits(void **state)
{
    (void)state;
    static const struct {
        unsigned most, notice, plain, scaled; /* scaled: by the bits that the notice says */
        size_t bits;
    } files[] = {
        {255, RESCL_IMAGE_USES_8_BITS, 0, 255, 8},
        {1023, RESCL_IMAGE_USES_10_BITS, 3, 255, 10},
        {4095, RESCL_IMAGE_USES_12_BITS, 15, 255, 12},
        {2048, RESCL_IMAGE_USES_12_BITS, 8, 128, 12},
        {16383, RESCL_IMAGE_USES_14_BITS, 63, 255, 14},
        {16384, 0, 64, 64, 16},
        {4096, RESCL_IMAGE_USES_14_BITS, 16, 255, 12}, /* beyond what is said */
        {65535, 0, 255, 255, 12},
        {0, 0, 0, 0, 12},
    };
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        rescl_image image;
        rescl_image_options options;
        unsigned notices = 99;
        rescl_image_options_default(&options);
        put_gray16(files[i].most);
        assert_ok(rescl_image_read_with(path, &options, &image, &notices));
        assert_int_equal(notices, files[i].notice);
        assert_true(notices == 0 || rescl_image_notice_text((rescl_image_notice)notices));
        assert_int_equal(image.pixels[3], files[i].plain);
        rescl_image_free(&image);
        options.sample_bits = files[i].bits;
        assert_ok(rescl_image_read_with(path, &options, &image, &notices));
        assert_int_equal(notices,
                         files[i].most >> files[i].bits ? RESCL_IMAGE_EXCEEDS_SAMPLE_BITS : 0);
        assert_int_equal(image.pixels[0], 0);
        assert_int_equal(image.pixels[3], files[i].scaled);
        rescl_image_free(&image);
        options.sample_bits = 17;
        assert_fails(rescl_image_read_with(path, &options, &image, &notices), RESCL_ERR_ARG,
                     "sample_bits: 17");
    }
}

/* Large images, of one bit a pixel: black, and white from the middle on. */
static void put_large(png_uint_32 width, png_uint_32 height)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, NULL);
    png_infop info = png_create_info_struct(png);
    png_byte *row = malloc(width / 8 + 1);
    assert_non_null(row);
    png_init_io(png, file);
    png_set_compression_level(png, 1);
    png_set_IHDR(png, info, width, height, 1, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (png_uint_32 y = 0; y < height; y++) {
        memset(row, 2 * y < height ? 0 : 0xff, width / 8 + 1);
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    assert_int_equal(fclose(file), 0);
}

/* Their passes would need the whole image in memory. */
static void refuses_large_interlaced_images(void **state)
{
    (void)state;
    uint8_t file[16384] = "\x89PNG\r\n\x1a\n", pixels[10000] = {0};
    rescl_image image;
    size_t bytes = 8;
    bytes += make_chunk(file + bytes, "IHDR", "\0\0\x20\x08\0\0\x20\x08\1\0\0\0\1",
                        13); /* 8200 x 8200 */
    bytes += make_chunk(file + bytes, "IDAT", pixels, sizeof pixels);
    put_bytes(path, file, bytes);
    assert_fails(rescl_image_read(path, &image), RESCL_ERR_FORMAT, "interlaced", "not supported");
}

/* Above 64 Mi pixels: a whole fraction, row by row. */
static void makes_large_images_smaller(void **state)
{
    (void)state;
    rescl_image image;
    rescl_image_info info;
    rescl_image_options options;
    unsigned notices = 0;
    rescl_image_options_default(&options);
    put_large(16390, 4100);
    assert_ok(rescl_image_read_with(path, &options, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_REDUCED);
    assert_int_equal(image.width, 8195);
    assert_int_equal(image.height, 2050);
    assert_int_equal(image.pixels[8195 * 1024 * 3 + 7], 0);
    assert_int_equal(image.pixels[8195 * 1025 * 3 + 7], 255);
    rescl_image_free(&image);
    options.min_side = 4100; /* but it has to become smaller */
    assert_ok(rescl_image_read_with(path, &options, &image, &notices));
    assert_int_equal(image.height, 2050);
    rescl_image_free(&image);
    options.max_pixels = 16390 * 4100;
    assert_ok(rescl_image_probe_with(path, &options, &info));
    assert_int_equal(info.width, 16390);
    options.max_pixels--;
    assert_fails(rescl_image_probe_with(path, &options, &info), RESCL_ERR_FORMAT, "16390x4100",
                 "67198999", "--max-pixels");
    assert_fails(rescl_image_read_with(path, &options, &image, NULL), RESCL_ERR_FORMAT,
                 "too large");
}

/* A large image that ends behind its pixels has its last row too. */
static void keeps_the_last_row_of_large_images(void **state)
{
    (void)state;
    char *data;
    size_t bytes, whole = 0;
    put_large(8200, 8193);
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    const size_t end = end_of_pixels(data, bytes);
    for (size_t n = end - 2; n < end + 8; n += 2) {
        rescl_image image;
        put_bytes(path, data, n);
        if (rescl_image_read(path, &image) != RESCL_OK)
            continue;
        const size_t last = image.width * (image.height - 1) * 3;
        assert_int_equal(image.pixels[last], 255);
        assert_int_equal(image.pixels[last + image.width * 3 - 1], 255);
        rescl_image_free(&image);
        whole++;
    }
    assert_true(whole > 0);
    free(data);
}

/* Whatever bytes are changed, there is an image or an error, and no leak or crash. */
static void survives_corruption(void **state)
{
    (void)state;
    rs_rng rng;
    rs_rng_init(&rng, 1, 2);
    size_t refused = 0, tries = 0;
    for (size_t i = 0; i < RS_COUNT(variants); i++) {
        char *data;
        size_t bytes;
        put_variant(&variants[i]);
        assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
        for (int k = 0; k < 20; k++, tries++) {
            char *broken = malloc(bytes);
            assert_non_null(broken);
            memcpy(broken, data, bytes);
            for (uint32_t n = 1 + rs_rng_below(&rng, 3); n > 0; n--)
                broken[rs_rng_below(&rng, (uint32_t)bytes)] = (char)rs_rng_u32(&rng);
            put_bytes(path, broken, bytes);
            rescl_image image;
            const rescl_status st = rescl_image_read(path, &image);
            assert_true(st == RESCL_OK || st == RESCL_ERR_FORMAT);
            assert_true((st == RESCL_OK) == (image.pixels != NULL));
            refused += st != RESCL_OK;
            rescl_image_free(&image);
            free(broken);
        }
        free(data);
    }
    assert_true(refused > tries / 2); /* PNG has checksums */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(writes_whole_or_not_at_all),
        cmocka_unit_test(refuses_sizes_that_cannot_be),
        cmocka_unit_test(survives_truncation),
        cmocka_unit_test(bears_a_flaw_after_the_last_row),
        cmocka_unit_test(bears_pixels_without_checksum),
        cmocka_unit_test(names_what_xcode_makes),
        cmocka_unit_test(notices_unused_bits),
        cmocka_unit_test(scales_alpha_as_the_colours),
        cmocka_unit_test(makes_large_images_smaller),
        cmocka_unit_test(keeps_the_last_row_of_large_images),
        cmocka_unit_test(refuses_large_interlaced_images),
        cmocka_unit_test(survives_corruption),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
