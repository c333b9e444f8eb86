#include "image.h"
#include "testing.h"

#include <rescl/data.h>

#ifdef RS_HAVE_JPEG

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "alloc.h"
#include "data_support.h"
#include "error.h"
#include "rng.h"

enum { WIDTH = 43, HEIGHT = 29 }; /* no multiples of a block */

typedef struct bytes {
    unsigned char *data;
    unsigned long count;
} bytes;

/* How a file of the test is made. */
typedef struct variant {
    const char *name;
    J_COLOR_SPACE space; /* of the samples given */
    int channels;
    bool progressive;
    int scans;    /* of a gray progressive file; 0: the library's script */
    int restart;  /* MCUs between restart markers */
    int exif;     /* orientation in an APP1 marker, 0: none */
    bool exif_be; /* in the order of bytes MM */
} variant;

static const variant variants[] = {
    {"gray", JCS_GRAYSCALE, 1, .restart = 0},
    {"gray, progressive", JCS_GRAYSCALE, 1, .progressive = true},
    {"colour", JCS_RGB, 3, .restart = 3},
    {"colour, progressive", JCS_RGB, 3, .progressive = true},
    {"cmyk", JCS_CMYK, 4, .restart = 0},
    {"ycck, progressive", JCS_CMYK, 4, .progressive = true},
    {"turned", JCS_RGB, 3, .exif = 6},
};

/* A smooth image, which JPEG keeps well: sample c of pixel (x, y). */
static uint8_t sample_at(int x, int y, int c)
{
    return (uint8_t)(c == 0 ? 5 * x + 20 : c == 1 ? 230 - 7 * y : c == 2 ? 3 * x + 3 * y : 200 - x);
}

static void put_exif(j_compress_ptr jpeg, int orientation, bool big)
{
    uint8_t app1[] = "Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0?\0\0\0\0\0\0";
    uint8_t app1_be[] = "Exif\0\0MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0?\0\0\0\0\0";
    app1[24] = app1_be[25] = (uint8_t)orientation;
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, big ? app1_be : app1, sizeof app1 - 1);
}

/* One scan of the DC, then each AC coefficient by itself, first its upper bits and then the last:
 * at most 127 scans. */
static int make_scans(jpeg_scan_info *scan, int count)
{
    const int low = count > 64;
    scan[0] = (jpeg_scan_info){1, {0}, 0, 0, 0, 0};
    for (int i = 1; i < count; i++) {
        const int k = 1 + (i - 1) % 63;
        scan[i] = (jpeg_scan_info){1, {0}, k, k, i > 63 ? 1 : 0, i > 63 ? 0 : low};
    }
    return count;
}

static bytes make_jpeg(const variant *v)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors; /* its error_exit ends the test */
    jpeg_scan_info scan[127];
    uint8_t row[WIDTH * 4];
    bytes out = {0};
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out.data, &out.count);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = v->channels;
    jpeg.in_color_space = v->space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    jpeg.restart_interval = (unsigned)v->restart;
    if (v->space == JCS_CMYK && v->progressive)
        jpeg_set_colorspace(&jpeg, JCS_YCCK);
    if (v->progressive)
        jpeg_simple_progression(&jpeg);
    if (v->scans) {
        jpeg.num_scans = make_scans(scan, v->scans);
        jpeg.scan_info = scan;
    }
    jpeg_start_compress(&jpeg, TRUE);
    if (v->exif)
        put_exif(&jpeg, v->exif, v->exif_be);
    for (int y = 0; y < HEIGHT; y++) {
        for (int i = 0; i < WIDTH * v->channels; i++)
            row[i] = sample_at(i / v->channels, y, i % v->channels);
        JSAMPROW rows = row;
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return out;
}

/* As Pillow has it: inks are stored inverted. */
static void expected_pixel(const variant *v, int x, int y, int out[3])
{
    const int light = v->channels == 4 ? sample_at(x, y, 3) : 255;
    for (int c = 0; c < 3; c++)
        out[c] = sample_at(x, y, v->channels == 1 ? 0 : c) * light / 255;
}

