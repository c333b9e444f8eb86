#include "str.h"

#include "alloc.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rescl_status reserve(rs_str *s, size_t more)
{
    rescl_status st = RESCL_OK;
    size_t need;
    RS_FAIL_IF(!rs_add_size(s->len, more, &need) || !rs_add_size(need, 1, &need), RESCL_ERR_MEMORY,
               "a string of %zu and %zu bytes does not fit memory", s->len, more);
    RS_TRY(rs_array_reserve(&s->text, &s->cap, need, 1));
out:
    return st;
}

rescl_status rs_str_append(rs_str *s, const char *text)
{
    rescl_status st = RESCL_OK;
    size_t len = strlen(text);
    RS_TRY(reserve(s, len));
    memcpy(s->text + s->len, text, len + 1);
    s->len += len;
out:
    return st;
}

rescl_status rs_str_appendv(rs_str *s, const char *fmt, va_list args)
{
    rescl_status st = RESCL_OK;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    RS_FAIL_IF(len < 0, RESCL_ERR_ARG, "the text for the format \"%s\" cannot be made", fmt);
    RS_TRY(reserve(s, (size_t)len));
    vsnprintf(s->text + s->len, (size_t)len + 1, fmt, again);
    s->len += (size_t)len;
out:
    va_end(again);
    return st;
}

rescl_status rs_str_appendf(rs_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const rescl_status st = rs_str_appendv(s, fmt, args);
    va_end(args);
    return st;
}

void rs_str_fini(rs_str *s)
{
    free(s->text);
    *s = (rs_str){0};
}

rescl_status rs_no_such_name(const char *what, const char *name, const char *const *names)
{
    rescl_status st = RESCL_OK;
    const char *near = rs_nearest(name, names);
    rs_str all = {0};

    for (size_t i = 0; names[i]; i++)
        RS_TRY(rs_str_appendf(&all, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " and ", names[i]));
    RS_FAIL(RESCL_ERR_ARG, "there is no %s '%.200s'%s%s%s; there are %s", what, name,
            near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
            all.text ? all.text : "none");
out:
    rs_str_fini(&all);
    return st;
}
