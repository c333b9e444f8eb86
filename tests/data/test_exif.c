#include "testing.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "error.h"
#include "image.h"
#include "path.h"
#include "rng.h"

/* A TIFF header and a directory of two entries, the second of them the orientation. */
enum { TIFF_BYTES = 8 + 2 + 2 * 12 + 4 };

static void put_number(uint8_t *p, int n, bool big, unsigned value)
{
    for (int i = 0; i < n; i++)
        p[i] = (uint8_t)(value >> 8 * (big ? n - 1 - i : i));
}

static void make_tiff(uint8_t tiff[TIFF_BYTES], bool big, unsigned orientation)
{
    static const unsigned entry[2][3] = {{0x0100, 4, 1}, {0x0112, 3, 1}};
    memset(tiff, 0, TIFF_BYTES);
    memcpy(tiff, big ? "MM" : "II", 2);
    put_number(tiff + 2, 2, big, 42);
    put_number(tiff + 4, 4, big, 8);
    put_number(tiff + 8, 2, big, 2);
    for (int i = 0; i < 2; i++) {
        uint8_t *p = tiff + 10 + 12 * i;
        put_number(p, 2, big, entry[i][0]);
        put_number(p + 2, 2, big, entry[i][1]);
        put_number(p + 4, 4, big, entry[i][2]);
    }
    put_number(tiff + 10 + 12 + 8, 2, big, orientation);
}

/* In a block of its exact size, so that a read past its end shows under AddressSanitizer. */
static unsigned orientation_of(const uint8_t *tiff, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, tiff, bytes);
    const unsigned orientation = rs_exif_orientation(copy, bytes);
    free(copy);
    return orientation;
}

static void finds_the_orientation(void **state)
{
    (void)state;
    uint8_t tiff[TIFF_BYTES];
    for (int big = 0; big < 2; big++)
        for (unsigned o = 0; o < 11; o++) {
            make_tiff(tiff, big, o);
            assert_int_equal(orientation_of(tiff, sizeof tiff), o >= 1 && o <= 8 ? o : 1);
        }
}

/* As Pillow reads it: numbers of any type count, others do not; the first of several values counts. */
static void takes_numbers_of_other_types(void **state)
{
    (void)state;
    static const struct {
        unsigned type, count, want;
        uint8_t value[12];
    } entries[] = {
        {3, 1, 6, {0, 6}},
        {3, 2, 6, {0, 6, 0, 3}},
        {4, 1, 6, {0, 0, 0, 6}},
        {9, 1, 6, {0, 0, 0, 6}},
        {13, 1, 6, {0, 0, 0, 6}},
        {8, 1, 6, {0, 6}},
        {6, 1, 6, {6}},
        {11, 1, 6, {0x40, 0xc0, 0, 0}}, /* 6.0f */
        {5, 1, 6, {0, 0, 0, 12, 0, 0, 0, 2}},
        {10, 1, 6, {0xff, 0xff, 0xff, 0xfa, 0xff, 0xff, 0xff, 0xff}}, /* -6 / -1 */
        {12, 1, 6, {0x40, 0x18, 0, 0, 0, 0, 0, 0}},
        {16, 1, 6, {0, 0, 0, 0, 0, 0, 0, 6}},
        {4, 2, 6, {0, 0, 0, 6, 0, 0, 0, 3}},
        {1, 1, 1, {6}}, /* bytes, text */
        {7, 1, 1, {6}},
        {2, 2, 1, {'6', 0}},
        {8, 1, 1, {0xff, 0xfa}}, /* -6 */
        {5, 1, 1, {0, 0, 0, 6, 0, 0, 0, 0}},
        {11, 1, 1, {0x7f, 0xc0, 0, 0}}, /* not a number */
        {4, 1, 1, {0, 0, 0, 9}},
        {3, 0, 0, {0, 6}}, /* nothing there */
        {0, 1, 0, {0, 6}},
        {14, 1, 0, {0, 6}},
        {0xffff, 1, 0, {0, 6}},
    };
    for (size_t i = 0; i < RS_COUNT(entries); i++) {
        uint8_t tiff[TIFF_BYTES + 12];
        uint8_t *entry = tiff + 10 + 12;
        memset(tiff, 0, sizeof tiff);
        make_tiff(tiff, true, 0);
        put_number(entry + 2, 2, true, entries[i].type);
        put_number(entry + 4, 4, true, entries[i].count);
        memcpy(entry + 8, entries[i].value, 4);
        const unsigned size = entries[i].type == 5 || entries[i].type == 10 ||
                                      entries[i].type == 12 || entries[i].type == 16
                                  ? 8
                                  : 4;
        if (size * entries[i].count > 4 && entries[i].type != 3 && entries[i].type != 2) {
            put_number(entry + 8, 4, true, TIFF_BYTES);
            memcpy(tiff + TIFF_BYTES, entries[i].value, 12);
        }
        if (orientation_of(tiff, sizeof tiff) != entries[i].want)
            fail_msg("type %u: got %u, expected %u", entries[i].type,
                     orientation_of(tiff, sizeof tiff), entries[i].want);
    }
}

