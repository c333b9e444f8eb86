/* Images to the network's input, against the table on the host. */
#include "normalize.h"

#include "attr.h"
#include "error.h"
#include "fixtures.h"
#include "supportproof.h"
#include "testing.h"

#include <math.h>
#include <string.h>

/* From less than a unit to more than each work-item has one, with any rest; more labels than units. */
static void reads_the_table(void **state)
{
    static const size_t shapes[][3] = {{1, 1, 1},   {2, 1, 1},     {3, 1, 1},   {500, 1, 1},
                                       {1, 1, 2},   {1, 7, 5},     {2, 8, 8},   {5, 13, 11},
                                       {3, 61, 67}, {2, 224, 224}, {1, 33, 127}};
    static const rs_dtype types[] = {RS_F32, RS_BF16, RS_F16};
    (void)state;
    for (const char *const *choice = rs_support_normalize.choice; *choice; choice++)
        for (size_t t = 0; t < RS_COUNT(types); t++)
            for (size_t i = 0; i < (choice == rs_support_normalize.choice ? RS_COUNT(shapes) : 8);
                 i++)
                assert_ok(rs_prove_normalize(rs_test_device(), types[t], *choice, shapes[i][0],
                                             shapes[i][1], shapes[i][2]));
}

/* Samples that 8 bits cannot tell apart become numbers of their own, in order, between those of 0 and 255; grey
 * images have one sample of three. */
static void keeps_sixteen_bits(void **state)
{
    enum { N = 4096 };
    static uint16_t pixels[3 * N];
    static unsigned char block[RS_TABLE_BYTES + 2 * N + 64 + N * RS_TARGET_WORDS * 4];
    const rs_block_form form = {N, 1, 16, 0};
    const int32_t label = 0;
    float table[4][256] = {{0}};
    uint16_t packed;
    (void)state;
    for (size_t v = 0; v < 256; v++)
        table[0][v] = ((float)v / 255.0f - 0.485f) / 0.229f;
    for (size_t i = 0; i < N; i++)
        pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = (uint16_t)(30000 + i);
    assert_true(rs_deep_value(table[0], 0) == table[0][0]);
    assert_true(rs_deep_value(table[0], 65535) == table[0][255]);
    for (uint16_t x = 1; x < 65535; x++) {
        const double want = ((double)x / 65535.0 - 0.485) / 0.229;
        assert_true(rs_deep_value(table[0], x) > rs_deep_value(table[0], (uint16_t)(x - 1)));
        assert_true(fabs((double)rs_deep_value(table[0], x) - want) < 1e-6);
    }
    assert_true(rs_images_bytes(1, &form) <= sizeof block);
    rs_images_pack(
        &(rs_images){1, (const uint8_t *)pixels, (const float(*)[256])table, &label, NULL, NULL},
        &form, block);
    for (size_t i = 0; i < N; i++) {
        memcpy(&packed, block + RS_TABLE_BYTES + 2 * i, sizeof packed);
        assert_int_equal(packed, 30000 + i);
    }
}

static void packs_targets(void **state)
{
    static const int32_t label[] = {3, 1};
    static const rs_mixed mixed[] = {{5, 7, 2.0f}, {2, 9, 1.0f}};
    static const int32_t one = 0x3f800000, two = 0x40000000; /* bits of floats */
    const int32_t want[2 * 4] = {3, 5, 7, two, 1, 2, 9, one};
    const int32_t plain[2 * 4] = {3, 3, 0, one, 1, 1, 0, one};
    int32_t target[2 * 4];
    (void)state;
    rs_targets_pack(label, mixed, 2, target);
    assert_memory_equal(target, want, sizeof want);
    rs_targets_pack(label, NULL, 2, target);
    assert_memory_equal(target, plain, sizeof plain);
}

static void knows_what_is_too_large(void **state)
{
    (void)state;
    const rs_block_form usual = {75, 3, 8, 0}, deep = {75, 3, 16, 0}, small = {3, 3, 8, 0};
    const rs_block_form huge = {SIZE_MAX - 64, 3, 8, 0}, one = {1, 3, 8, 0};
    const rs_block_form half = {SIZE_MAX / 2 + 1, 3, 16, 0};
    assert_int_equal(rs_images_bytes(2, &usual), 4 * 256 * 4 + 192 + 32);
    assert_int_equal(rs_images_bytes(2, &deep), 4 * 256 * 4 + 320 + 32);
    assert_int_equal(rs_images_bytes(SIZE_MAX / 2, &small), 0);
    assert_int_equal(rs_images_bytes(1, &huge), 0);
    assert_int_equal(rs_images_bytes(1, &half), 0);
    assert_int_equal(rs_images_bytes(SIZE_MAX / 4, &one), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_table),
        cmocka_unit_test(keeps_sixteen_bits),
        cmocka_unit_test(packs_targets),
        cmocka_unit_test(knows_what_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
