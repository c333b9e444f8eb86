#include "options.h"

#include "cli.h"
#include "hint.h"
#include "output.h"
#include "text.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>

enum { VERB_NAME = 16 };

/* Made with the table: '_' of a stem is '-'. */
static char verb_names[VERB_COUNT][VERB_NAME] = {
#define RS_VERB(stem, about, operands) #stem,
#include "verbs.def"
#undef RS_VERB
};

static const cli_verb_info verbs[VERB_COUNT] = {
#define RS_VERB(stem, about, operands) {verb_names[VERB_##stem], about, operands},
#include "verbs.def"
#undef RS_VERB
};

static const char *const groups[GROUP_COUNT] = {
    "model", "data", "training", "optimiser", "schedule", "run", "bench", "output", "command"};

/* options.def as written; a name may hold an alias. */
typedef struct entry {
    const char *name;
    bool of_training; /* the library says the rest */
    cli_opt_info info;
} entry;

#define IN(stem) (1u << VERB_##stem)
#define ALL      ((1u << VERB_COUNT) - 1u)
static const entry entries[OPT_COUNT] = {
#define RS_OPT(id_, name_, shrt_, type_, def_, verbs_, group_, range_, metavar_, help_)            \
    [OPT_##id_] = {.name = (name_),                                                                \
                   .info = {.letter = (shrt_),                                                     \
                            .type = TYPE_##type_,                                                  \
                            .group = GROUP_##group_,                                               \
                            .verbs = (verbs_),                                                     \
                            .def = (def_),                                                         \
                            .range = (range_),                                                     \
                            .metavar = (metavar_),                                                 \
                            .help = (help_)}},
#define RS_TRAINING_OPT(id_, verbs_)                                                               \
    [OPT_##id_] = {.name = #id_, .of_training = true, .info.verbs = (verbs_)},
#include "options.def"
#undef RS_TRAINING_OPT
#undef RS_OPT
};

/* ---- the table ---- */

/* The entries, then the training options. Made once, for the life of the process. */
static cli_opt_info *table;
static size_t table_count;

static void set_names(cli_opt_info *info, const char *name, size_t len, const char *alias)
{
    snprintf(info->name, sizeof info->name, "%.*s", (int)len, name);
    for (char *c = info->name; *c; c++)
        *c = *c == '_' ? '-' : *c;
    snprintf(info->alias, sizeof info->alias, "%s", alias ? alias : "");
}

static cli_group find_group(const char *name)
{
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        if (strcmp(groups[g], name) == 0)
            return (cli_group)g;
    }
    return GROUP_TRAINING;
}

static cli_opt_info from_library(const rescl_option *o, unsigned in_verbs)
{
    static const cli_type types[] = {
        [RESCL_OPTION_BOOL] = TYPE_FLAG,     [RESCL_OPTION_SIZE] = TYPE_SIZE,
        [RESCL_OPTION_U64] = TYPE_U64,       [RESCL_OPTION_REAL] = TYPE_REAL,
        [RESCL_OPTION_CHOICE] = TYPE_CHOICE, [RESCL_OPTION_TEXT] = TYPE_STR,
    };
    cli_opt_info info = {.letter = o->letter,
                         .type = types[o->type],
                         .group = find_group(o->group),
                         .verbs = in_verbs,
                         .def = o->value ? o->value : "",
                         .range = o->range,
                         .metavar = o->metavar,
                         .help = o->help,
                         .choices = o->choices,
                         .zero = o->zero};
    set_names(&info, o->name, strlen(o->name), o->alias);
    return info;
}

static void add_entry(const entry *e)
{
    cli_opt_info *info = &table[table_count++];
    const size_t len = strcspn(e->name, "|");
    *info = e->info;
    set_names(info, e->name, len, e->name[len] ? e->name + len + 1 : NULL);
    for (size_t i = 0; e->of_training && i < rescl_train_options_count(); i++) {
        const rescl_option *o = rescl_train_options_at(i);
        if (strcmp(o->name, e->name) == 0)
            *info = from_library(o, e->info.verbs);
    }
}

/* What shapes a step of training shapes one of a range test. */
static bool shapes_step(cli_group group)
{
    return group == GROUP_MODEL || group == GROUP_DATA || group == GROUP_TRAINING ||
           group == GROUP_OPTIMISER || group == GROUP_SCHEDULE;
}

static void make_table(void)
{
    table = calloc(OPT_COUNT + rescl_train_options_count(), sizeof *table);
    if (!table) {
        cli_short_of_memory();
        exit(CLI_FAILURE);
    }
    for (size_t i = 0; i < OPT_COUNT; i++)
        add_entry(&entries[i]);
    for (size_t i = 0; i < rescl_train_options_count(); i++) {
        const rescl_option *o = rescl_train_options_at(i);
        if (o->group)
            table[table_count++] = from_library(o, IN(train));
    }
    for (size_t i = 0; i < table_count; i++)
        if (table[i].verbs & IN(train) && shapes_step(table[i].group))
            table[i].verbs |= IN(lr_find);
    for (size_t v = 0; v < VERB_COUNT; v++)
        for (char *c = verb_names[v]; *c; c++)
            *c = *c == '_' ? '-' : *c;
}
#undef IN
#undef ALL

