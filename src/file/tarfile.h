/* Reading tar archives (POSIX.1-2017 ustar and pax, GNU, and the old form) member by member, without
 * unpacking them. */
#ifndef RS_TARFILE_H
#define RS_TARFILE_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stdint.h>

/* An open archive, and the regular file in it that was come to. */
typedef struct rs_tar {
    int fd;
    char *path; /* for messages */
    uint64_t bytes, next;
    char *name;        /* of the member: valid up to the next one */
    uint64_t at, size; /* where its bytes lie in the archive */
    uint64_t pax_size; /* of the next member; UINT64_MAX: it tells its own */
    char *long_name;   /* of the next member; NULL: it tells its own */
    bool lacks_end;    /* the last member was read, and no block of zeros ends the archive */
} rs_tar;

rescl_status rs_tar_open(const char *path, rs_tar *t) RESCL_CHECK;
/* The next regular file; *more is false behind the last. Folders, links and devices are passed over.
 * RESCL_ERR_FORMAT for what is no tar archive, is damaged or is cut short. */
rescl_status rs_tar_next(rs_tar *t, bool *more) RESCL_CHECK;
/* A rs_tar of zeros is legal. */
void rs_tar_close(rs_tar *t);

#endif
