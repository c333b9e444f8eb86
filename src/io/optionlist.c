#include "optionlist.h"

#include "error.h"
#include "str.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { SIZE, REAL, TEXT, U64 } kind;

/* `fixed`: a resumed run must repeat it to reach the same weights. */
#define OPTION(member, type, fixed)                                                                \
    {                                                                                              \
#member, type, offsetof(rescl_train_options, member), fixed                                \
    }

static const struct option {
    const char *name;
    kind kind;
    size_t offset;
    bool fixed;
} options[] = {
    OPTION(epochs, SIZE, false),
    OPTION(batch_size, SIZE, true),
    OPTION(opt, TEXT, true),
    OPTION(lr, REAL, true),
    OPTION(lr_body, REAL, true),
    OPTION(momentum, REAL, true),
    OPTION(weight_decay, REAL, true),
    OPTION(beta1, REAL, true),
    OPTION(beta2, REAL, true),
    OPTION(eps, REAL, true),
    OPTION(lr_scheduler, TEXT, true),
    OPTION(lr_step_size, SIZE, true),
    OPTION(lr_gamma, REAL, true),
    OPTION(lr_min, REAL, true),
    OPTION(lr_warmup_epochs, SIZE, true),
    OPTION(lr_warmup_decay, REAL, true),
    OPTION(scale, REAL, true),
    OPTION(hflip, REAL, true),
    OPTION(color_jitter, REAL, true),
    OPTION(seed, U64, true),
    OPTION(workers, SIZE, false),
    OPTION(eval_freq, SIZE, false),
    OPTION(save_freq, SIZE, false),
    OPTION(max_steps, SIZE, false),
    OPTION(output_dir, TEXT, false),
    OPTION(resume, TEXT, false),
};

static const void *member(const rescl_train_options *o, const struct option *p)
{
    return (const char *)o + p->offset;
}

json_t *rs_json_text(const char *text)
{
    json_t *out;
    char *copy;

    if (!text)
        return json_null();
    out = json_string(text);
    if (out)
        return out;
    copy = strdup(text);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    out = copy ? json_string(copy) : NULL;
    free(copy);
    return out;
}

json_t *rs_json_u64(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return json_string(text);
}

bool rs_json_get_u64(const json_t *value, uint64_t *out)
{
    return json_is_string(value) && rs_parse_u64(json_string_value(value), out);
}

static json_t *to_json(const rescl_train_options *o, const struct option *p)
{
    const void *v = member(o, p);
    switch (p->kind) {
    case SIZE:
        return json_integer((json_int_t) * (const size_t *)v);
    case REAL:
        return json_real(*(const double *)v);
    case U64:
        return rs_json_u64(*(const uint64_t *)v);
    case TEXT:
        break;
    }
    return rs_json_text(*(const char *const *)v);
}

json_t *rs_options_json(const rescl_train_options *o)
{
    json_t *all = json_object();
    for (size_t i = 0; all && i < RS_COUNT(options); i++)
        if (json_object_set_new(all, options[i].name, to_json(o, &options[i])) != 0) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

/* Equal as numbers: a real such as 0.0 may have been written as an integer by another program. */
static bool equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b) && (json_is_real(a) || json_is_real(b)))
        return !(json_number_value(a) < json_number_value(b)) &&
               !(json_number_value(a) > json_number_value(b));
    return json_equal(a, b);
}

rescl_status rs_options_match(const json_t *saved, const rescl_train_options *now, const char *path)
{
    rescl_status st = RESCL_OK;
    json_t *current = NULL;
    char *was = NULL, *is = NULL;

    RS_OOM(current = rs_options_json(now));
    for (size_t i = 0; i < RS_COUNT(options); i++) {
        const char *name = options[i].name;
        const json_t *a = json_object_get(saved, name), *b = json_object_get(current, name);
        if (!options[i].fixed)
            continue;
        RS_FAIL_IF(!a, RESCL_ERR_FORMAT, "%s: the checkpoint does not say its %s", path, name);
        if (equal(a, b))
            continue;
        RS_OOM(was = json_dumps(a, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)));
        RS_OOM(is = json_dumps(b, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)));
        RS_FAIL(
            RESCL_ERR_ARG,
            "cannot resume from %s: it was trained with %s %.100s, this run has %.100s; use the "
            "same value, or start a new run from its weights",
            path, name, was, is);
    }
out:
    free(was);
    free(is);
    json_decref(current);
    return st;
}
