#include "testing.h"

#include "text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void prints_to_the_heap(void **state)
{
    (void)state;
    char *text = rs_strf("%s-%03d", "a", 7);
    assert_string_equal(text, "a-007");
    free(text);
}

static void parses_whole_numbers(void **state)
{
    (void)state;
    uint64_t u = 5;
    assert_true(rs_parse_u64("0", &u));
    assert_int_equal(u, 0);
    assert_true(rs_parse_u64("18446744073709551615", &u));
    assert_true(u == UINT64_MAX);
    assert_true(rs_parse_u64("007", &u));
    assert_int_equal(u, 7);
    const char *const bad[] = {"",
                               " 1",
                               "1 ",
                               "-1",
                               "+1",
                               "1.0",
                               "0x",
                               "0x1",
                               "1e3",
                               "a",
                               "1a",
                               "abc",
                               "18446744073709551616",
                               "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        u = 5;
        assert_false(rs_parse_u64(bad[i], &u));
        assert_int_equal(u, 5);
    }
}

static void parses_decimals(void **state)
{
    (void)state;
    double d = 0;
    assert_true(rs_parse_f64("-1.5e-3", &d));
    assert_true(d == -1.5e-3);
    assert_true(rs_parse_f64(".25", &d));
    assert_true(d == 0.25);
    assert_true(rs_parse_f64("2.", &d));
    assert_true(d == 2);
    assert_true(rs_parse_f64("1E3", &d));
    assert_true(d == 1000);
    assert_true(rs_parse_f64("1e-320", &d)); /* subnormal */
    assert_true(d > 0);
    const char *const bad[] = {"",  ".",  "1,5",   " 1",    "1 ",     "nan", "inf", "0x1",  "0x10",
                               "e", "1e", "1e400", "1e999", "-1e400", "1f",  "--1", "1.2.3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        d = 5;
        assert_false(rs_parse_f64(bad[i], &d));
        assert_true(d == 5);
    }
    /* A program that has chosen a locale with a decimal comma reads the same numbers. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        assert_true(rs_parse_f64("0.5", &d));
        assert_true(d == 0.5);
        setlocale(LC_NUMERIC, "C");
    }
}

static void intervals(void **state)
{
    (void)state;
    assert_true(rs_in_range_f64("[0,1)", 0));
    assert_false(rs_in_range_f64("[0,1)", 1));
    assert_false(rs_in_range_f64("(0,1]", 0));
    assert_true(rs_in_range_f64("(0,1]", 1));
    assert_false(rs_in_range_f64("(0,1]", 1.0000001));
    assert_false(rs_in_range_f64("[0,1000]", -1e-300));
    assert_true(rs_in_range_u64("[1,8]", 1));
    assert_true(rs_in_range_u64("[1,8]", 8));
    assert_false(rs_in_range_u64("[1,8]", 0));
    assert_false(rs_in_range_u64("[1,8]", 9));
    assert_true(rs_in_range_u64("[0,18446744073709551615]", UINT64_MAX));
    assert_true(rs_in_range_f64("(0,inf)", 1e300));
    assert_false(rs_in_range_f64("[0,1]", NAN));
}

static void parses_words(void **state)
{
    (void)state;
    bool on = false;
    assert_true(rs_parse_bool("Yes", &on) && on);
    assert_true(rs_parse_bool("off", &on) && !on);
    assert_false(rs_parse_bool("", &on));
    assert_false(rs_parse_bool("2", &on));
}

static void measures_distance(void **state)
{
    (void)state;
    assert_int_equal(rs_edit_distance("", ""), 0);
    assert_int_equal(rs_edit_distance("", "abc"), 3);
    assert_int_equal(rs_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(rs_edit_distance("sitting", "kitten"), 3);
    assert_int_equal(rs_edit_distance("flaw", "lawn"), 2);
    char longer[300];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(rs_edit_distance(longer, ""), 64);
    assert_int_equal(rs_edit_distance(longer, longer), 0);
}

static void suggests_near_names(void **state)
{
    (void)state;
    const char *const names[] = {"epochs", "batch-size", "lr", "momentum", "resnet8", NULL};
    assert_string_equal(rs_nearest("ephocs", names), "epochs");
    assert_string_equal(rs_nearest("batchsize", names), "batch-size");
    assert_string_equal(rs_nearest("resnet18", names), "resnet8");
    assert_string_equal(rs_nearest("lt", names), "lr");
    assert_null(rs_nearest("zzzzzz", names));
    assert_null(rs_nearest("x", names));
    assert_null(rs_nearest("", names));
    const char *const options[] = {"epochs", "batch-size", "lr", "lr-min", NULL};
    assert_string_equal(rs_nearest("epoch", options), "epochs");
    assert_string_equal(rs_nearest("EPOHCS", options), "epochs");
    assert_string_equal(rs_nearest("batch", options), "batch-size");
    assert_string_equal(rs_nearest("rl-min", options), "lr-min");
    assert_null(rs_nearest("device", options));
    assert_null(rs_nearest("", options));
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_null(rs_nearest(longest, options));
    const char *const none[] = {NULL};
    assert_null(rs_nearest("epochs", none));
    const char *const tie[] = {"cat", "bat", NULL};
    assert_string_equal(rs_nearest("rat", tie), "cat"); /* the first of equals */
}

