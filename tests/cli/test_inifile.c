/* What each line of an ini file says; values that are written and read back. */
#include "inifile.h"
#include "output.h"
#include "testing.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

typedef struct seen {
    char text[512]; /* "[section]", "section/key=value@line" */
} seen;

static bool enter(void *user, int line, const char *section)
{
    seen *s = user;
    (void)line;
    snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text), "[%s]", section);
    return true;
}

static bool take(void *user, int line, const char *section, const char *key, const char *value)
{
    seen *s = user;
    snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text), "(%s/%s=%s@%d)", section,
             key, value, line);
    return true;
}

/* Reads a copy that ends where its memory does, for sanitizers. */
static bool read_bytes(const char *text, size_t bytes, seen *s)
{
    char *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    *s = (seen){{0}};
    const bool good = cli_ini_read("x.ini", copy, bytes, enter, take, s);
    free(copy);
    return good;
}

static void reads_lines(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"\n\r\n", ""},
        {"a = 1", "(/a=1@1)"},
        {"a=1\nb: 2\n", "(/a=1@1)(/b=2@2)"},
        {"a = 1\r\nb = 2\r\n", "(/a=1@1)(/b=2@2)"},
        {"\xef\xbb\xbf[s]\na = 1", "[s](s/a=1@2)"},
        {"[s] ; why\n[ t ]\n", "[s][t]"},
        {"# x\n; y\n  # z\na = 1 ; one\n", "(/a=1@4)"},
        {"a = x;y #z\n", "(/a=x;y #z@1)"},
        {"a = ; nothing\nb =\n", "(/a=@1)(/b=@2)"},
        {"a = b=c:d", "(/a=b=c:d@1)"},
        {"a = one\n  two\n\tthree ; x\nb = 2", "(/a=onetwothree@1)(/b=2@4)"},
        {"[s]\n  a = 1\n  b = 2\n", "[s](s/a=1@2)(s/b=2@3)"},
        {"a = 1\n\n  b = 2\n", "(/a=1@1)(/b=2@3)"},
        {"a = \" 1 ; \" ; x\n", "(/a= 1 ; @1)"},
        {"a = \"\\n\\\\\\\"\\x1b\"", "(/a=\n\\\"\033@1)"},
        {"a = x\"y\"", "(/a=x\"y\"@1)"},
    };
    seen s;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(read_bytes(cases[i].text, strlen(cases[i].text), &s));
        assert_string_equal(s.text, cases[i].expected);
    }
}

static void refuses_what_it_would_drop(void **state)
{
    static const char *const cases[] = {
        "[s] a = 1\n",  "[s]]\n",         "[s\n",           "[\n",         "a\n",
        "= 1\n",        ": 1\n",          "a = 1\rb = 2\r", "a = 1\r\r\n", "a = x\n  b = 1\n",
        "a = x\n  b:1", "a = x\n  [s]\n", "a = \"x",        "a = \"x\" y", "a = \"x\"\n y",
        "a = \"\\q\"",  "a = \"\\x00\"",  "a = \"\\x1\"",   "a = \"x\\",   "a = \033[2J\n",
        "a = \x7f\n",   "\f\n",           "a = x\n  b-c =", "\xff\xfe[\n", "\xef\xbb\xbf[s",
    };
    seen s;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_false(read_bytes(cases[i], strlen(cases[i]), &s));
    assert_false(read_bytes("a = 1\0b = 2\n", 12, &s));
    assert_false(read_bytes("a\0=\0", 4, &s));
    assert_false(read_bytes("\0", 1, &s));
}

static void same(const char *value)
{
    char *text = NULL, expected[64];
    size_t bytes = 0;
    seen s;
    FILE *f = open_memstream(&text, &bytes);
    assert_non_null(f);
    assert_true(cli_ini_write(f, "k", value) >= 4);
    fputs("     ; an origin\n", f);
    fclose(f);
    assert_true(read_bytes(text, bytes, &s));
    snprintf(expected, sizeof expected, "(/k=%s@1)", value);
    assert_string_equal(s.text, expected);
    free(text);
}

static void gives_every_value_back(void **state)
{
    (void)state;
    same("");
    same("x ;y\\");
    same("\"quoted\"");
    same("a\nb = 3\n[s]\n");
    for (int a = 1; a < 256; a++) {
        same((const char[]){(char)a, '\0'});
        same((const char[]){'x', (char)a, 'y', '\0'});
        for (int b = 1; b < 256; b++)
            same((const char[]){(char)a, (char)b, '\0'});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(refuses_what_it_would_drop),
        cmocka_unit_test(gives_every_value_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
