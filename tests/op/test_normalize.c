/* Images as bytes to the network's input, against the table on the host. */
#include "normalize.h"

#include "error.h"
#include "fixtures.h"
#include "supportproof.h"
#include "testing.h"

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
            assert_ok(rs_prove_normalize(rs_test_device(), types[t], shapes[i][0], shapes[i][1],
                                         shapes[i][2]));
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
    assert_int_equal(rs_images_bytes(2, 75, 0), 3 * 256 * 4 + 192 + 32);
    assert_int_equal(rs_images_bytes(SIZE_MAX / 2, 3, 0), 0);
    assert_int_equal(rs_images_bytes(1, SIZE_MAX - 64, 0), 0);
    assert_int_equal(rs_images_bytes(SIZE_MAX / 4, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_table),
        cmocka_unit_test(packs_targets),
        cmocka_unit_test(knows_what_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
