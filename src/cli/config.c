#include "config.h"

#include "cli.h"
#include "hint.h"
#include "inifile.h"
#include "output.h"
#include "text.h"
#include "textfile.h"

#include <errno.h>
#include <rescl/status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20, VALUE_COLUMN = 44 };

typedef struct key_value {
    int line;   /* 0: not seen yet */
    char *text; /* checked when the file is done */
} key_value;

typedef struct reader {
    const char *path;
    cli_args *args;
    key_value *key; /* of each option */
} reader;

static bool known_section(const char *section)
{
    for (size_t g = 0; g < GROUP_COMMAND; g++) {
        if (strcmp(section, cli_group_name((cli_group)g)) == 0)
            return true;
    }
    return *section == '\0';
}

static bool enter(void *user, int line, const char *section)
{
    const reader *r = user;
    const char *names[GROUP_COUNT] = {0};
    char all[256] = "";
    size_t used = 0;
    if (known_section(section))
        return true;
    for (size_t g = 0; g < GROUP_COMMAND; g++) {
        names[g] = cli_group_name((cli_group)g);
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", g ? ", " : "", names[g]);
    }
    const char *near = rs_nearest(section, names);
    cli_error("%s:%d: unknown section [%s], expected one of %s%s%s%s", r->path, line, section, all,
              near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
    return false;
}

/* The option of a key: for this verb, or for any other (then its value is not used). */
static cli_opt find_key(const reader *r, int line, const char *key)
{
    cli_opt id = cli_opt_find(key, strlen(key), r->args->verb);
    if (id == OPT_NONE)
        id = cli_opt_find_any(key);
    if (id != OPT_NONE && cli_opt_get(id)->group == GROUP_COMMAND) {
        cli_error("%s:%d: '%s' is only for the command line", r->path, line, key);
        return OPT_NONE;
    }
    if (id == OPT_NONE) {
        char hint[256];
        cli_error("%s:%d: unknown key '%s'%s", r->path, line, key,
                  cli_opt_hint(key, r->args->verb, "", hint));
    }
    return id;
}

static bool take(void *user, int line, const char *section, const char *key, const char *text)
{
    reader *r = user;
    (void)section;
    const cli_opt id = find_key(r, line, key);
    if (id == OPT_NONE)
        return false;
    key_value *value = &r->key[id];
    if (value->line) {
        cli_error("%s:%d: '%s' was set in line %d already", r->path, line, key, value->line);
        return false;
    }
    value->text = strdup(text);
    value->line = line;
    if (!value->text)
        cli_short_of_memory();
    return value->text != NULL;
}

/* Whether a value of the file is for the verb: how a training printed is not for who profiles it. */
static bool is_wanted(const reader *r, cli_opt id, cli_origin origin)
{
    const bool of_other = origin == ORIGIN_RUN && r->args->verb != VERB_train;
    return cli_opt_in(id, r->args->verb) && !(of_other && cli_opt_get(id)->group == GROUP_OUTPUT);
}

static bool store(const reader *r, cli_origin origin)
{
    for (size_t i = 0; i < cli_opt_count(); i++) {
        if (!r->key[i].line || !is_wanted(r, (cli_opt)i, origin))
            continue;
        char *where = rs_strf("%s:%d", r->path, r->key[i].line);
        const bool good = where && cli_args_set(r->args, (cli_opt)i, r->key[i].text, origin, where);
        if (!where)
            cli_short_of_memory();
        free(where);
        if (!good)
            return false;
    }
    return true;
}

/* The whole file with a '\0' behind it, which may also be a pipe; NULL after a message, and *code. */
static char *read_file(const char *path, size_t *bytes, int *code)
{
    const char *why;
    FILE *f = rs_text_open(path, RS_TEXT_WAIT, &why);
    char *text = f ? malloc(MAX_BYTES + 1) : NULL;
    *code = f && !text ? CLI_FAILURE : CLI_FILE;
    if (!f) {
        cli_error("%s: %s", path, why);
        return NULL;
    }
    if (!text) {
        cli_short_of_memory();
        goto out;
    }
    *bytes = fread(text, 1, MAX_BYTES, f);
    if (ferror(f)) {
        cli_error("%s: %s", path, strerror(errno));
    } else if (*bytes == MAX_BYTES && fgetc(f) != EOF) {
        cli_error("%s: has more than %d bytes; that is no config file", path, MAX_BYTES);
        *code = CLI_USAGE;
    } else {
        *code = CLI_OK;
        text[*bytes] = '\0';
    }
out:
    fclose(f);
    if (*code != CLI_OK) {
        free(text);
        text = NULL;
    }
    return text;
}

int cli_config_read(cli_args *args, const char *path, cli_origin origin)
{
    reader r = {.path = path, .args = args};
    size_t bytes = 0;
    int code;
    char *text = read_file(path, &bytes, &code);
    if (!text)
        return code;
    r.key = calloc(cli_opt_count(), sizeof *r.key);
    if (!r.key) {
        cli_short_of_memory();
        code = CLI_FAILURE;
    } else if (!cli_ini_read(path, text, bytes, enter, take, &r) || !store(&r, origin)) {
        code = CLI_USAGE;
    }
    for (size_t i = 0; r.key && i < cli_opt_count(); i++)
        free(r.key[i].text);
    free(r.key);
    free(text);
    return code;
}

/* "config x.ini:3" */
static void print_origin(FILE *f, const cli_value *v)
{
    static const char *const names[] = {"default", "environment", "run", "config", "flag"};
    char *where = v->where ? malloc(RS_ESCAPED(strlen(v->where))) : NULL;
    if (v->where && !where)
        cli_short_of_memory();
    if (where)
        rs_escape(v->where, "", where);
    fprintf(f, "%s%s%s", names[v->origin], where ? " " : "", where ? where : "");
    free(where);
}

char *cli_config_text(const cli_args *args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        cli_short_of_memory();
        return NULL;
    }
    fprintf(f, "; rescl %s, version %s\n", cli_verb_get(args->verb)->name, rescl_version());
    for (size_t g = 0; g < GROUP_COMMAND; g++) {
        bool any = false;
        for (size_t i = 0; i < cli_opt_count(); i++) {
            const cli_opt_info *info = cli_opt_get((cli_opt)i);
            if (info->group != (cli_group)g || !cli_opt_in((cli_opt)i, args->verb))
                continue;
            fprintf(f, "%s%s%s", any ? "" : "\n[", any ? "" : cli_group_name((cli_group)g),
                    any ? "" : "]\n");
            any = true;
            const cli_value *v = &args->value[i];
            const size_t len = cli_ini_write(f, info->name, v->text);
            fprintf(f, "%*s ; ", len < VALUE_COLUMN ? (int)(VALUE_COLUMN - len) : 0, "");
            print_origin(f, v);
            fputc('\n', f);
        }
    }
    const bool whole = !ferror(f);
    if (fclose(f) != 0 || !whole) {
        cli_short_of_memory();
        free(text);
        return NULL;
    }
    return text;
}
