#include "testing.h"

#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "imagecases.h"

#ifdef RS_HAVE_WEBP

static void reads_what_libwebp_writes(void **state)
{
    (void)state;
    expect_image("lossy.webp", "WebP", 0);
    expect_image("lossless.webp", "WebP", 0);
    expect_image("alpha.webp", "WebP", 0);
    expect_image("alpha_lossless.webp", "WebP", 0);
    expect_image("turned.webp", "WebP", 0);
}

static void takes_the_first_frame(void **state)
{
    (void)state;
    expect_image("frames.webp", "WebP", RESCL_IMAGE_FIRST_OF_SEVERAL);
}

/* EXIF data lie behind the pixels. */
static void reads_what_ends_behind_its_pixels(void **state)
{
    (void)state;
    rescl_image image;
    unsigned notices = 0;
    size_t bytes;
    uint8_t *data = read_case("turned.webp", &bytes);
    assert_ok(rescl_image_decode_with(data, bytes - 1, "cut", NULL, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_END_DAMAGED);
    assert_int_equal(image.width, 13);
    rescl_image_free(&image);
    free(data);
}

static void refuses_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"lossy.webp", "lossless.webp", "alpha.webp", "frames.webp"};
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        expect_cuts(names[i]);
        change_bytes(names[i]);
    }
    expect_refused("RIFF\4\0\0\0WEBPVP8 \0\0\0\0", 20, "corrupted WebP");
    expect_refused("RIFF\x0c\0\0\0WEBPVP8X\0\0\0\0", 20, "holds no image");
}

static void keeps_to_the_limit(void **state)
{
    (void)state;
    expect_limit("lossy.webp", "13x7 is too large");
}

static void makes_large_images_smaller(void **state)
{
    (void)state;
    expect_case_smaller("large.webp", (const uint8_t[]){200, 100, 50});
}

#else

static void says_what_to_install(void **state)
{
    (void)state;
    rescl_image image;
    assert_fails(rescl_image_decode("RIFF\x0c\0\0\0WEBPVP8X\0\0\0\0", 20, "a.webp", &image),
                 RESCL_ERR_UNSUPPORTED, "libwebp-dev", "RESCL_WITH_WEBP=ON");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef RS_HAVE_WEBP
        cmocka_unit_test(reads_what_libwebp_writes),
        cmocka_unit_test(takes_the_first_frame),
        cmocka_unit_test(reads_what_ends_behind_its_pixels),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(keeps_to_the_limit),
        cmocka_unit_test(makes_large_images_smaller),
#else
        cmocka_unit_test(says_what_to_install),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
