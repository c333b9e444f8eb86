#include "trainoptions.h"

#include "augment.h"
#include "classweights.h"
#include "distil.h"
#include "error.h"
#include "graph.h"
#include "jsonvalue.h"
#include "monitor.h"
#include "optim.h"
#include "optionvalue.h"
#include "ranks.h"
#include "schedule.h"
#include "str.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ----------------------------------------------------------------------------- */

typedef struct entry {
    rescl_option option;
    bool declared;                     /* by an optimiser, a schedule or an augmentation */
    const char *const *(*names)(void); /* of a choice */
    size_t offset;                     /* in rescl_train_options */
} entry;

typedef bool c_BOOL;
typedef size_t c_SIZE;
typedef uint64_t c_U64;
typedef double c_REAL;
typedef const char *c_CHOICE;
typedef const char *c_TEXT;

/* Where a member lies; does not compile if it has another type than its line says. */
#define PLACE(member, type)                                                                        \
    (offsetof(rescl_train_options, member) +                                                       \
     0 * sizeof((type *){&((rescl_train_options *)0)->member}))

#define WITHIN(interval)          .option.range = (interval)
#define GUARDED(interval, widest) .option.range = (interval), .option.limits = (widest)
#define WITH_ZERO(word, interval, widest)                                                          \
    .option.zero = (word), .option.range = (interval), .option.limits = (widest)
