/* Files that `rescl bench` wrote as JSON or JSON lines, read again. docs/bench.md says what rows are. */
#ifndef CLI_BENCH_FILE_H
#define CLI_BENCH_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What tells one row from another: those of two files that are alike in these are compared. */
typedef enum bench_key {
    KEY_KIND,
    KEY_WHAT,
    KEY_MODEL,
    KEY_PASS,
    KEY_IMPL,
    KEY_MODE,
    KEY_PRECISION,
    KEY_SIZE,
    KEY_BATCH,
    KEY_INPUT,
    KEY_OPT,
    KEY_THREADS,
    KEY_COUNT
} bench_key;

const char *cli_bench_key_name(bench_key key);

/* A row, or several of one file with the same keys, whose samples are joined: repeated runs. */
typedef struct bench_entry {
    const json_t *json;   /* the first of them */
    char *key[KEY_COUNT]; /* "" where it has none */
    double *samples;      /* ms, in the order of measuring */
    size_t count, room;   /* 0: it was not measured; `status` says why */
    const char *status;   /* the worst of them */
    double others; /* the largest share of the processors' time that others took; 0: not known */
    double seconds, epochs; /* of trainings, sums over `runs`; NaN: not known */
    size_t runs;            /* those that were measured */
} bench_entry;

typedef struct bench_file {
    char *path;   /* or what several are called */
    json_t *rows; /* an array */
    bench_entry *entry;
    size_t count, room;
} bench_file;

/* Reads a file. Exit code, after a message that names file, row and key. What rows hold beside what is
 * needed is passed over. */
int cli_bench_file_read(const char *path, bench_file *out);
/* Reads several as if they were one, called `name`. */
int cli_bench_files_read(char *const *path, size_t paths, const char *name, bench_file *out);
void cli_bench_file_fini(bench_file *f);

/* The row of the same keys, or NULL. */
const bench_entry *cli_bench_find(const bench_file *f, const bench_entry *like);

/* Fields of a row; "" and NaN where it has none. */
const char *cli_bench_text(const bench_entry *e, const char *name);
double cli_bench_real(const bench_entry *e, const char *name);

/* The values of a field that is a text over the rows of a file, each once, up to a few. */
void cli_bench_values(const bench_file *f, const char *field, char text[512]);

/* Which keys tell rows of one kind apart, or kinds: all that have several values, and `what`. */
void cli_bench_varying(const bench_file *file, size_t files, bool varies[KEY_COUNT]);
/* "op: size 224, precision fp32; model: opt sgd": those that all rows of a kind have alike. */
void cli_bench_common(const bench_file *f, const bool varies[KEY_COUNT], char text[512]);

/* "conv2d:32x14x14x256->256,3x3/1 fwd winograd": what tells the row from others, by the keys that vary
 * (NULL: by all), without those that it does not have. `text` has 512 bytes. */
const char *cli_bench_label(const bench_entry *e, const bool varies[KEY_COUNT], char text[512]);

#endif
