#include "optionvalue.h"

#include "error.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a message shows of a text that it refuses. */
#define SHOWN 200

/* ---- choices ------------------------------------------------------------------------------ */

static const char *find_choice(const rescl_option *o, const char *text)
{
    for (const char *const *c = o->choices; *c; c++)
        if (strcmp(*c, text) == 0)
            return *c;
    return NULL;
}

static rescl_status no_choice(const rescl_option *o, const char *text)
{
    rescl_status st = RESCL_OK;
    const char *near = rs_nearest(text, o->choices);
    rs_str all = {0};

    for (const char *const *c = o->choices; *c; c++)
        RS_TRY(rs_str_appendf(&all, "%s%s", c == o->choices ? "" : ", ", *c));
    RS_FAIL(RESCL_ERR_ARG, "%s: found '%.*s', expected one of %s%s%s%s", o->name, SHOWN, text,
            all.text ? all.text : "none", near ? "; did you mean '" : "", near ? near : "",
            near ? "'?" : "");
out:
    rs_str_fini(&all);
    return st;
}

/* ---- values ------------------------------------------------------------------------------- */

static rescl_status parse_bool(const rescl_option *o, const char *text, bool *value)
{
    rescl_status st = RESCL_OK;
    const bool on = strcmp(text, "true") == 0;

    RS_FAIL_IF(!on && strcmp(text, "false") != 0, RESCL_ERR_ARG,
               "%s: found '%.*s', expected true or false", o->name, SHOWN, text);
    *value = on;
out:
    return st;
}

static rescl_status parse_whole(const rescl_option *o, const char *text, uint64_t *value)
{
    rescl_status st = RESCL_OK;
    const uint64_t most = o->type == RESCL_OPTION_SIZE ? SIZE_MAX : UINT64_MAX;
    uint64_t x = 0;

    if (o->zero && strcmp(text, o->zero) == 0) {
        *value = 0;
        goto out;
    }
    RS_FAIL_IF(!rs_parse_u64(text, &x) || x > most || !rs_in_range_u64(o->range, x), RESCL_ERR_ARG,
               "%s: found '%.*s', expected a whole number in %s%s%s", o->name, SHOWN, text,
               o->range, o->zero ? " or " : "", o->zero ? o->zero : "");
    *value = x;
out:
    return st;
}

static rescl_status parse_real(const rescl_option *o, const char *text, double *value)
{
    rescl_status st = RESCL_OK;
    double x = 0;

    RS_FAIL_IF(!rs_parse_f64(text, &x) || !rs_in_range_f64(o->range, x), RESCL_ERR_ARG,
               "%s: found '%.*s', expected a number in %s", o->name, SHOWN, text, o->range);
    *value = x;
out:
    return st;
}

rescl_status rs_option_parse(const rescl_option *o, const char *text, void *value)
{
    rescl_status st = RESCL_OK;
    const char *choice;
    uint64_t whole = 0;

    switch (o->type) {
    case RESCL_OPTION_BOOL:
        RS_TRY(parse_bool(o, text, value));
        break;
    case RESCL_OPTION_SIZE:
        RS_TRY(parse_whole(o, text, &whole));
        *(size_t *)value = (size_t)whole;
        break;
    case RESCL_OPTION_U64:
        RS_TRY(parse_whole(o, text, value));
        break;
    case RESCL_OPTION_REAL:
        RS_TRY(parse_real(o, text, value));
        break;
    case RESCL_OPTION_CHOICE:
        choice = find_choice(o, text);
        if (!choice)
            RS_TRY(no_choice(o, text));
        *(const char **)value = choice;
        break;
    case RESCL_OPTION_TEXT:
        *(const char **)value = text;
        break;
    }
out:
    return st;
}

static bool within_limits(const rescl_option *o, const void *value)
{
    const char *limits = o->limits ? o->limits : o->range;
    switch (o->type) {
    case RESCL_OPTION_SIZE:
        return rs_in_range_u64(limits, *(const size_t *)value);
    case RESCL_OPTION_U64:
        return rs_in_range_u64(limits, *(const uint64_t *)value);
    case RESCL_OPTION_REAL:
        return rs_in_range_f64(limits, *(const double *)value);
    case RESCL_OPTION_BOOL:
    case RESCL_OPTION_CHOICE:
    case RESCL_OPTION_TEXT:
        break;
    }
    return true;
}

rescl_status rs_option_check(const rescl_option *o, const void *value)
{
    rescl_status st = RESCL_OK;
    const char *text = o->type == RESCL_OPTION_CHOICE ? *(const char *const *)value : NULL;
    rs_str found = {0};

    if (o->type == RESCL_OPTION_CHOICE) {
        RS_FAIL_IF(!text, RESCL_ERR_ARG, "%s is unset; start from the default options", o->name);
        if (!find_choice(o, text))
            RS_TRY(no_choice(o, text));
    } else if (!within_limits(o, value)) {
        RS_TRY(rs_option_append(o, value, &found));
        RS_FAIL(RESCL_ERR_ARG, "%s %s: expected a %snumber in %s", o->name, found.text,
                o->type == RESCL_OPTION_REAL ? "" : "whole ", o->limits ? o->limits : o->range);
    }
out:
    rs_str_fini(&found);
    return st;
}