size_t cli_opt_count(void)
{
    if (!table)
        make_table();
    return table_count;
}

const cli_opt_info *cli_opt_get(cli_opt id)
{
    if (!table)
        make_table();
    return &table[id];
}

bool cli_opt_in(cli_opt id, cli_verb verb)
{
    return cli_opt_get(id)->verbs >> verb & 1u;
}

/* ---- names ---- */

const cli_verb_info *cli_verb_get(cli_verb verb)
{
    if (!table)
        make_table();
    return &verbs[verb];
}

cli_verb cli_verb_find(const char *name, const char **near)
{
    const char *names[VERB_COUNT + 2] = {0};
    if (!table)
        make_table();
    for (size_t v = 0; v < VERB_COUNT; v++) {
        if (strcmp(verbs[v].name, name) == 0)
            return (cli_verb)v;
        names[v] = verbs[v].name;
    }
    names[VERB_COUNT] = "help";
    if (near)
        *near = rs_nearest(name, names);
    return VERB_COUNT;
}

const char *cli_group_name(cli_group group)
{
    return groups[group];
}

/* '_' counts as '-', as in names that a shell or Python script wrote. */
static bool same_name(const char *name, size_t len, const char *word)
{
    if (strlen(word) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((name[i] == '_' ? '-' : name[i]) != word[i])
            return false;
    }
    return len > 0;
}

cli_opt cli_opt_find(const char *name, size_t len, cli_verb verb)
{
    for (size_t i = 0; i < cli_opt_count(); i++) {
        const cli_opt_info *info = cli_opt_get((cli_opt)i);
        if ((same_name(name, len, info->name) || same_name(name, len, info->alias)) &&
            cli_opt_in((cli_opt)i, verb))
            return (cli_opt)i;
    }
    return OPT_NONE;
}

cli_opt cli_opt_find_any(const char *name)
{
    for (size_t v = 0; v < VERB_COUNT; v++) {
        cli_opt id = cli_opt_find(name, strlen(name), (cli_verb)v);
        if (id != OPT_NONE)
            return id;
    }
    return OPT_NONE;
}

const char *cli_opt_nearest(const char *name, cli_verb verb)
{
    const char **names = calloc(cli_opt_count() + 1, sizeof *names), *near = NULL;
    size_t n = 0;
    for (size_t i = 0; names && i < cli_opt_count(); i++) {
        if (cli_opt_in((cli_opt)i, verb))
            names[n++] = cli_opt_get((cli_opt)i)->name;
    }
    if (names)
        near = rs_nearest(name, names);
    free(names);
    return near;
}

/* ---- choices ---- */

static size_t count_names(const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    return n;
}

/* "@models", "@formats", "@weights", or, such as "@opt", the choices of a training option. */
static const char *const *named_list(const char *name)
{
    static const char *const none[] = {NULL};
    if (strcmp(name, "@models") == 0)
        return rescl_model_names();
    if (strcmp(name, "@formats") == 0)
        return rescl_dataset_formats();
    if (strcmp(name, "@weights") == 0)
        return rescl_weights_formats();
    for (size_t i = 0; i < rescl_train_options_count(); i++) {
        const rescl_option *o = rescl_train_options_at(i);
        if (strcmp(o->name, name + 1) == 0 && o->choices)
            return o->choices;
    }
    return none;
}

const char **cli_opt_choices(cli_opt id)
{
    const cli_opt_info *info = cli_opt_get(id);
    const char *text = info->choices ? "" : info->range, *at = strchr(text, '@');
    const char *const *listed = at ? named_list(at) : NULL;
    const size_t room = (listed ? count_names(listed) : 0) + strlen(text) +
                        (info->choices ? count_names(info->choices) : 0) + 1;
    const char **list = calloc(1, room * sizeof *list + strlen(text) + 1);
    if (!list)
        return NULL;
    size_t n = 0;
    for (; info->choices && info->choices[n]; n++)
        list[n] = info->choices[n];
    char *words = memcpy(list + room, text, strlen(text) + 1), *rest = NULL;
    for (char *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest)) {
        if (*word == '@') {
            for (const char *const *p = listed; p && *p; p++)
                list[n++] = *p;
        } else {
            list[n++] = word;
        }
    }
    return list;
}

/* ---- values ---- */

