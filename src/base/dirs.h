/* Names of files and folders. Plain functions, which the program links too. */
#ifndef RS_DIRS_H
#define RS_DIRS_H

#include <stdbool.h>
#include <stddef.h>

/* "a/b" on the heap; NULL when memory is short. */
char *rs_path_join(const char *a, const char *b);

bool rs_path_is_dir(const char *path);

/* Creates `path` and what is missing above it, as mkdir -p does. False with errno set. */
bool rs_make_folders(const char *path);

/* A file that is being written is <path>.tmp-<pid>-<number>: see rs_atomic_open. */
#define RS_TEMP_MARK ".tmp-"

/* Whether `name`, in the same folder, is that of a temporary file for the file whose name is its first
 * `len` bytes: its writer may still live. A signal handler may call it. */
bool rs_atomic_is_temporary(const char *name, size_t len);

#endif
