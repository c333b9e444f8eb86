/* Tables of text: aligned for reading, Markdown or CSV. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct cli_table {
    size_t columns, cells, room;
    char **cell; /* row by row; the first row is the head */
    bool failed; /* memory was short */
} cli_table;

/* Starts a table whose head is the first `columns` cells that are added. */
void cli_table_init(cli_table *t, size_t columns);

/* The same, and adds that head. */
void cli_table_start(cli_table *t, const char *const *head, size_t columns);
void cli_table_fini(cli_table *t);

/* Adds the next cell of the current row. */
void cli_table_add(cli_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Columns whose cells below the head all look like numbers are aligned to the right. False after a
 * message if memory was short while the table grew. `form` is "plain", "md" or "csv"; but for CSV,
 * control characters of the cells are escaped. */
bool cli_table_print(cli_table *t, const char *form, FILE *f);

/* A field of a CSV row, in quotes where RFC 4180 wants them or where blanks stand at an end. */
void cli_csv_field(const char *text, FILE *f);

/* Whether the aligned table has room in a line of so many columns; where it has none, print each row
 * as lines of "head  cell", without the empty cells. */
bool cli_table_fits(const cli_table *t, size_t columns);
bool cli_table_print_rows(cli_table *t, FILE *f);

#endif
