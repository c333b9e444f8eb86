#include "h5file.h"

#include "alloc.h"
#include "error.h"
#include "half.h"
#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An index takes 24 bytes for a chunk, which has at least as many in the file. */
rs_child_limits rs_h5_limits = {
    .memory = (size_t)1 << 30, .seconds = 15, .patience = 300, .reply = (size_t)256 << 20};

/* "path: dataset ..." */
#define FAIL_ARRAY_IF(cond, path, a, text, ...)                                                    \
    RS_FAIL_IF(cond, RESCL_ERR_FORMAT, "%s: %s " text, path, (a)->name, __VA_ARGS__)

/* ---- the index ----------------------------------------------------------------------------- */

/* Bytes of a chunk; 0 when they exceed `most`. */
static uint64_t bytes_of_chunk(const rs_h5_array *a, uint64_t most)
{
    uint64_t bytes = a->value_bytes;
    for (int i = 0; i < a->ndim; i++) {
        if (a->chunk[i] == 0 || a->chunk[i] > most / bytes)
            return 0;
        bytes *= a->chunk[i];
    }
    return bytes;
}

rescl_status rs_h5_array_settle(rs_h5_array *a, const char *path, uint64_t bytes)
{
    rescl_status st = RESCL_OK;
    uint64_t room = bytes; /* of what chunks unpack to */
    for (size_t i = 0; i < a->filters.count; i++) {
        const uint64_t ratio = rs_h5_filter_ratio(a->filters.filter[i].id);
        room = room > UINT64_MAX / ratio ? UINT64_MAX : room * ratio;
    }
    a->count = 1;
    for (int i = 0; i < a->ndim; i++) {
        FAIL_ARRAY_IF(a->dim[i] == 0, path, a, "%s", "is empty");
        FAIL_ARRAY_IF(a->count > SIZE_MAX / 8 / a->dim[i], path, a, "%s",
                      "says it has more values than memory could hold; it is corrupted");
        a->count *= a->dim[i];
    }
    FAIL_ARRAY_IF(
        a->count > room / a->value_bytes, path, a,
        "says it has %llu values of %zu bytes, which a file of %llu bytes cannot hold; it is cut "
        "short or corrupted",
        (unsigned long long)a->count, a->value_bytes, (unsigned long long)bytes);
    a->pieces = 1;
    a->chunk_bytes = (size_t)a->count * a->value_bytes;
    if (a->chunk[0] == 0)
        goto out;
    const uint64_t of_chunk = bytes_of_chunk(a, room);
    FAIL_ARRAY_IF(of_chunk == 0, path, a,
                  "has chunks larger than a file of %llu bytes can hold; it is corrupted",
                  (unsigned long long)bytes);
    a->chunk_bytes = (size_t)of_chunk;
    for (int i = 0; i < a->ndim; i++)
        a->pieces *= (size_t)((a->dim[i] - 1) / a->chunk[i] + 1); /* at most a->count */
    FAIL_ARRAY_IF(a->pieces > bytes / 8, path, a,
                  "needs %zu chunks, whose list a file of %llu bytes cannot hold; it is corrupted",
                  a->pieces, (unsigned long long)bytes);
out:
    return st;
}

static bool in_file(const rs_h5_file *f, const rs_h5_chunk *c)
{
    return c->offset <= f->bytes && c->bytes <= f->bytes - c->offset;
}

static bool get_filters(rs_reply *r, rs_h5_pipeline *p)
{
    uint64_t count;
    if (!rs_reply_get_u64(r, &count) || count > RS_H5_FILTERS)
        return false;
    for (; p->count < count; p->count++) {
        rs_h5_filter *f = &p->filter[p->count];
        if (!rs_reply_get_u64(r, &f->id) || !rs_reply_get_u64(r, &f->value_bytes) ||
            !rs_h5_filter_known(f->id))
            return false;
    }
    return true;
}

