#include "testing.h"

#include "chart.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *drawn;

static int forget(void **state)
{
    (void)state;
    free(drawn);
    drawn = NULL;
    return 0;
}

static void draw(const rs_chart *c)
{
    size_t bytes;
    free(drawn);
    rs_html h = {.f = open_memstream(&drawn, &bytes)};
    assert_non_null(h.f);
    rs_chart_draw(&h, c);
    assert_int_equal(fclose(h.f), 0);
    assert_null(strstr(drawn, "nan"));
    assert_null(strstr(drawn, "inf"));
}

static size_t count_of(const char *what)
{
    size_t count = 0;
    for (const char *p = drawn; (p = strstr(p, what)) != NULL; p++)
        count++;
    return count;
}

static const double epoch[] = {1, 2, 3}, loss[] = {2, (double)NAN, 1};

static rs_chart one_line(const rs_series *s)
{
    return (rs_chart){.title = "Loss <1>",
                      .about = "It \"falls\".",
                      .x_name = "epoch",
                      .y_name = "loss",
                      .series = s,
                      .count = 1};
}

static void says_what_it_shows(void **state)
{
    (void)state;
    const rs_series s = {.name = "train", .x = epoch, .y = loss, .count = 3};
    const rs_chart c = one_line(&s);
    draw(&c);
    assert_non_null(strstr(drawn, "role=\"img\" aria-labelledby=\"i1 i2\""));
    assert_non_null(strstr(drawn, "<title id=\"i1\">Loss &lt;1&gt;</title>"));
    assert_non_null(strstr(drawn, "<desc id=\"i2\">It &quot;falls&quot;.</desc>"));
    /* Whole epochs, each once; the line passes over the gap, which shows in the table. */
    assert_int_equal(count_of("text-anchor=\"middle\">"), 3);
    assert_non_null(strstr(drawn, "d=\"M104 36L600 276\""));
    assert_non_null(strstr(drawn, "<td>\xe2\x80\x93</td>"));
    assert_int_equal(count_of("<circle"), 2);
}

static void draws_what_there_is(void **state)
{
    (void)state;
    static const double same[] = {0.5, 0.5, 0.5}, none[] = {(double)NAN, INFINITY, (double)NAN};
    rs_series s = {.name = "a", .x = epoch, .y = same, .count = 3};
    rs_chart c = one_line(&s);
    draw(&c);
    assert_non_null(strstr(drawn, "M104 156L352 156L600 156"));
    /* The labels of a constant rate have room left of the plot. */
    static const double rate[] = {0.001, 0.001, 0.001};
    s.y = rate;
    draw(&c);
    assert_non_null(strstr(drawn, "x=\"96\""));
    assert_non_null(strstr(drawn, ">0.00105</text>"));
    s.y = same;
    s.count = 1;
    draw(&c);
    assert_int_equal(count_of("<circle"), 1);
    s = (rs_series){.name = "a", .x = epoch, .y = none, .count = 3};
    draw(&c);
    assert_non_null(strstr(drawn, "nothing was measured"));
    c.count = 0;
    draw(&c);
    assert_non_null(strstr(drawn, "nothing was measured"));
}

static void takes_logarithms(void **state)
{
    (void)state;
    static const double x[] = {0, 1, 1000}, y[] = {1, 1e-6, 1e-3};
    const rs_series s = {.name = "a", .x = x, .y = y, .count = 3, .points = true};
    rs_chart c = one_line(&s);
    c.log_x = c.log_y = true;
    draw(&c);
    assert_int_equal(count_of("<circle"), 2); /* 0 has no logarithm */
    assert_non_null(strstr(drawn, ">1e-5<"));
    assert_non_null(strstr(drawn, ">1000<"));
    assert_int_equal(count_of("class=\"l "), 0);
}

