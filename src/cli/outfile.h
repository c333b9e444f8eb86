/* Where results go: standard output, or a file that appears whole or not at all. */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include "options.h"

#include <stdio.h>

typedef struct cli_outfile {
    FILE *f;          /* write to it */
    const char *path; /* NULL: standard output */
    char *text;       /* what was written so far */
    size_t bytes;
} cli_outfile;

/* Opens `path` (borrowed; NULL, "-" or a name of standard output's file: standard output), which has
 * to lie in a folder that can be written to. What a link leads to is written. Exit code. */
int cli_outfile_open(cli_outfile *o, const char *path);
/* Whether a file `path` (NULL: none) can be written, in a folder that is there: for what would fail only
 * after hours of work. Exit code. */
int cli_outfile_check(const char *path);
/* Writes the file, if `keep`. Exit code. */
int cli_outfile_close(cli_outfile *o, bool keep);

/* The value of --output; NULL where it is unset. False after a message if it is a form of output,
 * such as "json", which is --output-format's. */
bool cli_outfile_name(const cli_args *args, cli_opt id, const char **path);

/* True after a message if writing `path` (NULL: no) would destroy `input`, which is read. */
bool cli_outfile_is_input(const char *path, const char *input);

#endif