/* The numbers of an array; false when the index is damaged. */
static bool get_numbers(rs_reply *r, rs_h5_array *a)
{
    uint64_t kind, bytes, big, ndim;
    if (!rs_reply_get_u64(r, &kind) || !rs_reply_get_u64(r, &bytes) || !rs_reply_get_u64(r, &big) ||
        !get_filters(r, &a->filters) || !rs_reply_get_u64(r, &ndim))
        return false;
    if (kind > RS_H5_FLOAT || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) ||
        (kind == RS_H5_FLOAT && bytes == 1) || big > 1 || ndim < 1 || ndim > RS_H5_DIMS)
        return false;
    a->kind = (rs_h5_kind)kind;
    a->value_bytes = (size_t)bytes;
    a->big_endian = big == 1;
    a->ndim = (int)ndim;
    for (int i = 0; i < a->ndim; i++)
        if (!rs_reply_get_u64(r, &a->dim[i]) || !rs_reply_get_u64(r, &a->chunk[i]))
            return false;
    return true;
}

static rescl_status get_pieces(const rs_h5_file *f, rs_reply *r, rs_h5_array *a, bool *good)
{
    rescl_status st = RESCL_OK;
    *good = a->pieces <= (r->len - r->at) / (3 * sizeof(uint64_t));
    if (!*good)
        goto out;
    RS_OOM(a->piece = calloc(a->pieces, sizeof *a->piece));
    for (size_t i = 0; i < a->pieces; i++) {
        rs_h5_chunk *c = &a->piece[i];
        *good = rs_reply_get_u64(r, &c->offset) && rs_reply_get_u64(r, &c->bytes) &&
                rs_reply_get_u64(r, &c->skipped);
        if (!*good)
            goto out;
        const uint64_t bytes = rs_h5_packed_bytes(&a->filters, c->skipped, a->chunk_bytes);
        FAIL_ARRAY_IF(!in_file(f, c) || (bytes > 0 && c->bytes != bytes), f->path, a,
                      "is cut short or corrupted: %llu bytes from byte %llu on are not all in the "
                      "file",
                      (unsigned long long)c->bytes, (unsigned long long)c->offset);
    }
out:
    return st;
}

static rescl_status get_array(rs_h5_file *f, rs_reply *r, bool *good)
{
    rescl_status st = RESCL_OK;
    const char *name;
    RS_TRY(rs_array_reserve(&f->array, &f->array_cap, f->count + 1, sizeof *f->array));
    rs_h5_array *a = &f->array[f->count];
    *a = (rs_h5_array){0};
    *good = rs_reply_get_text(r, &name);
    if (!*good)
        goto out;
    RS_OOM(a->name = strdup(name));
    f->count++; /* rs_h5_close frees it from here on */
    *good = get_numbers(r, a);
    if (!*good)
        goto out;
    RS_TRY(rs_h5_array_settle(a, f->path, f->bytes));
    RS_TRY(get_pieces(f, r, a, good));
out:
    return st;
}

static rescl_status get_note(rs_h5_file *f, rs_reply *r, bool *good)
{
    rescl_status st = RESCL_OK;
    const char *key, *value;
    *good = rs_reply_get_text(r, &key) && rs_reply_get_text(r, &value);
    if (!*good)
        goto out;
    RS_TRY(rs_array_reserve(&f->note, &f->note_cap, f->notes + 1, sizeof *f->note));
    f->note[f->notes] = (rs_h5_note){.key = strdup(key), .value = strdup(value)};
    f->notes++;
    RS_OOM(f->note[f->notes - 1].key);
    RS_OOM(f->note[f->notes - 1].value);
out:
    return st;
}

static rescl_status get_index(rs_h5_file *f, rs_reply *r)
{
    rescl_status st = RESCL_OK;
    while (r->at < r->len) {
        uint64_t record = 0;
        bool good = rs_reply_get_u64(r, &record);
        if (good && record == RS_H5_RECORD_ARRAY)
            RS_TRY(get_array(f, r, &good));
        else if (good && record == RS_H5_RECORD_NOTE)
            RS_TRY(get_note(f, r, &good));
        else
            good = false;
        RS_FAIL_IF(!good, RESCL_ERR_FORMAT, "%s: cannot be read; it is corrupted", f->path);
    }
out:
    return st;
}

