/* The part of h5file.h that runs in the child process: everything that calls HDF5. */
#include "error.h"
#include "h5file.h"

#ifdef RS_HAVE_HDF5

#include <stdlib.h>
#include <string.h>

#include "scan_h5.h"
#include "str.h"

/* "path: dataset ..." */
#define FAIL_SOURCE_IF(cond, s, text, ...)                                                         \
    RS_FAIL_IF(cond, RESCL_ERR_FORMAT, "%s: %s " text, (s)->scan->path, (s)->about.name,           \
               __VA_ARGS__)

/* ---- the file ------------------------------------------------------------------------------ */

static rescl_status open_file(rs_h5_scan *scan, const rs_h5_job *job)
{
    rescl_status st = RESCL_OK;
    hid_t create = -1;
    hsize_t block = 0;
    const hid_t access = rs_h5_access(job);
    RS_FAIL_IF(access < 0, RESCL_ERR_MEMORY, "HDF5 cannot be started");
    (void)rs_child_confine();
    scan->id = H5Fopen(RS_H5_FILE, H5F_ACC_RDONLY, access);
    RS_FAIL_IF(scan->id < 0, RESCL_ERR_FORMAT,
               "%s: not an HDF5 file, or one that is cut short or corrupted", scan->path);
    create = H5Fget_create_plist(scan->id);
    RS_FAIL_IF(create < 0 || H5Pget_userblock(create, &block) < 0 || block != 0, RESCL_ERR_FORMAT,
               "%s: has a user block before the HDF5 data; write it without", scan->path);
out:
    return st;
}

/* Nothing is closed: the process is about to end, and closing is one more way to crash. */
rescl_status rs_h5_scan_run(rs_reply *index, const void *arg)
{
    rescl_status st = RESCL_OK;
    const rs_h5_job *job = arg;
    rs_h5_scan scan = {.path = job->shown, .bytes = job->bytes, .id = -1, .index = index};
    RS_TRY(open_file(&scan, job));
    RS_TRY(job->scan(&scan, job->arg));
out:
    return st;
}

const char *rs_h5_scan_path(const rs_h5_scan *scan)
{
    return scan->path;
}

static const char *link_text(H5L_type_t type)
{
    return type == H5L_TYPE_SOFT       ? "soft link"
           : type == H5L_TYPE_EXTERNAL ? "external link"
                                       : "user-defined link";
}

rescl_status rs_h5_follow(const rs_h5_scan *scan, const char *name)
{
    rescl_status st = RESCL_OK;
    char part[RS_H5_NAME];
    const size_t len = strlen(name);
    RS_FAIL_IF(len == 0 || len >= sizeof part, RESCL_ERR_FORMAT,
               "%s: a name of %zu bytes; 1 to %zu are expected", scan->path, len, sizeof part - 1);
    for (size_t i = 1; i <= len; i++) {
        H5L_info_t link;
        if (name[i] != '/' && name[i] != '\0')
            continue;
        memcpy(part, name, i);
        part[i] = '\0';
        RS_FAIL_IF(H5Lexists(scan->id, part, H5P_DEFAULT) <= 0, RESCL_ERR_NOT_FOUND,
                   "%s: has no %s", scan->path, name);
        RS_FAIL_IF(H5Lget_info(scan->id, part, &link, H5P_DEFAULT) < 0, RESCL_ERR_FORMAT,
                   "%s: %s is corrupted: its link cannot be read", scan->path, part);
        RS_FAIL_IF(link.type != H5L_TYPE_HARD, RESCL_ERR_FORMAT,
                   "%s: %s is a link to somewhere else (%s); copy the data into the file",
                   scan->path, part, link_text(link.type));
    }
out:
    return st;
}

