#include "config.h"

#include "cli.h"
#include "output.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <rescl/status.h>
#include <stdlib.h>
#include <string.h>

/* inih reads lines into INI_MAX_LINE (200) bytes of its own. */
enum { LINE_MAX_BYTES = 190, VALUE_COLUMN = 44 };

typedef struct key_value {
    int line;   /* 0: not seen yet */
    char *text; /* as far as read; checked when the file is done */
} key_value;

typedef struct reader {
    FILE *file;
    const char *path;
    cli_args *args;
    cli_origin origin;
    int line;
    bool continued; /* the line began with a blank */
    bool failed;    /* a message was printed */
    key_value *key; /* of each option */
} reader;

/* Hands inih one line; a line too long for it is an error instead of two lines. */
static char *read_line(char *buffer, int size, void *user)
{
    reader *r = user;
    if (r->failed || !fgets(buffer, size, r->file))
        return NULL;
    r->line++;
    r->continued = buffer[0] == ' ' || buffer[0] == '\t';
    if (strlen(buffer) > LINE_MAX_BYTES) {
        cli_error("%s:%d: found a line of more than %d bytes; continue a long value on a line "
                  "that begins with a blank",
                  r->path, r->line, LINE_MAX_BYTES);
        r->failed = true;
        return NULL;
    }
    return buffer;
}

static bool known_section(const char *section)
{
    for (size_t g = 0; g < GROUP_COMMAND; g++) {
        if (strcmp(section, cli_group_name((cli_group)g)) == 0)
            return true;
    }
    return *section == '\0';
}