/* A program may run without standard streams, whose numbers mean something in the child. */
static int open_above_streams(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    const int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return above;
}

rescl_status rs_h5_open(const char *path, const char *shown, rs_h5_scan_fn scan, const void *arg,
                        rs_h5_file **out)
{
    rescl_status st = RESCL_OK;
    rs_h5_file *f = NULL;
    rs_reply reply = {0};
    struct stat info;
    RS_OOM(f = calloc(1, sizeof *f));
    f->fd = -1;
    RS_OOM(f->path = strdup(shown));
    f->fd = open_above_streams(path);
    RS_FAIL_IF(f->fd < 0 && errno == ENOENT, RESCL_ERR_NOT_FOUND, "%s: no such file", shown);
    RS_FAIL_IF(f->fd < 0 || fstat(f->fd, &info) != 0, RESCL_ERR_IO, "%s: cannot be opened: %s",
               shown, strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", shown);
    f->bytes = (uint64_t)info.st_size;
    const rs_h5_job job = {
        .shown = shown, .fd = f->fd, .bytes = f->bytes, .scan = scan, .arg = arg};
    rs_child_limits limits = rs_h5_limits;
    limits.file = f->fd;
    st = rs_child_run(shown, rs_h5_scan_run, &job, &limits, &reply);
    if (st != RESCL_OK) {
        const rescl_error was = *rescl_last_error();
        errno = was.sys_errno;
        RS_FAIL(st, "%s", was.message); /* it is this file's failure, not the process's */
    }
    RS_TRY(get_index(f, &reply));
    *out = f;
    f = NULL;
out:
    rs_reply_fini(&reply);
    rs_h5_close(f);
    return st;
}

void rs_h5_close(rs_h5_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    for (size_t i = 0; i < f->count; i++) {
        free(f->array[i].name);
        free(f->array[i].piece);
    }
    for (size_t i = 0; i < f->notes; i++) {
        free(f->note[i].key);
        free(f->note[i].value);
    }
    free(f->array);
    free(f->note);
    free(f->path);
    free(f);
}

const char *rs_h5_note_get(const rs_h5_file *f, const char *key)
{
    for (size_t i = 0; i < f->notes; i++)
        if (strcmp(f->note[i].key, key) == 0)
            return f->note[i].value;
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------- */

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

/* Copies what of the chunk at `at` lies within the dataset, one run along the last dimension at a
 * time. */
static void place_chunk(const rs_h5_array *a, const uint64_t at[RS_H5_DIMS], const char *src,
                        char *dst)
{
    const int last = a->ndim - 1;
    size_t size[RS_H5_DIMS] = {0}, in[RS_H5_DIMS] = {0};
    for (int i = 0; i < a->ndim; i++) {
        const uint64_t left = a->dim[i] - at[i];
        size[i] = (size_t)(left < a->chunk[i] ? left : a->chunk[i]);
    }
    for (;;) {
        size_t from = 0, to = 0;
        for (int i = 0; i < a->ndim; i++) {
            from = from * (size_t)a->chunk[i] + in[i];
            to = to * (size_t)a->dim[i] + (size_t)at[i] + in[i];
        }
        memcpy(dst + to * a->value_bytes, src + from * a->value_bytes, size[last] * a->value_bytes);
        int i = last - 1;
        while (i >= 0 && ++in[i] == size[i])
            in[i--] = 0;
        if (i < 0)
            return;
    }
}

static rescl_status read_chunks(const rs_h5_file *f, const rs_h5_array *a, char *dst)
{
    rescl_status st = RESCL_OK;
    uint64_t at[RS_H5_DIMS] = {0};
    uint8_t *plain = NULL, *packed = NULL;
    size_t plain_cap = 0, packed_cap = 0;
    for (size_t k = 0; k < a->pieces; k++) {
        const rs_h5_chunk *c = &a->piece[k];
        const size_t room = rs_h5_room(a->chunk_bytes, (size_t)c->bytes);
        bool checksum;
        RS_TRY(rs_array_reserve(&plain, &plain_cap, room, 1));
        RS_TRY(rs_array_reserve(&packed, &packed_cap, room, 1));
        FAIL_ARRAY_IF(!read_at(f, c->offset, packed, (size_t)c->bytes), f->path, a,
                      "cannot be read: %s", "the file is cut short");
        const bool good = rs_h5_unpack(&a->filters, c->skipped, packed, (size_t)c->bytes, plain,
                                       a->chunk_bytes, &checksum);
        FAIL_ARRAY_IF(!good, f->path, a, "is corrupted: the chunk from %llu on %s",
                      (unsigned long long)at[0],
                      checksum ? "has another checksum" : "does not unpack");
        place_chunk(a, at, (const char *)plain, dst);
        for (int i = a->ndim - 1; i >= 0; i--) {
            at[i] += a->chunk[i];
            if (at[i] < a->dim[i])
                break;
            at[i] = 0;
        }
    }
out:
    free(plain);
    free(packed);
    return st;
}

rescl_status rs_h5_read(const rs_h5_file *f, const rs_h5_array *a, void *dst)
{
    rescl_status st = RESCL_OK;
    if (a->chunk[0] > 0) {
        RS_TRY(read_chunks(f, a, dst));
        goto out;
    }
    FAIL_ARRAY_IF(!read_at(f, a->piece[0].offset, dst, a->chunk_bytes), f->path, a,
                  "cannot be read: %s", "the file is cut short");
out:
    return st;
}

static int64_t integer_at(const rs_h5_array *a, const uint8_t *bytes)
{
    const size_t n = a->value_bytes;
    const bool is_signed = a->kind == RS_H5_SIGNED;
    uint64_t v = is_signed && bytes[a->big_endian ? 0 : n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | bytes[a->big_endian ? i : n - 1 - i];
    if (!is_signed)
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    return v > INT64_MAX ? -(int64_t)(UINT64_MAX - v) - 1 : (int64_t)v;
}

static double real_at(const rs_h5_array *a, const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < a->value_bytes; i++)
        bits = bits << 8 | bytes[a->big_endian ? i : a->value_bytes - 1 - i];
    const uint32_t low = (uint32_t)bits;
    float single;
    double wide;
    memcpy(&single, &low, sizeof single);
    memcpy(&wide, &bits, sizeof wide);
    return a->value_bytes == 2   ? (double)rs_float_of_f16((uint16_t)bits)
           : a->value_bytes == 4 ? (double)single
                                 : wide;
}

double rs_h5_number(const rs_h5_array *a, const void *values, size_t index)
{
    const uint8_t *bytes = (const uint8_t *)values + index * a->value_bytes;
    return a->kind == RS_H5_FLOAT ? real_at(a, bytes) : (double)integer_at(a, bytes);
}

rescl_status rs_h5_read_int64(const rs_h5_file *f, const rs_h5_array *a, int64_t *dst)
{
    rescl_status st = RESCL_OK;
    uint8_t *raw = NULL;
    RS_OOM(raw = calloc((size_t)a->count, a->value_bytes));
    RS_TRY(rs_h5_read(f, a, raw));
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind != RS_H5_FLOAT) {
            dst[i] = integer_at(a, raw + i * a->value_bytes);
            continue;
        }
        const double x = real_at(a, raw + i * a->value_bytes);
        FAIL_ARRAY_IF(!(x == floor(x)), f->path, a, "holds %g, where whole numbers are expected",
                      x);
        dst[i] = x >= 0x1p63 ? INT64_MAX : x < -0x1p63 ? INT64_MIN : (int64_t)x;
    }
out:
    free(raw);
    return st;
}
