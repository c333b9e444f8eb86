#include "csv.h"

#include "error.h"
#include "log.h"
#include "path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CSV ((size_t)256 << 20)

static size_t count_commas(const char *text, const char *end)
{
    size_t commas = 0;
    for (const char *c = text; c < end; c++)
        commas += *c == ',';
    return commas;
}

/* True when the line [text, end) is a whole row; its epoch goes to *epoch. */
static bool parse_row(const char *text, const char *end, size_t commas, uint64_t *epoch)
{
    char number[24];
    const size_t digits = strcspn(text, ",\n");

    if (digits >= sizeof number || count_commas(text, end) != commas)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    return rs_parse_u64(number, epoch);
}

/* A file with other columns is kept under the first free of <path>.1, <path>.2, ... */
static rescl_status move_aside(const char *path)
{
    rescl_status st = RESCL_OK;
    char *aside = NULL;

    for (unsigned i = 1; !aside; i++) {
        RS_OOM(aside = rs_strf("%s.%u", path, i));
        if (access(aside, F_OK) == 0) {
            free(aside);
            aside = NULL;
        }
    }
    RS_FAIL_IF(rename(path, aside) != 0, RESCL_ERR_IO, "%s: cannot rename to %s: %s", path, aside,
               strerror(errno));
    rs_log(RESCL_LOG_WARN, "%s has other columns than this version writes: it was moved to %s",
           path, aside);
out:
    free(aside);
    return st;
}

/* Appends to `kept` the rows of [text, ...) of the first `epochs` epochs. Older files count
 * epochs from 0: their rows are renumbered. */
static rescl_status keep_rows(const char *text, size_t commas, uint64_t epochs, rs_str *kept)
{
    rescl_status st = RESCL_OK;
    uint64_t row, shift = 0;
    const char *end;

    for (bool first = true;
         (end = strchr(text, '\n')) != NULL && parse_row(text, end, commas, &row); first = false) {
        if (first && row == 0)
            shift = 1;
        if (row + shift > epochs)
            break;
        RS_TRY(rs_str_appendf(kept, "%" PRIu64 "%.*s", row + shift,
                              (int)(end + 1 - strchr(text, ',')), strchr(text, ',')));
        text = end + 1;
    }
out:
    return st;
}

rescl_status rs_csv_begin(const char *path, const char *header, uint64_t epochs)
{
    rescl_status st = RESCL_OK;
    const size_t header_bytes = strlen(header);
    char *old = NULL;
    rs_str kept = {0};
    size_t bytes = 0;

    if (epochs > 0) {
        const rescl_status read = rs_file_read(path, MAX_CSV, &old, &bytes);
        RS_TRY(read == RESCL_ERR_NOT_FOUND ? RESCL_OK : read);
    }
    RS_TRY(rs_str_append(&kept, header));
    if (old && strncmp(old, header, header_bytes) == 0)
        RS_TRY(keep_rows(old + header_bytes, count_commas(header, header + header_bytes), epochs,
                         &kept));
    else if (old)
        RS_TRY(move_aside(path));
    if (!old || strcmp(old, kept.text) != 0)
        RS_TRY(rs_file_write(path, kept.text, kept.len));
out:
    rs_str_fini(&kept);
    free(old);
    return st;
}

rescl_status rs_csv_append(rs_str *row, double value, const char *format)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    rs_point_decimals(text);
    return rs_str_appendf(row, ",%s", text);
}

rescl_status rs_csv_append_text(rs_str *row, const char *text)
{
    rescl_status st = RESCL_OK;
    const bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';

    if (row->len > 0)
        RS_TRY(rs_str_append(row, ","));
    if (!quoted) {
        RS_TRY(rs_str_append(row, text));
        goto out;
    }
    RS_TRY(rs_str_append(row, "\""));
    for (const char *c = text; *c; c++)
        RS_TRY(rs_str_appendf(row, *c == '"' ? "\"\"" : "%c", *c));
    RS_TRY(rs_str_append(row, "\""));
out:
    return st;
}
