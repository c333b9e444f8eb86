/* Zip archives (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), read through libzip:
 * entries stored or deflated, with or without zip64.
 *
 * An archive from anywhere may be opened: an entry cannot say that it is larger than its bytes in
 * the file can be, entries cannot share bytes, and no two have one name. What is encrypted or packed
 * in another way is listed, and refused by name when it is read. */
#ifndef RS_ZIPFILE_H
#define RS_ZIPFILE_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RS_ZIP_MAX_ENTRIES 1000000u

typedef struct rs_zip_entry {
    const char
        *name;       /* as stored: a path such as "archive/data.pkl"; those of folders end in '/' */
    uint64_t bytes;  /* unpacked */
    uint64_t packed; /* in the file */
    uint64_t source; /* libzip's number */
    uint32_t crc;
    uint16_t method, encryption; /* libzip's */
} rs_zip_entry;

/* An open archive. One thread at a time. */
typedef struct rs_zip rs_zip;

/* Reads and checks the list of entries. RESCL_ERR_UNSUPPORTED in builds without libzip. */
rescl_status rs_zip_open(const char *path, rs_zip **out) RESCL_CHECK;
void rs_zip_close(rs_zip *z);

size_t rs_zip_count(const rs_zip *z);
const rs_zip_entry *rs_zip_at(const rs_zip *z, size_t index);       /* in the archive's order */
const rs_zip_entry *rs_zip_find(const rs_zip *z, const char *name); /* NULL if there is none */

/* `bytes` unpacked bytes from `offset` on, all of which the entry has. An entry that is read to its
 * end from its beginning, in one piece or more, is held against its checksum, if that is not 0.
 * Pieces of a deflated entry are read best in their order. */
rescl_status rs_zip_read(rs_zip *z, const rs_zip_entry *e, uint64_t offset, void *dst, size_t bytes)
    RESCL_CHECK;
/* A whole entry on the heap, with a NUL after it that `bytes` does not count. Refuses more than
 * `limit` bytes. */
rescl_status rs_zip_read_all(rs_zip *z, const rs_zip_entry *e, size_t limit, char **data,
                             size_t *bytes) RESCL_CHECK;

#endif