static void unknown_section(const reader *r, const char *section)
{
    const char *names[GROUP_COUNT] = {0};
    char all[256] = "";
    size_t used = 0;
    for (size_t g = 0; g < GROUP_COMMAND; g++) {
        names[g] = cli_group_name((cli_group)g);
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", g ? ", " : "", names[g]);
    }
    const char *near = rs_nearest(section, names);
    cli_error("%s:%d: unknown section [%s], expected one of %s%s%s%s", r->path, r->line, section,
              all, near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
}

/* The option of a key: for this verb, or for any other (then its value is not used). */
static cli_opt find_key(const reader *r, const char *key)
{
    cli_opt id = cli_opt_find(key, strlen(key), r->args->verb);
    if (id == OPT_NONE)
        id = cli_opt_find_any(key);
    if (id != OPT_NONE && cli_opt_get(id)->group == GROUP_COMMAND) {
        cli_error("%s:%d: '%s' is only for the command line", r->path, r->line, key);
        return OPT_NONE;
    }
    if (id == OPT_NONE) {
        const char *near = cli_opt_nearest(key, r->args->verb);
        cli_error("%s:%d: unknown key '%s'%s%s%s", r->path, r->line, key,
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return id;
}

static int take(void *user, const char *section, const char *key, const char *text)
{
    reader *r = user;
    if (r->failed)
        return 1;
    r->failed = true; /* unless the end is reached */
    if (!known_section(section)) {
        unknown_section(r, section);
        return 1;
    }
    cli_opt id = find_key(r, key);
    if (id == OPT_NONE)
        return 1;
    key_value *value = &r->key[id];
    if (value->line && !r->continued) {
        cli_error("%s:%d: '%s' was set in line %d already", r->path, r->line, key, value->line);
        return 1;
    }
    size_t had = value->text ? strlen(value->text) : 0, more = strlen(text);
    char *grown = realloc(value->text, had + more + 1);
    if (!grown) {
        cli_error("out of memory");
        return 1;
    }
    memcpy(grown + had, text, more + 1);
    value->text = grown;
    if (!value->line)
        value->line = r->line;
    r->failed = false;
    return 1;
}

static bool store(reader *r)
{
    for (size_t i = 0; i < cli_opt_count(); i++) {
        if (!r->key[i].line || !cli_opt_in((cli_opt)i, r->args->verb))
            continue;
        char where[512];
        snprintf(where, sizeof where, "%s:%d", r->path, r->key[i].line);
        if (!cli_args_set(r->args, (cli_opt)i, r->key[i].text, r->origin, where))
            return false;
    }
    return true;
}

int cli_config_read(cli_args *args, const char *path, cli_origin origin)
{
    reader r = {.path = path, .args = args, .origin = origin};
    int code = CLI_OK;
    r.file = fopen(path, "r");
    if (!r.file) {
        cli_error("%s: %s", path, strerror(errno));
        return CLI_FILE;
    }
    r.key = calloc(cli_opt_count(), sizeof *r.key);
    if (!r.key) {
        cli_error("out of memory");
        fclose(r.file);
        return CLI_FAILURE;
    }
    int bad_line = ini_parse_stream(read_line, &r, take, &r);
    if (ferror(r.file)) {
        cli_error("%s: %s", path, strerror(errno));
        code = CLI_FILE;
    } else if (r.failed) {
        code = CLI_USAGE;
    } else if (bad_line) {
        cli_error("%s:%d: expected '[section]' or 'key = value'", path, bad_line);
        code = CLI_USAGE;
    } else if (!store(&r)) {
        code = CLI_USAGE;
    }
    fclose(r.file);
    for (size_t i = 0; i < cli_opt_count(); i++)
        free(r.key[i].text);
    free(r.key);
    return code;
}

static void origin_text(const cli_value *v, char buffer[160])
{
    static const char *const names[] = {"default", "environment", "run", "config", "flag"};
    /* The comment has to fit into a line of a config file with any path in it. */
    if (v->where && strlen(v->where) < 100)
        snprintf(buffer, 160, "%s %s", names[v->origin], v->where);
    else
        snprintf(buffer, 160, "%s", names[v->origin]);
}

/* True if inih will give the value back: it cuts at a ';' after a blank, and at line ends. */
static bool writable(const char *text)
{
    if (isspace((unsigned char)text[0]) || text[0] == ';' ||
        (*text && isspace((unsigned char)text[strlen(text) - 1])))
        return false;
    for (const char *p = text; *p; p++) {
        if (*p == '\n' || *p == '\r' || (isspace((unsigned char)*p) && p[1] == ';'))
            return false;
    }
    return true;
}

/* "key = value   ; origin"; a long value on several lines, with its origin before it. */
static void print_value(FILE *f, const char *key, const cli_value *v)
{
    enum { PIECE = 120 };
    char origin[160];
    origin_text(v, origin);
    const char *text = v->text;
    if (strlen(text) <= 40) {
        int len = fprintf(f, "%s = %s", key, text);
        fprintf(f, "%*s ; %s\n", len < VALUE_COLUMN ? VALUE_COLUMN - len : 0, "", origin);
        return;
    }
    fprintf(f, "; %s\n%s = ", origin, key);
    while (*text) {
        size_t len = strlen(text) < PIECE ? strlen(text) : PIECE;
        /* Blanks at an end are lost, and ';' or '#' at a beginning is a comment. */
        while (text[len] && len > 1 &&
               (isspace((unsigned char)text[len - 1]) || strchr(" \t;#", text[len])))
            len--;
        fprintf(f, "%.*s\n%s", (int)len, text, text[len] ? "    " : "");
        text += len;
    }
}

char *cli_config_text(const cli_args *args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        cli_error("out of memory");
        return NULL;
    }
    bool good = true;
    fprintf(f, "; rescl %s, version %s\n", cli_verb_get(args->verb)->name, rescl_version());
    for (size_t g = 0; g < GROUP_COMMAND; g++) {
        bool any = false;
        for (size_t i = 0; i < cli_opt_count(); i++) {
            const cli_opt_info *info = cli_opt_get((cli_opt)i);
            if (info->group != (cli_group)g || !cli_opt_in((cli_opt)i, args->verb))
                continue;
            const cli_value *v = &args->value[i];
            if (!writable(v->text)) {
                cli_error("%s: '%s' cannot be written into a config file, where ' ;' begins a "
                          "comment and blanks at the ends and line breaks are lost",
                          info->name, v->text);
                good = false;
            }
            fprintf(f, "%s%s%s", any ? "" : "\n[", any ? "" : cli_group_name((cli_group)g),
                    any ? "" : "]\n");
            any = true;
            print_value(f, info->name, v);
        }
    }
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}
