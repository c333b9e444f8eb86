/* Reading tables of text: RFC 4180, with any one-byte separator, and with lines that end in LF too. */
#ifndef RS_CSVREAD_H
#define RS_CSVREAD_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

/* A table in memory, row by row. */
typedef struct rs_csv_reader {
    const char *path; /* for messages, borrowed */
    char *text;       /* what fields point into: they are unquoted in place */
    size_t bytes, at;
    char separator;
    size_t line, next_line; /* from 1: where the row begins, and the next one */
    char **field; /* of the row, those without quotes without blanks around: valid as long as the
                   * reader */
    size_t count, cap;
} rs_csv_reader;

/* Reads a file of at most `limit` bytes, and tells its separator by its first line: a comma, a tab, or a
 * semicolon where it has neither. A byte order mark is passed over. RESCL_ERR_FORMAT for what is no text in
 * UTF-8 or ASCII. */
rescl_status rs_csv_open(const char *path, size_t limit, rs_csv_reader *r) RESCL_CHECK;
/* The next row that is not empty; *more is false behind the last. Errors name the line. */
rescl_status rs_csv_next(rs_csv_reader *r, bool *more) RESCL_CHECK;
void rs_csv_fini(rs_csv_reader *r);

#endif