bool rs_h5_scan_has_group(rs_h5_scan *scan, const char *name)
{
    if (rs_h5_follow(scan, name) != RESCL_OK)
        return false;
    const hid_t id = H5Oopen(scan->id, name, H5P_DEFAULT);
    const bool group = id >= 0 && H5Iget_type(id) == H5I_GROUP;
    if (id >= 0)
        H5Oclose(id);
    return group;
}

/* ---- datasets ------------------------------------------------------------------------------ */

/* A dataset while it is looked at. */
typedef struct source {
    const rs_h5_scan *scan;
    hid_t id, space, type, plist;
    rs_h5_array about;
} source;

/* Whether a float is laid out as IEEE 754's of that size. */
static bool is_ieee(hid_t type, size_t bytes)
{
    const size_t exponent = bytes == 2   ? 5
                            : bytes == 4 ? 8
                                         : 11,
                 mantissa = 8 * bytes - 1 - exponent;
    size_t sign_at, exponent_at, exponent_bits, mantissa_at, mantissa_bits;
    return H5Tget_fields(type, &sign_at, &exponent_at, &exponent_bits, &mantissa_at,
                         &mantissa_bits) >= 0 &&
           sign_at == 8 * bytes - 1 && exponent_at == mantissa && exponent_bits == exponent &&
           mantissa_at == 0 && mantissa_bits == mantissa &&
           H5Tget_ebias(type) == ((size_t)1 << (exponent - 1)) - 1;
}

static rescl_status look_at_type(source *s)
{
    rescl_status st = RESCL_OK;
    rs_h5_array *a = &s->about;
    const H5T_class_t class = H5Tget_class(s->type);
    const H5T_order_t order = H5Tget_order(s->type);
    const size_t bytes = H5Tget_size(s->type);
    FAIL_SOURCE_IF(class != H5T_INTEGER && class != H5T_FLOAT, s, "%s",
                   "holds another type of values than integers or floats");
    FAIL_SOURCE_IF(bytes < 1 || bytes > 8 || (bytes & (bytes - 1)) != 0 ||
                       H5Tget_precision(s->type) != 8 * bytes || H5Tget_offset(s->type) != 0 ||
                       (order != H5T_ORDER_LE && order != H5T_ORDER_BE) ||
                       (class == H5T_FLOAT && (bytes < 2 || !is_ieee(s->type, bytes))),
                   s, "holds numbers of an unusual kind, %zu bytes long", bytes);
    a->value_bytes = bytes;
    a->big_endian = order == H5T_ORDER_BE;
    a->kind = class == H5T_FLOAT                     ? RS_H5_FLOAT
              : H5Tget_sign(s->type) != H5T_SGN_NONE ? RS_H5_SIGNED
                                                     : RS_H5_UNSIGNED;
out:
    return st;
}

/* A single value is an array of one. */
static rescl_status look_at_shape(source *s)
{
    rescl_status st = RESCL_OK;
    rs_h5_array *a = &s->about;
    const H5S_class_t class = H5Sget_simple_extent_type(s->space);
    hsize_t dim[RS_H5_DIMS] = {1};
    a->ndim = class == H5S_SCALAR ? 1 : H5Sget_simple_extent_ndims(s->space);
    FAIL_SOURCE_IF(class == H5S_NO_CLASS || class == H5S_NULL || a->ndim < 1 ||
                       a->ndim > RS_H5_DIMS || H5Sget_simple_extent_dims(s->space, dim, NULL) < 0,
                   s, "has %d dimensions; 1 to %d are expected", a->ndim, RS_H5_DIMS);
    for (int i = 0; i < a->ndim; i++)
        a->dim[i] = dim[i];
out:
    return st;
}

