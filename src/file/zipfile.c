#include "zipfile.h"

#include "error.h"

#ifdef RS_HAVE_ZIP

#include "alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#define MAX_DEFLATE 1032 /* the largest ratio of expansion */

struct rs_zip {
    char *path;
    zip_t *zip;
    rs_zip_entry *entry;
    size_t count;
    const rs_zip_entry **by_name;
    /* What is being read, up to `at`; NULL when nothing is. */
    zip_file_t *file;
    const rs_zip_entry *reading;
    uint64_t at;
    bool whole; /* nothing of it was left out */
};

/* ---- the list ------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    const rs_zip_entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static rescl_status add_entry(rs_zip *z, uint64_t source)
{
    rescl_status st = RESCL_OK;
    rs_zip_entry *e = &z->entry[z->count];
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t info;
    RS_FAIL_IF(zip_stat_index(z->zip, source, ZIP_FL_ENC_RAW, &info) != 0 ||
                   (info.valid & wanted) != wanted,
               RESCL_ERR_FORMAT, "%s: entry %llu of the zip archive is damaged: %s", z->path,
               (unsigned long long)source, zip_strerror(z->zip));
    *e = (rs_zip_entry){.name = info.name,
                        .bytes = info.size,
                        .packed = info.comp_size,
                        .source = source,
                        .crc = info.crc,
                        .method = info.comp_method,
                        .encryption = info.encryption_method};
    z->by_name[z->count++] = e;
out:
    return st;
}

/* Whether the entries can be what they say, in a file of `bytes`. */
static rescl_status check_entries(rs_zip *z, uint64_t bytes)
{
    rescl_status st = RESCL_OK;
    uint64_t left = bytes;
    for (size_t i = 0; i < z->count; i++) {
        const rs_zip_entry *e = &z->entry[i];
        RS_FAIL_IF(e->packed > left, RESCL_ERR_FORMAT,
                   "%s: '%.80s' and the entries before it say they take more than the %llu bytes "
                   "of the file; it is cut short or damaged",
                   z->path, e->name, (unsigned long long)bytes);
        left -= e->packed;
        RS_FAIL_IF(e->method == ZIP_CM_STORE && e->encryption == ZIP_EM_NONE &&
                       e->bytes != e->packed,
                   RESCL_ERR_FORMAT,
                   "%s: '%.80s' says it has %llu bytes, stored as %llu; the file is damaged",
                   z->path, e->name, (unsigned long long)e->bytes, (unsigned long long)e->packed);
        RS_FAIL_IF(e->method == ZIP_CM_DEFLATE && e->bytes / MAX_DEFLATE > e->packed,
                   RESCL_ERR_FORMAT,
                   "%s: '%.80s' says it has %llu bytes, which %llu deflated bytes cannot give; the "
                   "file is damaged",
                   z->path, e->name, (unsigned long long)e->bytes, (unsigned long long)e->packed);
    }
    qsort(z->by_name, z->count, sizeof *z->by_name, compare_names);
    for (size_t i = 1; i < z->count; i++)
        RS_FAIL_IF(strcmp(z->by_name[i - 1]->name, z->by_name[i]->name) == 0, RESCL_ERR_FORMAT,
                   "%s: the zip archive has two entries named '%.80s'", z->path,
                   z->by_name[i]->name);
out:
    return st;
}

rescl_status rs_zip_open(const char *path, rs_zip **out)
{
    rescl_status st = RESCL_OK;
    rs_zip *z = NULL;
    int fd = -1, why = 0;
    struct stat info;
    RS_OOM(z = calloc(1, sizeof *z));
    RS_OOM(z->path = strdup(path));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    RS_FAIL_IF(fd < 0 && errno == ENOENT, RESCL_ERR_NOT_FOUND, "%s: no such file", path);
    RS_FAIL_IF(fd < 0 || fstat(fd, &info) != 0, RESCL_ERR_IO, "%s: cannot open: %s", path,
               strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", path);
    errno = 0; /* libzip takes what it has no memory to look at for no archive */
    z->zip = zip_fdopen(fd, 0, &why);
    if (!z->zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, why);
        st = rs_error_set(
            why == ZIP_ER_MEMORY || errno == ENOMEM ? RESCL_ERR_MEMORY : RESCL_ERR_FORMAT, 0,
            __FILE__, __LINE__, "%s: not a whole zip archive: %s; it is cut short or damaged", path,
            zip_error_strerror(&error));
        zip_error_fini(&error);
        goto out;
    }
    fd = -1; /* the archive's */
    const zip_int64_t count = zip_get_num_entries(z->zip, 0);
    RS_FAIL_IF(count > RS_ZIP_MAX_ENTRIES, RESCL_ERR_FORMAT,
               "%s: the zip archive has %lld entries, at most %u are read", path, (long long)count,
               RS_ZIP_MAX_ENTRIES);
    RS_OOM(z->entry = calloc((size_t)count + 1, sizeof *z->entry));
    RS_OOM(z->by_name = calloc((size_t)count + 1, sizeof *z->by_name));
    for (zip_int64_t i = 0; i < count; i++)
        RS_TRY(add_entry(z, (uint64_t)i));
    RS_TRY(check_entries(z, (uint64_t)info.st_size));
    *out = z;
    z = NULL;
out:
    if (fd >= 0)
        close(fd);
    rs_zip_close(z);
    return st;
}

