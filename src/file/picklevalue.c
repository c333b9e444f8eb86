/* Asking the values of a pickle. */
#include "pickle.h"

#include <string.h>

typedef rs_pickle_value value;

static bool reads(const value *v, rs_pickle_kind kind, const char *text)
{
    return v && v->kind == kind && v->len == strlen(text) && memcmp(v->text, text, v->len) == 0;
}

bool rs_pickle_is_text(const value *v, const char *text)
{
    return reads(v, RS_PICKLE_TEXT, text);
}

bool rs_pickle_is_global(const value *v, const char *global)
{
    return reads(v, RS_PICKLE_GLOBAL, global);
}

bool rs_pickle_is_call(const value *v, const char *global)
{
    return v && v->kind == RS_PICKLE_CALL && rs_pickle_is_global(v->callable, global);
}

const value *rs_pickle_at(const value *v, size_t index)
{
    const bool sequence = v && (v->kind == RS_PICKLE_LIST || v->kind == RS_PICKLE_TUPLE);
    return sequence && index < v->count ? v->item[index] : NULL;
}

const value *rs_pickle_get(const value *v, const char *key)
{
    for (size_t i = v && v->kind == RS_PICKLE_DICT ? v->count : 0; i > 0; i -= 2)
        if (rs_pickle_is_text(v->item[i - 2], key))
            return v->item[i - 1];
    return NULL;
}

bool rs_pickle_size(const value *v, uint64_t *out)
{
    if (!v || v->kind != RS_PICKLE_INT || v->integer < 0)
        return false;
    *out = (uint64_t)v->integer;
    return true;
}

const char *rs_pickle_called(const value *v)
{
    while (v && v->kind == RS_PICKLE_CALL) /* an object is made after what makes it */
        v = v->callable;
    return v && v->kind == RS_PICKLE_GLOBAL ? v->text : "";
}
