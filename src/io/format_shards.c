/* Weights in several files, as Hugging Face's libraries write those that are large: an index,
 *
 *   {"metadata": {...}, "weight_map": {"layer.weight": "model-00001-of-00002.safetensors", ...}}
 *
 * beside the files that it names, of any other format. */
#include "error.h"
#include "format.h"
#include "jsonload.h"
#include "path.h"
#include "text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INDEX ((size_t)64 << 20)
#define MAX_FILES 10000

typedef struct shard {
    const rs_format *format;
    rs_wfile_list list;
} shard;

/* Where a tensor is. */
typedef struct origin {
    const shard *from;
    size_t source;
} origin;

typedef struct opened {
    json_t *index;
    shard *shard; /* in the order in which the index first names them */
    size_t shards;
    origin *origin;
} opened;

static rescl_status read_index(const char *path, json_t **out)
{
    rescl_status st = RESCL_OK;
    json_error_t why;
    char *text = NULL;
    size_t bytes;
    RS_TRY(rs_file_read(path, MAX_INDEX, &text, &bytes));
    *out = rs_json_load(text, bytes, JSON_REJECT_DUPLICATES, &why);
    RS_FAIL_IF(!*out, rs_json_why(&why), "%s: is no JSON that can be read: %s (line %d)", path,
               why.text, why.line);
    RS_FAIL_IF(!json_is_object(json_object_get(*out, "weight_map")), RESCL_ERR_FORMAT,
               "%s: has no 'weight_map', which an index of sharded weights has", path);
out:
    free(text);
    return st;
}

static bool recognises(const char *path, const unsigned char *first, size_t bytes)
{
    json_t *index = NULL;
    const size_t mark = bytes >= 3 && memcmp(first, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (bytes <= mark || first[mark] != '{')
        return false;
    const bool is_index = read_index(path, &index) == RESCL_OK;
    json_decref(index);
    return is_index;
}

static void close_file(void *file)
{
    opened *o = file;
    for (size_t i = 0; i < o->shards; i++) {
        if (o->shard[i].list.file)
            o->shard[i].format->close(o->shard[i].list.file);
        free(o->shard[i].list.tensor);
    }
    json_decref(o->index);
    free(o->shard);
    free(o->origin);
    free(o);
}

/* A file beside the index, of that name. */
static rescl_status open_shard(const char *path, const char *name, shard *s)
{
    rescl_status st = RESCL_OK;
    const char *slash = strrchr(path, '/');
    char *at = NULL;
    RS_FAIL_IF(!*name || strchr(name, '/') || strcmp(name, "..") == 0, RESCL_ERR_FORMAT,
               "%s: names the file '%.80s'; expected one beside it", path, name);
    RS_OOM(at = rs_strf("%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name));
    RS_TRY(rs_format_find(at, &s->format));
    RS_FAIL_IF(s->format == &rs_format_shards, RESCL_ERR_FORMAT,
               "%s: names '%.80s', which is an index itself", path, name);
    RS_TRY(s->format->open(at, &s->list));
out:
    free(at);
    return st;
}

/* The shard of a file, opened when it is named first. `order` maps names to places. */
static rescl_status find_shard(const char *path, opened *o, json_t *order, const char *name,
                               shard **out)
{
    rescl_status st = RESCL_OK;
    const json_t *known = json_object_get(order, name);
    if (known) {
        *out = &o->shard[json_integer_value(known)];
        goto out;
    }
    RS_FAIL_IF(o->shards == MAX_FILES, RESCL_ERR_FORMAT, "%s: names more than %d files", path,
               MAX_FILES);
    RS_FAIL_IF(json_object_set_new(order, name, json_integer((json_int_t)o->shards)) != 0,
               RESCL_ERR_MEMORY, "out of host memory");
    *out = &o->shard[o->shards++];
    RS_TRY(open_shard(path, name, *out));
out:
    if (st != RESCL_OK)
        rs_error_prefix("%s", path);
    return st;
}

/* All tensors of all files, each once and where the index says. `order` maps files to places. */
static rescl_status gather(const char *path, opened *o, const json_t *order, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    json_t *seen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < o->shards; i++) {
        count += o->shard[i].list.count;
        RS_FAIL_IF(o->shard[i].list.kcrs != o->shard[0].list.kcrs, RESCL_ERR_FORMAT,
                   "%s: filters lie in two ways in the files that it names", path);
    }
    RS_OOM(seen = json_object());
    RS_OOM(out->tensor = calloc(count + 1, sizeof *out->tensor));
    RS_OOM(o->origin = calloc(count + 1, sizeof *o->origin));
    for (size_t i = 0; i < o->shards; i++)
        for (size_t k = 0; k < o->shard[i].list.count; k++) {
            const rs_wfile_tensor *t = &o->shard[i].list.tensor[k];
            RS_FAIL_IF(json_object_get(seen, t->name), RESCL_ERR_FORMAT,
                       "%s: tensor '%.80s' is in two of the files that it names", path, t->name);
            RS_FAIL_IF(json_object_set_new(seen, t->name, json_integer((json_int_t)i)) != 0,
                       RESCL_ERR_FORMAT, "%s: the name of tensor %zu is not UTF-8", path, k);
            o->origin[out->count] = (origin){&o->shard[i], t->source};
            out->tensor[out->count] = *t;
            out->tensor[out->count].source = out->count;
            out->count++;
        }
    out->kcrs = o->shards > 0 && o->shard[0].list.kcrs;
    const char *name;
    json_t *file;
    json_object_foreach(json_object_get(o->index, "weight_map"), name, file) RS_FAIL_IF(
        !json_equal(json_object_get(seen, name), json_object_get(order, json_string_value(file))),
        RESCL_ERR_FORMAT, "%s: tensor '%.80s' is not in '%.80s', where it should be", path, name,
        json_string_value(file));
out:
    json_decref(seen);
    return st;
}

static rescl_status open_file(const char *path, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    opened *o;
    json_t *order = NULL, *file;
    const char *name;
    RS_OOM(out->file = o = calloc(1, sizeof *o));
    RS_TRY(read_index(path, &o->index));
    json_t *map = json_object_get(o->index, "weight_map");
    RS_OOM(order = json_object());
    RS_OOM(o->shard = calloc(json_object_size(map) + 1, sizeof *o->shard));
    json_object_foreach(map, name, file)
    {
        shard *s;
        RS_FAIL_IF(!json_is_string(file), RESCL_ERR_FORMAT,
                   "%s: the file of tensor '%.80s' is no text", path, name);
        RS_TRY(find_shard(path, o, order, json_string_value(file), &s));
    }
    RS_TRY(gather(path, o, order, out));
out:
    json_decref(order);
    return st;
}

static rescl_status read_values(void *file, size_t source, void *dst)
{
    const origin *from = &((opened *)file)->origin[source];
    return from->from->format->read(from->from->list.file, from->source, dst);
}

const rs_format rs_format_shards = {
    .name = "shards",
    .title = "sharded weights",
    .suffix = {".index.json"},
    .recognises = recognises,
    .open = open_file,
    .read = read_values,
    .close = close_file,
};
