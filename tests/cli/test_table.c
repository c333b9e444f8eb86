/* Tables as text, Markdown and CSV; numbers in words. */
#include "output.h"
#include "table.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

static char *printed(const char *form)
{
    cli_table t;
    cli_table_init(&t, 3);
    static const char *const cells[] = {"name",      "ms",     "note", "conv, \"one\"", "1.50", "*",
                                        "b\xc3\xa4", "100.25", "x"};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        cli_table_add(&t, "%s", cells[i]);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    assert_true(cli_table_print(&t, form, f));
    fclose(f);
    cli_table_fini(&t);
    return text;
}

static void forms(void **state)
{
    (void)state;
    char *text = printed("csv");
    assert_string_equal(text, "name,ms,note\n\"conv, \"\"one\"\"\",1.50,*\nb\xc3\xa4,100.25,x\n");
    free(text);
    text = printed("md");
    assert_string_equal(text, "| name        |     ms | note |\n"
                              "| ----------- | -----: | ---- |\n"
                              "| conv, \"one\" |   1.50 | *    |\n"
                              "| b\xc3\xa4          | 100.25 | x    |\n");
    free(text);
    text = printed("plain");
    assert_string_equal(text, "name             ms  note\n"
                              "conv, \"one\"    1.50  *\n"
                              "b\xc3\xa4           100.25  x\n");
    free(text);
}

/* Where a terminal is too narrow, and what it must not obey. */
static void rows(void **state)
{
    (void)state;
    static const char *const cells[] = {"",         "id", "name",         "*", "0",
                                        "a\033[2J", "",   "\xe2\x80\xae", ""};
    cli_table t;
    char *text = NULL;
    size_t size = 0;
    cli_table_init(&t, 3);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        cli_table_add(&t, "%s", cells[i]);
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    assert_false(cli_table_fits(&t, 11));
    assert_true(cli_table_fits(&t, 12));
    assert_true(cli_table_print_rows(&t, f));
    fclose(f);
    assert_string_equal(text, "id    0 *\nname  a\\x1b[2J\n\nid    \\u202e\n");
    cli_table_fini(&t);
    free(text);
}

static void numbers(void **state)
{
    (void)state;
    char b[32];
    assert_string_equal(cli_thousands(0, b), "0");
    assert_string_equal(cli_thousands(999, b), "999");
    assert_string_equal(cli_thousands(1000, b), "1,000");
    assert_string_equal(cli_thousands(23600006, b), "23,600,006");
    assert_string_equal(cli_thousands(UINT64_MAX, b), "18,446,744,073,709,551,615");
    assert_string_equal(cli_bytes(512, b), "512 B");
    assert_string_equal(cli_bytes(1536, b), "1.5 KiB");
    assert_string_equal(cli_duration(7.4, b), "7s");
    assert_string_equal(cli_duration(125, b), "2:05");
    assert_string_equal(cli_duration(3723, b), "1:02:03");
    assert_string_equal(cli_duration(-1, b), "0s");
    assert_string_equal(cli_si(1234567, b), "1.23 M");

    static const double values[] = {0.1, 1.0 / 3, 104.0 / 120, 1e-300, 12345.678901234567, 1};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double back = strtod(cli_exact(values[i], b), NULL);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
    assert_string_equal(cli_exact(0.1, b), "0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(rows),
                                       cmocka_unit_test(numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
