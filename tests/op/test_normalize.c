/* Images as bytes to the network's input, against the table on the host. */
#include "attr.h"
#include "normalize.h"

#include "error.h"
#include "fixtures.h"
#include "half.h"
#include "rng.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

/* Numbers that are not those of another byte or channel. */
static void draw_table(float table[3][256])
{
    rs_rng r;
    rs_rng_init(&r, 4, 2);
    for (size_t c = 0; c < 3; c++)
        for (size_t v = 0; v < 256; v++)
            table[c][v] = rs_rng_normal(&r) + (float)c * 16.0f;
}

static rs_tensor tensor(const rs_shape *shape, rs_dtype type)
{
    rs_tensor t = {.shape = *shape, .dtype = type};
    assert_ok(rs_buffer_create(rs_test_device(), rs_shape_count(shape) * 4, &t.buf));
    return t;
}

/* What a table's number is in memory. */
static void put_stored(rs_dtype type, float x, unsigned char *to)
{
    const uint16_t narrow = type == RS_BF16 ? rs_bf16_of_float(x) : rs_f16_of_float(x);
    const void *from = type == RS_F32 ? (const void *)&x : &narrow;
    memcpy(to, from, rs_dtype_bytes(type));
}

static void check(rs_dtype type, size_t n, size_t height, size_t width)
{
    rescl_device *dev = rs_test_device();
    const size_t image = height * width * 3, values = n * image, bytes = rs_images_bytes(n, image);
    const rs_shape images = rs_shape_4(n, height, width, 3), rows = rs_shape_2(n, RS_TARGET_WORDS);
    const rs_tensor input = tensor(&images, type), targets = tensor(&rows, RS_I32);
    uint8_t *pixels = malloc(values);
    int32_t *label = malloc(n * sizeof *label);
    const size_t words = n * RS_TARGET_WORDS;
    int32_t *target = malloc(words * sizeof *target), *got_target = malloc(words * sizeof *target);
    rs_mixed *mixed = malloc(n * sizeof *mixed);
    const size_t number = rs_dtype_bytes(type);
    unsigned char *got = malloc(values * number), *want = malloc(values * number);
    float table[3][256];
    void *block = malloc(bytes);
    rs_kernel *kernel = NULL;
    rs_buffer *buf = NULL;
    rs_rng r;

    assert_true(pixels && label && mixed && target && got_target && got && want && block);
    rs_rng_init(&r, values, 1);
    for (size_t i = 0; i < values; i++)
        pixels[i] = (uint8_t)rs_rng_below(&r, 256);
    for (size_t i = 0; i < n; i++)
        label[i] = (int32_t)rs_rng_below(&r, 1000);
    for (size_t i = 0; i < n; i++)
        mixed[i] = (rs_mixed){label[n - 1 - i], (int32_t)rs_rng_below(&r, RS_MIXED_ONE)};
    draw_table(table);
    rs_images_pack(&(rs_images){n, pixels, (const float(*)[256])table, label, mixed}, image, block);
    assert_ok(rs_buffer_create(dev, bytes, &buf));
    assert_ok(rs_write(dev, buf, 0, block, bytes));
    assert_ok(rs_normalize_kernel(dev, type, &kernel));
    assert_ok(rs_normalize_enqueue(dev, kernel, buf, &input, &targets));
    assert_ok(rs_read(dev, input.buf, 0, got, values * number));
    assert_ok(rs_read(dev, targets.buf, 0, got_target, words * sizeof *got_target));
    for (size_t i = 0; i < values; i++)
        put_stored(type, table[i % 3][pixels[i]], want + i * number);
    assert_memory_equal(got, want, values * number);
    rs_targets_pack(label, mixed, n, target);
    assert_true(target[0] == label[0] && target[1] == mixed[0].label &&
                target[2] == mixed[0].share);
    assert_memory_equal(got_target, target, words * sizeof *target);
    rs_buffer_release(buf);
    rs_buffer_release(input.buf);
    rs_buffer_release(targets.buf);
    free(block);
    free(got);
    free(want);
    free(got_target);
    free(target);
    free(mixed);
    free(label);
    free(pixels);
}

/* From less than a unit to more than each work-item has one, with any rest; more labels than units. */
static void reads_the_table(void **state)
{
    static const size_t shapes[][3] = {{1, 1, 1},   {2, 1, 1},     {3, 1, 1},   {500, 1, 1},
                                       {1, 1, 2},   {1, 7, 5},     {2, 8, 8},   {5, 13, 11},
                                       {3, 61, 67}, {2, 224, 224}, {1, 33, 127}};
    static const rs_dtype types[] = {RS_F32, RS_BF16, RS_F16};
    (void)state;
    for (size_t t = 0; t < RS_COUNT(types); t++)
        for (size_t i = 0; i < RS_COUNT(shapes); i++)
            check(types[t], shapes[i][0], shapes[i][1], shapes[i][2]);
}

static void knows_what_is_too_large(void **state)
{
    (void)state;
    assert_int_equal(rs_images_bytes(2, 75), 3 * 256 * 4 + 192 + 24);
    assert_int_equal(rs_images_bytes(SIZE_MAX / 2, 3), 0);
    assert_int_equal(rs_images_bytes(1, SIZE_MAX - 64), 0);
    assert_int_equal(rs_images_bytes(SIZE_MAX / 4, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_table),
        cmocka_unit_test(knows_what_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