#define ONE_OF(function) .names = (function)
#define ANY              .names = NULL
#define RS_TRAIN_OPTION(member, type_, default_, values_, resume_, group_, letter_, alias_,        \
                        metavar_, help_)                                                           \
    {.option.name = #member,                                                                       \
     .option.type = RESCL_OPTION_##type_,                                                          \
     .option.value = (default_),                                                                   \
     .option.resume = RESCL_RESUME_##resume_,                                                      \
     .option.group = (group_),                                                                     \
     .option.letter = (letter_),                                                                   \
     .option.alias = (alias_),                                                                     \
     .option.metavar = (metavar_),                                                                 \
     .option.help = (help_),                                                                       \
     .offset = PLACE(member, c_##type_),                                                           \
     values_},
#define RS_TRAIN_MEMBER(member, type_)                                                             \
    {.option.name = #member,                                                                       \
     .option.type = RESCL_OPTION_##type_,                                                          \
     .declared = true,                                                                             \
     .offset = PLACE(member, c_##type_)},
static const entry listed[] = {
#include "trainoptions.def"
};
#undef RS_TRAIN_OPTION
#undef RS_TRAIN_MEMBER

#define NEAR RS_COUNT(((rescl_train_options *)0)->more)
#define MORE (NEAR + RS_COUNT(((rescl_train_options *)0)->further))

/* Where the value of such an option lies: in `more`, then in `further`. */
static size_t more_offset(size_t i)
{
    return i < NEAR
               ? offsetof(rescl_train_options, more) + i * sizeof(rescl_option_value)
               : offsetof(rescl_train_options, further) + (i - NEAR) * sizeof(rescl_option_value);
}

/* Those of the list, and behind them what is declared elsewhere and has no member. */
static entry entries[RS_COUNT(listed) + MORE];
static size_t entry_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Gives an entry its meaning, or adds one. The first declaration of a name counts; a test makes sure
 * that no other differs, and that there is room. */
static void declare(const rescl_option *o)
{
    const size_t more = entry_count - RS_COUNT(listed);

    for (size_t i = 0; i < entry_count; i++)
        if (strcmp(entries[i].option.name, o->name) == 0) {
            if (entries[i].declared && !entries[i].option.help && entries[i].option.type == o->type)
                entries[i].option = *o;
            return;
        }
    if (more < MORE)
        entries[entry_count++] =
            (entry){.option = *o, .declared = true, .offset = more_offset(more)};
}

static void declare_all(const rescl_option *const *options, size_t most)
{
    for (size_t i = 0; i < most && options[i]; i++)
        declare(options[i]);
}

static void complete(void)
{
    memcpy(entries, listed, sizeof listed);
    entry_count = RS_COUNT(listed);
    for (size_t i = 0; i < entry_count; i++)
        if (entries[i].names)
            entries[i].option.choices = entries[i].names();
    for (const rs_optim_def *const *d = rs_optims(); *d; d++)
        declare_all((*d)->options, RS_OPTIM_NUMBERS);
    for (const rs_schedule_def *const *d = rs_schedules(); *d; d++)
        declare_all((*d)->options, RS_SCHEDULE_NUMBERS);
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        declare_all(rs_augment_at(i)->options, RS_AUGMENT_NUMBERS);
}

static const entry *entry_at(size_t index)
{
    pthread_once(&once, complete);
    return index < entry_count ? &entries[index] : NULL;
}

size_t rescl_train_options_count(void)
{
    pthread_once(&once, complete);
    return entry_count;
}

const rescl_option *rescl_train_options_at(size_t index)
{
    const entry *e = entry_at(index);
    return e ? &e->option : NULL;
}

/* '-' counts as '_'. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && (*a == '-' ? '_' : *a) == *b; a++)
        b++;
    return !*a && !*b;
}

static rescl_status find(const char *name, const entry **out)
{
    rescl_status st = RESCL_OK;
    const char *names[RS_COUNT(entries) + 1] = {0}, *near = NULL;
    const entry *e;

    for (size_t i = 0; (e = entry_at(i)) != NULL; i++) {
        names[i] = e->option.name;
        if (same_name(name, names[i])) {
            *out = e;
            goto out;
        }
    }
    near = rs_nearest(name, names);
    RS_FAIL(RESCL_ERR_ARG, "there is no training option '%.60s'%s%s%s", name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
out:
    return st;
}

static const void *value_of(const rescl_train_options *o, const entry *e)
{
    return (const char *)o + e->offset;
}

static void *place_of(rescl_train_options *o, const entry *e)
{
    return (char *)o + e->offset;
}

/* ---- a caller's struct -------------------------------------------------------------------- */

static void set_defaults(rescl_train_options *o)
{
    const entry *e;

    *o = (rescl_train_options){.struct_size = sizeof *o};
    for (size_t i = 0; (e = entry_at(i)) != NULL; i++)
        if (e->option.value) {
            const rescl_status st = rs_option_parse(&e->option, e->option.value, place_of(o, e));
            (void)st; /* defaults are in their ranges, as a test makes sure */
        }
}

void rescl_train_options_init(rescl_train_options *out, size_t struct_size)
{
    rescl_train_options defaults;
    set_defaults(&defaults);
    rs_options_init(out, struct_size, &defaults, sizeof defaults);
}

/* Whether the caller's struct has the member. */
static rescl_status check_room(const rescl_train_options *o, const entry *e)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(e->offset + rs_option_bytes(&e->option) > o->struct_size, RESCL_ERR_UNSUPPORTED,
               "%s: the program was compiled for a rescl that did not have this option",
               e->option.name);
out:
    return st;
}

rescl_status rescl_train_options_set(rescl_train_options *options, const char *name,
                                     const char *text)
{
    rescl_status st = RESCL_OK;
    const entry *e = NULL;

    RS_TRY(find(name, &e));
    RS_TRY(check_room(options, e));
    if (!text)
        text = e->option.value;
    if (text)
        RS_TRY(rs_option_parse(&e->option, text, place_of(options, e)));
    else
        *(const char **)place_of(options, e) = NULL;
out:
    return st;
}

rescl_status rescl_train_options_get(const rescl_train_options *options, const char *name,
                                     char *text, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const entry *e = NULL;
    rs_str value = {0};

    RS_TRY(find(name, &e));
    RS_TRY(check_room(options, e));
    RS_TRY(rs_option_append(&e->option, value_of(options, e), &value));
    RS_FAIL_IF(value.len >= bytes, RESCL_ERR_ARG,
               "%s: its text has %zu bytes, there is room for %zu", e->option.name, value.len,
               bytes);
    memcpy(text, value.text, value.len + 1);
out:
    rs_str_fini(&value);
    return st;
}

double rs_train_options_number(const rescl_train_options *o, const char *name)
{
    const entry *e = NULL;
    return find(name, &e) == RESCL_OK ? rs_option_number(&e->option, value_of(o, e)) : (double)NAN;
}

rescl_status rs_train_options_check_idle(const rescl_train_options *o, const char *name,
                                         const char *with)
{
    rescl_status st = RESCL_OK;
    rescl_train_options defaults;
    const entry *e = NULL;
    rs_str found = {0}, usual = {0};

    set_defaults(&defaults);
    RS_TRY(find(name, &e));
    RS_TRY(rs_option_append(&e->option, value_of(o, e), &found));
    RS_TRY(rs_option_append(&e->option, value_of(&defaults, e), &usual));
    RS_FAIL_IF(found.len > 0 && (usual.len == 0 || strcmp(found.text, usual.text) != 0),
               RESCL_ERR_ARG, "%s is %.100s, and acts only with %s; give that, or leave %s %s%s",
               name, found.text, with, name, usual.len ? "at " : "unset",
               usual.len ? usual.text : "");
out:
    rs_str_fini(&found);
    rs_str_fini(&usual);
    return st;
}

/* Choices become the library's own strings. */
static rescl_status copy_value(const entry *e, const rescl_train_options *from,
                               rescl_train_options *out)
{
    rescl_status st = RESCL_OK;
    const void *value = value_of(from, e);
    const char *const *text = value;

    RS_TRY(rs_option_check(&e->option, value));
    if (e->option.type == RESCL_OPTION_CHOICE)
        RS_TRY(rs_option_parse(&e->option, *text, place_of(out, e)));
    else if (e->option.type != RESCL_OPTION_TEXT)
        memcpy(place_of(out, e), value, rs_option_bytes(&e->option));
    else if (*text)
        RS_OOM(*(char **)place_of(out, e) = strdup(*text));
out:
    return st;
}

rescl_status rs_train_options_copy(const rescl_train_options *options, rescl_train_options *out)
{
    rescl_status st = RESCL_OK;
    rescl_train_options borrowed;
    const entry *e;

    *out = (rescl_train_options){.struct_size = sizeof *out};
    set_defaults(&borrowed);
    RS_TRY(rs_options_take(&borrowed, sizeof borrowed, options, "rescl_train_options"));
    for (size_t i = rescl_train_options_count() - RS_COUNT(listed); i < MORE; i++) {
        const rescl_option_value *v = i < NEAR ? &borrowed.more[i] : &borrowed.further[i - NEAR];
        RS_FAIL_IF(v->u64 != 0, RESCL_ERR_UNSUPPORTED,
                   "rescl_train_options: %s[%zu] is set, and no option of this version lies there; "
                   "set options by name (rescl_train_options_set)",
                   i < NEAR ? "more" : "further", i < NEAR ? i : i - NEAR);
    }
    for (size_t i = 0; (e = entry_at(i)) != NULL; i++)
        RS_TRY(copy_value(e, &borrowed, out));
out:
    if (st != RESCL_OK)
        rs_train_options_fini(out);
    return st;
}

void rs_train_options_fini(rescl_train_options *copy)
{
    const entry *e;

    for (size_t i = 0; (e = entry_at(i)) != NULL; i++)
        if (e->option.type == RESCL_OPTION_TEXT)
            free(*(char **)place_of(copy, e));
    *copy = (rescl_train_options){0};
}

void rs_train_options_replace(rescl_train_options *copy, const char *name, char *text)
{
    const entry *e = NULL;

    if (find(name, &e) != RESCL_OK)
        return;
    char **place = place_of(copy, e);
    free(*place);
    *place = text;
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static json_t *to_json(const rescl_option *o, const void *value)
{
    switch (o->type) {
    case RESCL_OPTION_BOOL:
        return json_boolean(*(const bool *)value);
    case RESCL_OPTION_SIZE:
        return json_integer((json_int_t) * (const size_t *)value);
    case RESCL_OPTION_U64:
        return rs_json_u64(*(const uint64_t *)value);
    case RESCL_OPTION_REAL:
        return json_real(*(const double *)value);
    case RESCL_OPTION_CHOICE:
    case RESCL_OPTION_TEXT:
        break;
    }
    return rs_json_text(*(const char *const *)value);
}

json_t *rs_train_options_json(const rescl_train_options *o)
{
    json_t *all = json_object();
    const entry *e;

    for (size_t i = 0; all && (e = entry_at(i)) != NULL; i++)
        if (e->option.resume != RESCL_RESUME_FORGET &&
            json_object_set_new(all, e->option.name, to_json(&e->option, value_of(o, e))) != 0) {
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

rescl_status rs_train_options_match(const json_t *saved, const rescl_train_options *now,
                                    const char *path)
{
    rescl_status st = RESCL_OK;
    rescl_train_options defaults;
    json_t *current = NULL, *otherwise = NULL;
    char *was = NULL, *is = NULL;
    const entry *e;

    set_defaults(&defaults);
    RS_OOM(current = rs_train_options_json(now));
    RS_OOM(otherwise = rs_train_options_json(&defaults));
    for (size_t i = 0; (e = entry_at(i)) != NULL; i++) {
        const char *name = e->option.name;
        const json_t *a = json_object_get(saved, name), *b = json_object_get(current, name);
        const bool said = a != NULL;
        if (!said)
            a = json_object_get(otherwise, name);
        if (e->option.resume != RESCL_RESUME_SAME || equal(a, b))
            continue;
        RS_OOM(was = json_dumps(a, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)));
        RS_OOM(is = json_dumps(b, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)));
        RS_FAIL(RESCL_ERR_ARG,
                "cannot resume from %s: it was trained with %s %.100s%s, this run has %.100s; use "
                "the same value, or start a new run from its weights",
                path, name, was, said ? "" : " (the default, as the file does not say)", is);
    }
out:
    free(was);
    free(is);
    json_decref(current);
    json_decref(otherwise);
    return st;
}
