#include "testing.h"

#include "html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *page;
static size_t page_bytes;
static rs_html h;

static int begin(void **state)
{
    (void)state;
    h = (rs_html){.f = open_memstream(&page, &page_bytes)};
    assert_non_null(h.f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(page);
    page = NULL;
    return 0;
}

static void check(const char *expected)
{
    assert_int_equal(fclose(h.f), 0);
    assert_string_equal(page, expected);
}

static void escapes_what_html_means_something_by(void **state)
{
    (void)state;
    rs_html_text(&h, "<script>\"it's\" & more</script>");
    check("&lt;script&gt;&quot;it&#39;s&quot; &amp; more&lt;/script&gt;");
}

static void shows_control_characters_and_bad_bytes(void **state)
{
    (void)state;
    rs_html_text(&h, "a\nb\x1b[1m \xe2\x80\xae"
                     "c \xff\xe2\x82");
    check("a\\nb\\x1b[1m \\u202ec \xef\xbf\xbd\xef\xbf\xbd\\x82");
}

static void keeps_other_scripts(void **state)
{
    (void)state;
    rs_html_name(&h, "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d <b>");
    check("<bdi>\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d &lt;b&gt;</bdi>");
}

static void cuts_between_characters(void **state)
{
    (void)state;
    rs_html_cut(&h, "\xc3\xa4\xc3\xb6\xc3\xbc", 3);
    fputc('|', h.f);
    rs_html_cut(&h, "\xc3\xa4\xc3\xb6\xc3\xbc", 2);
    fputc('|', h.f);
    rs_html_cut(&h, "<<<<", 3);
    check("\xc3\xa4\xc3\xb6\xc3\xbc|\xc3\xa4\xe2\x80\xa6|&lt;&lt;\xe2\x80\xa6");
}

static void makes_tables_that_are_read_aloud(void **state)
{
    (void)state;
    static const char *const heads[] = {"class", "images"}, *const row[] = {"<a>", "12"},
                             *const empty[] = {"b", ""};
    rs_html_table(&h, "Counts", heads, 2);
    rs_html_row(&h, row, 2);
    rs_html_row(&h, empty, 2);
    rs_html_table_end(&h);
    check("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Counts\">\n<table>\n"
          "<caption>Counts</caption>\n<thead><tr><th scope=\"col\"><bdi>class</bdi></th>"
          "<th scope=\"col\"><bdi>images</bdi></th></tr></thead>\n<tbody>\n"
          "<tr><th scope=\"row\"><bdi>&lt;a&gt;</bdi></th><td class=\"n\"><bdi>12</bdi></td></tr>\n"
          "<tr><th scope=\"row\"><bdi>b</bdi></th><td>\xe2\x80\x93</td></tr>\n"
          "</tbody>\n</table>\n</div>\n");
}

/* Words wrap within a cell, and a long name is no wide column. */
static void keeps_tables_narrow(void **state)
{
    (void)state;
    static const char name[] = "a-name-of-more-than-32-characters-\"quoted\"";
    const char *const heads[] = {"class", name}, *const row[] = {"a", name};
    rs_html_table(&h, "Names", heads, 2);
    rs_html_row(&h, row, 2);
    rs_html_table_end(&h);
    fflush(h.f);
    assert_non_null(
        strstr(page, "<th scope=\"col\"><bdi title=\"a-name-of-more-than-32-characters-&quot;quoted"
                     "&quot;\">a-name-of-more-than-32-characte\xe2\x80\xa6</bdi></th>"));
    assert_non_null(strstr(page, "<td class=\"t\"><bdi>a-name-of-more-than-32-characters-&quot;"));
    assert_int_equal(fclose(h.f), 0);
}

static void embeds_images(void **state)
{
    (void)state;
    rs_html_png(&h, "Man", 3, 32, "a \"cat\"", "");
    rs_html_png(&h, "Ma", 2, 0, "", "<b>");
    rs_html_png(&h, "M", 1, 0, "", "");
    check(
        "<figure><img alt=\"a &quot;cat&quot;\" width=\"32\" "
        "src=\"data:image/png;base64,TWFu\"></figure>\n"
        "<figure><img alt=\"\" src=\"data:image/png;base64,TWE=\"><figcaption><bdi>&lt;b&gt;</bdi>"
        "</figcaption></figure>\n"
        "<figure><img alt=\"\" src=\"data:image/png;base64,TQ==\"></figure>\n");
}

static void draws_bars_within_their_cell(void **state)
{
    (void)state;
    rs_html_bar(&h, 5, 4, 1, 9);
    rs_html_bar(&h, (double)NAN, 4, (double)NAN, 1);
    fflush(h.f);
    assert_non_null(strstr(page, "width=\"1000\""));
    assert_non_null(strstr(page, "M250 8H1000"));
    assert_null(strstr(page, "nan"));
    assert_int_equal(fclose(h.f), 0);
}

/* Nothing in a page is loaded from elsewhere, and it says what it is. */
static void stands_alone(void **state)
{
    (void)state;
    rs_html_begin(&h, "</title><script>alert(1)</script>");
    rs_html_section(&h, "One");
    rs_html_section_end(&h);
    rs_html_section(&h, "Two");
    rs_html_section_end(&h);
    rs_html_end(&h);
    assert_int_equal(fclose(h.f), 0);
    assert_int_equal(strncmp(page, "<!DOCTYPE html>\n<html lang=\"en\">", 31), 0);
    static const char *const none[] = {"<script", "http:", "https:", "<link", "url(", "@import"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(strstr(page, none[i]));
    assert_non_null(strstr(page, "prefers-color-scheme:dark"));
    assert_non_null(strstr(page, "<h2 id=\"i1\">One"));
    assert_non_null(strstr(page, "aria-labelledby=\"i2\""));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(escapes_what_html_means_something_by),
        TEST(shows_control_characters_and_bad_bytes),
        TEST(keeps_other_scripts),
        TEST(cuts_between_characters),
        TEST(makes_tables_that_are_read_aloud),
        TEST(keeps_tables_narrow),
        TEST(embeds_images),
        TEST(draws_bars_within_their_cell),
        TEST(stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
