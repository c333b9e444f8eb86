#include "jsonlabels.h"

#include "error.h"
#include "jsonload.h"
#include "str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *rs_label_trim(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return n ? rs_strf("%.*s", (int)n, text) : NULL;
}

/* The text of a number or a name; NULL: it is neither, or memory is short. */
static char *class_of(const json_t *value)
{
    if (json_is_integer(value))
        return rs_strf("%lld", (long long)json_integer_value(value));
    return json_is_string(value) ? rs_label_trim(json_string_value(value)) : NULL;
}

/* A row of 0 and 1, one for each class, would be taken for numbers of classes. */
static bool is_row_of_bits(const json_t *list)
{
    size_t count[2] = {0}, i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        const json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
        if (n != 0 && n != 1)
            return false;
        count[n]++;
    }
    return count[0] > 1 || count[1] > 1;
}

/* "a;b": the labels of a list. */
static rescl_status list_in_json(const char *path, const char *name, const json_t *list, char **out)
{
    rescl_status st = RESCL_OK;
    rs_str all = {0};
    char *one = NULL;
    size_t i;
    json_t *value;
    RS_FAIL_IF(is_row_of_bits(list), RESCL_ERR_FORMAT,
               "%s: %s: its labels are a row of 0 and 1, expected the numbers or the names of "
               "those that the image has",
               path, name);
    RS_TRY(rs_str_append(&all, ""));
    json_array_foreach(list, i, value)
    {
        one = class_of(value);
        RS_FAIL_IF(!one || strchr(one, ';'), RESCL_ERR_FORMAT,
                   "%s: %s: entry %zu of its list of labels, expected the number or the name of a "
                   "class, without a semicolon",
                   path, name, i + 1);
        RS_TRY(rs_str_appendf(&all, "%s%s", i ? ";" : "", one));
        free(one);
        one = NULL;
    }
    *out = all.text;
    all = (rs_str){0};
out:
    rs_str_fini(&all);
    free(one);
    return st;
}

rescl_status rs_json_labels(const char *path, const char *name, const char *text, size_t bytes,
                            char **out, bool *is_list)
{
    static const char *const keys[] = {"label",  "class",  "cls",     "class_name", "category",
                                       "target", "labels", "classes", "tags"};
    rescl_status st = RESCL_OK;
    json_error_t why;
    *out = NULL;
    *is_list = false;
    json_t *all = rs_json_load(text, bytes, JSON_DECODE_ANY, &why);
    RS_FAIL_IF(!all, RESCL_ERR_FORMAT, "%s: %s: is not JSON: line %d, column %d: %s", path, name,
               why.line, why.column, why.text);
    for (size_t i = 0; i < RS_COUNT(keys) && !*out; i++) {
        const json_t *value = json_object_get(all, keys[i]);
        *is_list = json_is_array(value);
        if (*is_list)
            RS_TRY(list_in_json(path, name, value, out));
        else
            *out = class_of(value);
    }
out:
    json_decref(all);
    return st;
}
