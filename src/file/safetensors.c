#include "safetensors.h"

#include "alloc.h"
#include "error.h"
#include "jsonload.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian; this host needs a conversion that is not written"
#endif

#define META_KEY "__metadata__"

static const struct {
    const char *name;
    size_t bytes;
} dtypes[RS_ST_DTYPES] = {
    [RS_ST_BOOL] = {"BOOL", 1},       [RS_ST_U8] = {"U8", 1},           [RS_ST_I8] = {"I8", 1},
    [RS_ST_F8_E5M2] = {"F8_E5M2", 1}, [RS_ST_F8_E4M3] = {"F8_E4M3", 1}, [RS_ST_I16] = {"I16", 2},
    [RS_ST_U16] = {"U16", 2},         [RS_ST_F16] = {"F16", 2},         [RS_ST_BF16] = {"BF16", 2},
    [RS_ST_I32] = {"I32", 4},         [RS_ST_U32] = {"U32", 4},         [RS_ST_F32] = {"F32", 4},
    [RS_ST_I64] = {"I64", 8},         [RS_ST_U64] = {"U64", 8},         [RS_ST_F64] = {"F64", 8},
};

struct rs_st_file {
    int fd;
    char *path;
    json_t *header; /* owns the names and the metadata */
    json_t *meta;   /* borrowed from header; NULL if absent */
    rs_st_tensor *tensor;
    size_t count;
    uint64_t data_start, data_bytes;
};

const char *rs_st_dtype_name(rs_st_dtype t)
{
    return dtypes[t].name;
}

size_t rs_st_dtype_bytes(rs_st_dtype t)
{
    return dtypes[t].bytes;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* A member that must be a non-negative integer that fits size_t. */
static bool get_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    unsigned long long v = (unsigned long long)json_integer_value(value);
    *out = (size_t)v;
    return *out == v;
}

static rescl_status parse_dtype(const rs_st_file *f, const json_t *entry, rs_st_tensor *t)
{
    rescl_status st = RESCL_OK;
    const char *text = json_string_value(json_object_get(entry, "dtype"));

    RS_FAIL_IF(!text, RESCL_ERR_FORMAT, "%s: tensor '%.80s' has no dtype", f->path, t->name);
    for (int i = 0; i < RS_ST_DTYPES; i++)
        if (strcmp(text, dtypes[i].name) == 0) {
            t->dtype = (rs_st_dtype)i;
            goto out;
        }
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s: tensor '%.80s' is of the type '%.32s', which rescl does not know", f->path,
            t->name, text);
out:
    return st;
}

static rescl_status parse_shape(const rs_st_file *f, const json_t *entry, rs_st_tensor *t)
{
    rescl_status st = RESCL_OK;
    const json_t *shape = json_object_get(entry, "shape");
    size_t bytes = dtypes[t->dtype].bytes;

    RS_FAIL_IF(!json_is_array(shape), RESCL_ERR_FORMAT, "%s: tensor '%.80s' has no shape", f->path,
               t->name);
    t->ndim = json_array_size(shape);
    RS_FAIL_IF(t->ndim > RS_ST_MAX_DIMS, RESCL_ERR_FORMAT,
               "%s: tensor '%.80s' has %zu dimensions; at most %d are read", f->path, t->name,
               t->ndim, RS_ST_MAX_DIMS);
    for (size_t i = 0; i < t->ndim; i++) {
        RS_FAIL_IF(!get_size(json_array_get(shape, i), &t->dim[i]), RESCL_ERR_FORMAT,
                   "%s: tensor '%.80s': dimension %zu is not a size", f->path, t->name, i);
        RS_FAIL_IF(!rs_mul_size(bytes, t->dim[i], &bytes), RESCL_ERR_FORMAT,
                   "%s: tensor '%.80s': the shape overflows", f->path, t->name);
    }
    t->bytes = bytes;
out:
    return st;
}