rescl_status rs_option_append(const rescl_option *o, const void *value, rs_str *out)
{
    rescl_status st = RESCL_OK;
    char number[RS_F64_CHARS];
    const char *text;

    switch (o->type) {
    case RESCL_OPTION_BOOL:
        RS_TRY(rs_str_append(out, *(const bool *)value ? "true" : "false"));
        break;
    case RESCL_OPTION_SIZE:
        if (o->zero && *(const size_t *)value == 0)
            RS_TRY(rs_str_append(out, o->zero));
        else
            RS_TRY(rs_str_appendf(out, "%zu", *(const size_t *)value));
        break;
    case RESCL_OPTION_U64:
        RS_TRY(rs_str_appendf(out, "%" PRIu64, *(const uint64_t *)value));
        break;
    case RESCL_OPTION_REAL:
        rs_format_f64(*(const double *)value, number);
        RS_TRY(rs_str_append(out, number));
        break;
    case RESCL_OPTION_CHOICE:
    case RESCL_OPTION_TEXT:
        text = *(const char *const *)value;
        RS_TRY(rs_str_append(out, text ? text : ""));
        break;
    }
out:
    return st;
}

double rs_option_number(const rescl_option *o, const void *value)
{
    switch (o->type) {
    case RESCL_OPTION_BOOL:
        return *(const bool *)value;
    case RESCL_OPTION_SIZE:
        return (double)*(const size_t *)value;
    case RESCL_OPTION_U64:
        return (double)*(const uint64_t *)value;
    case RESCL_OPTION_REAL:
        return *(const double *)value;
    case RESCL_OPTION_CHOICE:
        for (size_t i = 0; o->choices && o->choices[i]; i++)
            if (strcmp(o->choices[i], *(const char *const *)value) == 0)
                return (double)i;
        break;
    case RESCL_OPTION_TEXT:
        break;
    }
    return NAN;
}

double rs_option_default_number(const rescl_option *o)
{
    rescl_option_value value = {0};
    return rs_option_parse(o, o->value, &value) == RESCL_OK ? rs_option_number(o, &value) : NAN;
}

rescl_status rs_option_check_number(const rescl_option *o, double number)
{
    const bool whole = o->type == RESCL_OPTION_SIZE || o->type == RESCL_OPTION_U64;
    const rescl_option real = {.name = o->name,
                               .type = RESCL_OPTION_REAL,
                               .range = o->type == RESCL_OPTION_BOOL ? "[0,1]" : o->range,
                               .limits = o->limits};
    rescl_status st = RESCL_OK;

    RS_TRY(rs_option_check(&real, &number));
    RS_FAIL_IF(whole && number != floor(number), RESCL_ERR_ARG,
               "%s %g: expected a whole number in %s", o->name, number, o->range);
out:
    return st;
}

size_t rs_option_bytes(const rescl_option *o)
{
    switch (o->type) {
    case RESCL_OPTION_BOOL:
        return sizeof(bool);
    case RESCL_OPTION_SIZE:
        return sizeof(size_t);
    case RESCL_OPTION_U64:
        return sizeof(uint64_t);
    case RESCL_OPTION_REAL:
        return sizeof(double);
    case RESCL_OPTION_CHOICE:
    case RESCL_OPTION_TEXT:
        break;
    }
    return sizeof(const char *);
}

/* ---- structs ------------------------------------------------------------------------------ */

void rs_options_init(void *out, size_t struct_size, const void *defaults, size_t bytes)
{
    memset(out, 0, struct_size);
    memcpy(out, defaults, struct_size < bytes ? struct_size : bytes);
    memcpy(out, &struct_size, sizeof struct_size);
}

rescl_status rs_options_take(void *out, size_t bytes, const void *options, const char *name)
{
    rescl_status st = RESCL_OK;
    const size_t most = 65536; /* no struct is so large: what was never set may hold anything */
    const unsigned char *from = options;
    size_t theirs = 0;

    RS_FAIL_IF(!options, RESCL_ERR_ARG, "%s: NULL was given; start from %s_default()", name, name);
    memcpy(&theirs, options, sizeof theirs);
    RS_FAIL_IF(theirs <= sizeof theirs || theirs % sizeof theirs || theirs > most, RESCL_ERR_ARG,
               "%s: struct_size is %zu; start from %s_default()", name, theirs, name);
    for (size_t i = bytes; i < theirs; i++)
        RS_FAIL_IF(from[i] != 0, RESCL_ERR_UNSUPPORTED,
                   "%s: an option is set that rescl %s does not have; the program was compiled for "
                   "a newer one",
                   name, rescl_version());
    memcpy(out, options, theirs < bytes ? theirs : bytes);
    memcpy(out, &bytes, sizeof bytes);
out:
    return st;
}
