/* Numbers, intervals and near names of the command line. */
#include "values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h wants those first. */
#include <cmocka.h>

static void whole_numbers(void **state)
{
    (void)state;
    uint64_t x = 1;
    assert_true(cli_parse_u64("0", &x));
    assert_true(x == 0);
    assert_true(cli_parse_u64("18446744073709551615", &x));
    assert_true(x == UINT64_MAX);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "a", "1a", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_parse_u64(bad[i], &x));
    assert_true(x == UINT64_MAX);
}

static void real_numbers(void **state)
{
    (void)state;
    double x = 0;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0}, {"-1.5", -1.5}, {".5", .5}, {"1e-7", 1e-7}, {"2.", 2}, {"1E3", 1000}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(cli_parse_real(good[i].text, &x));
        assert_true(x >= good[i].value && x <= good[i].value);
    }
    static const char *const bad[] = {"",     " 1",    "1 ",  "nan", "inf",
                                      "0x10", "1e999", "1,5", "--1", "e"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_parse_real(bad[i], &x));
}

static void intervals(void **state)
{
    (void)state;
    assert_true(cli_in_range_real("[0,1)", 0));
    assert_false(cli_in_range_real("[0,1)", 1));
    assert_false(cli_in_range_real("(0,1]", 0));
    assert_true(cli_in_range_real("(0,1]", 1));
    assert_false(cli_in_range_real("(0,1]", 1.0000001));
    assert_false(cli_in_range_real("[0,1000]", -1e-300));
    assert_true(cli_in_range_u64("[1,8]", 1));
    assert_true(cli_in_range_u64("[1,8]", 8));
    assert_false(cli_in_range_u64("[1,8]", 0));
    assert_false(cli_in_range_u64("[1,8]", 9));
    assert_true(cli_in_range_u64("[0,18446744073709551615]", UINT64_MAX));
}

static void words(void **state)
{
    (void)state;
    bool on = false;
    assert_true(cli_parse_bool("Yes", &on) && on);
    assert_true(cli_parse_bool("off", &on) && !on);
    assert_false(cli_parse_bool("", &on));
    assert_false(cli_parse_bool("2", &on));

    static const char *const names[] = {"epochs", "batch-size", "lr", "lr-min", NULL};
    assert_string_equal(cli_nearest("epoch", names), "epochs");
    assert_string_equal(cli_nearest("EPOHCS", names), "epochs");
    assert_string_equal(cli_nearest("batch", names), "batch-size");
    assert_string_equal(cli_nearest("rl-min", names), "lr-min");
    assert_null(cli_nearest("device", names));
    assert_null(cli_nearest("", names));
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_null(cli_nearest(longest, names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(intervals),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