static rescl_status parse_tensor(const rs_st_file *f, const char *name, const json_t *entry,
                                 rs_st_tensor *t)
{
    rescl_status st = RESCL_OK;
    const json_t *offsets = NULL;
    size_t begin = 0, end = 0;

    t->name = name;
    RS_FAIL_IF(!json_is_object(entry), RESCL_ERR_FORMAT, "%s: tensor '%.80s' is not an object",
               f->path, name);
    RS_TRY(parse_dtype(f, entry, t));
    RS_TRY(parse_shape(f, entry, t));
    offsets = json_object_get(entry, "data_offsets");
    RS_FAIL_IF(!json_is_array(offsets) || json_array_size(offsets) != 2 ||
                   !get_size(json_array_get(offsets, 0), &begin) ||
                   !get_size(json_array_get(offsets, 1), &end),
               RESCL_ERR_FORMAT, "%s: tensor '%.80s': data_offsets is not [begin, end]", f->path,
               name);
    RS_FAIL_IF(begin > end, RESCL_ERR_FORMAT,
               "%s: tensor '%.80s' ends (%zu) before it begins (%zu)", f->path, name, end, begin);
    RS_FAIL_IF(end > f->data_bytes, RESCL_ERR_FORMAT,
               "%s: tensor '%.80s' ends at byte %zu of the data, the file has %llu; it was cut or "
               "is damaged",
               f->path, name, end, (unsigned long long)f->data_bytes);
    RS_FAIL_IF(end - begin != t->bytes, RESCL_ERR_FORMAT,
               "%s: tensor '%.80s' has %zu bytes, its shape and dtype need %zu", f->path, name,
               end - begin, t->bytes);
    t->begin = begin;
out:
    return st;
}

static int by_begin(const void *a, const void *b)
{
    const rs_st_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1; /* empty tensors first: they overlap nothing */
    return strcmp(x->name, y->name);
}

/* The tensors tile the data: no overlap, no hole, nothing after the last. */
static rescl_status check_tiling(rs_st_file *f)
{
    rescl_status st = RESCL_OK;
    uint64_t end = 0;

    if (f->count > 1)
        qsort(f->tensor, f->count, sizeof *f->tensor, by_begin);
    for (size_t i = 0; i < f->count; i++) {
        const rs_st_tensor *t = &f->tensor[i];
        RS_FAIL_IF(t->begin < end, RESCL_ERR_FORMAT, "%s: tensors '%.80s' and '%.80s' overlap",
                   f->path, f->tensor[i - 1].name, t->name);
        RS_FAIL_IF(t->begin > end, RESCL_ERR_FORMAT,
                   "%s: %llu bytes before tensor '%.80s' belong to no tensor", f->path,
                   (unsigned long long)(t->begin - end), t->name);
        end = t->begin + t->bytes;
    }
    RS_FAIL_IF(end != f->data_bytes, RESCL_ERR_FORMAT,
               "%s: %llu bytes after the last tensor belong to no tensor", f->path,
               (unsigned long long)(f->data_bytes - end));
out:
    return st;
}

static rescl_status parse_header(rs_st_file *f, const char *text, size_t bytes)
{
    rescl_status st = RESCL_OK;
    json_error_t why;
    const char *key;
    json_t *value;

    RS_FAIL_IF(text[0] != '{', RESCL_ERR_FORMAT,
               "%s: not a safetensors file: the header does not begin with '{'", f->path);
    f->header = rs_json_load(text, bytes, JSON_REJECT_DUPLICATES, &why);
    if (!f->header) {
        RS_FAIL_IF(json_error_code(&why) == json_error_duplicate_key, RESCL_ERR_FORMAT,
                   "%s: the header has a key twice: %s", f->path, why.text);
        RS_FAIL_IF(rs_json_why(&why) == RESCL_ERR_MEMORY, RESCL_ERR_MEMORY, "%s", why.text);
        RS_FAIL(RESCL_ERR_FORMAT, "%s: the header is not JSON that can be read: %s (byte %d)",
                f->path, why.text, why.position);
    }
    json_t *meta = json_object_get(f->header, META_KEY);
    if (meta && !json_is_null(meta)) {
        f->meta = meta;
        RS_FAIL_IF(!json_is_object(f->meta), RESCL_ERR_FORMAT, "%s: " META_KEY " is not an object",
                   f->path);
        json_object_foreach(f->meta, key, value)
            RS_FAIL_IF(!json_is_string(value), RESCL_ERR_FORMAT,
                       "%s: metadata '%.80s' is not a string", f->path, key);
    }
    RS_OOM(f->tensor = calloc(json_object_size(f->header) + 1, sizeof *f->tensor));
    json_object_foreach(f->header, key, value)
    {
        if (value == meta)
            continue;
        RS_TRY(parse_tensor(f, key, value, &f->tensor[f->count]));
        f->count++;
    }
    RS_TRY(check_tiling(f));
out:
    return st;
}

