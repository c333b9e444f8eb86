/* The text of a kernel file with its #include "..." lines replaced by what they name.
 *
 * A file comes from the folder RESCL_KERNEL_DIR when that is set and holds it, else from those that
 * are embedded in the library. #line directives keep a compiler's messages about the files as they
 * are on disk; rs_source_locate serves the compilers that ignore them. */
#ifndef RS_SOURCE_H
#define RS_SOURCE_H

#include "str.h"

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct rs_source_file {
    char *name; /* "conv2d.cl" */
    char *text;
} rs_source_file;

/* Lines of the expanded text from `first` on (counted from 1) are those of a file from `line` on.
 */
typedef struct rs_source_run {
    size_t first, file, line;
} rs_source_run;

typedef struct rs_source {
    rs_str text; /* what is compiled */
    rs_source_file *files;
    size_t nfiles, files_cap;
    rs_source_run *runs;
    size_t nruns, runs_cap;
    size_t lines; /* in `text` so far */
} rs_source;

/* Fills a zeroed rs_source with the file <stem>.cl; rs_source_fini frees it also after a failure.
 */
rescl_status rs_source_load(rs_source *s, const char *stem) RESCL_CHECK;
void rs_source_fini(rs_source *s);

/* The file of that name, or NULL. A path before the name is ignored. */
const rs_source_file *rs_source_find(const rs_source *s, const char *name);

/* Where a line of the expanded text came from; false if there is no such line. */
bool rs_source_locate(const rs_source *s, size_t expanded, const rs_source_file **file,
                      size_t *line);

#endif
