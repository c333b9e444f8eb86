#include "testing.h"

#include "str.h"

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
        cmocka_unit_test(builds_strings),
        cmocka_unit_test(lists_the_names_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