static void bears_the_prefix_of_jpeg(void **state)
{
    (void)state;
    uint8_t data[6 + TIFF_BYTES] = "Exif\0";
    make_tiff(data + 6, false, 8);
    assert_int_equal(orientation_of(data, sizeof data), 8);
    for (size_t n = 0; n < 14; n++)
        assert_int_equal(orientation_of(data, n), 0);
}

static void reads_xmp(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned want;
    } packets[] = {
        {"<rdf:Description tiff:Orientation=\"6\"/>", 6},
        {"<tiff:Orientation>8</tiff:Orientation>", 8},
        {"<tiff:Orientation>9</tiff:Orientation>", 1},
        {"tiff:Orientation tiff:Orientation=\"3\"", 3},
        {"tiff:Orientation='6'", 0},
        {"tiff:Orientation=\"", 0},
        {"tiff:Orientation>", 0},
        {"tiff:Orientation", 0},
        {"", 0},
    };
    for (size_t i = 0; i < RS_COUNT(packets); i++) {
        const size_t n = strlen(packets[i].text);
        uint8_t *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, packets[i].text, n);
        assert_int_equal(rs_xmp_orientation(copy, n), packets[i].want);
        free(copy);
    }
}

static void bears_damaged_directories(void **state)
{
    (void)state;
    static const unsigned offsets[] = {0, 1, 7, 30, 36, 37, 38, 39, 0x7fffffff, 0xffffffff};
    uint8_t tiff[TIFF_BYTES];
    rs_rng rng;
    rs_rng_init(&rng, 3, 4);
    make_tiff(tiff, true, 6);
    for (size_t n = 0; n < sizeof tiff; n++) {
        const unsigned got = orientation_of(tiff, n);
        assert_int_equal(got, n < sizeof tiff - 4 ? 0 : 6); /* the link at the end is not needed */
    }
    for (size_t i = 0; i < RS_COUNT(offsets); i++) {
        put_number(tiff + 4, 4, true, offsets[i]);
        assert_in_range(orientation_of(tiff, sizeof tiff), 0, 8);
    }
    make_tiff(tiff, true, 6);
    put_number(tiff + 8, 2, true, 0xffff); /* more entries than there are bytes */
    assert_int_equal(orientation_of(tiff, sizeof tiff), 6);
    put_number(tiff + 10 + 12 + 2, 2, true,
               5); /* a ratio, whose values would lie beyond the data */
    assert_int_equal(orientation_of(tiff, sizeof tiff), 0);
    for (int k = 0; k < 20000; k++) {
        make_tiff(tiff, k % 2, 8);
        for (int i = 0; i < 3; i++)
            tiff[rs_rng_below(&rng, sizeof tiff)] = (uint8_t)rs_rng_u32(&rng);
        assert_in_range(orientation_of(tiff, sizeof tiff), 0, 8);
    }
}

