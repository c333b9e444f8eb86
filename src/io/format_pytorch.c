/* What torch.save writes, in its two forms (torch/serialization.py):
 *
 * - since 1.6 a zip archive of <name>/data.pkl, a pickle, <name>/data/<key>, the storages, and
 *   <name>/byteorder, "little" or "big"; its entries are stored;
 * - before, and on demand: five pickles, which are a magic number, the protocol 1001, facts of the
 *   machine, what was saved and the list of storages' keys; then each storage as the number of its
 *   values (8 bytes) and these, little-endian whatever the machine.
 *
 * The pickles are read as data (pickle.h), and what is in them is sought out (torchpickle.h). */
#include "dtype.h"
#include "error.h"
#include "format.h"
#include "log.h"
#include "path.h"
#include "torchpickle.h"
#include "zipfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ ((size_t)1 << 20)
#define PROTOCOL   1001

typedef struct source {
    rs_torch_tensor tensor;
    const rs_zip_entry *entry; /* of the zip form */
    uint64_t at;               /* of the other: its storage, in the file */
} source;

/* Where a storage lies in the older form. */
typedef struct place {
    rs_torch_storage storage;
    uint64_t at;
    bool found;
} place;

typedef struct opened {
    char *path;
    rs_zip *zip;
    int fd;
    char *data; /* of the pickles */
    rs_pickle *pickle;
    bool big_endian;
    source *source;
    place *place; /* by their keys */
    size_t places;
} opened;

static void close_file(void *file)
{
    opened *o = file;
    rs_zip_close(o->zip);
    if (o->fd >= 0)
        close(o->fd);
    rs_pickle_free(o->pickle);
    free(o->place);
    free(o->source);
    free(o->data);
    free(o->path);
    free(o);
}

/* ---- the zip form -------------------------------------------------------------------------- */

#define PICKLE "data.pkl"

/* The entry `name` beside data.pkl. */
static const rs_zip_entry *find_beside(const rs_zip *z, const rs_zip_entry *pickle,
                                       const char *name)
{
    const int prefix = (int)(strlen(pickle->name) - strlen(PICKLE));
    char *path = rs_strf("%.*s%s", prefix, pickle->name, name);
    const rs_zip_entry *found = path ? rs_zip_find(z, path) : NULL;
    free(path);
    return found;
}

/* The uppermost data.pkl. */
static const rs_zip_entry *find_pickle(const rs_zip *z)
{
    const rs_zip_entry *found = NULL;
    for (size_t i = 0; i < rs_zip_count(z); i++) {
        const rs_zip_entry *e = rs_zip_at(z, i);
        const size_t len = strlen(e->name), end = strlen(PICKLE);
        if (len >= end && strcmp(e->name + len - end, PICKLE) == 0 &&
            (len == end || e->name[len - end - 1] == '/') && (!found || len < strlen(found->name)))
            found = e;
    }
    return found;
}

static rescl_status open_zip(opened *o, const rs_zip_entry **pickle)
{
    rescl_status st = RESCL_OK;
    size_t bytes;
    bool cut = false;
    char *order = NULL;
    const rs_zip_entry *e;
    RS_TRY(rs_zip_open(o->path, &o->zip));
    e = *pickle = find_pickle(o->zip);
    RS_FAIL_IF(!e, RESCL_ERR_FORMAT, "%s: a zip archive without data.pkl is not of torch.save",
               o->path);
    RS_FAIL_IF(find_beside(o->zip, e, "constants.pkl"), RESCL_ERR_FORMAT,
               "%s: is a TorchScript program (torch.jit.save), of which rescl reads the weights "
               "alone; in Python: torch.save(torch.jit.load('%s').state_dict(), 'weights.pth')",
               o->path, o->path);
    RS_TRY(rs_zip_read_all(o->zip, e, RS_PICKLE_MAX_BYTES, &o->data, &bytes));
    const rs_torch_source about = {o->path, o->data, bytes};
    RS_TRY(rs_pickle_read(o->path, 0, o->data, bytes, rs_torch_allow, &about, &cut, &o->pickle));
    if ((e = find_beside(o->zip, e, "byteorder")) != NULL) {
        RS_TRY(rs_zip_read_all(o->zip, e, 32, &order, &bytes));
        o->big_endian = strcmp(order, "big") == 0;
        RS_FAIL_IF(!o->big_endian && strcmp(order, "little") != 0, RESCL_ERR_FORMAT,
                   "%s: its byteorder is '%.32s', expected little or big", o->path, order);
    }
out:
    free(order);
    return st;
}

