#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "csvread.h"
#include "error.h"
#include "path.h"

/* Rows of `text`, fields ended by '|' and rows by '/', in a buffer that the next call uses again. */
static const char *rows_of(const char *text, size_t bytes)
{
    static char out[256];
    size_t used = 0;
    const char *path = rs_test_path("%s/t.csv", rs_test_dir);
    rs_csv_reader r;
    bool more = false;
    assert_ok(rs_file_write(path, text, bytes));
    assert_ok(rs_csv_open(path, 1000, &r));
    for (;;) {
        assert_ok(rs_csv_next(&r, &more));
        if (!more)
            break;
        for (size_t i = 0; i < r.count; i++)
            used += (size_t)snprintf(out + used, sizeof out - used, "%s|", r.field[i]);
        used += (size_t)snprintf(out + used, sizeof out - used, "%zu/", r.line);
    }
    out[used] = '\0';
    rs_csv_fini(&r);
    return out;
}

static const char *rows(const char *text)
{
    return rows_of(text, strlen(text));
}

static void reads_tables(void **state)
{
    (void)state;
    assert_string_equal(rows("a,b\nc,d\n"), "a|b|1/c|d|2/");
    assert_string_equal(rows("a,b\r\n\r\nc,d"), "a|b|1/c|d|3/");
    assert_string_equal(rows("\xef\xbb\xbf"
                             "a , b\n,\n"),
                        "a|b|1/||2/");
    assert_string_equal(rows("a\tb,c\n"), "a\tb|c|1/");
    assert_string_equal(rows("a\tb c\n"), "a|b c|1/");
    assert_string_equal(rows("a;b\nc,d;e\n"), "a|b|1/c,d|e|2/");
    assert_string_equal(rows("a,b,\n"), "a|b||1/");
    assert_string_equal(rows(""), "");
}

static void unquotes(void **state)
{
    (void)state;
    assert_string_equal(rows("\"a,b\",\"c \"\"d\"\"\"\n"), "a,b|c \"d\"|1/");
    assert_string_equal(rows("\"two\nlines\",x\ny,z\n"), "two\nlines|x|1/y|z|3/");
    assert_string_equal(rows("a, \"b\" ,c\r\n"), "a|b|c|1/");
    assert_string_equal(rows("a,b\"c\n"), "a|b\"c|1/");
    assert_string_equal(rows("\"\",\"\""), "||1/");
    assert_string_equal(rows("\" a \", b \n"), " a |b|1/"); /* quotes keep blanks */
    assert_string_equal(rows("a,\"b\"\r\n"), "a|b|1/");
}

static void refuses(const char *text, size_t bytes, const char *word, const char *word2)
{
    const char *path = rs_test_path("%s/t.csv", rs_test_dir);
    rs_csv_reader r;
    bool more = true;
    assert_ok(rs_file_write(path, text, bytes));
    rescl_status st = rs_csv_open(path, 1000, &r);
    while (st == RESCL_OK && more)
        st = rs_csv_next(&r, &more);
    assert_fails(st, RESCL_ERR_FORMAT, "t.csv", word, word2);
    rs_csv_fini(&r);
}

static void names_the_line_of_what_is_wrong(void **state)
{
    (void)state;
    refuses("a,b\nc,\"d\n\n", 10, "line 2", "not closed");
    refuses("a,b\nc,\"d\"e\n", 11, "line 2", "closing quotation mark");
    refuses("a\0b", 3, "NUL", "text");
    refuses("a,b\nc,d\xe9\n", 9, "not UTF-8", "iconv");
    refuses("a,b\rc,d\r", 8, "line 1", "carriage return");
    refuses("a,b\r,d\n", 7, "line 1", "carriage return");
    refuses("a,\"b\"\rc,d\n", 10, "line 1", "closing quotation mark");
    refuses("\xff\xfe"
            "a\0",
            4, "UTF-16", "expected UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tables),
        cmocka_unit_test(unquotes),
        cmocka_unit_test(names_the_line_of_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