/* An image of 3x2 whose pixels are numbered by rows, as it looks for each orientation: what a
 * viewer has to show is always the numbers of `upright`, whose entry for orientation o says which
 * stored pixel lies at each place, row by row. From the table of TIFF 6.0, page 36. */
static const struct {
    size_t width, height;
    uint8_t pixel[6];
} upright[9] = {
    [1] = {3, 2, {0, 1, 2, 3, 4, 5}}, /* row 0 is the top, column 0 the left */
    [2] = {3, 2, {2, 1, 0, 5, 4, 3}}, /* top, right */
    [3] = {3, 2, {5, 4, 3, 2, 1, 0}}, /* bottom, right */
    [4] = {3, 2, {3, 4, 5, 0, 1, 2}}, /* bottom, left */
    [5] = {2, 3, {0, 3, 1, 4, 2, 5}}, /* left, top */
    [6] = {2, 3, {3, 0, 4, 1, 5, 2}}, /* right, top */
    [7] = {2, 3, {5, 2, 4, 1, 3, 0}}, /* right, bottom */
    [8] = {2, 3, {2, 5, 1, 4, 0, 3}}, /* left, bottom */
};

static rescl_image numbered(void)
{
    rescl_image image = {.width = 3, .height = 2, .pixels = malloc(18)};
    assert_non_null(image.pixels);
    for (int i = 0; i < 18; i++)
        image.pixels[i] = (uint8_t)(i / 3 * 40 + i % 3);
    return image;
}

static void expect_upright(const rescl_image *image, unsigned orientation)
{
    assert_int_equal(image->width, upright[orientation].width);
    assert_int_equal(image->height, upright[orientation].height);
    for (int i = 0; i < 18; i++)
        assert_int_equal(image->pixels[i], upright[orientation].pixel[i / 3] * 40 + i % 3);
}

static void turns_images_upright(void **state)
{
    (void)state;
    for (unsigned o = 1; o <= 8; o++) {
        rescl_image image = numbered();
        assert_ok(rs_image_orient(&image, o));
        expect_upright(&image, o);
        rescl_image_free(&image);
    }
}

static void on_error(png_structp png, png_const_charp message)
{
    (void)png;
    fail_msg("the test cannot write its PNG: %s", message);
}

/* PNG has EXIF data in a chunk of its own. */
static void reads_it_from_png(void **state)
{
    char *dir = *state;
    const char *path = rs_test_path("%s/turned.png", dir);
    for (unsigned o = 1; o <= 8; o++) {
        rescl_image image = numbered(), back;
        uint8_t tiff[TIFF_BYTES];
        make_tiff(tiff, o % 2, o);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, NULL);
        png_infop info = png_create_info_struct(png);
        png_init_io(png, file);
        png_set_IHDR(png, info, 3, 2, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_set_eXIf_1(png, info, TIFF_BYTES, tiff);
        png_write_info(png, info);
        for (size_t y = 0; y < 2; y++)
            png_write_row(png, image.pixels + 9 * y);
        png_write_end(png, info);
        png_destroy_write_struct(&png, &info);
        assert_int_equal(fclose(file), 0);
        assert_ok(rescl_image_read(path, &back));
        expect_upright(&back, o);
        rescl_image_free(&back);
        rescl_image_free(&image);
    }
}

static int make_dir(void **state)
{
    *state = rs_test_dir_make();
    return 0;
}

static int remove_dir(void **state)
{
    rs_test_dir_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_orientation),     cmocka_unit_test(takes_numbers_of_other_types),
        cmocka_unit_test(bears_the_prefix_of_jpeg),  cmocka_unit_test(reads_xmp),
        cmocka_unit_test(bears_damaged_directories), cmocka_unit_test(turns_images_upright),
        cmocka_unit_test(reads_it_from_png),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
