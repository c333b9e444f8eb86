/* One dataset of an HDF5 file, taken with care.
 *
 * HDF5's own code follows whatever a file says, into other files and past the end of a chunk that
 * inflates to less than it should. So the library is asked only where the data lies; that is
 * checked, and the bytes are read, inflated and placed here. Files are refused before anything is
 * allocated by their numbers: links and data outside the file, filters other than deflate, more
 * values than the file's bytes can hold, missing chunks.
 *
 * HDF5 is not thread-safe: one thread at a time. */
#ifndef RS_SOURCE_H5_H
#define RS_SOURCE_H5_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef RS_HAVE_HDF5

#include <hdf5.h>

#define RS_H5_DIMS 4

/* An open file. */
typedef struct rs_h5_file {
    const char *path; /* borrowed */
    hid_t id;
    int fd;
    uint64_t bytes;
    H5E_auto2_t print; /* how HDF5 told its errors before */
    void *print_data;
} rs_h5_file;

/* Silences HDF5's own messages until rs_h5_close, which is legal after a failure too. */
rescl_status rs_h5_open(rs_h5_file *f, const char *path) RESCL_CHECK;
void rs_h5_close(rs_h5_file *f);

/* A dataset of integers of 1, 2, 4 or 8 bytes, of either order. */
typedef struct rs_h5_source {
    const rs_h5_file *file;
    char name[64];
    hid_t id, space, type, plist;
    int ndim;
    uint64_t dim[RS_H5_DIMS], chunk[RS_H5_DIMS]; /* chunk[0] is 0 when it is in one piece */
    size_t chunk_bytes;                          /* inflated */
    bool deflated;
    uint64_t count; /* values; count * value_bytes fits into size_t */
    size_t value_bytes;
    bool is_signed, big_endian;
} rs_h5_source;

#define RS_H5_CLOSED                                                                               \
    {                                                                                              \
        .id = -1, .space = -1, .type = -1, .plist = -1                                             \
    }

/* Opens and checks; allocates nothing. RESCL_ERR_NOT_FOUND when there is no such dataset. Close
 * after a failure too, and a closed one. */
rescl_status rs_h5_source_open(rs_h5_source *s, const rs_h5_file *file, const char *name)
    RESCL_CHECK;
void rs_h5_source_close(rs_h5_source *s);
/* All values as they lie in the file, count * value_bytes bytes. */
rescl_status rs_h5_source_read(const rs_h5_source *s, void *dst) RESCL_CHECK;
/* All values as numbers; what exceeds an int64_t becomes its greatest value. */
rescl_status rs_h5_source_read_int64(const rs_h5_source *s, int64_t *dst) RESCL_CHECK;

#endif
#endif
