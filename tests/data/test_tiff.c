#include "testing.h"

#include <pthread.h>
#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "imagecases.h"

#ifdef RS_HAVE_TIFF

static void reads_every_compression(void **state)
{
    (void)state;
    static const char *const names[] = {"raw.tif",  "lzw.tif",  "adobe_deflate.tif", "packbits.tif",
                                        "jpeg.tif", "fax4.tif", "turned.tif",        "big.tif"};
    for (size_t i = 0; i < RS_COUNT(names); i++)
        expect_image(names[i], "TIFF", 0);
}

static void reads_every_kind_of_colour(void **state)
{
    (void)state;
    static const char *const names[] = {"grey.tif",      "grey4.tif",      "palette.tif",
                                        "bits.tif",      "cmyk.tif",       "white_is_0.tif",
                                        "ycbcr.tif",     "alpha.tif",      "rgb16.tif",
                                        "grey16.tif",    "grey_alpha.tif", "grey16_big_endian.tif",
                                        "associated.tif"};
    for (size_t i = 0; i < RS_COUNT(names); i++)
        expect_image(names[i], "TIFF", 0);
}

static void reads_tiles_and_planes(void **state)
{
    (void)state;
    expect_image("tiles.tif", "TIFF", 0);
    expect_image("planes.tif", "TIFF", 0);
    expect_image("planes_jpeg.tif", "TIFF", 0);
    expect_image("tiles_planes.tif", "TIFF", 0);
}

static void takes_the_first_page(void **state)
{
    (void)state;
    expect_image("pages.tif", "TIFF", RESCL_IMAGE_FIRST_OF_SEVERAL);
}

static void refuses_other_samples(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *data = read_case("float.tif", &bytes);
    expect_refused(data, bytes, "floating-point samples, which is not supported");
    free(data);
}

static void refuses_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"raw.tif",    "lzw.tif",   "jpeg.tif",   "fax4.tif",
                                        "grey16.tif", "tiles.tif", "planes.tif", "ycbcr.tif"};
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        expect_cuts(names[i]);
        change_bytes(names[i]);
    }
    expect_refused("II*\0\10\0\0\0", 8, "corrupted TIFF");
    expect_refused("MM\0*\xff\xff\xff\xff", 8, "corrupted TIFF");
}

/* libtiff's messages are those of the file that a thread reads. */
static void *read_damaged(void *arg)
{
    const char *name = arg;
    size_t wrong = 0, bytes = 16;
    uint8_t data[16] = "II*\0\10\0\0\0";
    for (int i = 0; i < 200; i++) {
        rescl_image image;
        wrong += rescl_image_decode(data, bytes, name, &image) != RESCL_ERR_FORMAT ||
                 strstr(rescl_last_error()->message, name) == NULL;
    }
    return (void *)wrong;
}

static void messages_keep_to_their_threads(void **state)
{
    (void)state;
    pthread_t thread[2];
    char names[2][8] = {"one.tif", "two.tif"};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_damaged, names[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
}

/* The largest that is said is refused before there is memory for it. */
static void keeps_to_the_limit(void **state)
{
    (void)state;
    expect_limit("raw.tif", "13x7 is too large");
}

static void makes_large_images_smaller(void **state)
{
    (void)state;
    expect_case_smaller("large.tif", (const uint8_t[]){255, 255, 255});
}

#else

static void says_what_to_install(void **state)
{
    (void)state;
    rescl_image image;
    assert_fails(rescl_image_decode("II*\0\10\0\0\0", 8, "a.tif", &image), RESCL_ERR_UNSUPPORTED,
                 "libtiff-dev", "RESCL_WITH_TIFF=ON");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef RS_HAVE_TIFF
        cmocka_unit_test(reads_every_compression),
        cmocka_unit_test(reads_every_kind_of_colour),
        cmocka_unit_test(reads_tiles_and_planes),
        cmocka_unit_test(takes_the_first_page),
        cmocka_unit_test(refuses_other_samples),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(messages_keep_to_their_threads),
        cmocka_unit_test(keeps_to_the_limit),
        cmocka_unit_test(makes_large_images_smaller),
#else
        cmocka_unit_test(says_what_to_install),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