static void expect_image(const variant *v, const rescl_image *image)
{
    assert_int_equal(image->width, WIDTH);
    assert_int_equal(image->height, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            const uint8_t *got = image->pixels + (y * WIDTH + x) * 3;
            int want[3];
            expected_pixel(v, x, y, want);
            for (int c = 0; c < 3; c++)
                if (abs(got[c] - want[c]) > 9)
                    fail_msg("%s, pixel (%d, %d): got %d %d %d, expected about %d %d %d", v->name,
                             x, y, got[0], got[1], got[2], want[0], want[1], want[2]);
        }
}

static rescl_status decode(const bytes *file, rescl_image *out)
{
    return rescl_image_decode(file->data, file->count, "photo.jpg", out);
}

static void reads_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < RS_COUNT(variants); i++) {
        rescl_image image;
        bytes file = make_jpeg(&variants[i]);
        assert_ok(decode(&file, &image));
        expect_image(&variants[i], &image);
        rescl_image_free(&image);
        free(file.data);
    }
}

/* The corner with the first stored pixel is where the orientation says. */
static void turns_by_exif(void **state)
{
    (void)state;
    static const struct {
        bool swap, right, bottom;
    } corner[9] = {[2] = {0, 1, 0}, [3] = {0, 1, 1}, [4] = {0, 0, 1}, [5] = {1, 0, 0},
                   [6] = {1, 1, 0}, [7] = {1, 1, 1}, [8] = {1, 0, 1}};
    for (int o = 1; o <= 8; o++) {
        rescl_image image;
        bytes file = make_jpeg(
            &(variant){"turned", JCS_RGB, 3, .exif = o, .exif_be = o % 2, .progressive = o > 4});
        assert_ok(decode(&file, &image));
        assert_int_equal(image.width, corner[o].swap ? HEIGHT : WIDTH);
        assert_int_equal(image.height, corner[o].swap ? WIDTH : HEIGHT);
        const size_t x = corner[o].right ? image.width - 1 : 0;
        const size_t y = corner[o].bottom ? image.height - 1 : 0;
        const uint8_t *first = image.pixels + (y * image.width + x) * 3;
        for (int c = 0; c < 3; c++)
            assert_true(abs(first[c] - sample_at(0, 0, c)) <= 9);
        rescl_image_free(&image);
        free(file.data);
    }
}

/* Without the mark of its end (two bytes) a file has all its pixels; shorter, it has not. */
static void refuses_what_was_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(variants); i++) {
        bytes file = make_jpeg(&variants[i]);
        for (unsigned long n = 0; n < file.count; n++) {
            rescl_image image;
            unsigned notices = 0;
            unsigned char *cut = malloc(n ? n : 1); /* of its exact size */
            assert_non_null(cut);
            memcpy(cut, file.data, n);
            if (n >= file.count - 2) {
                assert_ok(rescl_image_decode_with(cut, n, "photo.jpg", NULL, &image, &notices));
                assert_int_equal(notices, RESCL_IMAGE_END_DAMAGED);
                if (!variants[i].exif)
                    expect_image(&variants[i], &image);
                rescl_image_free(&image);
            } else {
                assert_fails(decode(&(bytes){cut, n}, &image), RESCL_ERR_FORMAT, "photo.jpg");
                assert_null(image.pixels);
            }
            free(cut);
        }
        free(file.data);
    }
}

/* A copy of a file with `count` bytes put in at `at`. */
static bytes with_bytes(const bytes *file, size_t at, const void *data, size_t count)
{
    bytes longer = {malloc(file->count + count), file->count + count};
    assert_non_null(longer.data);
    memcpy(longer.data, file->data, at);
    memcpy(longer.data + at, data, count);
    memcpy(longer.data + at + count, file->data + at, file->count - at);
    return longer;
}

