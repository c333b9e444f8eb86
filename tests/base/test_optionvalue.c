/* Options as text, and structs of options of other versions. */
#include "testing.h"

#include "optionvalue.h"

#include <math.h>
#include <string.h>

static const char *const colours[] = {"red", "green", "blue", NULL};

static const rescl_option on = {.name = "on", .type = RESCL_OPTION_BOOL};
static const rescl_option count = {
    .name = "count", .type = RESCL_OPTION_SIZE, .range = "[1,100]", .limits = "[0,inf)"};
static const rescl_option seed = {.name = "seed", .type = RESCL_OPTION_U64, .range = "[0,inf)"};
static const rescl_option share = {.name = "share", .type = RESCL_OPTION_REAL, .range = "(0,0.5]"};
static const rescl_option rate = {
    .name = "rate", .type = RESCL_OPTION_REAL, .range = "[0,1000]", .limits = "[0,inf)"};
static const rescl_option colour = {
    .name = "colour", .type = RESCL_OPTION_CHOICE, .choices = colours};
static const rescl_option path = {.name = "path", .type = RESCL_OPTION_TEXT};

static void reads_text(void **state)
{
    (void)state;
    bool b = false;
    size_t n = 0;
    uint64_t u = 0;
    double x = 0;
    const char *text = NULL, *given = "some where";
    assert_ok(rs_option_parse(&on, "true", &b));
    assert_true(b);
    assert_ok(rs_option_parse(&count, "100", &n));
    assert_int_equal(n, 100);
    assert_ok(rs_option_parse(&seed, "18446744073709551615", &u));
    assert_true(u == UINT64_MAX);
    assert_ok(rs_option_parse(&share, "0.5", &x));
    assert_true(x == 0.5);
    assert_ok(rs_option_parse(&path, given, &text));
    assert_ptr_equal(text, given);
    char word[] = "blue";
    assert_ok(rs_option_parse(&colour, word, &text));
    assert_ptr_equal(text, colours[2]);
}

static void refuses_text(void **state)
{
    (void)state;
    static const struct {
        const rescl_option *option;
        const char *text, *message;
    } bad[] = {
        {&on, "yes", "on: found 'yes', expected true or false"},
        {&count, "0", "count: found '0', expected a whole number in [1,100]"},
        {&count, "101", "in [1,100]"},
        {&count, "1.5", "found '1.5'"},
        {&count, "-1", "found '-1'"},
        {&count, "", "found ''"},
        {&seed, "18446744073709551616", "in [0,inf)"},
        {&share, "0", "share: found '0', expected a number in (0,0.5]"},
        {&share, "0.5000001", "(0,0.5]"},
        {&share, "nan", "found 'nan'"},
        {&rate, "1001", "in [0,1000]"},
        {&rate, "1e999", "found '1e999'"},
        {&colour, "gren",
         "colour: found 'gren', expected one of red, green, blue; did you mean "
         "'green'?"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value[2] = {7, 7};
        assert_fails(rs_option_parse(bad[i].option, bad[i].text, value), RESCL_ERR_ARG,
                     bad[i].message);
        assert_true(value[0] == 7 && value[1] == 7);
    }
}

static void checks_what_programs_set(void **state)
{
    (void)state;
    size_t n = 101;
    double x = 1e30;
    const char *text = "green";
    assert_ok(rs_option_check(&count, &n));
    assert_ok(rs_option_check(&rate, &x));
    assert_ok(rs_option_check(&colour, &text));
    x = -1;
    assert_fails(rs_option_check(&rate, &x), RESCL_ERR_ARG,
                 "rate -1: expected a number in [0,inf)");
    x = (double)NAN;
    assert_fails(rs_option_check(&rate, &x), RESCL_ERR_ARG, "rate nan");
    x = (double)INFINITY;
    assert_fails(rs_option_check(&rate, &x), RESCL_ERR_ARG, "rate inf");
    x = 0;
    assert_fails(rs_option_check(&share, &x), RESCL_ERR_ARG, "share 0");
    text = NULL;
    assert_fails(rs_option_check(&colour, &text), RESCL_ERR_ARG, "colour is unset");
    assert_ok(rs_option_check(&path, &text));
    text = "mauve";
    assert_fails(rs_option_check(&colour, &text), RESCL_ERR_ARG, "found 'mauve'");
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    static const double reals[] = {0, 1e-3, 0.1, 1.0 / 3.0, 1e-8, 0.5, 1e300};
    double back = 0;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        rs_str s = {0};
        assert_ok(rs_option_append(&rate, &reals[i], &s));
        assert_true(rs_parse_f64(s.text, &back));
        assert_memory_equal(&back, &reals[i], sizeof back);
        if (i == 2)
            assert_string_equal(s.text, "0.1");
        rs_str_fini(&s);
    }
    const bool off = false;
    const size_t n = 32;
    const uint64_t u = UINT64_MAX;
    const char *none = NULL;
    rs_str s = {0};
    assert_ok(rs_option_append(&on, &off, &s));
    assert_ok(rs_option_append(&count, &n, &s));
    assert_ok(rs_option_append(&seed, &u, &s));
    assert_ok(rs_option_append(&path, &none, &s));
    assert_ok(rs_option_append(&colour, &colours[0], &s));
    assert_string_equal(s.text, "false3218446744073709551615red");
    rs_str_fini(&s);
}

