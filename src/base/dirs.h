/* Names of files and folders. Plain functions, which the program links too. */
#ifndef RS_DIRS_H
#define RS_DIRS_H

#include <stdbool.h>

/* "a/b" on the heap; NULL when memory is short. */
char *rs_path_join(const char *a, const char *b);

bool rs_path_is_dir(const char *path);

/* Creates `path` and what is missing above it, as mkdir -p does. False with errno set. */
bool rs_make_folders(const char *path);

#endif
