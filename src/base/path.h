/* Paths, whole-file reads with a limit, and atomic writes. */
#ifndef RS_PATH_H
#define RS_PATH_H

#include "dirs.h"

#include <rescl/status.h>
#include <stddef.h>
#include <stdint.h>

/* rs_make_folders, with an error. */
rescl_status rs_mkdirs(const char *path) RESCL_CHECK;

/* The folder that `path` lies in: "." where it names none. Heap; NULL when memory is short. */
char *rs_path_parent(const char *path);

/* The whole file on the heap, with a NUL after it that `bytes` does not count. Refuses what is not
 * a regular file and what is larger than `limit`. */
rescl_status rs_file_read(const char *path, size_t limit, char **data, size_t *bytes) RESCL_CHECK;

/* `bytes` bytes of an open file from `at` on; RESCL_ERR_FORMAT when it ends before. `path` is for
 * messages. */
rescl_status rs_file_read_at(int fd, const char *path, uint64_t at, void *dst, size_t bytes)
    RESCL_CHECK;

/* Writes all bytes. False, with errno, when that fails: a part may be written then. */
bool rs_write_all(int fd, const void *data, size_t bytes);

/* A file that appears whole or not at all: written to a temporary name beside `path`, flushed,
 * renamed over it, and the directory flushed. What a link leads to is written; what is no regular
 * file is refused. rs_atomic_abort (also legal after a failed or
 * successful commit, and on a zeroed struct) removes what is left of an uncommitted one. */
typedef struct rs_atomic_file {
    int fd; /* -1 when closed */
    bool open;
    char *path, *temp;
} rs_atomic_file;

rescl_status rs_atomic_open(rs_atomic_file *f, const char *path) RESCL_CHECK;
rescl_status rs_atomic_write(rs_atomic_file *f, const void *data, size_t bytes) RESCL_CHECK;
rescl_status rs_atomic_commit(rs_atomic_file *f) RESCL_CHECK;
void rs_atomic_abort(rs_atomic_file *f);

/* The three calls above for data that is in memory already. */
rescl_status rs_file_write(const char *path, const void *data, size_t bytes) RESCL_CHECK;

/* One that is not there is no error. */
rescl_status rs_file_remove(const char *path) RESCL_CHECK;

/* Waits, at most `seconds` (a holder may be stopped), until no other thread or process holds an
 * exclusive lock (flock) on the file or folder that `fd` has open. Closing it ends the lock. */
bool rs_try_lock(int fd, double seconds);

/* Appends with a single write, all or nothing, and flushes it. A line's newline is added. */
rescl_status rs_file_append(const char *path, const void *data, size_t bytes) RESCL_CHECK;
rescl_status rs_file_append_line(const char *path, const char *line) RESCL_CHECK;

#endif