static rescl_status look_at_filters(source *s)
{
    rescl_status st = RESCL_OK;
    rs_h5_pipeline *p = &s->about.filters;
    const int filters = H5Pget_nfilters(s->plist);
    FAIL_SOURCE_IF(filters < 0 || filters > RS_H5_FILTERS, s,
                   "goes through %d filters; at most %d are read", filters, RS_H5_FILTERS);
    for (int i = 0; i < filters; i++) {
        unsigned flags = 0, value[8] = {0};
        size_t values = RS_COUNT(value);
        char name[32] = "";
        const H5Z_filter_t id =
            H5Pget_filter2(s->plist, (unsigned)i, &flags, &values, value, sizeof name, name, NULL);
        FAIL_SOURCE_IF(id < 0 || !rs_h5_filter_known((uint64_t)id), s,
                       "goes through the filter %d %s; write it plain, or with gzip, lzf, shuffle "
                       "and fletcher32",
                       (int)id, name);
        p->filter[p->count++] = (rs_h5_filter){(uint64_t)id, value[0]};
    }
out:
    return st;
}

static rescl_status look_at_layout(source *s)
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
    RS_TRY(look_at_filters(s));
    if (layout == H5D_CONTIGUOUS)
        goto out;
    FAIL_SOURCE_IF(H5Pget_chunk(s->plist, RS_H5_DIMS, chunk) != s->about.ndim, s, "%s",
                   "is corrupted: its chunks have other dimensions than its data");
    for (int i = 0; i < s->about.ndim; i++) {
        FAIL_SOURCE_IF(chunk[i] == 0, s, "%s", "is corrupted: it has empty chunks");
        s->about.chunk[i] = chunk[i];
    }
out:
    return st;
}

static rescl_status find_chunk(const source *s, const hsize_t at[RS_H5_DIMS], rs_h5_chunk *c)
{
    rescl_status st = RESCL_OK;
#if H5_VERSION_GE(1, 10, 5)
    unsigned skipped = 0; /* filters */
    haddr_t offset = HADDR_UNDEF;
    hsize_t bytes = 0;
    FAIL_SOURCE_IF(H5Dget_chunk_info_by_coord(s->id, at, &skipped, &offset, &bytes) < 0, s, "%s",
                   "is corrupted: its chunks cannot be found");
    FAIL_SOURCE_IF(offset == HADDR_UNDEF, s,
                   "is incomplete: the chunk from %llu on was never written",
                   (unsigned long long)at[0]);
    *c = (rs_h5_chunk){offset, bytes, skipped};
#else
    (void)at;
    (void)c;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "%s: %s is stored in chunks, which takes HDF5 1.10.5 or later to read; write it in one "
            "piece",
            s->scan->path, s->about.name);
#endif
out:
    return st;
}

static rescl_status put_chunk(const source *s, const rs_h5_chunk *c)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_reply_put_u64(s->scan->index, c->offset));
    RS_TRY(rs_reply_put_u64(s->scan->index, c->bytes));
    RS_TRY(rs_reply_put_u64(s->scan->index, c->skipped));
out:
    return st;
}

/* Where its bytes lie. */
static rescl_status put_pieces(const source *s)
{
    rescl_status st = RESCL_OK;
    const rs_h5_array *a = &s->about;
    hsize_t at[RS_H5_DIMS] = {0};
    rs_h5_chunk c = {.bytes = a->chunk_bytes};
    if (a->chunk[0] == 0) {
        c.offset = H5Dget_offset(s->id);
        FAIL_SOURCE_IF(c.offset == HADDR_UNDEF, s, "%s", "was never written");
        RS_TRY(put_chunk(s, &c));
        goto out;
    }
    for (size_t i = 0; i < a->pieces; i++) {
        RS_TRY(find_chunk(s, at, &c));
        RS_TRY(put_chunk(s, &c));
        for (int d = a->ndim - 1; d >= 0; d--) {
            at[d] += a->chunk[d];
            if (at[d] < a->dim[d])
                break;
            at[d] = 0;
        }
    }
out:
    return st;
}

