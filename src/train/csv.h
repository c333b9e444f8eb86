/* Tables of the run folder that grow as the run goes on: a header, and rows whose first column is
 * the epoch, from 1. A run that is resumed finds the rows of its past in them. */
#ifndef RS_CSV_H
#define RS_CSV_H

#include "str.h"

/* Makes `path` ready for the rows behind those of the first `epochs` epochs, which count from 1: a
 * file with the header, which ends with a newline, and the rows of these epochs. Later rows, lines
 * cut short by a crash and everything after them are dropped. Rows of an older version, whose first
 * epoch was 0, are renumbered; a file with another header is renamed, which is logged. The file
 * changes whole or not at all. */
rescl_status rs_csv_begin(const char *path, const char *header, uint64_t epochs) RESCL_CHECK;

/* Appends a comma and `value`, by a format such as "%.9g". */
rescl_status rs_csv_append(rs_str *row, double value, const char *format) RESCL_CHECK;

/* Appends text as a field, behind a comma unless it is the first: in quotes where it needs them. */
rescl_status rs_csv_append_text(rs_str *row, const char *text) RESCL_CHECK;

#endif
