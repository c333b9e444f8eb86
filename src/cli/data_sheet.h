/* data check --sheet: some images of each class, and those that several splits or classes have. */
#ifndef CLI_DATA_SHEET_H
#define CLI_DATA_SHEET_H

#include <rescl/rescl.h>

/* False after a message about the usage if `path` (NULL: no sheet) does not end with .png. */
bool cli_data_sheet_name(const char *path);

/* Writes the sheet, whole or not at all. Exit code. */
int cli_data_sheet_write(const rescl_survey *survey, const char *data, const char *path);

#endif