static rescl_status put_array(const source *s)
{
    rescl_status st = RESCL_OK;
    const rs_h5_array *a = &s->about;
    rs_reply *r = s->scan->index;
    RS_TRY(rs_reply_put_u64(r, RS_H5_RECORD_ARRAY));
    RS_TRY(rs_reply_put_text(r, a->name));
    RS_TRY(rs_reply_put_u64(r, a->kind));
    RS_TRY(rs_reply_put_u64(r, a->value_bytes));
    RS_TRY(rs_reply_put_u64(r, a->big_endian));
    RS_TRY(rs_reply_put_u64(r, a->filters.count));
    for (size_t i = 0; i < a->filters.count; i++) {
        RS_TRY(rs_reply_put_u64(r, a->filters.filter[i].id));
        RS_TRY(rs_reply_put_u64(r, a->filters.filter[i].value_bytes));
    }
    RS_TRY(rs_reply_put_u64(r, (uint64_t)a->ndim));
    for (int i = 0; i < a->ndim; i++) {
        RS_TRY(rs_reply_put_u64(r, a->dim[i]));
        RS_TRY(rs_reply_put_u64(r, a->chunk[i]));
    }
    RS_TRY(put_pieces(s));
out:
    return st;
}

rescl_status rs_h5_scan_array(rs_h5_scan *scan, const char *path, const char *name)
{
    rescl_status st = RESCL_OK;
    source s = {.scan = scan, .id = -1, .space = -1, .type = -1, .plist = -1};
    RS_TRY(rs_h5_follow(scan, path));
    RS_OOM(s.about.name = rs_strf("%s", name));
    s.id = H5Dopen2(scan->id, path, H5P_DEFAULT);
    FAIL_SOURCE_IF(s.id < 0, &s, "%s", "cannot be opened as a dataset");
    s.space = H5Dget_space(s.id);
    s.type = H5Dget_type(s.id);
    s.plist = H5Dget_create_plist(s.id);
    FAIL_SOURCE_IF(s.space < 0 || s.type < 0 || s.plist < 0, &s, "%s",
                   "is corrupted: its description cannot be read");
    RS_TRY(look_at_type(&s));
    RS_TRY(look_at_shape(&s));
    RS_TRY(look_at_layout(&s));
    RS_TRY(rs_h5_array_settle(&s.about, scan->path, scan->bytes));
    RS_TRY(put_array(&s));
out:
    if (s.plist >= 0)
        H5Pclose(s.plist);
    if (s.type >= 0)
        H5Tclose(s.type);
    if (s.space >= 0)
        H5Sclose(s.space);
    if (s.id >= 0)
        H5Dclose(s.id);
    free(s.about.name);
    return st;
}

rescl_status rs_h5_scan_note(rs_h5_scan *scan, const char *key, const char *value)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_reply_put_u64(scan->index, RS_H5_RECORD_NOTE));
    RS_TRY(rs_reply_put_text(scan->index, key));
    RS_TRY(rs_reply_put_text(scan->index, value));
out:
    return st;
}

#else

rescl_status rs_h5_scan_run(rs_reply *index, const void *arg)
{
    rescl_status st = RESCL_OK;
    const rs_h5_job *job = arg;
    (void)index;
    RS_FAIL(RESCL_ERR_UNSUPPORTED, RS_H5_MISSING, job->shown);
out:
    return st;
}

const char *rs_h5_scan_path(const rs_h5_scan *scan)
{
    (void)scan;
    return "";
}

rescl_status rs_h5_scan_array(rs_h5_scan *scan, const char *path, const char *name)
{
    (void)scan, (void)path, (void)name;
    return RESCL_ERR_UNSUPPORTED;
}

rescl_status rs_h5_scan_note(rs_h5_scan *scan, const char *key, const char *value)
{
    (void)scan, (void)key, (void)value;
    return RESCL_ERR_UNSUPPORTED;
}

bool rs_h5_scan_has_group(rs_h5_scan *scan, const char *name)
{
    (void)scan, (void)name;
    return false;
}

#endif
