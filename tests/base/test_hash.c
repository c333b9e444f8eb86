#include "testing.h"

#include "hash.h"

#include <string.h>

static void matches_xxh3(void **state)
{
    (void)state;
    char hex[33];
    /* The published value for no input. */
    rs_hash_hex(rs_hash_bytes("", 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    rs_hash_hex((rs_hash){.hi = 1, .lo = 0xabc}, hex);
    assert_string_equal(hex, "00000000000000010000000000000abc");
}

static int same(rs_hash a, rs_hash b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static void lengths_take_part(void **state)
{
    (void)state;
    const char *a[] = {"ab", "c"}, *b[] = {"a", "bc"}, *c[] = {"abc"}, *d[] = {"abc", NULL};
    const char *e[] = {"abc", ""};
    rs_hash ha = rs_hash_strings(a, 2), hb = rs_hash_strings(b, 2);
    assert_true(same(ha, rs_hash_strings(a, 2)));
    assert_false(same(ha, hb));
    assert_false(same(ha, rs_hash_strings(c, 1)));
    assert_false(same(rs_hash_strings(c, 1), rs_hash_strings(d, 2)));
    assert_true(same(rs_hash_strings(d, 2), rs_hash_strings(e, 2)));
}

static void every_byte_counts(void **state)
{
    (void)state;
    unsigned char data[300];
    memset(data, 0x5a, sizeof data);
    rs_hash whole = rs_hash_bytes(data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] ^= 1;
        assert_false(same(whole, rs_hash_bytes(data, sizeof data)));
        data[i] ^= 1;
        assert_false(same(whole, rs_hash_bytes(data, i)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_xxh3),
        cmocka_unit_test(lengths_take_part),
        cmocka_unit_test(every_byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
