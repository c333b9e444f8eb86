/* A string that grows, and the error of a name that there is not. */
#ifndef RS_STR_H
#define RS_STR_H

#include "text.h"

/* A growing, always terminated string. {0} is empty and valid; rs_str_fini frees. */
typedef struct rs_str {
    char *text; /* NULL while empty */
    size_t len, cap;
} rs_str;

rescl_status rs_str_append(rs_str *s, const char *text) RESCL_CHECK;
rescl_status rs_str_appendv(rs_str *s, const char *fmt, va_list args) RESCL_CHECK;
rescl_status rs_str_appendf(rs_str *s, const char *fmt, ...) RESCL_CHECK RESCL_PRINTF(2, 3);
void rs_str_fini(rs_str *s);

/* Fails with RESCL_ERR_ARG: "there is no <what> '<name>'", the nearest name, and all of them. */
rescl_status rs_no_such_name(const char *what, const char *name, const char *const *names)
    RESCL_CHECK;

#endif
