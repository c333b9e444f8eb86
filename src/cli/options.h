/* Options: options.def and the library's training options as data, and the values that a command
 * line, a config file, the environment and the defaults give them. Flags win over -c's file, that
 * over a resumed run's args.ini, that over the environment (RESCL_DEVICE), that over the default. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum cli_verb {
#define RS_VERB(stem, about, operands) VERB_##stem,
#include "verbs.def"
#undef RS_VERB
    VERB_COUNT
} cli_verb;

/* Those of options.def by name; the training options of `train` follow, up to cli_opt_count(). */
typedef enum cli_opt {
    OPT_NONE = -1,
#define RS_OPT(id, name, shrt, type, def, verbs, group, range, metavar, help) OPT_##id,
#define RS_TRAINING_OPT(id, verbs)                                            OPT_##id,
#include "options.def"
#undef RS_TRAINING_OPT
#undef RS_OPT
    OPT_COUNT
} cli_opt;

typedef enum cli_type {
    TYPE_FLAG,
    TYPE_STR,
    TYPE_SIZE,
    TYPE_U64,
    TYPE_REAL,
    TYPE_CHOICE,
    TYPE_SIZES,
    TYPE_CHOICES
} cli_type;

typedef enum cli_group {
    GROUP_MODEL,
    GROUP_DATA,
    GROUP_TRAINING,
    GROUP_OPTIMISER,
    GROUP_SCHEDULE,
    GROUP_RUN,
    GROUP_BENCH,
    GROUP_OUTPUT,
    GROUP_COMMAND, /* never in a config file */
    GROUP_COUNT
} cli_group;

typedef struct cli_verb_info {
    const char *name, *about, *operands;
} cli_verb_info;

typedef struct cli_opt_info {
    char name[32], alias[24]; /* alias is "" where there is none */
    char letter;              /* or 0 */
    cli_type type;
    cli_group group;
    unsigned verbs;
    const char *def, *range, *metavar, *help;
    const char *const *choices; /* of a training option; those of others are in `range` */
    const char *zero;           /* a word that means 0, or NULL */
} cli_opt_info;

/* Ordered by strength. */
typedef enum cli_origin {
    ORIGIN_DEFAULT,
    ORIGIN_ENV,
    ORIGIN_RUN,    /* args.ini of the run that is resumed */
    ORIGIN_CONFIG, /* -c */
    ORIGIN_FLAG
} cli_origin;

typedef struct cli_value {
    char *text; /* as written; checked against type and range */
    cli_origin origin;
    char *where; /* "configs/x.ini:4", "--lr", "RESCL_DEVICE"; NULL for a default */
    union {
        bool flag;
        size_t size;
        uint64_t u64;
        double real;
    } as;
    size_t count; /* of a list */
    size_t *sizes;
    char **words;
} cli_value;

typedef struct cli_args {
    cli_verb verb;
    cli_value *value; /* cli_opt_count() of them */
    char **operand;   /* borrowed from argv */
    size_t operands;
} cli_args;

const cli_verb_info *cli_verb_get(cli_verb verb);
/* VERB_COUNT if there is none; then `near` (may be NULL) is the nearest name or NULL. */
cli_verb cli_verb_find(const char *name, const char **near);

size_t cli_opt_count(void);
const cli_opt_info *cli_opt_get(cli_opt id);
bool cli_opt_in(cli_opt id, cli_verb verb);
/* "model", "data", ...: the section of a config file and, capitalised, the heading of the help. */
const char *cli_group_name(cli_group group);
/* The words that a CHOICE or CHOICES takes, NULL-terminated. Free the list, and its words with it. */
const char **cli_opt_choices(cli_opt id);

/* All defaults and the environment. False after a message. */
bool cli_args_init(cli_args *args, cli_verb verb);
void cli_args_fini(cli_args *args);

/* Flags and operands of argv[0..argc). False after a message. Call it before cli_config_read: a
 * value of weaker origin never replaces a stronger one. */
bool cli_args_parse(cli_args *args, int argc, char **argv);

/* Checks and stores a value. `where` names it in a message and in --print-config. */
bool cli_args_set(cli_args *args, cli_opt id, const char *text, cli_origin origin,
                  const char *where);

/* The option of that name (or alias) for the verb; OPT_NONE if there is none. '_' and '-' are
 * alike. */
cli_opt cli_opt_find(const char *name, size_t len, cli_verb verb);
/* The same for any verb. */
cli_opt cli_opt_find_any(const char *name);
/* The nearest name for the verb, or NULL. */
const char *cli_opt_nearest(const char *name, cli_verb verb);

/* Values. cli_str is NULL when unset. */
const char *cli_str(const cli_args *args, cli_opt id);
/* The value of a choice, NULL where it is "auto". */
const char *cli_choice(const cli_args *args, cli_opt id);
/* Prints a usage error and returns false if the option is unset. */
bool cli_require(const cli_args *args, cli_opt id);
bool cli_bool(const cli_args *args, cli_opt id);
size_t cli_size(const cli_args *args, cli_opt id);
uint64_t cli_u64(const cli_args *args, cli_opt id);
double cli_real(const cli_args *args, cli_opt id);

/* The help of a verb, or of the whole program. */
void cli_help_verb(FILE *f, cli_verb verb);
void cli_help(FILE *f);

#endif
