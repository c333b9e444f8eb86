#include "csv.h"

#include "error.h"
#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

rescl_status rs_csv_begin(const char *path, const char *header, uint64_t epoch)
{
    rescl_status st = RESCL_OK;
    const size_t header_bytes = strlen(header);
    const size_t commas = count_commas(header, header + header_bytes);
    char *old = NULL;
    size_t bytes = 0, keep = 0;

    if (epoch > 0) {
        st = rs_file_read(path, MAX_CSV, &old, &bytes);
        if (st != RESCL_OK && st != RESCL_ERR_NOT_FOUND)
            goto out;
        st = RESCL_OK;
    }
    if (old && strncmp(old, header, header_bytes) == 0) {
        const char *line = old + header_bytes, *end;
        uint64_t row;
        while ((end = strchr(line, '\n')) != NULL && parse_row(line, end, commas, &row) &&
               row < epoch)
            line = end + 1;
        keep = (size_t)(line - old);
    }
    if (keep == bytes && keep > 0)
        goto out;
    RS_TRY(keep ? rs_file_write(path, old, keep) : rs_file_write(path, header, header_bytes));
out:
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
