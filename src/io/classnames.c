/* Names of classes from a file: JSON as Keras has it, or plain text. */
#include "error.h"
#include "jsonload.h"
#include "log.h"
#include "netmodel.h"
#include "path.h"
#include "str.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)64 << 20)

typedef struct names {
    const char *path;
    char **name, **alias; /* room for `classes`, NULL until set */
    size_t classes;
} names;

static void free_names(char **name, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        free(name[i]);
    free(name);
}

static rescl_status set_name(const names *n, size_t index, const char *name, size_t len)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(index >= n->classes, RESCL_ERR_FORMAT,
               "%s: names class %zu; the model has %zu, which count from 0", n->path, index,
               n->classes);
    RS_FAIL_IF(len == 0, RESCL_ERR_FORMAT, "%s: the name of class %zu is empty", n->path, index);
    RS_FAIL_IF(memchr(name, '\0', len), RESCL_ERR_FORMAT,
               "%s: the name of class %zu holds a NUL byte", n->path, index);
    json_t *valid = json_stringn(name, len); /* takes nothing but UTF-8 */
    json_decref(valid);
    RS_FAIL_IF(!valid, RESCL_ERR_FORMAT,
               "%s: the name of class %zu is not UTF-8; save the file as UTF-8", n->path, index);
    RS_FAIL_IF(n->name[index] != NULL, RESCL_ERR_FORMAT, "%s: names class %zu twice", n->path,
               index);
    RS_OOM(n->name[index] = strndup(name, len));
    RS_FAIL_IF(rs_has_control(n->name[index]), RESCL_ERR_FORMAT,
               "%s: the name of class %zu holds a control character%s", n->path, index,
               memchr(name, '\r', len) ? ", a carriage return; lines end with LF or CRLF" : "");
out:
    return st;
}

/* A name, or Keras' pair of an identifier and a name. */
static rescl_status set_json(const names *n, size_t index, const json_t *value)
{
    rescl_status st = RESCL_OK;
    const json_t *text =
        json_is_array(value) && json_array_size(value) == 2 ? json_array_get(value, 1) : value;
    RS_FAIL_IF(!json_is_string(text), RESCL_ERR_FORMAT,
               "%s: class %zu is neither a name nor a pair of an identifier and a name", n->path,
               index);
    RS_TRY(set_name(n, index, json_string_value(text), json_string_length(text)));
    if (text != value && json_is_string(json_array_get(value, 0)))
        RS_OOM(n->alias[index] = rs_strf("%s", json_string_value(json_array_get(value, 0))));
out:
    return st;
}

static rescl_status read_json(const names *n, const char *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    json_error_t error;
    const char *key;
    json_t *value;
    uint64_t index = 0;
    json_t *root = rs_json_load(data, bytes, JSON_REJECT_DUPLICATES, &error);
    RS_FAIL_IF(!root, rs_json_why(&error), "%s:%d: %s", n->path, error.line, error.text);
    for (size_t i = 0; i < json_array_size(root); i++)
        RS_TRY(set_json(n, i, json_array_get(root, i)));
    json_object_foreach(root, key, value)
    {
        RS_FAIL_IF(!rs_parse_u64(key, &index), RESCL_ERR_FORMAT,
                   "%s: found the key \"%.40s\", expected the number of a class", n->path, key);
        RS_TRY(set_json(n, (size_t)index, value));
    }
out:
    json_decref(root);
    return st;
}

/* Lines end with LF or CRLF; blank lines count only between names. */
static rescl_status read_text(const names *n, const char *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    while (bytes > 0 && isspace((unsigned char)data[bytes - 1]))
        bytes--;
    for (size_t at = 0, index = 0; at < bytes; index++) {
        const char *end = memchr(data + at, '\n', bytes - at);
        const size_t len = (end ? (size_t)(end - data) : bytes) - at;
        const bool cr = len > 0 && data[at + len - 1] == '\r';
        RS_TRY(set_name(n, index, data + at, len - cr));
        at += len + 1;
    }
out:
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Tells of names that several classes have, unless identifiers tell these apart. */
static rescl_status warn_of_twins(const names *n)
{
    rescl_status st = RESCL_OK;
    const char *twin = NULL;
    size_t twins = 0;
    char **sorted = NULL;
    RS_OOM(sorted = calloc(n->classes, sizeof *sorted));
    memcpy(sorted, n->name, n->classes * sizeof *sorted);
    qsort(sorted, n->classes, sizeof *sorted, by_name);
    for (size_t i = 1; i < n->classes; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            twin = twin ? twin : sorted[i];
            twins++;
        }
    if (twins && !n->alias[0])
        rs_log(RESCL_LOG_WARN,
               "%s: %zu of the %zu classes have the name of another, such as '%s'; only their "
               "numbers tell these apart",
               n->path, twins, n->classes, twin);
out:
    free(sorted);
    return st;
}

rescl_status rescl_model_read_class_names(rescl_model *model, const char *path)
{
    rescl_status st = RESCL_OK;
    names n = {.path = path, .classes = model->classes};
    char *data = NULL;
    size_t bytes;

    RS_TRY(rs_file_read(path, MAX_FILE_BYTES, &data, &bytes));
    const char *wide = rs_wide_encoding(data, bytes);
    RS_FAIL_IF(wide, RESCL_ERR_FORMAT, "%s: is %s, expected UTF-8", path, wide);
    RS_OOM(n.name = calloc(n.classes, sizeof *n.name));
    RS_OOM(n.alias = calloc(n.classes, sizeof *n.alias));
    const size_t mark = rs_bom_bytes(data, bytes), blank = strspn(data + mark, " \t\r\n");
    if (data[mark + blank] == '{' || data[mark + blank] == '[')
        RS_TRY(read_json(&n, data + mark, bytes - mark));
    else
        RS_TRY(read_text(&n, data + mark, bytes - mark));
    for (size_t i = 0; i < n.classes; i++)
        RS_FAIL_IF(!n.name[i], RESCL_ERR_FORMAT,
                   "%s: names no class %zu; the model has %zu, and each needs a name", path, i,
                   n.classes);
    RS_TRY(warn_of_twins(&n));
    char **old = model->class_name, **old_alias = model->class_alias;
    model->class_name = n.name;
    model->class_alias = n.alias;
    n.name = old;
    n.alias = old_alias;
out:
    free_names(n.name, n.classes);
    free_names(n.alias, n.classes);
    free(data);
    return st;
}