static void knows_encodings(void **state)
{
    (void)state;
    assert_int_equal(rs_bom_bytes("\xef\xbb\xbfx", 4), 3);
    assert_int_equal(rs_bom_bytes("\xef\xbb", 2), 0);
    assert_int_equal(rs_bom_bytes("", 0), 0);
    assert_string_equal(rs_wide_encoding("\xff\xfe"
                                         "a\0",
                                         4),
                        "UTF-16");
    assert_string_equal(rs_wide_encoding("\xfe\xff\0a", 4), "UTF-16");
    assert_string_equal(rs_wide_encoding("a\0b\0", 4), "UTF-16");
    assert_string_equal(rs_wide_encoding("\0a\0b", 4), "UTF-16");
    assert_string_equal(rs_wide_encoding("\xff\xfe\0\0", 4), "UTF-32");
    assert_string_equal(rs_wide_encoding("\0\0\xfe\xff", 4), "UTF-32");
    assert_string_equal(rs_wide_encoding("a\0\0\0", 4), "UTF-32");
    assert_string_equal(rs_wide_encoding("\0\0\0a", 4), "UTF-32");
    assert_null(rs_wide_encoding("abcd", 4));
    assert_null(rs_wide_encoding("\0\0\0\0", 4));
    assert_null(rs_wide_encoding("\xef\xbb\xbfx", 4));
    assert_null(rs_wide_encoding("", 0));
}

static void escaped(const char *text, const char *keep, const char *expected)
{
    char out[128];
    assert_true(RS_ESCAPED(strlen(text)) <= sizeof out);
    assert_int_equal(rs_escape(text, keep, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void escapes_control_characters(void **state)
{
    (void)state;
    escaped("", "", "");
    escaped("plain \"text\" \\n", "", "plain \"text\" \\n");
    escaped("a\nb\rc\td", "", "a\\nb\\rc\\td");
    escaped("a\nb\r", "\n", "a\nb\\r");
    escaped("\033[2J\033]0;x\a", "", "\\x1b[2J\\x1b]0;x\\x07");
    escaped("\x7f", "", "\\x7f");
    escaped("Schl\xc3\xbcssel \xe7\x8c\xab \xf0\x9f\x90\x88", "",
            "Schl\xc3\xbcssel \xe7\x8c\xab \xf0\x9f\x90\x88");
    escaped("\xc2\x9b"
            "2J",
            "", "\\x9b2J");
    escaped("\x9b"
            "2J",
            "", "\\x9b2J");
    escaped("caf\xe9", "", "caf\xe9");            /* Latin 1 */
    escaped("\xe2\x80\xaegnp", "", "\\u202egnp"); /* right to left from here */
    escaped("a\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "", "a\\u200e\\u200f\\u061c");
    escaped("a\xe2\x80\x8b\xe2\x81\xa0\xe2\x81\xa4", "", "a\\u200b\\u2060\\u2064");
    escaped("a\xf3\xa0\x80\x81\xf3\xa0\x81\xbf", "", "a\\U000e0001\\U000e007f");
    escaped("\xe2\x80\x8c \xe2\x80\x8d", "", "\xe2\x80\x8c \xe2\x80\x8d"); /* joiners */
    assert_true(rs_has_control("a\033"));
    assert_true(rs_has_control("a\xc2\x85"));
    assert_false(rs_has_control("\xe7\x8c\xab caf\xe9"));
    assert_false(rs_has_control(""));
}

static void compares_ends_and_numbers(void **state)
{
    const char *const numbers[] = {"0", "1", "2"}, *const names[] = {"0", "2", "1"};
    (void)state;
    assert_true(rs_ends_with("a/B.KERAS", ".keras"));
    assert_true(rs_ends_with(".h5", ".h5"));
    assert_false(rs_ends_with("h5", ".h5"));
    assert_false(rs_ends_with("x.h5.bak", ".h5"));
    assert_true(rs_are_numbers(numbers, 3));
    assert_false(rs_are_numbers(names, 3));
}

static void tells_utf8(void **state)
{
    (void)state;
    assert_true(rs_is_utf8(""));
    assert_true(rs_is_utf8("Schl\xc3\xbcssel \xe7\x8c\xab \xf0\x9f\x90\x88"));
    static const char *const others[] = {"caf\xe9",
                                         "\x80",
                                         "\xc3",
                                         "\xc0\xaf",
                                         "\xed\xa0\x80",
                                         "\xe0\x80\x80",
                                         "\xff",
                                         "\xf4\x90\x80\x80",
                                         "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(rs_is_utf8(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_to_the_heap),
        cmocka_unit_test(parses_whole_numbers),
        cmocka_unit_test(parses_decimals),
        cmocka_unit_test(intervals),
        cmocka_unit_test(parses_words),
        cmocka_unit_test(measures_distance),
        cmocka_unit_test(suggests_near_names),
        cmocka_unit_test(knows_encodings),
        cmocka_unit_test(escapes_control_characters),
        cmocka_unit_test(tells_utf8),
        cmocka_unit_test(compares_ends_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