rescl_status rs_st_open(const char *path, rs_st_file **out)
{
    rescl_status st = RESCL_OK;
    rs_st_file *f = NULL;
    char *text = NULL;
    struct stat info;
    unsigned char length[8];
    uint64_t header_bytes = 0, file_bytes = 0;

    RS_OOM(f = calloc(1, sizeof *f));
    f->fd = -1;
    RS_OOM(f->path = strdup(path));
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    RS_FAIL_IF(f->fd < 0 && errno == ENOENT, RESCL_ERR_NOT_FOUND, "%s: no such file", path);
    RS_FAIL_IF(f->fd < 0, RESCL_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    RS_FAIL_IF(fstat(f->fd, &info) != 0, RESCL_ERR_IO, "%s: %s", path, strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", path);
    file_bytes = (uint64_t)info.st_size;
    RS_FAIL_IF(file_bytes < sizeof length, RESCL_ERR_FORMAT,
               "%s: not a safetensors file: %llu bytes, the header's length alone takes 8", path,
               (unsigned long long)file_bytes);
    RS_TRY(rs_file_read_at(f->fd, path, 0, length, sizeof length));
    for (int i = 7; i >= 0; i--)
        header_bytes = header_bytes << 8 | length[i];
    RS_FAIL_IF(header_bytes > RS_ST_MAX_HEADER, RESCL_ERR_FORMAT,
               "%s: not a safetensors file: a header of %llu bytes, at most %u are allowed", path,
               (unsigned long long)header_bytes, RS_ST_MAX_HEADER);
    RS_FAIL_IF(header_bytes > file_bytes - sizeof length, RESCL_ERR_FORMAT,
               "%s: the header has %llu bytes, the file only %llu; it was cut or is no safetensors "
               "file",
               path, (unsigned long long)header_bytes, (unsigned long long)file_bytes);
    RS_FAIL_IF(header_bytes == 0, RESCL_ERR_FORMAT, "%s: the header is empty", path);
    f->data_start = sizeof length + header_bytes;
    f->data_bytes = file_bytes - f->data_start;
    RS_OOM(text = malloc((size_t)header_bytes));
    RS_TRY(rs_file_read_at(f->fd, path, sizeof length, text, (size_t)header_bytes));
    RS_TRY(parse_header(f, text, (size_t)header_bytes));
    *out = f, f = NULL;
out:
    free(text);
    rs_st_close(f);
    return st;
}

void rs_st_close(rs_st_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    json_decref(f->header);
    free(f->tensor);
    free(f->path);
    free(f);
}

const char *rs_st_path(const rs_st_file *f)
{
    return f->path;
}

size_t rs_st_count(const rs_st_file *f)
{
    return f->count;
}

const rs_st_tensor *rs_st_at(const rs_st_file *f, size_t index)
{
    return index < f->count ? &f->tensor[index] : NULL;
}

const rs_st_tensor *rs_st_find(const rs_st_file *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->tensor[i].name, name) == 0)
            return &f->tensor[i];
    return NULL;
}

const char *rs_st_meta_get(const rs_st_file *f, const char *key)
{
    return json_string_value(json_object_get(f->meta, key));
}

rescl_status rs_st_read(const rs_st_file *f, const rs_st_tensor *t, void *dst)
{
    return rs_file_read_at(f->fd, f->path, f->data_start + t->begin, dst, t->bytes);
}

/* ---- writing ----------------------------------------------------------------------------- */

static rescl_status header_add(json_t *header, const char *path, const rs_st_source *t,
                               size_t *offset, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    json_t *shape = NULL, *entry = NULL;
    size_t end;

    RS_FAIL_IF(strcmp(t->name, META_KEY) == 0 || json_object_get(header, t->name), RESCL_ERR_ARG,
               "%s: the tensor name '%.80s' is taken", path, t->name);
    RS_FAIL_IF(t->ndim > RS_ST_MAX_DIMS, RESCL_ERR_ARG, "%s: tensor '%.80s' has %zu dimensions",
               path, t->name, t->ndim);
    RS_OOM(shape = json_array());
    *bytes = dtypes[t->dtype].bytes;
    for (size_t i = 0; i < t->ndim; i++) {
        RS_FAIL_IF(!rs_mul_size(*bytes, t->dim[i], bytes), RESCL_ERR_ARG,
                   "%s: tensor '%.80s' is too large", path, t->name);
        RS_FAIL_IF(json_array_append_new(shape, json_integer((json_int_t)t->dim[i])) != 0,
                   RESCL_ERR_MEMORY, "out of host memory");
    }
    RS_FAIL_IF(!rs_add_size(*offset, *bytes, &end), RESCL_ERR_ARG, "%s: the file is too large",
               path);
    RS_OOM(entry = json_pack("{s:s, s:O, s:[I,I]}", "dtype", dtypes[t->dtype].name, "shape", shape,
                             "data_offsets", (json_int_t)*offset, (json_int_t)end));
    errno = 0;
    const int set = json_object_set(header, t->name, entry);
    RS_FAIL_IF(errno == ENOMEM, RESCL_ERR_MEMORY, "out of host memory");
    RS_FAIL_IF(set != 0, RESCL_ERR_ARG, "%s: the tensor name '%.80s' is not UTF-8", path, t->name);
    *offset = end;
out:
    json_decref(entry);
    json_decref(shape);
    return st;
}

