#include "testing.h"

#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "imagecases.h"

static void reads_every_kind(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.bmp",  "grey.bmp",   "palette.bmp",
                                        "bits.bmp", "alpha.bmp",  "rle8.bmp",
                                        "os2.bmp",  "rgb565.bmp", "rgb555.bmp"};
    for (size_t i = 0; i < RS_COUNT(names); i++)
        expect_image(names[i], "BMP", 0);
}

/* A negative height: the first row stands first. */
static void reads_rows_from_the_top(void **state)
{
    (void)state;
    rescl_image down, up;
    size_t bytes;
    uint8_t *data = read_case("rgb.bmp", &bytes);
    assert_ok(rescl_image_decode(data, bytes, "down", &down));
    for (int i = 0; i < 4; i++)
        data[22 + i] = (uint8_t)((uint32_t)-7 >> 8 * i);
    assert_ok(rescl_image_decode(data, bytes, "up", &up));
    assert_int_equal(up.height, 7);
    for (size_t y = 0; y < 7; y++)
        assert_memory_equal(up.pixels + y * 39, down.pixels + (6 - y) * 39, 39);
    rescl_image_free(&down);
    rescl_image_free(&up);
    free(data);
}

static void refuses_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.bmp", "palette.bmp", "rle8.bmp", "os2.bmp",
                                        "alpha.bmp"};
    size_t bytes;
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        expect_cuts(names[i]);
        change_bytes(names[i]);
    }
    uint8_t *data = read_case("rgb.bmp", &bytes);
    data[28] = 23;
    expect_refused(data, bytes, "23 bits");
    data[28] = 24;
    data[30] = 4;
    expect_refused(data, bytes, "holds a JPEG");
    data[30] = 0;
    data[21] = 0x7f; /* wider than any file */
    expect_refused(data, bytes, "too large");
    data[21] = 0;
    data[19] = 0x10; /* wider than this one */
    expect_refused(data, bytes, "ends too early");
    data[19] = data[18] = 0;
    expect_refused(data, bytes, "corrupted");
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(reads_rows_from_the_top),
        cmocka_unit_test(refuses_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