/* Between 5 and 10 there is no 1, 2 or 5 of a power of ten. */
static void marks_short_logarithmic_axes(void **state)
{
    (void)state;
    static const double x[] = {1, 2}, y[] = {6, 9};
    const rs_series s = {.name = "a", .x = x, .y = y, .count = 2};
    rs_chart c = one_line(&s);
    c.log_y = true;
    draw(&c);
    assert_non_null(strstr(drawn, ">7<"));
    assert_non_null(strstr(drawn, ">8<"));
}

static void smooths_long_lines(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static double x[MANY], y[MANY];
    for (size_t i = 0; i < MANY; i++) {
        x[i] = (double)i;
        y[i] = i % 2 ? 1 : 0;
    }
    const rs_series s = {.name = "a", .x = x, .y = y, .count = MANY};
    rs_chart c = one_line(&s);
    draw(&c);
    assert_int_equal(count_of("<path class=\"l s0 faint\""), 1);
    assert_int_equal(count_of("<path class=\"l s0\""), 1);
    assert_int_equal(count_of("<circle"), 0);
    assert_int_equal(count_of("<tr><th scope=\"row\">"), MANY);
    c.no_table = true;
    draw(&c);
    assert_int_equal(count_of("<table>"), 0);
    assert_in_range(strlen(drawn), 1, 20000);
}

static void keeps_the_decimal_point(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    static const double y[] = {0.25, 0.5, 1.0 / 3};
    const rs_series s = {.name = "a", .x = epoch, .y = y, .count = 3};
    const rs_chart c = one_line(&s);
    draw(&c);
    setlocale(LC_NUMERIC, "C");
    assert_null(strchr(drawn, ','));
    assert_non_null(strstr(drawn, "0.33333"));
}

static void draws_matrices(void **state)
{
    (void)state;
    static const char *const names[] = {"<cat>", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"};
    static const double counts[] = {9, 1, 0, 10};
    const rs_matrix m = {.title = "Confusion",
                         .about = "Two classes.",
                         .row_name = "label",
                         .column_name = "prediction",
                         .value = counts,
                         .name = names,
                         .count = 2};
    size_t bytes;
    rs_html h = {.f = open_memstream(&drawn, &bytes)};
    rs_chart_matrix(&h, &m);
    assert_int_equal(fclose(h.f), 0);
    assert_int_equal(count_of("<path class=\"h"), 3); /* 9, 1 and 10 of 10 */
    assert_int_equal(count_of(">&lt;cat&gt;</text>"), 2);
    assert_int_equal(count_of("<td class=\"n\">"), 4);
    assert_null(strstr(drawn, "<cat>"));
}

static void condenses_large_matrices(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    const char **names = calloc(MANY, sizeof *names);
    double *counts = calloc((size_t)MANY * MANY, sizeof *counts);
    assert_true(names && counts);
    for (size_t i = 0; i < MANY; i++) {
        names[i] = "a class";
        counts[i * MANY + i] = 40;
        counts[i * MANY + (i * 7919) % MANY] += 10;
    }
    const rs_matrix m = {.title = "Confusion",
                         .about = "",
                         .row_name = "label",
                         .column_name = "prediction",
                         .value = counts,
                         .name = names,
                         .count = MANY};
    size_t bytes;
    rs_html h = {.f = open_memstream(&drawn, &bytes)};
    rs_chart_matrix(&h, &m);
    assert_int_equal(fclose(h.f), 0);
    assert_in_range(bytes, 1000, 300000);
    assert_non_null(strstr(drawn, "are summed"));
    assert_int_equal(count_of("<table>"), 0);
    free(names);
    free(counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(says_what_it_shows, forget),
        cmocka_unit_test_teardown(draws_what_there_is, forget),
        cmocka_unit_test_teardown(takes_logarithms, forget),
        cmocka_unit_test_teardown(marks_short_logarithmic_axes, forget),
        cmocka_unit_test_teardown(smooths_long_lines, forget),
        cmocka_unit_test_teardown(keeps_the_decimal_point, forget),
        cmocka_unit_test_teardown(draws_matrices, forget),
        cmocka_unit_test_teardown(condenses_large_matrices, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
