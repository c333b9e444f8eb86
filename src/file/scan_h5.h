/* What the files that call HDF5 share: scan_h5.c, scantext_h5.c. */
#ifndef RS_SCAN_H5_H
#define RS_SCAN_H5_H

#include "h5file.h"

#include <hdf5.h>

#define RS_H5_NAME 1024 /* bytes of a path within a file, at most */

struct rs_h5_scan {
    const char *path; /* for messages */
    uint64_t bytes;   /* of the file */
    hid_t id;
    rs_reply *index;
};

/* Follows `name` group by group, so that none of them leads out of the file. RESCL_ERR_NOT_FOUND when
 * there is no such object. */
rescl_status rs_h5_follow(const rs_h5_scan *scan, const char *name) RESCL_CHECK;

/* What HDF5 knows the job's file as. It asks the system where a name that is not absolute lies. */
#define RS_H5_FILE "/"

/* How HDF5 reads the job's open file, and nothing else: a list of access properties. Any other file that
 * it is led to does not exist. Negative when HDF5 cannot be started. */
hid_t rs_h5_access(const rs_h5_job *job) RESCL_CHECK;

#endif