/* How a message calls the option: "--lr", or "configs/x.ini:4: lr". */
static const char *named(const cli_opt_info *info, cli_origin origin, const char *where,
                         char buffer[512])
{
    if (origin == ORIGIN_FLAG || !where)
        snprintf(buffer, 512, "--%s", info->name);
    else
        snprintf(buffer, 512, "%s: %s", where, info->name);
    return buffer;
}

static bool set_choice(cli_opt id, const char *word, const char *name)
{
    const char **list = cli_opt_choices(id);
    if (!list) {
        cli_short_of_memory();
        return false;
    }
    bool found = false;
    char all[512] = "";
    size_t used = 0;
    for (const char **p = list; *p; p++) {
        found = found || strcmp(*p, word) == 0;
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", *p);
    }
    const char *near = found ? NULL : rs_nearest(word, list);
    if (!found && near)
        cli_usage_error("%s: found '%s', expected one of %s; did you mean '%s'?", name, word, all,
                        near);
    else if (!found)
        cli_usage_error("%s: found '%s', expected one of %s", name, word, all);
    free(list);
    return found;
}

static bool set_number(const cli_opt_info *info, const char *text, const char *name, cli_value *v)
{
    bool real = info->type == TYPE_REAL;
    uint64_t whole = 0;
    double x = 0;
    const bool zero = info->zero && strcmp(text, info->zero) == 0;
    bool good = real ? rs_parse_f64(text, &x) && rs_in_range_f64(info->range, x)
                     : zero || (rs_parse_u64(text, &whole) && rs_in_range_u64(info->range, whole));
    if (!good) {
        cli_usage_error("%s: found '%s', expected a %snumber in %s%s%s", name, text,
                        real ? "" : "whole ", info->range, info->zero ? " or " : "",
                        info->zero ? info->zero : "");
        return false;
    }
    if (real)
        v->as.real = x;
    else if (info->type == TYPE_U64)
        v->as.u64 = whole;
    else
        v->as.size = (size_t)whole;
    return true;
}

static void value_fini(cli_value *v)
{
    for (size_t i = 0; v->words && i < v->count; i++)
        free(v->words[i]);
    free(v->words);
    free(v->sizes);
    free(v->text);
    free(v->where);
    *v = (cli_value){0};
}

static bool set_list(cli_opt id, const cli_opt_info *info, const char *text, const char *name,
                     cli_value *v)
{
    size_t most = 1;
    for (const char *p = text; *p; p++)
        most += *p == ',';
    v->sizes = calloc(most, sizeof *v->sizes);
    v->words = calloc(most, sizeof *v->words);
    if (!v->sizes || !v->words) {
        cli_short_of_memory();
        return false;
    }
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        char *word = strndup(p, len);
        if (!word) {
            cli_short_of_memory();
            return false;
        }
        v->words[v->count++] = word;
        cli_value item = {0};
        if (info->type == TYPE_CHOICES ? !set_choice(id, word, name)
                                       : !set_number(info, word, name, &item))
            return false;
        v->sizes[v->count - 1] = item.as.size;
        p += len;
        if (!*p)
            return true;
    }
}

bool cli_args_set(cli_args *args, cli_opt id, const char *text, cli_origin origin,
                  const char *where)
{
    const cli_opt_info *info = cli_opt_get(id);
    cli_value *old = &args->value[id];
    if (old->text && old->origin > origin)
        return true;
    char buffer[512];
    const char *name = named(info, origin, where, buffer);
    cli_value v = {.origin = origin};
    bool good = true;
    v.text = strdup(text);
    v.where = where ? strdup(where) : NULL;
    if (!v.text || (where && !v.where)) {
        cli_short_of_memory();
        good = false;
    } else if (info->type == TYPE_FLAG) {
        good = (!*text && !*info->def) || rs_parse_bool(text, &v.as.flag);
        if (!good)
            cli_usage_error("%s: found '%s', expected true or false", name, text);
    } else if (info->type == TYPE_CHOICE) {
        good = set_choice(id, text, name);
    } else if (info->type == TYPE_SIZES || info->type == TYPE_CHOICES) {
        good = set_list(id, info, text, name, &v);
    } else if (info->type != TYPE_STR) {
        good = set_number(info, text, name, &v);
    }
    if (!good) {
        value_fini(&v);
        return false;
    }
    value_fini(old);
    *old = v;
    return true;
}

bool cli_args_init(cli_args *args, cli_verb verb)
{
    *args = (cli_args){.verb = verb, .value = calloc(cli_opt_count(), sizeof *args->value)};
    if (!args->value) {
        cli_short_of_memory();
        return false;
    }
    for (size_t i = 0; i < cli_opt_count(); i++) {
        const cli_opt_info *info = cli_opt_get((cli_opt)i);
        if (cli_opt_in((cli_opt)i, verb) &&
            !cli_args_set(args, (cli_opt)i, info->def, ORIGIN_DEFAULT, NULL))
            return false;
    }
    const char *device = getenv("RESCL_DEVICE");
    const cli_opt id = verb == VERB_train ? OPT_device_list : OPT_device;
    if (device && *device && cli_opt_in(id, verb))
        return cli_args_set(args, id, device, ORIGIN_ENV, "RESCL_DEVICE");
    return true;
}

