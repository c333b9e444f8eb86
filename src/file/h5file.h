/* HDF5 files, read with care.
 *
 * HDF5's own code follows whatever a file says: into other files, past the end of a chunk that
 * inflates to less than it should, round in circles. So it runs in a child process with limits
 * (child.h) and is asked only where things lie. That comes back as an index of plain numbers, which
 * is checked here against the size of the file; the bytes are then read, inflated and placed by our
 * own code. Refused before anything is allocated by their numbers: links and data outside the file,
 * filters that h5filter.h does not know, more values than the file's bytes can hold, missing chunks.
 *
 * HDF5 therefore never runs in the calling process: any number of threads may read files at once,
 * and each reading begins with a fresh library. */
#ifndef RS_H5FILE_H
#define RS_H5FILE_H

#include "child.h"
#include "h5filter.h"

#define RS_H5_DIMS 4

/* What builds without HDF5 answer, about a path. */
#define RS_H5_MISSING                                                                              \
    "%s: this rescl was built without HDF5; install its development package (Debian: "             \
    "libhdf5-dev) and build again with -DRESCL_WITH_HDF5=ON"

/* ---- in the child: what to take up into the index ------------------------------------------ */

typedef struct rs_h5_scan rs_h5_scan; /* an open file, and the index as far as it is made */

/* Looks through a file. What it fails with is what rs_h5_open fails with. */
typedef rescl_status (*rs_h5_scan_fn)(rs_h5_scan *scan, const void *arg);

const char *rs_h5_scan_path(const rs_h5_scan *scan);

/* Adds the dataset at `path` ("a/b": b in the group a) to the index, as `name`, which errors show.
 * RESCL_ERR_NOT_FOUND when there is none. */
rescl_status rs_h5_scan_array(rs_h5_scan *scan, const char *path, const char *name) RESCL_CHECK;
/* Adds a text to the index. */
rescl_status rs_h5_scan_note(rs_h5_scan *scan, const char *key, const char *value) RESCL_CHECK;

/* Whether there is a group of that name, reached by hard links. */
bool rs_h5_scan_has_group(rs_h5_scan *scan, const char *name);

/* The strings of an attribute of a group, of fixed or variable length; one string is a list of
 * one. A list that Keras split into "<attr>0", "<attr>1", ... is joined. Absent: an empty list. */
typedef struct rs_h5_strings {
    char **text;
    size_t count, cap;
} rs_h5_strings;

rescl_status rs_h5_scan_strings(rs_h5_scan *scan, const char *group, const char *attr,
                                rs_h5_strings *out) RESCL_CHECK;
/* The strings of a dataset, as those of an attribute, `most` at most. RESCL_ERR_NOT_FOUND when there
 * is none; an empty list when its values are no strings. */
rescl_status rs_h5_scan_texts(rs_h5_scan *scan, const char *path, size_t most, rs_h5_strings *out)
    RESCL_CHECK;
/* The names of what a group holds, by their bytes. */
rescl_status rs_h5_scan_members(rs_h5_scan *scan, const char *group, rs_h5_strings *out)
    RESCL_CHECK;
void rs_h5_strings_fini(rs_h5_strings *s);

/* ---- in the caller ------------------------------------------------------------------------- */

typedef enum rs_h5_kind { RS_H5_SIGNED = 0, RS_H5_UNSIGNED, RS_H5_FLOAT } rs_h5_kind;

/* Where a chunk lies in the file. */
typedef struct rs_h5_chunk {
    uint64_t offset, bytes;
    uint64_t skipped; /* filters: rs_h5_packed_bytes */
} rs_h5_chunk;

/* A dataset. Integers have 1, 2, 4 or 8 bytes, floats (IEEE 754) 2, 4 or 8. */
typedef struct rs_h5_array {
    char *name;
    rs_h5_kind kind;
    size_t value_bytes;
    bool big_endian;
    int ndim; /* 1 to RS_H5_DIMS */
    uint64_t dim[RS_H5_DIMS];
    uint64_t chunk[RS_H5_DIMS]; /* size of a chunk; chunk[0] is 0 when it lies in one piece */
    rs_h5_pipeline filters;     /* of chunks */
    uint64_t count;             /* values; count * 8 fits into size_t */
    size_t chunk_bytes;         /* unpacked; of the whole when it lies in one piece */
    rs_h5_chunk *piece;         /* the chunks in row-major order, or the one piece */
    size_t pieces;
} rs_h5_array;

typedef struct rs_h5_note {
    char *key, *value;
} rs_h5_note;

typedef struct rs_h5_file {
    char *path; /* for messages */
    int fd;
    uint64_t bytes;
    rs_h5_array *array; /* as the scan added them */
    size_t count, array_cap;
    rs_h5_note *note;
    size_t notes, note_cap;
} rs_h5_file;

/* Of the child process; tests lower them. */
extern rs_child_limits rs_h5_limits;

/* Opens a file, which errors call `shown`, and makes its index by `scan`, which runs in a child
 * process: see child.h for what it may do. The path is not used after that. RESCL_ERR_UNSUPPORTED in
 * builds without HDF5. */
rescl_status rs_h5_open(const char *path, const char *shown, rs_h5_scan_fn scan, const void *arg,
                        rs_h5_file **out) RESCL_CHECK;
void rs_h5_close(rs_h5_file *f);

/* NULL when the index has none. */
const char *rs_h5_note_get(const rs_h5_file *f, const char *key);

/* All values as they lie in the file: count * value_bytes bytes. */
rescl_status rs_h5_read(const rs_h5_file *f, const rs_h5_array *a, void *dst) RESCL_CHECK;
/* One of the values that rs_h5_read gave. */
double rs_h5_number(const rs_h5_array *a, const void *values, size_t index);
/* Whole numbers, of any kind; what exceeds an int64_t becomes its greatest or least value. */
rescl_status rs_h5_read_int64(const rs_h5_file *f, const rs_h5_array *a, int64_t *dst) RESCL_CHECK;

/* ---- between the two files that make it: h5file.c in the caller, scan_h5.c in the child ----- */

typedef struct rs_h5_job {
    const char *shown; /* the path, for messages */
    int fd;            /* above 2 */
    uint64_t bytes;    /* of the file */
    rs_h5_scan_fn scan;
    const void *arg;
} rs_h5_job;

/* What a record of the index is. */
enum { RS_H5_RECORD_ARRAY = 1, RS_H5_RECORD_NOTE = 2 };

/* An rs_child_fn: opens the job's file with HDF5, scans it and writes the index. */
rescl_status rs_h5_scan_run(rs_reply *index, const void *job) RESCL_CHECK;

/* Whether a file of `bytes` can hold an array of these dimensions and chunks, and what follows from
 * them: count, chunk_bytes, pieces. */
rescl_status rs_h5_array_settle(rs_h5_array *a, const char *path, uint64_t bytes) RESCL_CHECK;

#endif
