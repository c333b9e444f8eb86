#include "chart.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In units of the viewBox. The text of html.c's style is at most 21 high there, and so about 13 wide, of
 * which labels of 7 characters have room left of the plot and between two of its ticks. */
enum {
    WIDTH = 640,
    HEIGHT = 340,
    LEFT = 104,
    RIGHT = 600,
    TOP = 36,
    BOTTOM = 276,
    BESIDE = 8, /* between an axis and its labels */
    LETTER = 13,
    LINE = 24
};

enum { MOST_TICKS = 16 };

typedef struct axis {
    double low, high; /* logarithms of a logarithmic axis */
    double from, to;  /* where they lie */
    bool log;
    double tick[MOST_TICKS]; /* as values */
    size_t ticks;
} axis;

/* ---- numbers ------------------------------------------------------------------------------ */

/* A coordinate, to a tenth, whatever the program's locale. */
static void put_number(FILE *f, double x)
{
    const long tenths = lrint(fmin(fmax(x, -1e6), 1e6) * 10);
    fprintf(f, "%s%ld", tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (tenths % 10)
        fprintf(f, ".%ld", labs(tenths) % 10);
}

static void put_point(FILE *f, char before, double x, double y)
{
    fputc(before, f);
    put_number(f, x);
    fputc(' ', f);
    put_number(f, y);
}

/* "0.25", "12k", "0.00105": at most 7 characters of what ticks are at. */
static void tick_text(double x, char out[32])
{
    static const struct {
        double unit;
        const char *sign;
    } large[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    const char *sign = "";
    for (size_t i = 0; i < sizeof large / sizeof *large && fabs(x) >= 1e4; i++) {
        if (fabs(x) < large[i].unit)
            continue;
        x /= large[i].unit;
        sign = large[i].sign;
    }
    snprintf(out, 32, "%.4g%s", x, sign);
    char *exponent = strstr(out, "e-0");
    if (exponent)
        memmove(exponent + 2, exponent + 3, strlen(exponent + 3) + 1);
    rs_point_decimals(out);
}

static void cell_text(double x, char out[32])
{
    snprintf(out, 32, "%.5g", x);
    rs_point_decimals(out);
    if (!isfinite(x))
        *out = '\0';
}

/* ---- axes --------------------------------------------------------------------------------- */

static bool is_shown(const axis *a, double v)
{
    return isfinite(v) && (!a->log || v > 0);
}

static double scaled(const axis *a, double v)
{
    return a->log ? log10(v) : v;
}

static double place(const axis *a, double v)
{
    return a->from + (scaled(a, v) - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* 1, 2 or 5 times a power of ten: at most `most` steps over the range. */
static double step_of(double range, double most)
{
    const double power = pow(10, floor(log10(range / most)));
    static const double times[] = {1, 2, 5, 10};
    size_t i = 0;
    while (i < 3 && range / (times[i] * power) > most)
        i++;
    return times[i] * power;
}

static void add_tick(axis *a, double v)
{
    const double at = scaled(a, v), slack = 1e-9 * (a->high - a->low);
    if (a->ticks < MOST_TICKS && at >= a->low - slack && at <= a->high + slack)
        a->tick[a->ticks++] = v;
}

/* A range that holds too few of 1, 2 and 5 times a power of ten has even steps. */
static void tick_log(axis *a, double most)
{
    const double decades = a->high - a->low, by = fmax(1, ceil(decades / most));
    for (long i = (long)floor(a->low / by); (double)i * by <= a->high; i++) {
        const double power = pow(10, (double)i * by);
        add_tick(a, power);
        if (decades > 2)
            continue;
        add_tick(a, 2 * power);
        add_tick(a, 5 * power);
    }
    if (a->ticks >= 2)
        return;
    a->ticks = 0;
    const double low = pow(10, a->low), high = pow(10, a->high), step = step_of(high - low, most);
    for (double k = ceil(low / step); k * step <= high; k++)
        add_tick(a, k * step);
}

/* Ends and ticks; `snap`: the ends lie on ticks. */
static void finish_axis(axis *a, bool whole, bool snap, double most)
{
    if (!(a->low <= a->high)) { /* nothing is shown */
        a->low = 0;
        a->high = 1;
    }
    if (a->high - a->low <= 1e-12 * fmax(fabs(a->low), 1e-300)) {
        const double half = a->log || whole || a->low == 0 ? 0.5 : fabs(a->low) / 10;
        a->low -= half;
        a->high += half;
    }
    if (a->log) {
        const double edge = 0.04 * (a->high - a->low);
        a->low -= edge;
        a->high += edge;
        tick_log(a, most);
        return;
    }
    double step = step_of(a->high - a->low, most);
    if (whole && step < 1)
        step = 1;
    if (snap) {
        a->low = floor(a->low / step + 1e-9) * step;
        a->high = ceil(a->high / step - 1e-9) * step;
    }
    for (double k = ceil(a->low / step - 1e-9); k * step <= a->high + 1e-9 * step; k++)
        add_tick(a, k == 0 ? 0 : k * step);
}

static void stretch(axis *a, double v)
{
    if (!is_shown(a, v))
        return;
    a->low = fmin(a->low, scaled(a, v));
    a->high = fmax(a->high, scaled(a, v));
}

static void fit_axes(const rs_chart *c, axis *x, axis *y)
{
    bool whole = true;
    *x = (axis){.low = INFINITY, .high = -INFINITY, .from = LEFT, .to = RIGHT, .log = c->log_x};
    *y = (axis){.low = INFINITY, .high = -INFINITY, .from = BOTTOM, .to = TOP, .log = c->log_y};
    for (size_t s = 0; s < c->count; s++) {
        for (size_t i = 0; i < c->series[s].count; i++) {
            if (!is_shown(x, c->series[s].x[i]) || !is_shown(y, c->series[s].y[i]))
                continue;
            stretch(x, c->series[s].x[i]);
            stretch(y, c->series[s].y[i]);
            whole = whole && c->series[s].x[i] == floor(c->series[s].x[i]);
        }
    }
    const bool fixed = c->y_least < c->y_most;
    if (fixed) {
        stretch(y, c->y_least);
        stretch(y, c->y_most);
    }
    if (c->y_from_zero && !c->log_y)
        stretch(y, 0);
    finish_axis(x, whole && !c->log_x, false, 6);
    finish_axis(y, false, !fixed, 6);
}

static void put_label(rs_html *h, double x, double y, const char *anchor, const char *text)
{
    fputs("<text class=\"dim\" x=\"", h->f);
    put_number(h->f, x);
    fputs("\" y=\"", h->f);
    put_number(h->f, y);
    fprintf(h->f, "\" text-anchor=\"%s\">", anchor);
    rs_html_text(h, text);
    fputs("</text>\n", h->f);
}

static void put_axes(rs_html *h, const rs_chart *c, const axis *x, const axis *y)
{
    char text[32];
    fputs("<path class=\"grid\" d=\"", h->f);
    for (size_t i = 0; i < y->ticks; i++) {
        put_point(h->f, 'M', LEFT, place(y, y->tick[i]));
        fprintf(h->f, "H%d", RIGHT);
    }
    for (size_t i = 0; i < x->ticks; i++) {
        put_point(h->f, 'M', place(x, x->tick[i]), TOP);
        fprintf(h->f, "V%d", BOTTOM);
    }
    fprintf(h->f, "\"/>\n<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, BOTTOM, RIGHT);
    for (size_t i = 0; i < y->ticks; i++) {
        tick_text(y->tick[i], text);
        put_label(h, LEFT - BESIDE, place(y, y->tick[i]) + 6, "end", text);
    }
    double last = -WIDTH;
    for (size_t i = 0; i < x->ticks; i++) {
        const double at = place(x, x->tick[i]);
        tick_text(x->tick[i], text);
        if (at - last < (double)(strlen(text) + 1) * LETTER)
            continue;
        put_label(h, at, BOTTOM + LINE, "middle", text);
        last = at;
    }
    put_label(h, LEFT - BESIDE, LINE - 4, "start", c->y_name);
    put_label(h, RIGHT, BOTTOM + 2 * LINE, "end", c->x_name);
}

/* ---- series ------------------------------------------------------------------------------- */

/* A line through y, or through its moving average. */
static void put_line(FILE *f, const rs_series *s, const axis *x, const axis *y, double weight,
                     const char *class, size_t colour)
{
    double sum = 0, share = 0;
    bool open = false;
    fprintf(f, "<path class=\"l s%zu%s\" d=\"", colour, class);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_shown(x, s->x[i]) || !is_shown(y, s->y[i]))
            continue;
        sum = weight * sum + (1 - weight) * s->y[i];
        share = weight * share + (1 - weight);
        put_point(f, open ? 'L' : 'M', place(x, s->x[i]), place(y, sum / share));
        open = true;
    }
    fputs("\"/>\n", f);
}

static void put_points(rs_html *h, const rs_chart *c, const rs_series *s, const axis *x,
                       const axis *y, size_t colour)
{
    char at_x[32], at_y[32];
    for (size_t i = 0; i < s->count; i++) {
        if (!is_shown(x, s->x[i]) || !is_shown(y, s->y[i]))
            continue;
        fprintf(h->f, "<circle class=\"p%zu\" r=\"4\" cx=\"", colour);
        put_number(h->f, place(x, s->x[i]));
        fputs("\" cy=\"", h->f);
        put_number(h->f, place(y, s->y[i]));
        fputs("\">", h->f);
        if (s->label) {
            cell_text(s->x[i], at_x);
            cell_text(s->y[i], at_y);
            fputs("<title>", h->f);
            rs_html_textf(h, "%s: %s %s, %s %s", s->label[i], c->x_name, at_x, c->y_name, at_y);
            fputs("</title>", h->f);
        }
        fputs("</circle>\n", h->f);
    }
}

static size_t shown_points(const rs_series *s, const axis *x, const axis *y)
{
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        count += is_shown(x, s->x[i]) && is_shown(y, s->y[i]);
    return count;
}

static void put_series(rs_html *h, const rs_chart *c, size_t index, const axis *x, const axis *y)
{
    enum { FEW = 12 };
    const rs_series *s = &c->series[index];
    const size_t colour = index % RS_CHART_SERIES, shown = shown_points(s, x, y);
    const bool smooth = shown > RS_CHART_SMOOTH && !s->exact;
    if (!s->points && smooth)
        put_line(h->f, s, x, y, 0, " faint", colour);
    if (!s->points)
        put_line(h->f, s, x, y, smooth ? 0.6 : 0, "", colour);
    if (s->points || s->label || (shown <= FEW && c->y_least >= c->y_most))
        put_points(h, c, s, x, y, colour);
}

static void put_legend(rs_html *h, const rs_chart *c)
{
    fputs("<ul class=\"legend\">", h->f);
    for (size_t i = 0; i < c->count; i++) {
        const size_t colour = i % RS_CHART_SERIES;
        fputs("<li><svg viewBox=\"0 0 32 13\" aria-hidden=\"true\">", h->f);
        if (c->series[i].points)
            fprintf(h->f, "<circle class=\"p%zu\" cx=\"16\" cy=\"7\" r=\"5\"/>", colour);
        else
            fprintf(h->f, "<path class=\"l s%zu\" d=\"M0 7H32\"/>", colour);
        fputs("</svg>", h->f);
        rs_html_name(h, c->series[i].name);
        fputs("</li>", h->f);
    }
    fputs("</ul>\n", h->f);
}

/* ---- the table ---------------------------------------------------------------------------- */

static bool share_x(const rs_chart *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->series[i].x != c->series[0].x || c->series[i].count != c->series[0].count ||
            c->series[i].label)
            return false;
    return c->count > 0 && c->count <= RS_CHART_SERIES;
}

static void put_shared_table(rs_html *h, const rs_chart *c)
{
    const char *head[RS_CHART_SERIES + 1] = {c->x_name};
    char cell[RS_CHART_SERIES + 1][32];
    const char *row[RS_CHART_SERIES + 1];
    for (size_t s = 0; s < c->count; s++)
        head[s + 1] = c->series[s].name;
    rs_html_table(h, c->title, head, c->count + 1);
    for (size_t i = 0; i < c->series[0].count; i++) {
        cell_text(c->series[0].x[i], cell[0]);
        for (size_t s = 0; s < c->count; s++)
            cell_text(c->series[s].y[i], cell[s + 1]);
        for (size_t s = 0; s <= c->count; s++)
            row[s] = cell[s];
        rs_html_row(h, row, c->count + 1);
    }
    rs_html_table_end(h);
}

static void put_long_table(rs_html *h, const rs_chart *c)
{
    const char *const head[] = {"series", c->x_name, c->y_name, "point"};
    bool labels = false;
    char x[32], y[32];
    for (size_t s = 0; s < c->count; s++)
        labels = labels || c->series[s].label;
    rs_html_table(h, c->title, head, labels ? 4 : 3);
    for (size_t s = 0; s < c->count; s++) {
        for (size_t i = 0; i < c->series[s].count; i++) {
            cell_text(c->series[s].x[i], x);
            cell_text(c->series[s].y[i], y);
            const char *const row[] = {c->series[s].name, x, y,
                                       c->series[s].label ? c->series[s].label[i] : ""};
            rs_html_row(h, row, labels ? 4 : 3);
        }
    }
    rs_html_table_end(h);
}

/* ---- the two charts ----------------------------------------------------------------------- */

static void begin_figure(rs_html *h, const char *title, const char *about, double height)
{
    const unsigned id = h->ids + 1;
    h->ids += 2;
    fputs("<figure><figcaption>", h->f);
    rs_html_text(h, title);
    fprintf(h->f,
            "</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-labelledby=\"i%u i%u\">\n<title id=\"i%u\">",
            WIDTH, (int)height, id, id + 1, id);
    rs_html_text(h, title);
    fprintf(h->f, "</title>\n<desc id=\"i%u\">", id + 1);
    rs_html_text(h, about);
    fputs("</desc>\n", h->f);
}

void rs_chart_draw(rs_html *h, const rs_chart *c)
{
    axis x, y;
    size_t shown = 0;
    fit_axes(c, &x, &y);
    begin_figure(h, c->title, c->about, HEIGHT);
    put_axes(h, c, &x, &y);
    for (size_t i = 0; i < c->count; i++) {
        put_series(h, c, i, &x, &y);
        shown += shown_points(&c->series[i], &x, &y);
    }
    if (shown == 0)
        put_label(h, (LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0, "middle", "nothing was measured");
    fputs("</svg>\n", h->f);
    if (c->count > 1)
        put_legend(h, c);
    if (!c->no_table && shown > 0) {
        rs_html_fold(h, "The numbers");
        if (share_x(c))
            put_shared_table(h, c);
        else
            put_long_table(h, c);
        rs_html_fold_end(h);
    }
    fputs("</figure>\n", h->f);
}

/* ---- matrices ----------------------------------------------------------------------------- */

enum { NAME_CHARS = 14, LARGEST_CELL = 110 };

typedef struct grid {
    size_t count; /* rows that are drawn */
    double *cell; /* (count, count), of neighbours that are summed */
    double *row;  /* (count): sums */
    double names; /* room for them, left of the cells and above */
    double side;  /* of a cell */
} grid;

/* Of bytes, but those that go on with a character of UTF-8. */
static size_t count_chars(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static double room_for_names(const rs_matrix *m)
{
    size_t most = 1;
    for (size_t i = 0; i < m->count; i++) {
        const size_t chars = count_chars(m->name[i]);
        most = chars > most ? chars : most;
    }
    return (double)((most < NAME_CHARS ? most : NAME_CHARS) * LETTER + BESIDE);
}

static bool condense(const rs_matrix *m, grid *g)
{
    g->count = m->count < RS_MATRIX_CELLS ? m->count : RS_MATRIX_CELLS;
    g->cell = calloc(g->count * g->count + 1, sizeof *g->cell);
    g->row = calloc(g->count + 1, sizeof *g->row);
    if (!g->cell || !g->row)
        return false;
    for (size_t r = 0; r < m->count; r++) {
        for (size_t c = 0; c < m->count; c++) {
            const size_t row = r * g->count / m->count, column = c * g->count / m->count;
            g->cell[row * g->count + column] += m->value[r * m->count + c];
            g->row[row] += m->value[r * m->count + c];
        }
    }
    g->side = fmin(WIDTH / 1.4 / (double)(g->count ? g->count : 1), LARGEST_CELL);
    if (m->count == g->count && g->side >= LINE * 0.6)
        g->names = room_for_names(m);
    g->side = fmin((WIDTH - g->names - 4) / (double)(g->count ? g->count : 1), LARGEST_CELL);
    return true;
}

/* Tenths of its row's sum that a cell has, rounded up: 0 to 10. */
static int level_of(const grid *g, size_t row, size_t column)
{
    const double value = g->cell[row * g->count + column];
    return value > 0 ? (int)fmin(ceil(10 * value / g->row[row]), 10) : 0;
}

/* Cells of one level are one path: a page has no room for an element each. */
static void put_cells(rs_html *h, const grid *g)
{
    for (int level = 1; level <= 10; level++) {
        bool any = false;
        for (size_t i = 0; i < g->count * g->count; i++) {
            if (level_of(g, i / g->count, i % g->count) != level)
                continue;
            if (!any)
                fprintf(h->f, "<path class=\"h%d\" d=\"", level);
            any = true;
            const size_t row = i / g->count, column = i % g->count;
            put_point(h->f, 'M', g->names + (double)column * g->side,
                      g->names + (double)row * g->side);
            fputc('h', h->f);
            put_number(h->f, g->side);
            fputc('v', h->f);
            put_number(h->f, g->side);
            fputc('h', h->f);
            put_number(h->f, -g->side);
            fputc('z', h->f);
        }
        fputs(any ? "\"/>\n" : "", h->f);
    }
}

/* In cells that have room for the text, on a desk at least. */
static void put_counts(rs_html *h, const grid *g)
{
    char text[32];
    for (size_t i = 0; i < g->count * g->count; i++) {
        const size_t row = i / g->count, column = i % g->count;
        const int level = level_of(g, row, column);
        tick_text(g->cell[i], text);
        const double letters = (double)strlen(text);
        if (level == 0 || g->side < LINE * 0.75 || letters * LETTER * 0.7 > g->side)
            continue;
        const bool desk = letters * LETTER + 2 > g->side || g->side < 20;
        fprintf(h->f,
                "<text class=\"%s%s\" text-anchor=\"middle\" dominant-baseline=\"central\" x=\"",
                level > 5 ? "on" : "", desk ? " desk" : "");
        put_number(h->f, g->names + ((double)column + 0.5) * g->side);
        fputs("\" y=\"", h->f);
        put_number(h->f, g->names + ((double)row + 0.5) * g->side);
        fprintf(h->f, "\">%s</text>\n", text);
    }
}

static void put_names(rs_html *h, const rs_matrix *m, const grid *g)
{
    if (g->names <= 0)
        return;
    const char *class = g->side < 20 ? "dim desk" : "dim";
    for (size_t i = 0; i < m->count; i++) {
        const double at = g->names + ((double)i + 0.5) * g->side;
        for (int column = 0; column < 2; column++) {
            fprintf(h->f, "<text class=\"%s\" dominant-baseline=\"central\" text-anchor=\"%s\" ",
                    class, column ? "start" : "end");
            if (column)
                fputs("transform=\"translate(", h->f);
            else
                fprintf(h->f, "x=\"%d\" y=\"", (int)g->names - BESIDE);
            put_number(h->f, at);
            if (column)
                fprintf(h->f, " %d) rotate(-90)", (int)g->names - BESIDE);
            fputs("\">", h->f);
            rs_html_cut(h, m->name[i], NAME_CHARS);
            fputs("</text>\n", h->f);
        }
    }
}

static void put_matrix_table(rs_html *h, const rs_matrix *m)
{
    const char **head = calloc(m->count + 1, sizeof *head);
    if (!head) {
        h->failed = true;
        return;
    }
    head[0] = m->row_name;
    memcpy(head + 1, m->name, m->count * sizeof *head);
    rs_html_fold(h, "The numbers");
    rs_html_table(h, m->title, head, m->count + 1);
    for (size_t r = 0; r < m->count; r++) {
        rs_html_row_begin(h, m->name[r]);
        for (size_t c = 0; c < m->count; c++) {
            char text[32];
            cell_text(m->value[r * m->count + c], text);
            rs_html_cell(h, "%s", text);
        }
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
    rs_html_fold_end(h);
    free(head);
}

void rs_chart_matrix(rs_html *h, const rs_matrix *m)
{
    enum { MOST_COLUMNS = 30 };
    grid g = {0};
    const bool drawn = condense(m, &g);
    h->failed = h->failed || !drawn;
    const double side = drawn ? g.side * (double)g.count : 0;
    begin_figure(h, m->title, m->about, g.names + side + 4);
    if (drawn) {
        put_cells(h, &g);
        put_counts(h, &g);
        put_names(h, m, &g);
        fputs("<path class=\"grid\" d=\"", h->f);
        put_point(h->f, 'M', g.names, g.names);
        fputc('h', h->f);
        put_number(h->f, side);
        fputc('v', h->f);
        put_number(h->f, side);
        fputc('h', h->f);
        put_number(h->f, -side);
        fputs("z\"/>\n", h->f);
    }
    fputs("</svg>\n", h->f);
    rs_html_p(
        h, "Rows: %s. Columns: %s. The stronger the colour, the larger the share of its row.%s",
        m->row_name, m->column_name,
        m->count > g.count ? " Neighbouring classes are summed: they are too many to be drawn."
                           : "");
    if (m->count <= MOST_COLUMNS)
        put_matrix_table(h, m);
    fputs("</figure>\n", h->f);
    free(g.cell);
    free(g.row);
}
