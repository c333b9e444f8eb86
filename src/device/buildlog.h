/* What a failed kernel build tells the user. */
#ifndef RS_BUILDLOG_H
#define RS_BUILDLOG_H

#include "source.h"

#include <rescl/device.h>

/* The first error of a compiler's log. `file` is NULL when the log names no place in the source. */
typedef struct rs_build_error {
    const rs_source_file *file;
    size_t line;
    char message[256];
} rs_build_error;

/* Understands  FILE:12:5: error: text,  FILE:12: error: text,  FILE(12): error: text  and
 * "FILE", line 12: error: text.  A FILE that is none of the source's counts as the expanded text.
 */
void rs_build_log_parse(const rs_source *s, const char *log, rs_build_error *out);

/* Raises RESCL_ERR_BUILD: names the place, kernel file, device, driver and options, shows the
 * source around the first error, and writes the whole log to a file that the message names. */
rescl_status rs_build_log_fail(const rescl_device_info *info, const char *stem, const char *options,
                               const rs_source *s, const char *log);

#endif