static void stop_reading(rs_zip *z)
{
    if (z->file)
        zip_fclose(z->file);
    z->file = NULL;
    z->reading = NULL;
}

void rs_zip_close(rs_zip *z)
{
    if (!z)
        return;
    stop_reading(z);
    if (z->zip)
        zip_discard(z->zip);
    free(z->by_name);
    free(z->entry);
    free(z->path);
    free(z);
}

size_t rs_zip_count(const rs_zip *z)
{
    return z->count;
}

const rs_zip_entry *rs_zip_at(const rs_zip *z, size_t index)
{
    return index < z->count ? &z->entry[index] : NULL;
}

const rs_zip_entry *rs_zip_find(const rs_zip *z, const char *name)
{
    const rs_zip_entry key = {.name = name}, *at = &key;
    const rs_zip_entry **found =
        bsearch(&at, z->by_name, z->count, sizeof *z->by_name, compare_names);
    return found ? *found : NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

static rescl_status fail_reading(const rs_zip *z, const rs_zip_entry *e, zip_error_t *why)
{
    rescl_status st = RESCL_OK;
    const int code = zip_error_code_zip(why);
    RS_FAIL_IF(code == ZIP_ER_MEMORY || errno == ENOMEM, RESCL_ERR_MEMORY, "out of host memory");
    RS_FAIL_IF(code == ZIP_ER_READ, RESCL_ERR_IO, "%s: reading '%.80s' failed: %s", z->path,
               e->name, zip_error_strerror(why));
    RS_FAIL_IF(code == ZIP_ER_CRC, RESCL_ERR_FORMAT,
               "%s: the bytes of '%.80s' do not have its checksum; the file is damaged", z->path,
               e->name);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: '%.80s' cannot be unpacked: %s; the file is damaged", z->path,
            e->name, zip_error_strerror(why));
out:
    return st;
}

static rescl_status begin_reading(rs_zip *z, const rs_zip_entry *e)
{
    rescl_status st = RESCL_OK;
    stop_reading(z);
    RS_FAIL_IF(e->encryption != ZIP_EM_NONE, RESCL_ERR_FORMAT,
               "%s: '%.80s' is encrypted; decrypt the archive first", z->path, e->name);
    RS_FAIL_IF(e->method != ZIP_CM_STORE && e->method != ZIP_CM_DEFLATE, RESCL_ERR_FORMAT,
               "%s: '%.80s' is packed by method %u; rescl reads stored and deflated entries, as "
               "'zip -r' makes them",
               z->path, e->name, e->method);
    errno = 0; /* libzip and zlib do not always say that memory is short */
    z->file = zip_fopen_index(z->zip, e->source, 0);
    if (!z->file)
        RS_TRY(fail_reading(z, e, zip_get_error(z->zip)));
    z->reading = e;
    z->at = 0;
    z->whole = true;
out:
    return st;
}

/* Reads on from z->at. */
static rescl_status read_on(rs_zip *z, void *dst, size_t bytes)
{
    rescl_status st = RESCL_OK;
    char *p = dst;
    while (bytes > 0) {
        errno = 0;
        const zip_int64_t got = zip_fread(z->file, p, bytes);
        if (got < 0)
            RS_TRY(fail_reading(z, z->reading, zip_file_get_error(z->file)));
        RS_FAIL_IF(got == 0, RESCL_ERR_FORMAT,
                   "%s: '%.80s' ends at byte %llu of %llu; the file is "
                   "damaged",
                   z->path, z->reading->name, (unsigned long long)z->at,
                   (unsigned long long)z->reading->bytes);
        p += got;
        z->at += (uint64_t)got;
        bytes -= (size_t)got;
    }
out:
    return st;
}

