#include "problemtext.h"

#include "error.h"
#include "graph.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DIM ((size_t)1 << 32)

static void add(char text[RS_PROBLEM_TEXT], const char *fmt, ...) RESCL_PRINTF(2, 3);
static void add(char text[RS_PROBLEM_TEXT], const char *fmt, ...)
{
    const size_t used = strlen(text);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + used, RS_PROBLEM_TEXT - used, fmt, args);
    va_end(args);
}

void rs_problem_text(const rs_problem *p, char text[RS_PROBLEM_TEXT])
{
    const rs_shape *s = &p->src[0];

    text[0] = '\0';
    add(text, "%s:%zu", p->op->name, s->dim[0]);
    if (p->op == &rs_op_conv2d) {
        const rs_conv2d_attr *a = p->attr;
        add(text, "x%zux%zux%zu->%zu,%zux%zu/%zu", s->dim[1], s->dim[2], s->dim[3], a->filters,
            a->kernel_h, a->kernel_w, a->stride_h);
        if (a->groups > 1)
            add(text, ",%zugroups", a->groups);
        if (a->pad_top != a->kernel_h / 2)
            add(text, ",pad%zu", a->pad_top);
    } else if (p->op == &rs_op_dense) {
        const rs_dense_attr *a = p->attr;
        add(text, "x%zu->%zu", rs_shape_count(s) / s->dim[0], a->units);
    } else {
        for (int i = 1; i < s->ndim; i++)
            add(text, "x%zu", s->dim[i]);
    }
    if (p->math == RS_MATH_TF32)
        add(text, ",tf32");
    else if (p->src_type[0] != RS_F32)
        add(text, ",%s", rs_dtype_name(p->src_type[0]));
}

/* ---- parsing ----------------------------------------------------------------------------- */

/* Where the parser is, in a copy without blanks. */
typedef struct cursor {
    const char *at;
    bool typed, padded, grouped; /* what follows the kernel was seen */
    bool twice;                  /* and one of them again */
} cursor;

static bool take(cursor *c, const char *word)
{
    const size_t len = strlen(word);
    if (strncmp(c->at, word, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool take_number(cursor *c, size_t *out)
{
    const char *start = c->at;
    size_t n = 0;
    if (!isdigit((unsigned char)*c->at))
        return false;
    for (; isdigit((unsigned char)*c->at); c->at++) {
        n = 10 * n + (size_t)(*c->at - '0');
        if (n > MOST_DIM) {
            c->at = start;
            return false;
        }
    }
    *out = n;
    return true;
}

/* "32x56x56x64": exactly `count` numbers. */
static bool take_numbers(cursor *c, size_t *out, int count)
{
    for (int i = 0; i < count; i++)
        if ((i > 0 && !take(c, "x")) || !take_number(c, &out[i]))
            return false;
    return true;
}

/* Notes that one of what may follow was seen; false where it was before. */
static bool see(cursor *c, bool *seen)
{
    c->twice = c->twice || *seen;
    *seen = true;
    return !c->twice;
}

/* One of what may follow the kernel, behind a comma. */
static bool take_extra(cursor *c, rs_conv2d_attr *a, rs_problem_spec *out)
{
    static const struct {
        const char *name;
        rescl_precision precision;
    } types[] = {{"bf16", RESCL_PRECISION_BF16}, {"f16", RESCL_PRECISION_FP16},
                 {"fp16", RESCL_PRECISION_FP16}, {"tf32", RESCL_PRECISION_TF32},
                 {"f32", RESCL_PRECISION_FP32},  {"fp32", RESCL_PRECISION_FP32}};
    for (size_t i = 0; i < RS_COUNT(types); i++)
        if (take(c, types[i].name)) {
            out->typed = true;
            out->precision = types[i].precision;
            return see(c, &c->typed);
        }
    if (a && take(c, "pad")) {
        size_t pad;
        if (!take_number(c, &pad))
            return false;
        a->pad_top = a->pad_bottom = a->pad_left = a->pad_right = pad;
        return see(c, &c->padded);
    }
    return a && take_number(c, &a->groups) && take(c, "groups") && see(c, &c->grouped);
}

static bool take_extras(cursor *c, rs_conv2d_attr *a, rs_problem_spec *out)
{
    while (*c->at == ',') {
        cursor before = *c;
        c->at++;
        if (!take_extra(c, a, out)) {
            c->at = before.at;
            return false;
        }
    }
    return true;
}

static bool take_conv2d(cursor *c, rs_problem_spec *out)
{
    rs_conv2d_attr *a = &out->attr.conv2d;
    size_t kernel[2];

    out->op = &rs_op_conv2d;
    out->src.ndim = 4;
    if (!take_numbers(c, out->src.dim, 4) || !take(c, "->") || !take_number(c, &a->filters) ||
        !take(c, ",") || !take_numbers(c, kernel, 2) || !take(c, "/") ||
        !take_number(c, &a->stride_h))
        return false;
    a->kernel_h = kernel[0];
    a->kernel_w = kernel[1];
    a->stride_w = a->stride_h;
    a->groups = 1;
    a->pad_top = a->pad_bottom = a->kernel_h / 2;
    a->pad_left = a->pad_right = a->kernel_w / 2;
    return take_extras(c, a, out);
}

static bool take_dense(cursor *c, rs_problem_spec *out)
{
    out->op = &rs_op_dense;
    out->src.ndim = 2;
    if (!take_numbers(c, out->src.dim, 2) || !take(c, "->") ||
        !take_number(c, &out->attr.dense.units))
        return false;
    return take_extras(c, NULL, out);
}

rescl_status rs_problem_parse(const char *text, rs_problem_spec *out)
{
    rescl_status st = RESCL_OK;
    char tight[2 * RS_PROBLEM_TEXT] = "";
    size_t used = 0;

    *out = (rs_problem_spec){0};
    RS_FAIL_IF(strlen(text) >= sizeof tight, RESCL_ERR_ARG,
               "problem '%.40s...': found %zu bytes, expected fewer than %zu", text, strlen(text),
               sizeof tight);
    for (const char *p = text; *p; p++)
        if (!isspace((unsigned char)*p))
            tight[used++] = *p;
    tight[used] = '\0';
    cursor c = {.at = tight};
    const bool good = take(&c, "conv2d:")  ? take_conv2d(&c, out)
                      : take(&c, "dense:") ? take_dense(&c, out)
                                           : false;
    const bool cut = used > 0 && tight[used - 1] == '-';
    RS_FAIL_IF(!good || *c.at, RESCL_ERR_ARG,
               "problem '%s': found '%s', expected conv2d:NxHxWxC->FILTERS,RxS/STRIDE or "
               "dense:ROWSxINPUTS->UNITS%s",
               text, c.at,
               cut       ? "; put it in quotes, or the shell takes '>'"
               : c.twice ? ", and type, pad and groups once each"
                         : "");
out:
    return st;
}

rescl_status rs_problem_of_spec(const rs_problem_spec *spec, bool training, rescl_precision usual,
                                rs_problem *out)
{
    rescl_status st = RESCL_OK;
    const rescl_precision precision = spec->typed ? spec->precision : usual;

    RS_TRY(rs_problem_init(out, spec->op, &spec->attr, training, &spec->src, 1));
    out->src_type[0] = out->dst_type = rs_precision_storage(precision);
    out->math = precision == RESCL_PRECISION_TF32 ? RS_MATH_TF32 : RS_MATH_F32;
out:
    return st;
}
