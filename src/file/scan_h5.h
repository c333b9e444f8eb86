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

#endif
