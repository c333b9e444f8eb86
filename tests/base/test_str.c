#include "testing.h"

#include "str.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void builds_strings(void **state)
{
    (void)state;
    rs_str s = {0};
    assert_ok(rs_str_append(&s, ""));
    assert_string_equal(s.text, "");
    for (int i = 0; i < 500; i++)
        assert_ok(rs_str_appendf(&s, "%d,", i));
    assert_ok(rs_str_append(&s, "end"));
    assert_int_equal(s.len, strlen(s.text));
    assert_int_equal(s.len, 10 * 2 + 90 * 3 + 400 * 4 + 3);
    assert_int_equal(strncmp(s.text, "0,1,2,3,", 8), 0);
    assert_string_equal(s.text + s.len - 7, "499,end");
    rs_str_fini(&s);
    assert_null(s.text);
    assert_int_equal(s.len, 0);

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
                               "1e3",
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
    assert_true(rs_parse_f64("1e-320", &d)); /* subnormal */
    assert_true(d > 0);
    const char *const bad[] = {"",    ".",  "1,5",   " 1",     "1 ", "nan", "inf",
                               "0x1", "1e", "1e400", "-1e400", "1f", "--1", "1.2.3"};
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
    const char *const none[] = {NULL};
    assert_null(rs_nearest("epochs", none));
    const char *const tie[] = {"cat", "bat", NULL};
    assert_string_equal(rs_nearest("rat", tie), "cat"); /* the first of equals */
}

static void lists_the_names_there_are(void **state)
{
    (void)state;
    const char *const names[] = {"apple", "pear", "plum", NULL};
    assert_fails(
        rs_no_such_name("fruit", "appel", names), RESCL_ERR_ARG,
        "there is no fruit 'appel' (did you mean 'apple'?); there are apple, pear and plum");
    assert_fails(rs_no_such_name("fruit", "x", names), RESCL_ERR_ARG,
                 "there is no fruit 'x'; there are apple, pear and plum");
    assert_fails(rs_no_such_name("fruit", "apple", names + 2), RESCL_ERR_ARG, "there are plum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_strings),      cmocka_unit_test(parses_whole_numbers),
        cmocka_unit_test(parses_decimals),     cmocka_unit_test(measures_distance),
        cmocka_unit_test(suggests_near_names), cmocka_unit_test(lists_the_names_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
