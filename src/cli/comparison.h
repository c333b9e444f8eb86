/* What `rescl compare` does, by what it is given. */
#ifndef CLI_COMPARISON_H
#define CLI_COMPARISON_H

#include "bench_file.h"
#include "options.h"
#include "outfile.h"

#include <rescl/compare.h>

/* One measurement of the first file beside that of another. */
typedef struct compared_row {
    const bench_entry *a, *b;
    rescl_comparison c; /* of a row that one of them has no times of: nothing */
    bool failed;        /* A or B has it without times */
    bool disturbed;     /* others took too much of the processors' time to tell */
} compared_row;

/* The first file beside another. */
typedef struct compared_pair {
    const bench_file *a, *b;
    compared_row *row; /* in the order of A */
    size_t rows;
} compared_pair;

typedef struct compared_files {
    const cli_args *args;
    bench_file *file;
    size_t files;
    compared_pair *pair;
    size_t pairs;
    bool history; /* what a run has not measured is no news */
    double margin;
    bool varies[KEY_COUNT]; /* over all files */
} compared_files;

/* Shares of the processors' time that others may take while a row that is slower or faster is measured. */
#define COMPARE_OTHERS 0.2

/* "same", "faster", "slower", "too noisy", or why B, else A, has no times. */
const char *cli_compare_verdict(const compared_row *r);

/* Writes the page into the file that is open, and closes it. Exit code. */
int cli_compare_report(const compared_files *c, cli_outfile *out);

/* Files of bench. Exit code: CLI_SLOWER where --fail-above is exceeded. */
int cli_compare_files(const cli_args *args);
/* --history: the last run of each device, or of those whose names hold a word, beside its earlier runs; of
 * two devices their last runs beside each other, too. */
int cli_compare_history(const cli_args *args);
/* --devices: the same weights and images on several devices. Exit code: CLI_DEVICE where one is wrong. */
int cli_compare_devices(const cli_args *args);

#endif