/* ---- structs ------------------------------------------------------------------------------ */

typedef struct version1 {
    size_t struct_size, a;
} version1;

typedef struct version2 {
    size_t struct_size, a, b;
} version2;

static void older_callers_get_defaults(void **state)
{
    (void)state;
    const version2 defaults = {.struct_size = sizeof defaults, .a = 1, .b = 2};
    struct {
        version1 options;
        size_t after;
    } caller = {.after = 77};
    rs_options_init(&caller.options, sizeof caller.options, &defaults, sizeof defaults);
    assert_int_equal(caller.options.struct_size, sizeof(version1));
    assert_int_equal(caller.options.a, 1);
    assert_int_equal(caller.after, 77);
    caller.options.a = 5;
    version2 ours = defaults;
    assert_ok(rs_options_take(&ours, sizeof ours, &caller.options, "rescl_thing"));
    assert_int_equal(ours.struct_size, sizeof ours);
    assert_int_equal(ours.a, 5);
    assert_int_equal(ours.b, 2);
}

static void newer_callers_are_heard_or_refused(void **state)
{
    (void)state;
    const version1 defaults = {.struct_size = sizeof defaults, .a = 1};
    version2 caller;
    memset(&caller, 0xff, sizeof caller);
    rs_options_init(&caller, sizeof caller, &defaults, sizeof defaults);
    assert_int_equal(caller.struct_size, sizeof caller);
    assert_int_equal(caller.b, 0);
    version1 ours = defaults;
    caller.a = 5;
    assert_ok(rs_options_take(&ours, sizeof ours, &caller, "rescl_thing"));
    assert_int_equal(ours.a, 5);
    assert_int_equal(ours.struct_size, sizeof ours);
    caller.b = 1;
    assert_fails(rs_options_take(&ours, sizeof ours, &caller, "rescl_thing"), RESCL_ERR_UNSUPPORTED,
                 "rescl_thing", "newer");
    caller.struct_size = sizeof(size_t) + 1; /* ends within a member */
    assert_fails(rs_options_take(&ours, sizeof ours, &caller, "rescl_thing"), RESCL_ERR_ARG,
                 "struct_size");
    caller.struct_size = 0;
    assert_fails(rs_options_take(&ours, sizeof ours, &caller, "rescl_thing"), RESCL_ERR_ARG,
                 "start from rescl_thing_default()");
    assert_fails(rs_options_take(&ours, sizeof ours, NULL, "rescl_thing"), RESCL_ERR_ARG, "NULL",
                 "rescl_thing_default()");
    memset(&caller, 0xff, sizeof caller);
    assert_fails(rs_options_take(&ours, sizeof ours, &caller, "rescl_thing"), RESCL_ERR_ARG,
                 "struct_size");
}

static void keeps_numbers_as_doubles(void **state)
{
    const rescl_option size = {
        .name = "count", .type = RESCL_OPTION_SIZE, .value = "30", .range = "[1,100]"};
    const rescl_option real = {
        .name = "share", .type = RESCL_OPTION_REAL, .value = "0.25", .range = "[0,1)"};
    const rescl_option flag = {.name = "on", .type = RESCL_OPTION_BOOL, .value = "true"};
    const size_t seven = 7;
    (void)state;
    assert_true(rs_option_default_number(&size) == 30.0);
    assert_true(rs_option_default_number(&real) == 0.25);
    assert_true(rs_option_default_number(&flag) == 1.0);
    assert_true(rs_option_number(&size, &seven) == 7.0);
    assert_ok(rs_option_check_number(&size, 100.0));
    assert_ok(rs_option_check_number(&real, 0.0));
    assert_fails(rs_option_check_number(&size, 0.0), RESCL_ERR_ARG, "count", "[1,100]");
    assert_fails(rs_option_check_number(&size, 1.5), RESCL_ERR_ARG, "count 1.5", "whole");
    assert_fails(rs_option_check_number(&real, 1.0), RESCL_ERR_ARG, "share", "[0,1)");
    assert_fails(rs_option_check_number(&real, NAN), RESCL_ERR_ARG, "share");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_text),
        cmocka_unit_test(refuses_text),
        cmocka_unit_test(checks_what_programs_set),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(older_callers_get_defaults),
        cmocka_unit_test(newer_callers_are_heard_or_refused),
        cmocka_unit_test(keeps_numbers_as_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