static rescl_status find_entry(const opened *o, const rs_zip_entry *pickle, const char *name,
                               source *s)
{
    rescl_status st = RESCL_OK;
    const rs_torch_storage *storage = &s->tensor.storage;
    char *path = NULL;
    RS_OOM(path = rs_strf("data/%s", storage->key));
    s->entry = find_beside(o->zip, pickle, path);
    RS_FAIL_IF(!s->entry, RESCL_ERR_FORMAT,
               "%s: the values of tensor '%.80s' are missing (entry %.60s); the file is damaged",
               o->path, name, path);
    RS_FAIL_IF(s->entry->bytes != storage->count * storage->value_bytes, RESCL_ERR_FORMAT,
               "%s: the values of tensor '%.80s' have %" PRIu64 " bytes, its storage of %" PRIu64
               " values needs %" PRIu64 "; the file is damaged",
               o->path, name, s->entry->bytes, storage->count,
               storage->count * storage->value_bytes);
out:
    free(path);
    return st;
}

/* ---- the older form ------------------------------------------------------------------------ */

enum { MAGIC, VERSION, MACHINE, SAVED, KEYS, PICKLES };

/* What was saved, and the keys of the storages; *end is where the first of these begins. Reads
 * o->data, which is the beginning of the file. */
static rescl_status read_pickles(opened *o, size_t bytes, bool *cut, rs_pickle **keys,
                                 uint64_t *end)
{
    static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    rescl_status st = RESCL_OK;
    const rs_torch_source about = {o->path, o->data, bytes};
    rs_pickle *p = NULL;
    size_t at = 0;
    for (int i = MAGIC; i < PICKLES; i++) {
        uint64_t version = 0;
        RS_TRY(
            rs_pickle_read(o->path, at, o->data + at, bytes - at, rs_torch_allow, &about, cut, &p));
        const rs_pickle_value *root = rs_pickle_root(p);
        at += rs_pickle_bytes(p);
        RS_FAIL_IF(i == MAGIC && (root->kind != RS_PICKLE_LONG || root->len != sizeof magic - 1 ||
                                  memcmp(root->text, magic, root->len) != 0),
                   RESCL_ERR_FORMAT,
                   "%s: is a pickle of Python, and not of torch.save, whose files rescl reads; in "
                   "Python: torch.save(state_dict, 'weights.pth')",
                   o->path);
        RS_FAIL_IF(i == VERSION && (!rs_pickle_size(root, &version) || version != PROTOCOL),
                   RESCL_ERR_FORMAT,
                   "%s: is of version %" PRIu64 " of torch.save's older form, rescl reads %d",
                   o->path, version, PROTOCOL);
        if (i == SAVED)
            o->pickle = p;
        else if (i == KEYS)
            *keys = p;
        else
            rs_pickle_free(p);
        p = NULL;
    }
    *end = at;
out:
    rs_pickle_free(p);
    return st;
}

static int by_key(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return strcmp(x->storage.key, y->storage.key);
}

/* The storages that are spoken of, once each. */
static rescl_status list_places(opened *o)
{
    rescl_status st = RESCL_OK;
    size_t count = 0, kept = 0;
    while (rs_pickle_persistent(o->pickle, count))
        count++;
    RS_OOM(o->place = calloc(count + 1, sizeof *o->place));
    for (size_t i = 0; i < count; i++)
        RS_TRY(rs_torch_storage_parse(o->path, rs_pickle_persistent(o->pickle, i),
                                      &o->place[i].storage));
    qsort(o->place, count, sizeof *o->place, by_key);
    for (size_t i = 0; i < count; i++) {
        const rs_torch_storage *s = &o->place[i].storage,
                               *last = &o->place[kept ? kept - 1 : 0].storage;
        const bool again = i > 0 && strcmp(last->key, s->key) == 0;
        RS_FAIL_IF(again && (last->count != s->count || last->value_bytes != s->value_bytes),
                   RESCL_ERR_FORMAT, "%s: the storage '%.40s' has two sizes; the file is damaged",
                   o->path, s->key);
        if (!again)
            o->place[kept++] = o->place[i];
    }
    o->places = kept;
out:
    return st;
}

static place *find_place(const opened *o, const char *key)
{
    const place wanted = {.storage.key = key};
    return bsearch(&wanted, o->place, o->places, sizeof *o->place, by_key);
}