void cli_args_fini(cli_args *args)
{
    for (size_t i = 0; args->value && i < cli_opt_count(); i++)
        value_fini(&args->value[i]);
    free(args->value);
    free(args->operand);
    *args = (cli_args){.verb = args->verb};
}

/* ---- the command line ---- */

static void unknown_option(const cli_args *args, const char *arg, size_t len)
{
    char word[64], hint[256];
    snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), arg);
    cli_usage_error("unknown option '%s'%s", word,
                    cli_opt_hint(word + strspn(word, "-"), args->verb, "--", hint));
}

/* --name, --name=value, --no-name. `*next` is the following argument or NULL; set to NULL when it
 * was taken. */
static bool parse_long(cli_args *args, const char *arg, const char **next)
{
    const char *name = arg + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    cli_opt id = cli_opt_find(name, len, args->verb);
    if (id == OPT_NONE && !value && strncmp(name, "no-", 3) == 0) {
        id = cli_opt_find(name + 3, len - 3, args->verb);
        if (id != OPT_NONE && cli_opt_get(id)->type != TYPE_FLAG)
            id = OPT_NONE;
        value = "false";
    }
    if (id == OPT_NONE) {
        unknown_option(args, arg, len + 2);
        return false;
    }
    const cli_opt_info *info = cli_opt_get(id);
    char where[40];
    snprintf(where, sizeof where, "--%s", info->name);
    if (!value && info->type == TYPE_FLAG)
        value = "true";
    if (!value && *next && strncmp(*next, "--", 2) != 0) {
        value = *next;
        *next = NULL;
    }
    if (!value) {
        cli_usage_error("--%s needs a value: --%s %s", info->name, info->name, info->metavar);
        return false;
    }
    return cli_args_set(args, id, value, ORIGIN_FLAG, where);
}

/* -x, -xVALUE, -x VALUE. */
static bool parse_short(cli_args *args, const char *arg, const char **next)
{
    for (size_t i = 0; i < cli_opt_count(); i++) {
        const cli_opt_info *info = cli_opt_get((cli_opt)i);
        if (info->letter != arg[1] || !cli_opt_in((cli_opt)i, args->verb))
            continue;
        char where[40];
        snprintf(where, sizeof where, "--%s", info->name);
        const char *value = arg[2] ? arg + 2 : NULL;
        if (info->type == TYPE_FLAG) {
            if (value)
                break;
            value = "true";
        } else if (!value && *next && strncmp(*next, "--", 2) != 0) {
            value = *next;
            *next = NULL;
        }
        if (!value) {
            cli_usage_error("-%c needs a value: -%c %s", info->letter, info->letter, info->metavar);
            return false;
        }
        return cli_args_set(args, (cli_opt)i, value, ORIGIN_FLAG, where);
    }
    unknown_option(args, arg, strlen(arg));
    return false;
}

bool cli_args_parse(cli_args *args, int argc, char **argv)
{
    args->operand = calloc((size_t)argc + 1, sizeof *args->operand);
    if (!args->operand) {
        cli_short_of_memory();
        return false;
    }
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        const char *had = next;
        if (only_operands || argv[i][0] != '-' || !argv[i][1])
            args->operand[args->operands++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (argv[i][1] == '-' ? !parse_long(args, argv[i], &next)
                                   : !parse_short(args, argv[i], &next))
            return false;
        i += had != next;
    }
    return true;
}

const char *cli_str(const cli_args *args, cli_opt id)
{
    const char *text = args->value[id].text;
    return text && *text ? text : NULL;
}

const char *cli_choice(const cli_args *args, cli_opt id)
{
    const char *text = cli_str(args, id);
    return text && strcmp(text, "auto") == 0 ? NULL : text;
}

bool cli_require(const cli_args *args, cli_opt id)
{
    if (cli_str(args, id))
        return true;
    const cli_opt_info *info = cli_opt_get(id);
    cli_usage_error("--%s %s is required: %s", info->name, info->metavar, info->help);
    return false;
}

bool cli_bool(const cli_args *args, cli_opt id)
{
    return args->value[id].as.flag;
}

size_t cli_size(const cli_args *args, cli_opt id)
{
    return args->value[id].as.size;
}

uint64_t cli_u64(const cli_args *args, cli_opt id)
{
    return args->value[id].as.u64;
}

double cli_real(const cli_args *args, cli_opt id)
{
    return args->value[id].as.real;
}
