#include "table.h"

#include "alloc.h"
#include "output.h"
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cli_table_init(cli_table *t, size_t columns)
{
    *t = (cli_table){.columns = columns};
}

void cli_table_start(cli_table *t, const char *const *head, size_t columns)
{
    cli_table_init(t, columns);
    for (size_t i = 0; i < columns; i++)
        cli_table_add(t, "%s", head[i]);
}

void cli_table_fini(cli_table *t)
{
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    *t = (cli_table){0};
}

void cli_table_add(cli_table *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = rs_vstrf(fmt, args);
    va_end(args);
    if (!text || !rs_array_grow(&t->cell, &t->room, t->cells + 1, sizeof *t->cell)) {
        t->failed = true;
        free(text);
        return;
    }
    t->cell[t->cells++] = text;
}

/* Characters, not bytes, of UTF-8. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static bool numeric(const char *text)
{
    return !text[strspn(text, "0123456789.,+-e%*() ")];
}

void cli_csv_field(const char *text, FILE *f)
{
    const size_t n = strlen(text);
    const bool blanks = n > 0 && (strchr(" \t", text[0]) || strchr(" \t", text[n - 1]));
    if (!blanks && !text[strcspn(text, "\",\r\n")]) {
        fputs(text, f);
        return;
    }
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

static void print_csv(const cli_table *t, FILE *f)
{
    for (size_t i = 0; i < t->cells; i++) {
        cli_csv_field(t->cell[i], f);
        fputc((i + 1) % t->columns ? ',' : '\n', f);
    }
}

static void print_cell(FILE *f, const char *text, size_t width, bool right, bool last)
{
    int pad = (int)(width - width_of(text));
    if (right)
        fprintf(f, "%*s%s", pad, "", text);
    else
        fprintf(f, "%s%*s", text, last ? 0 : pad, "");
}

static void print_rule(FILE *f, const cli_table *t, const size_t *width, const bool *right)
{
    for (size_t c = 0; c < t->columns; c++) {
        fputs(c ? " | " : "| ", f);
        for (size_t n = right[c] ? 1 : 0; n < width[c]; n++)
            fputc('-', f);
        if (right[c])
            fputc(':', f);
    }
    fputs(" |\n", f);
}

static void print_aligned(const cli_table *t, bool md, FILE *f, size_t *width, bool *right)
{
    for (size_t i = 0; i < t->cells; i++) {
        size_t c = i % t->columns, w = width_of(t->cell[i]);
        if (i < t->columns) {
            width[c] = 3; /* the shortest rule of Markdown */
            right[c] = true;
        }
        width[c] = w > width[c] ? w : width[c];
        right[c] = right[c] && (i < t->columns || numeric(t->cell[i]));
    }
    for (size_t i = 0; i < t->cells; i++) {
        size_t c = i % t->columns;
        bool last = c + 1 == t->columns;
        if (md)
            fputs(c ? " | " : "| ", f);
        else if (c)
            fputs("  ", f);
        print_cell(f, t->cell[i], width[c], right[c], last && !md);
        if (last)
            fputs(md ? " |\n" : "\n", f);
        if (md && i + 1 == t->columns)
            print_rule(f, t, width, right);
    }
}

/* Cells as a terminal may show them. */
static bool escape_cells(cli_table *t)
{
    for (size_t i = 0; i < t->cells; i++) {
        char *shown = malloc(RS_ESCAPED(strlen(t->cell[i])));
        if (!shown)
            return false;
        rs_escape(t->cell[i], "", shown);
        free(t->cell[i]);
        t->cell[i] = shown;
    }
    return true;
}

bool cli_table_fits(const cli_table *t, size_t columns)
{
    size_t all = 0;
    for (size_t c = 0; c < t->columns; c++) {
        size_t width = 0;
        for (size_t i = c; i < t->cells; i += t->columns)
            width = width_of(t->cell[i]) > width ? width_of(t->cell[i]) : width;
        all += width + (c ? 2 : 0);
    }
    return all <= columns;
}

bool cli_table_print_rows(cli_table *t, FILE *f)
{
    const char *mark = ""; /* of a column without a head, which goes behind the next cell */
    size_t width = 0;
    if (t->failed || !escape_cells(t)) {
        cli_short_of_memory();
        return false;
    }
    for (size_t c = 0; c < t->columns; c++)
        width = width_of(t->cell[c]) > width ? width_of(t->cell[c]) : width;
    for (size_t row = t->columns; row < t->cells; row += t->columns) {
        if (row > t->columns)
            fputc('\n', f);
        for (size_t c = 0; c < t->columns; c++) {
            const char *head = t->cell[c], *cell = t->cell[row + c];
            if (*head && *cell)
                fprintf(f, "%s%*s  %s%s%s\n", head, (int)(width - width_of(head)), "", cell,
                        *mark ? " " : "", mark);
            mark = *head ? "" : cell;
        }
    }
    return true;
}

bool cli_table_print(cli_table *t, const char *form, FILE *f)
{
    if (t->failed || (strcmp(form, "csv") != 0 && !escape_cells(t))) {
        cli_short_of_memory();
        return false;
    }
    if (strcmp(form, "csv") == 0) {
        print_csv(t, f);
        return true;
    }
    size_t *width = calloc(t->columns, sizeof *width);
    bool *right = calloc(t->columns, sizeof *right);
    bool good = width && right;
    if (good)
        print_aligned(t, strcmp(form, "md") == 0, f, width, right);
    else
        cli_short_of_memory();
    free(width);
    free(right);
    return good;
}
