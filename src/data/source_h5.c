#include "source_h5.h"

#ifdef RS_HAVE_HDF5

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "alloc.h"
#include "error.h"

#define MAX_DEFLATE 1032 /* zlib's largest ratio of expansion */

/* "path: dataset: ..." */
#define FAIL_SOURCE_IF(cond, s, text, ...)                                                         \
    RS_FAIL_IF(cond, RESCL_ERR_FORMAT, "%s: %s " text, (s)->file->path, (s)->name, __VA_ARGS__)

/* ---- the file ------------------------------------------------------------------------------ */

/* Reading needs no lock, and file systems without locks would refuse. */
static hid_t access_plist(void)
{
    const hid_t plist = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    if (plist >= 0)
        H5Pset_file_locking(plist, false, true);
#endif
    return plist;
}

rescl_status rs_h5_open(rs_h5_file *f, const char *path)
{
    rescl_status st = RESCL_OK;
    hid_t plist = -1, create = -1;
    hsize_t block = 0;
    struct stat info;
    *f = (rs_h5_file){.path = path, .id = -1, .fd = -1};
    H5Eget_auto2(H5E_DEFAULT, &f->print, &f->print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    RS_FAIL_IF(f->fd < 0 && errno == ENOENT, RESCL_ERR_NOT_FOUND, "%s: no such file", path);
    RS_FAIL_IF(f->fd < 0 || fstat(f->fd, &info) != 0, RESCL_ERR_IO, "%s: cannot be opened: %s",
               path, strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", path);
    f->bytes = (uint64_t)info.st_size;
    plist = access_plist();
    RS_FAIL_IF(plist < 0, RESCL_ERR_MEMORY, "HDF5 cannot be started");
    f->id = H5Fopen(path, H5F_ACC_RDONLY, plist);
    RS_FAIL_IF(f->id < 0, RESCL_ERR_FORMAT,
               "%s: not an HDF5 file, or one that is cut short or corrupted", path);
    create = H5Fget_create_plist(f->id);
    RS_FAIL_IF(create < 0 || H5Pget_userblock(create, &block) < 0 || block != 0, RESCL_ERR_FORMAT,
               "%s: has a user block before the HDF5 data; write it without", path);
out:
    if (create >= 0)
        H5Pclose(create);
    if (plist >= 0)
        H5Pclose(plist);
    return st;
}

void rs_h5_close(rs_h5_file *f)
{
    if (f->id >= 0)
        H5Fclose(f->id);
    if (f->fd >= 0)
        close(f->fd);
    f->id = -1;
    f->fd = -1;
    H5Eset_auto2(H5E_DEFAULT, f->print, f->print_data);
}

static bool in_file(const rs_h5_file *f, uint64_t at, uint64_t bytes)
{
    return at <= f->bytes && bytes <= f->bytes - at;
}

static bool read_at(const rs_h5_file *f, uint64_t at, void *dst, size_t bytes)
{
    char *to = dst;
    while (bytes > 0) {
        const ssize_t n = pread(f->fd, to, bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return true;
}

/* ---- checking a dataset -------------------------------------------------------------------- */

static rescl_status check_link(rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    const hid_t file = s->file->id;
    H5L_info_t link;
    RS_FAIL_IF(H5Lexists(file, s->name, H5P_DEFAULT) <= 0, RESCL_ERR_NOT_FOUND,
               "%s: has no dataset %s", s->file->path, s->name);
    FAIL_SOURCE_IF(H5Lget_info(file, s->name, &link, H5P_DEFAULT) < 0, s, "%s",
                   "is corrupted: its link cannot be read");
    FAIL_SOURCE_IF(link.type != H5L_TYPE_HARD, s,
                   "is a link to somewhere else (%s); copy the data into the file",
                   link.type == H5L_TYPE_SOFT       ? "soft link"
                   : link.type == H5L_TYPE_EXTERNAL ? "external link"
                                                    : "user-defined link");
out:
    return st;
}

static rescl_status check_type(rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    const H5T_order_t order = H5Tget_order(s->type);
    const size_t bytes = H5Tget_size(s->type);
    FAIL_SOURCE_IF(H5Tget_class(s->type) != H5T_INTEGER, s, "%s",
                   "holds another type of values than the expected integers");
    FAIL_SOURCE_IF(bytes < 1 || bytes > 8 || (bytes & (bytes - 1)) != 0 ||
                       H5Tget_precision(s->type) != 8 * bytes || H5Tget_offset(s->type) != 0 ||
                       (order != H5T_ORDER_LE && order != H5T_ORDER_BE),
                   s, "holds integers of an unusual kind, %zu bytes long", bytes);
    s->value_bytes = bytes;
    s->is_signed = H5Tget_sign(s->type) != H5T_SGN_NONE;
    s->big_endian = order == H5T_ORDER_BE;
out:
    return st;
}

static rescl_status check_shape(rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    hsize_t dim[RS_H5_DIMS] = {0};
    s->ndim = H5Sget_simple_extent_ndims(s->space);
    FAIL_SOURCE_IF(H5Sget_simple_extent_type(s->space) != H5S_SIMPLE || s->ndim < 1 ||
                       s->ndim > RS_H5_DIMS || H5Sget_simple_extent_dims(s->space, dim, NULL) < 0,
                   s, "has %d dimensions; 1 to %d are expected", s->ndim, RS_H5_DIMS);
    s->count = 1;
    for (int i = 0; i < s->ndim; i++) {
        s->dim[i] = dim[i];
        FAIL_SOURCE_IF(dim[i] == 0, s, "%s", "is empty");
        FAIL_SOURCE_IF(s->count > SIZE_MAX / 8 / dim[i], s, "%s",
                       "says it has more values than memory could hold; it is corrupted");
        s->count *= dim[i];
    }
out:
    return st;
}

/* No filter, or deflate alone. */
static rescl_status check_filters(rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    const int filters = H5Pget_nfilters(s->plist);
    unsigned flags = 0;
    size_t values = 0;
    char name[32] = "";
    FAIL_SOURCE_IF(filters < 0 || filters > 1, s,
                   "goes through %d filters; write it plain or with gzip alone", filters);
    if (filters == 1) {
        const H5Z_filter_t id =
            H5Pget_filter2(s->plist, 0, &flags, &values, NULL, sizeof name, name, NULL);
        FAIL_SOURCE_IF(id != H5Z_FILTER_DEFLATE, s,
                       "goes through the filter %d %s; write it plain or with gzip alone", (int)id,
                       name);
    }
    s->deflated = filters == 1;
out:
    return st;
}

static rescl_status check_layout(rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    const H5D_layout_t layout = H5Pget_layout(s->plist);
    hsize_t chunk[RS_H5_DIMS] = {0};
    FAIL_SOURCE_IF(layout == H5D_VIRTUAL, s, "%s",
                   "is a virtual dataset, whose data lies in other files; copy the data into it");
    FAIL_SOURCE_IF(H5Pget_external_count(s->plist) != 0, s, "%s",
                   "keeps its data in other files (external storage); copy the data into it");
    FAIL_SOURCE_IF(layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED, s, "%s",
                   "is stored neither in one piece nor in chunks; write it so");
    RS_TRY(check_filters(s));
    if (layout == H5D_CONTIGUOUS)
        goto out;
    FAIL_SOURCE_IF(H5Pget_chunk(s->plist, RS_H5_DIMS, chunk) != s->ndim, s, "%s",
                   "is corrupted: its chunks have other dimensions than its data");
    for (int i = 0; i < s->ndim; i++) {
        FAIL_SOURCE_IF(chunk[i] == 0, s, "%s", "is corrupted: it has empty chunks");
        s->chunk[i] = chunk[i];
    }
out:
    return st;
}

/* Bytes of a chunk; 0 when they exceed what the file could inflate to. */
static size_t bytes_of_chunk(const rs_h5_source *s)
{
    const uint64_t most = s->file->bytes * (s->deflated ? MAX_DEFLATE : 1);
    uint64_t bytes = s->value_bytes;
    for (int i = 0; i < s->ndim; i++) {
        if (s->chunk[i] > most / bytes)
            return 0;
        bytes *= s->chunk[i];
    }
    return (size_t)bytes;
}

static rescl_status check_room(rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    const uint64_t bytes = s->file->bytes, ratio = s->deflated ? MAX_DEFLATE : 1;
    FAIL_SOURCE_IF(
        s->count > bytes * ratio / s->value_bytes, s,
        "says it has %llu values of %zu bytes, which a file of %llu bytes cannot hold; it is cut "
        "short or corrupted",
        (unsigned long long)s->count, s->value_bytes, (unsigned long long)bytes);
    if (s->chunk[0] == 0) {
        const haddr_t at = H5Dget_offset(s->id);
        FAIL_SOURCE_IF(at == HADDR_UNDEF || !in_file(s->file, at, s->count * s->value_bytes), s,
                       "says it has %llu bytes that the file does not hold; it was never written, "
                       "is cut short or corrupted",
                       (unsigned long long)(s->count * s->value_bytes));
        goto out;
    }
    s->chunk_bytes = bytes_of_chunk(s);
    FAIL_SOURCE_IF(s->chunk_bytes == 0, s,
                   "has chunks larger than a file of %llu bytes can hold; it is corrupted",
                   (unsigned long long)bytes);
    uint64_t chunks = 1;
    for (int i = 0; i < s->ndim; i++)
        chunks *= (s->dim[i] - 1) / s->chunk[i] + 1; /* at most s->count */
    FAIL_SOURCE_IF(
        chunks > bytes / 8, s,
        "needs %llu chunks, whose list a file of %llu bytes cannot hold; it is corrupted",
        (unsigned long long)chunks, (unsigned long long)bytes);
out:
    return st;
}

/* ---- chunks -------------------------------------------------------------------------------- */

/* Where a chunk lies in the file. */
typedef struct chunk_place {
    hsize_t at[RS_H5_DIMS]; /* its first value */
    uint64_t offset, bytes;
    bool deflated;
} chunk_place;

static rescl_status find_chunk(const rs_h5_source *s, chunk_place *c)
{
    rescl_status st = RESCL_OK;
#if H5_VERSION_GE(1, 10, 5)
    unsigned skipped = 0; /* filters */
    haddr_t offset = HADDR_UNDEF;
    hsize_t bytes = 0;
    FAIL_SOURCE_IF(H5Dget_chunk_info_by_coord(s->id, c->at, &skipped, &offset, &bytes) < 0, s, "%s",
                   "is corrupted: its chunks cannot be found");
    FAIL_SOURCE_IF(offset == HADDR_UNDEF, s,
                   "is incomplete: the chunk from %llu on was never written",
                   (unsigned long long)c->at[0]);
    c->offset = offset;
    c->bytes = bytes;
    c->deflated = s->deflated && (skipped & 1) == 0;
    FAIL_SOURCE_IF(!in_file(s->file, offset, bytes) || (!c->deflated && bytes != s->chunk_bytes), s,
                   "is cut short or corrupted: the chunk from %llu on is not all in the file",
                   (unsigned long long)c->at[0]);
#else
    (void)c;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "%s: %s is stored in chunks, which takes HDF5 1.10.5 or later to read; write it in one "
            "piece",
            s->file->path, s->name);
#endif
out:
    return st;
}

/* The next chunk in row-major order; false after the last. */
static bool next_chunk(const rs_h5_source *s, chunk_place *c)
{
    for (int i = s->ndim - 1; i >= 0; i--) {
        c->at[i] += s->chunk[i];
        if (c->at[i] < s->dim[i])
            return true;
        c->at[i] = 0;
    }
    return false;
}

static rescl_status check_chunks(const rs_h5_source *s)
{
    rescl_status st = RESCL_OK;
    chunk_place c = {.at = {0}};
    do
        RS_TRY(find_chunk(s, &c));
    while (next_chunk(s, &c));
out:
    return st;
}

/* Copies what of a chunk lies within the dataset, one run along the last dimension at a time. */
static void place_chunk(const rs_h5_source *s, const chunk_place *c, const char *src, char *dst)
{
    const int last = s->ndim - 1;
    size_t size[RS_H5_DIMS] = {0}, at[RS_H5_DIMS] = {0};
    for (int i = 0; i < s->ndim; i++) {
        const uint64_t left = s->dim[i] - c->at[i];
        size[i] = (size_t)(left < s->chunk[i] ? left : s->chunk[i]);
    }
    for (;;) {
        size_t from = 0, to = 0;
        for (int i = 0; i < s->ndim; i++) {
            from = from * (size_t)s->chunk[i] + at[i];
            to = to * (size_t)s->dim[i] + (size_t)c->at[i] + at[i];
        }
        memcpy(dst + to * s->value_bytes, src + from * s->value_bytes, size[last] * s->value_bytes);
        int i = last - 1;
        while (i >= 0 && ++at[i] == size[i])
            at[i--] = 0;
        if (i < 0)
            return;
    }
}

static rescl_status read_chunks(const rs_h5_source *s, char *dst)
{
    rescl_status st = RESCL_OK;
    const size_t whole = s->chunk_bytes;
    chunk_place c = {.at = {0}};
    char *plain = NULL;
    Bytef *packed = NULL;
    size_t cap = 0;
    RS_OOM(plain = malloc(whole));
    do {
        RS_TRY(find_chunk(s, &c));
        RS_TRY(rs_array_reserve(&packed, &cap, (size_t)c.bytes + 1, 1));
        uLongf got = (uLongf)whole;
        FAIL_SOURCE_IF(
            !read_at(s->file, c.offset, c.deflated ? (void *)packed : plain, (size_t)c.bytes), s,
            "cannot be read: %s", "the file is cut short");
        const bool good =
            !c.deflated ||
            (uncompress((Bytef *)plain, &got, packed, (uLong)c.bytes) == Z_OK && got == whole);
        FAIL_SOURCE_IF(!good, s, "is corrupted: the chunk from %llu on does not inflate",
                       (unsigned long long)c.at[0]);
        place_chunk(s, &c, plain, dst);
    } while (next_chunk(s, &c));
out:
    free(plain);
    free(packed);
    return st;
}

/* ---- entry --------------------------------------------------------------------------------- */

rescl_status rs_h5_source_open(rs_h5_source *s, const rs_h5_file *file, const char *name)
{
    rescl_status st = RESCL_OK;
    *s = (rs_h5_source){.file = file, .id = -1, .space = -1, .type = -1, .plist = -1};
    RS_FAIL_IF(strlen(name) >= sizeof s->name, RESCL_ERR_ARG, "%s: no dataset is named %s",
               file->path, name);
    memcpy(s->name, name, strlen(name) + 1);
    RS_TRY(check_link(s));
    s->id = H5Dopen2(file->id, name, H5P_DEFAULT);
    FAIL_SOURCE_IF(s->id < 0, s, "%s", "cannot be opened as a dataset");
    s->space = H5Dget_space(s->id);
    s->type = H5Dget_type(s->id);
    s->plist = H5Dget_create_plist(s->id);
    FAIL_SOURCE_IF(s->space < 0 || s->type < 0 || s->plist < 0, s, "%s",
                   "is corrupted: its description cannot be read");
    RS_TRY(check_type(s));
    RS_TRY(check_shape(s));
    RS_TRY(check_layout(s));
    RS_TRY(check_room(s));
    if (s->chunk[0] > 0)
        RS_TRY(check_chunks(s));
out:
    return st;
}

void rs_h5_source_close(rs_h5_source *s)
{
    if (s->plist >= 0)
        H5Pclose(s->plist);
    if (s->type >= 0)
        H5Tclose(s->type);
    if (s->space >= 0)
        H5Sclose(s->space);
    if (s->id >= 0)
        H5Dclose(s->id);
}

rescl_status rs_h5_source_read(const rs_h5_source *s, void *dst)
{
    rescl_status st = RESCL_OK;
    if (s->chunk[0] > 0) {
        RS_TRY(read_chunks(s, dst));
        goto out;
    }
    FAIL_SOURCE_IF(!read_at(s->file, H5Dget_offset(s->id), dst, (size_t)s->count * s->value_bytes),
                   s, "cannot be read: %s", "the file is cut short");
out:
    return st;
}

static int64_t number_at(const rs_h5_source *s, const uint8_t *bytes)
{
    const size_t n = s->value_bytes;
    uint64_t v = s->is_signed && bytes[s->big_endian ? 0 : n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | bytes[s->big_endian ? i : n - 1 - i];
    if (!s->is_signed)
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    return v > INT64_MAX ? -(int64_t)(UINT64_MAX - v) - 1 : (int64_t)v;
}

rescl_status rs_h5_source_read_int64(const rs_h5_source *s, int64_t *dst)
{
    rescl_status st = RESCL_OK;
    uint8_t *raw = NULL;
    RS_OOM(raw = malloc((size_t)s->count * s->value_bytes));
    RS_TRY(rs_h5_source_read(s, raw));
    for (size_t i = 0; i < s->count; i++)
        dst[i] = number_at(s, raw + i * s->value_bytes);
out:
    free(raw);
    return st;
}

#endif