/* Goes over the storages in the order of their keys. */
static rescl_status locate_places(opened *o, const rs_pickle_value *keys, uint64_t at,
                                  uint64_t file_bytes)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(keys->kind != RS_PICKLE_LIST, RESCL_ERR_FORMAT,
               "%s: has no list of storages; the file is damaged", o->path);
    for (size_t i = 0; i < keys->count; i++) {
        const rs_pickle_value *key = keys->item[i];
        unsigned char header[8];
        uint64_t count = 0;
        place *p = key->kind == RS_PICKLE_TEXT ? find_place(o, key->text) : NULL;
        RS_FAIL_IF(!p || p->found, RESCL_ERR_FORMAT,
                   "%s: storage %zu is of no tensor; the file is damaged", o->path, i);
        const uint64_t bytes = p->storage.count * p->storage.value_bytes;
        RS_FAIL_IF(file_bytes - at < sizeof header || file_bytes - at - sizeof header < bytes,
                   RESCL_ERR_FORMAT,
                   "%s: the values of storage %zu of %zu end after the file, which has %" PRIu64
                   " bytes; it was cut or is damaged",
                   o->path, i + 1, keys->count, file_bytes);
        RS_TRY(rs_file_read_at(o->fd, o->path, at, header, sizeof header));
        for (int k = 7; k >= 0; k--)
            count = count << 8 | header[k];
        RS_FAIL_IF(count != p->storage.count, RESCL_ERR_FORMAT,
                   "%s: storage %zu says it has %" PRIu64 " values, its tensor says %" PRIu64
                   "; the file is damaged",
                   o->path, i + 1, count, p->storage.count);
        p->at = at + sizeof header;
        p->found = true;
        at = p->at + bytes;
    }
out:
    return st;
}

