/* The rows of `rescl bench`: kept as they are measured, and printed as a table, CSV, JSON or JSON
 * lines. docs/bench.md says what each field is. */
#ifndef CLI_BENCH_ROWS_H
#define CLI_BENCH_ROWS_H

#include "options.h"
#include "output.h"

#include <rescl/bench.h>

/* A row whose strings and samples are its own: those that `row` points to lie in `text` and `samples`. */
#define CLI_BENCH_TEXTS 15
typedef struct cli_bench_row {
    rescl_bench_row row;
    char *text[CLI_BENCH_TEXTS];
    double *samples;
    char when[32]; /* UTC, as ISO 8601 has it */
} cli_bench_row;

typedef struct cli_bench_rows {
    const cli_args *args;
    const rescl_device_info *device;
    cli_bench_row *row;
    size_t count, room;
    double peak;      /* GFLOP/s of fp32, 0 if not measured */
    char *options;    /* as they were given; NULL: memory was short */
    char *settings;   /* the environment's RESCL_ variables */
    char tuning[160]; /* what choices were made by, or "" */
    bool failed;      /* memory was short */
    int code;         /* of the last row that failed, or CLI_OK */
} cli_bench_rows;

void cli_bench_rows_init(cli_bench_rows *rows, const cli_args *args, rescl_device *device);

/* A rescl_bench_fn whose user is the rows: keeps the row, says on stderr what it is, and prints it where
 * the form is JSON lines. */
void cli_bench_keep(const rescl_bench_row *row, void *user);

/* Prints what is kept in the form that was asked for, `table` being what prints Markdown, and says what
 * was noisy. Frees all. Exit code: `code`, or that of a row or of printing. */
int cli_bench_rows_finish(cli_bench_rows *rows, int code, int (*table)(const cli_bench_rows *));

/* "ok", or why there are no times: "wrong", "refused", "skipped", "missed",
 * "failed". */
const char *cli_bench_state(const rescl_bench_row *row);
/* GFLOP/s, NaN where operations are not counted. */
double cli_bench_gflops(const rescl_bench_row *row);

/* A table with a column for what each kind of row has: for rows that have no table of their own. */
int cli_bench_table(const cli_bench_rows *rows);
/* "state: reason" of each row without times. */
void cli_bench_reasons(const cli_bench_rows *rows);

#endif