static rescl_status header_meta(json_t *header, const char *path, const rs_st_meta *meta,
                                size_t nmeta)
{
    rescl_status st = RESCL_OK;
    json_t *object = NULL;

    if (nmeta == 0)
        goto out;
    RS_OOM(object = json_object());
    for (size_t i = 0; i < nmeta; i++) {
        errno = 0;
        const int set = json_object_set_new(object, meta[i].key, json_string(meta[i].value));
        RS_FAIL_IF(errno == ENOMEM, RESCL_ERR_MEMORY, "out of host memory");
        RS_FAIL_IF(set != 0, RESCL_ERR_ARG, "%s: metadata '%.80s' is not UTF-8: '%.80s'", path,
                   meta[i].key, meta[i].value);
    }
    RS_FAIL_IF(json_object_set(header, META_KEY, object) != 0, RESCL_ERR_MEMORY,
               "out of host memory");
out:
    json_decref(object);
    return st;
}

/* What was written, opened as any other file, has the header that was meant. */
static rescl_status check_written(const char *temp, const char *path, const json_t *header)
{
    rescl_status st = RESCL_OK;
    rs_st_file *f = NULL;

    st = rs_st_open(temp, &f);
    RS_FAIL_IF(st != RESCL_OK && st != RESCL_ERR_MEMORY, RESCL_ERR_IO,
               "%s: what was written cannot be read back, so the file is left as it was: %.600s",
               path, rescl_last_error()->message);
    RS_TRY(st);
    RS_FAIL_IF(!json_equal(f->header, header), RESCL_ERR_IO,
               "%s: what was written reads back as something else, so the file is left as it was",
               path);
out:
    rs_st_close(f);
    return st;
}

rescl_status rs_st_write(const char *path, const rs_st_meta *meta, size_t nmeta,
                         const rs_st_source *tensors, size_t ntensors)
{
    static const char blanks[8] = "        ";
    rescl_status st = RESCL_OK;
    rs_atomic_file file = {.fd = -1};
    json_t *header = NULL;
    char *text = NULL;
    size_t *bytes = NULL, offset = 0, length, padded;
    unsigned char prefix[8];

    RS_OOM(header = json_object());
    RS_OOM(bytes = calloc(ntensors + 1, sizeof *bytes));
    RS_TRY(header_meta(header, path, meta, nmeta));
    for (size_t i = 0; i < ntensors; i++)
        RS_TRY(header_add(header, path, &tensors[i], &offset, &bytes[i]));
    RS_TRY(rs_json_dump(header, JSON_COMPACT, &text));
    length = strlen(text);
    padded = rs_round_up(length, sizeof blanks); /* the data begins at a multiple of 8 */
    RS_FAIL_IF(padded > RS_ST_MAX_HEADER, RESCL_ERR_ARG, "%s: the header would have %zu bytes",
               path, padded);
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    RS_TRY(rs_atomic_open(&file, path));
    RS_TRY(rs_atomic_write(&file, prefix, sizeof prefix));
    RS_TRY(rs_atomic_write(&file, text, length));
    RS_TRY(rs_atomic_write(&file, blanks, padded - length));
    for (size_t i = 0; i < ntensors; i++)
        RS_TRY(rs_atomic_write(&file, tensors[i].data, bytes[i]));
    RS_TRY(check_written(file.temp, path, header));
    RS_TRY(rs_atomic_commit(&file));
out:
    rs_atomic_abort(&file);
    free(bytes);
    free(text);
    json_decref(header);
    return st;
}