/* Moves z->at to `offset`. */
static rescl_status skip_to(rs_zip *z, uint64_t offset)
{
    rescl_status st = RESCL_OK;
    char dropped[16384];
    if (z->at == offset)
        goto out;
    if (z->reading->method == ZIP_CM_STORE && offset <= INT64_MAX) {
        z->whole = false;
        if (zip_fseek(z->file, (zip_int64_t)offset, SEEK_SET) != 0)
            RS_TRY(fail_reading(z, z->reading, zip_file_get_error(z->file)));
        z->at = offset;
    }
    while (z->at < offset) {
        const uint64_t left = offset - z->at;
        RS_TRY(read_on(z, dropped, left < sizeof dropped ? (size_t)left : sizeof dropped));
    }
out:
    return st;
}

rescl_status rs_zip_read(rs_zip *z, const rs_zip_entry *e, uint64_t offset, void *dst, size_t bytes)
{
    rescl_status st = RESCL_OK;
    char after;
    RS_FAIL_IF(offset > e->bytes || bytes > e->bytes - offset, RESCL_ERR_FORMAT,
               "%s: bytes %llu to %llu of '%.80s' are wanted, which has %llu", z->path,
               (unsigned long long)offset, (unsigned long long)offset + bytes, e->name,
               (unsigned long long)e->bytes);
    if (z->reading != e || (offset < z->at && (offset == 0 || e->method != ZIP_CM_STORE)))
        RS_TRY(begin_reading(z, e));
    RS_TRY(skip_to(z, offset));
    RS_TRY(read_on(z, dst, bytes));
    /* libzip compares the checksum where it finds the end. PyTorch writes 0 where it was told to
     * compute none. */
    if (z->at == e->bytes && z->whole && !(e->method == ZIP_CM_STORE && e->crc == 0)) {
        const zip_int64_t got = zip_fread(z->file, &after, 1);
        if (got < 0)
            RS_TRY(fail_reading(z, e, zip_file_get_error(z->file)));
        RS_FAIL_IF(got > 0, RESCL_ERR_FORMAT,
                   "%s: '%.80s' has more than the %llu bytes it says; the file is damaged", z->path,
                   e->name, (unsigned long long)e->bytes);
    }
out:
    if (st != RESCL_OK)
        stop_reading(z);
    return st;
}

rescl_status rs_zip_read_all(rs_zip *z, const rs_zip_entry *e, size_t limit, char **data,
                             size_t *bytes)
{
    rescl_status st = RESCL_OK;
    char *all = NULL;
    RS_FAIL_IF(e->bytes > limit || e->bytes >= SIZE_MAX, RESCL_ERR_FORMAT,
               "%s: '%.80s' has %llu bytes, at most %zu are read", z->path, e->name,
               (unsigned long long)e->bytes, limit);
    RS_OOM(all = malloc((size_t)e->bytes + 1));
    RS_TRY(rs_zip_read(z, e, 0, all, (size_t)e->bytes));
    all[e->bytes] = '\0';
    *bytes = (size_t)e->bytes;
    *data = all;
    all = NULL;
out:
    free(all);
    return st;
}

#else

/* The others are given an open archive, of which there is none. */
rescl_status rs_zip_open(const char *path, rs_zip **out)
{
    rescl_status st = RESCL_OK;
    (void)out;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "%s: is a zip archive, and this rescl was built without libzip; install its "
            "development package (Debian: libzip-dev) and build again with -DRESCL_WITH_ZIP=ON",
            path);
out:
    return st;
}

void rs_zip_close(rs_zip *z)
{
    (void)z;
}

size_t rs_zip_count(const rs_zip *z)
{
    (void)z;
    return 0;
}

const rs_zip_entry *rs_zip_at(const rs_zip *z, size_t index)
{
    (void)z, (void)index;
    return NULL;
}

const rs_zip_entry *rs_zip_find(const rs_zip *z, const char *name)
{
    (void)z, (void)name;
    return NULL;
}

rescl_status rs_zip_read(rs_zip *z, const rs_zip_entry *e, uint64_t offset, void *dst, size_t bytes)
{
    (void)z, (void)e, (void)offset, (void)dst, (void)bytes;
    return RESCL_ERR_UNSUPPORTED;
}

rescl_status rs_zip_read_all(rs_zip *z, const rs_zip_entry *e, size_t limit, char **data,
                             size_t *bytes)
{
    (void)z, (void)e, (void)limit, (void)data, (void)bytes;
    return RESCL_ERR_UNSUPPORTED;
}

#endif