static rescl_status open_pickles(opened *o)
{
    rescl_status st = RESCL_OK;
    struct stat info;
    rs_pickle *keys = NULL;
    uint64_t end = 0;
    RS_FAIL_IF(fstat(o->fd, &info) != 0, RESCL_ERR_IO, "%s: %s", o->path, strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", o->path);
    const uint64_t file_bytes = (uint64_t)info.st_size;
    /* The pickles do not say how long they are: more is read as long as they do not end. */
    for (size_t most = FIRST_READ;; most *= 4) {
        const size_t bytes = file_bytes < most ? (size_t)file_bytes : most;
        bool cut = false;
        RS_OOM(o->data = malloc(bytes + 1));
        RS_TRY(rs_file_read_at(o->fd, o->path, 0, o->data, bytes));
        st = read_pickles(o, bytes, &cut, &keys, &end);
        if (st == RESCL_OK)
            break;
        if (!cut || bytes == file_bytes || most >= RS_PICKLE_MAX_BYTES)
            goto out;
        rs_pickle_free(o->pickle);
        free(o->data);
        o->pickle = NULL;
        o->data = NULL;
    }
    RS_TRY(list_places(o));
    RS_TRY(locate_places(o, rs_pickle_root(keys), end, file_bytes));
out:
    rs_pickle_free(keys);
    return st;
}

/* ---- both ---------------------------------------------------------------------------------- */

static bool is_zip(const char *first)
{
    return memcmp(first, "PK\3\4", 4) == 0;
}

static bool recognises(const char *path, const unsigned char *first, size_t bytes)
{
    rs_zip *z = NULL;
    if (bytes < 4)
        return false;
    if (!is_zip((const char *)first))
        return first[0] == 0x80 && first[1] >= 2 && first[1] <= 5; /* a pickle's protocol */
    const bool found = rs_zip_open(path, &z) == RESCL_OK && find_pickle(z);
    rs_zip_close(z);
    return found;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static rescl_status check_names(const char *path, const rs_wfile_list *list)
{
    rescl_status st = RESCL_OK;
    const char **name = NULL;
    RS_OOM(name = calloc(list->count + 1, sizeof *name));
    for (size_t i = 0; i < list->count; i++)
        name[i] = list->tensor[i].name;
    qsort(name, list->count, sizeof *name, by_name);
    for (size_t i = 1; i < list->count; i++)
        RS_FAIL_IF(strcmp(name[i - 1], name[i]) == 0, RESCL_ERR_FORMAT,
                   "%s: holds tensor '%.80s' twice; the file is damaged", path, name[i]);
out:
    free(name);
    return st;
}

/* The tensors of a dict; what is none (a version, an extra state) is passed over. */
static rescl_status list_tensors(opened *o, const rs_zip_entry *pickle, const rs_pickle_value *dict,
                                 rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    RS_OOM(out->tensor = calloc(dict->count / 2 + 1, sizeof *out->tensor));
    RS_OOM(o->source = calloc(dict->count / 2 + 1, sizeof *o->source));
    for (size_t i = 0; i < dict->count; i += 2) {
        const rs_pickle_value *key = dict->item[i];
        source *s = &o->source[out->count];
        if (!rs_torch_is_tensor(dict->item[i + 1]))
            continue;
        RS_FAIL_IF(key->kind != RS_PICKLE_TEXT || strlen(key->text) != key->len, RESCL_ERR_FORMAT,
                   "%s: the name of tensor %zu is no text; expected a dict of names and tensors",
                   o->path, i / 2);
        RS_TRY(rs_torch_tensor_parse(o->path, key->text, dict->item[i + 1], &s->tensor));
        if (pickle) {
            RS_TRY(find_entry(o, pickle, key->text, s));
        } else {
            const place *p = find_place(o, s->tensor.storage.key);
            RS_FAIL_IF(!p || !p->found, RESCL_ERR_FORMAT,
                       "%s: the values of tensor '%.80s' are missing; the file is damaged", o->path,
                       key->text);
            s->at = p->at;
        }
        rs_wfile_tensor *t = &out->tensor[out->count];
        *t = (rs_wfile_tensor){.name = key->text,
                               .dtype = s->tensor.dtype,
                               .ndim = s->tensor.ndim,
                               .source = out->count};
        memcpy(t->dim, s->tensor.dim, sizeof t->dim);
        out->count++;
    }
    RS_TRY(check_names(o->path, out));
out:
    return st;
}

static rescl_status open_file(const char *path, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    const rs_zip_entry *pickle = NULL;
    const rs_pickle_value *dict = NULL;
    rs_str about = {0};
    char first[4] = {0};
    opened *o;
    RS_OOM(out->file = o = calloc(1, sizeof *o));
    o->fd = -1;
    RS_OOM(o->path = strdup(path));
    o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    RS_FAIL_IF(o->fd < 0, RESCL_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    RS_TRY(rs_file_read_at(o->fd, path, 0, first, sizeof first));
    RS_TRY(is_zip(first) ? open_zip(o, &pickle) : open_pickles(o));
    RS_TRY(rs_torch_find_weights(path, rs_pickle_root(o->pickle), &dict, &about));
    RS_TRY(list_tensors(o, pickle, dict, out));
    out->kcrs = true;
    if (about.len)
        rs_log(RESCL_LOG_INFO, "%s: %s", path, about.text);
out:
    rs_str_fini(&about);
    return st;
}

/* ---- values -------------------------------------------------------------------------------- */

/* The bytes of the storage from the tensor's first value to its last. */
static rescl_status read_storage(const opened *o, const source *s, void *dst)
{
    if (s->entry)
        return rs_zip_read(o->zip, s->entry, s->tensor.begin, dst, s->tensor.span);
    return rs_file_read_at(o->fd, o->path, s->at + s->tensor.begin, dst, s->tensor.span);
}

/* The values of `from`, which lie by the tensor's strides, one after the other. */
static void pack(const rs_torch_tensor *t, const char *from, char *to)
{
    const size_t bytes = rs_st_dtype_bytes(t->dtype);
    size_t at[RS_ST_MAX_DIMS] = {0}, offset = 0;
    for (;;) {
        memcpy(to, from + offset * bytes, bytes);
        to += bytes;
        size_t d = t->ndim;
        while (d > 0 && ++at[d - 1] == t->dim[d - 1]) {
            d--;
            offset -= (t->dim[d] - 1) * t->stride[d];
            at[d] = 0;
        }
        if (d == 0)
            return;
        offset += t->stride[d - 1];
    }
}

static rescl_status read_values(void *file, size_t index, void *dst)
{
    rescl_status st = RESCL_OK;
    const opened *o = file;
    const source *s = &o->source[index];
    const rs_torch_tensor *t = &s->tensor;
    const size_t bytes = rs_st_dtype_bytes(t->dtype);
    char *spread = NULL;
    size_t count = 1;
    for (size_t i = 0; i < t->ndim; i++)
        count *= t->dim[i]; /* does not overflow: torchpickle.c */
    if (t->packed) {
        RS_TRY(read_storage(o, s, dst));
    } else {
        RS_OOM(spread = malloc(t->span));
        RS_TRY(read_storage(o, s, spread));
        pack(t, spread, dst);
    }
    if (o->big_endian)
        rs_bytes_swap(dst, count, bytes);
out:
    free(spread);
    return st;
}

const rs_format rs_format_pytorch = {
    .name = "pytorch",
    .title = "PyTorch",
    .suffix = {".pth", ".pt"},
    .recognises = recognises,
    .open = open_file,
    .read = read_values,
    .close = close_file,
};