static void expect_same(const bytes *file, const rescl_image *want)
{
    rescl_image image;
    unsigned notices = 0;
    assert_ok(
        rescl_image_decode_with(file->data, file->count, "photo.jpg", NULL, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_END_DAMAGED);
    assert_memory_equal(image.pixels, want->pixels, want->width * want->height * 3);
    rescl_image_free(&image);
}

/* Some phones write a trailer of their own in place of the mark of the end. */
static void bears_a_trailer(void **state)
{
    (void)state;
    static const char trailer[] = "\0\0\1\n\x0e\0\0\0Image_UTC_Data\xff\xd8\xff\xe0\0\4??SEFT";
    for (size_t i = 0; i < RS_COUNT(variants); i++) {
        rescl_image want;
        bytes file = make_jpeg(&variants[i]);
        assert_ok(decode(&file, &want));
        file.count -= 2;
        bytes longer = with_bytes(&file, file.count, trailer, sizeof trailer - 1);
        expect_same(&longer, &want);
        rescl_image_free(&want);
        free(longer.data);
        free(file.data);
    }
}

/* The offset of the first marker SOS from `at` on, or of the next marker when `sos` is false. */
static size_t find_scan(const bytes *file, size_t at, bool sos)
{
    for (; at + 1 < file->count; at++) {
        const unsigned char next = file->data[at + 1];
        if (file->data[at] == 0xff && next != 0 &&
            (sos ? next == 0xda : next < 0xd0 || next > 0xd7))
            return at;
    }
    return 0;
}

/* Each scan of a progressive file once more, after itself and at the end; then each left out. */
static void bears_a_scan_that_comes_again(void **state)
{
    (void)state;
    bytes file = make_jpeg(&variants[3]);
    rescl_image want;
    int scans = 0;
    assert_ok(decode(&file, &want));
    for (size_t at = 0; (at = find_scan(&file, at, true)) != 0; at += 2, scans++) {
        const size_t end = find_scan(&file, at + 2, false);
        const size_t places[] = {end, file.count - 2};
        for (size_t i = 0; i < RS_COUNT(places); i++) {
            bytes again = with_bytes(&file, places[i], file.data + at, end - at);
            expect_same(&again, &want);
            free(again.data);
        }
    }
    assert_true(scans >= 8);
    size_t first = find_scan(&file, 0, true), end = find_scan(&file, first + 2, false);
    rescl_image image;
    memmove(file.data + first, file.data + end, file.count - end);
    file.count -= end - first;
    assert_fails(decode(&file, &image), RESCL_ERR_FORMAT, "Inconsistent progression");
    rescl_image_free(&want);
    free(file.data);
}

/* Above 64 Mi pixels: some eighths of the size. */
static void makes_large_images_smaller(void **state)
{
    (void)state;
    enum { SIDE = 8208 };
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    bytes file = {0};
    uint8_t *row = malloc(SIDE);
    assert_non_null(row);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file.data, &file.count);
    jpeg.image_width = jpeg.image_height = SIDE;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (size_t y = 0; y < SIDE; y++) {
        JSAMPROW rows = row;
        memset(row, y < SIDE / 2 ? 10 : 240, SIDE);
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    rescl_image image;
    rescl_image_options options;
    unsigned notices = 0;
    rescl_image_options_default(&options);
    assert_ok(
        rescl_image_decode_with(file.data, file.count, "photo.jpg", &options, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_REDUCED);
    assert_int_equal(image.width, SIDE / 4);
    assert_int_equal(image.height, SIDE / 4);
    assert_int_equal(image.pixels[0], 10);
    assert_int_equal(image.pixels[image.width * image.height * 3 - 1], 240);
    rescl_image_free(&image);
    options.min_side = 3000;
    assert_ok(rescl_image_decode_with(file.data, file.count, "photo.jpg", &options, &image, NULL));
    assert_int_equal(image.width, SIDE * 3 / 8);
    rescl_image_free(&image);
    options.max_pixels = SIDE * SIDE - 1;
    assert_fails(
        rescl_image_decode_with(file.data, file.count, "photo.jpg", &options, &image, NULL),
        RESCL_ERR_FORMAT, "8208x8208", "--max-pixels");
    free(file.data);
    free(row);
}

/* Of EXIF data and XMP, the first counts. */
static void turns_by_xmp(void **state)
{
    (void)state;
    static const char xmp[] = "\xff\xe1\0\x44http://ns.adobe.com/xap/1.0/\0"
                              "<tiff:Orientation>6</tiff:Orientation>\0";
    for (size_t i = 5; i < RS_COUNT(variants); i++) {
        rescl_image image;
        bytes file = make_jpeg(&variants[i]);
        bytes turned = with_bytes(&file, 2, xmp, 70);
        assert_ok(decode(&turned, &image));
        assert_int_equal(image.width, HEIGHT);
        rescl_image_free(&image);
        free(turned.data);
        free(file.data);
    }
}

/* Whatever bytes are changed, there is an image or an error, and no leak, crash or message. */
static void survives_corruption(void **state)
{
    (void)state;
    rs_rng rng;
    rs_rng_init(&rng, 5, 6);
    size_t refused = 0;
    for (size_t i = 0; i < RS_COUNT(variants); i++) {
        bytes file = make_jpeg(&variants[i]);
        for (int k = 0; k < 200; k++) {
            unsigned char *broken = malloc(file.count);
            assert_non_null(broken);
            memcpy(broken, file.data, file.count);
            for (uint32_t n = 1 + rs_rng_below(&rng, 3); n > 0; n--)
                broken[rs_rng_below(&rng, (uint32_t)file.count)] = (unsigned char)rs_rng_u32(&rng);
            rescl_image image;
            const rescl_status st = decode(&(bytes){broken, file.count}, &image);
            assert_true(st == RESCL_OK || st == RESCL_ERR_FORMAT);
            assert_true((st == RESCL_OK) == (image.pixels != NULL));
            refused += st != RESCL_OK;
            rescl_image_free(&image);
            free(broken);
        }
        free(file.data);
    }
    assert_true(refused > 200);
}

/* The frame header: 0xff, marker, length (2), precision, height (2), width (2), components. */
static unsigned char *frame_of(const bytes *file, unsigned char marker)
{
    for (unsigned long i = 0; i + 10 < file->count; i++)
        if (file->data[i] == 0xff && file->data[i + 1] == marker)
            return file->data + i;
    fail_msg("the file has no marker %02x", marker);
    return NULL;
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    static const struct {
        int at;
        unsigned char value[4];
        int count;
        const char *word;
    } changes[] = {
        {5, {0xff, 0xdc, 0xff, 0xdc}, 4, "too large"},   /* 65500 x 65500 */
        {5, {0x1f, 0x40, 0x1f, 0x40}, 4, "cannot hold"}, /* 8000 x 8000 */
        {5, {0, 0, 0, 9}, 4, "DNL"},                     /* height 0 */
        {4, {12}, 1, "12 bits a sample, which is not supported"},
        {4, {16}, 1, "16 bits"},
        {4, {7}, 1, "corrupted"},
        {1, {0xc9}, 1, "arithmetic"},
        {1, {0xca}, 1, "arithmetic"},
        {1, {0xc3}, 1, "lossless"},
        {1, {0xcb}, 1, "lossless"},
        {1, {0xc5}, 1, "hierarchical"},
        {1, {0xf7}, 1, "JPEG-LS"},
        {9, {5}, 1, "corrupted"}, /* components, of which the segment has three */
    };
    for (size_t i = 0; i < RS_COUNT(changes); i++) {
        rescl_image image;
        bytes file = make_jpeg(&variants[2]);
        memcpy(frame_of(&file, 0xc0) + changes[i].at, changes[i].value, (size_t)changes[i].count);
        assert_fails(decode(&file, &image), RESCL_ERR_FORMAT, "photo.jpg", changes[i].word);
        free(file.data);
    }
}

static void limits_scans(void **state)
{
    (void)state;
    rescl_image image;
    const variant most = {"64 scans", JCS_GRAYSCALE, 1, .progressive = true, .scans = 64};
    const variant more = {"127 scans", JCS_GRAYSCALE, 1, .progressive = true, .scans = 127};
    bytes file = make_jpeg(&most);
    assert_ok(decode(&file, &image));
    expect_image(&most, &image);
    rescl_image_free(&image);
    free(file.data);
    file = make_jpeg(&more);
    assert_fails(decode(&file, &image), RESCL_ERR_FORMAT, "photo.jpg", "more than 64 scans");
    free(file.data);
}

/* Bytes that nobody reads do no harm: other decoders take such files too. */
static void bears_bytes_between_markers(void **state)
{
    (void)state;
    rescl_image image;
    bytes file = make_jpeg(&variants[0]), longer = {0};
    longer.count = file.count + 9;
    longer.data = malloc(longer.count);
    assert_non_null(longer.data);
    memcpy(longer.data, file.data, file.count - 2);
    memset(longer.data + file.count - 2, 0x55, 9);
    memcpy(longer.data + file.count + 7, "\xff\xd9", 2);
    assert_ok(decode(&longer, &image));
    expect_image(&variants[0], &image);
    rescl_image_free(&image);
    free(longer.data);
    free(file.data);
}

static void is_known_by_its_content(void **state)
{
    (void)state;
    char *dir = rs_test_dir_make();
    const char *path = rs_test_path("%s/named.png", dir);
    rescl_image image;
    bytes file = make_jpeg(&variants[3]);
    put_bytes(path, file.data, file.count);
    assert_ok(rescl_image_read(path, &image));
    expect_image(&variants[3], &image);
    rescl_image_free(&image);
    put_bytes(path, file.data, file.count / 2);
    assert_fails(rescl_image_read(path, &image), RESCL_ERR_FORMAT, path, "corrupted JPEG");
    assert_null(strstr(rescl_last_error()->message, "Corrupt JPEG data"));
    free(file.data);
    rs_test_dir_remove(dir);
}

static void writes_what_can_be_read(void **state)
{
    (void)state;
    enum { SIDE = 240 };
    rescl_image noise = {.width = SIDE, .height = SIDE, .pixels = malloc(SIDE * SIDE * 3)},
                back = {0};
    uint8_t *data = NULL;
    size_t count = 0;
    assert_non_null(noise.pixels);
    for (uint32_t i = 0; i < SIDE * SIDE * 3; i++)
        noise.pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_ok(rs_jpeg_encode(&noise, 95, &data, &count));
    assert_true(count > 2 * 4096);
    assert_int_equal(data[count - 1], 0xd9);
    const bytes file = {data, count};
    assert_ok(decode(&file, &back));
    assert_true(back.width == SIDE && back.height == SIDE);
    free(data);
    noise.width = 65501;
    assert_fails(rs_jpeg_encode(&noise, 95, &data, &count), RESCL_ERR_ARG, "65501x240", "65500");
    noise.width = SIDE;
    rescl_image_free(&noise);
    rescl_image_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(turns_by_exif),
        cmocka_unit_test(turns_by_xmp),
        cmocka_unit_test(refuses_what_was_cut_short),
        cmocka_unit_test(bears_a_trailer),
        cmocka_unit_test(bears_a_scan_that_comes_again),
        cmocka_unit_test(makes_large_images_smaller),
        cmocka_unit_test(survives_corruption),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(limits_scans),
        cmocka_unit_test(bears_bytes_between_markers),
        cmocka_unit_test(is_known_by_its_content),
        cmocka_unit_test(writes_what_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void says_what_to_install(void **state)
{
    (void)state;
    rescl_image image;
    assert_fails(rescl_image_decode("\xff\xd8\xff\xe0", 4, "photo.jpg", &image),
                 RESCL_ERR_UNSUPPORTED, "photo.jpg", "libjpeg-dev", "RESCL_WITH_JPEG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(says_what_to_install)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
