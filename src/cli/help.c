#include "options.h"
#include "output.h"
#include "text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMN = 30, NARROW_COLUMN = 8, WIDTH = 96, LEAST_WIDTH = 40 };

/* Where descriptions of options start, and the width of a line: less on a narrow terminal. */
static size_t help_column(size_t width)
{
    return width < 72 ? NARROW_COLUMN : COLUMN;
}

static size_t help_width(FILE *f)
{
    const size_t columns = isatty(fileno(f)) ? cli_columns(fileno(f)) : WIDTH;
    return columns > WIDTH ? WIDTH : columns < LEAST_WIDTH ? LEAST_WIDTH : columns;
}

/* Prints `text` from column `start` on, broken at blanks; all lines start there. */
static void wrapped(FILE *f, const char *text, size_t start)
{
    const size_t width = help_width(f);
    size_t column = start;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column + 1 + len > width && column > start) {
            fprintf(f, "\n%*s", (int)start, "");
            column = start;
        } else if (column > start) {
            fputc(' ', f);
            column++;
        }
        fprintf(f, "%.*s", (int)len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
}

static void paragraph(FILE *f, const char *text)
{
    wrapped(f, text, 0);
    fputc('\n', f);
}

/* "the text (a, b, c) [default]"; NULL when memory is short. */
static char *describe(cli_opt id)
{
    const cli_opt_info *info = cli_opt_get(id);
    char *text = NULL;
    size_t size = 0;
    bool whole = true;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fputs(info->help, f);
    if (info->type == TYPE_CHOICE || info->type == TYPE_CHOICES) {
        const char **list = cli_opt_choices(id);
        whole = list != NULL;
        for (size_t i = 0; list && list[i]; i++)
            fprintf(f, "%s%s", i ? ", " : ": ", list[i]);
        free(list);
    }
    bool on = false;
    if (info->type == TYPE_FLAG && rs_parse_bool(info->def, &on) && on)
        fputs(" [on]", f);
    else if (info->type != TYPE_FLAG && *info->def)
        fprintf(f, " [%s]", info->def);
    whole = !ferror(f) && whole;
    if (fclose(f) != 0 || !whole) {
        free(text);
        return NULL;
    }
    return text;
}

static void help_option(FILE *f, cli_opt id)
{
    const cli_opt_info *info = cli_opt_get(id);
    char head[96], letter[8] = "    ";
    if (info->letter)
        snprintf(letter, sizeof letter, "-%c, ", info->letter);
    bool on = false;
    const char *no = info->type == TYPE_FLAG && rs_parse_bool(info->def, &on) && on ? "[no-]" : "";
    int len = snprintf(head, sizeof head, "  %s--%s%s%s%s", letter, no, info->name,
                       info->metavar ? " " : "", info->metavar ? info->metavar : "");
    if (info->alias[0] && len > 0 && (size_t)len < sizeof head)
        len += snprintf(head + len, sizeof head - (size_t)len, ", --%s", info->alias);
    fputs(head, f);
    const int column = (int)help_column(help_width(f));
    if (len >= column - 1)
        fprintf(f, "\n%*s", column, "");
    else
        fprintf(f, "%*s", column - len, "");
    char *text = describe(id);
    if (!text)
        cli_short_of_memory();
    wrapped(f, text ? text : info->help, (size_t)column);
    fputc('\n', f);
    free(text);
}

void cli_help_verb(FILE *f, cli_verb verb)
{
    const cli_verb_info *v = cli_verb_get(verb);
    char about[160];
    fprintf(f, "Usage: rescl %s [options]%s%s\n\n", v->name, *v->operands ? " " : "", v->operands);
    snprintf(about, sizeof about, "%c%s.", toupper((unsigned char)v->about[0]), v->about + 1);
    paragraph(f, about);
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        bool any = false;
        for (size_t i = 0; i < cli_opt_count(); i++) {
            const cli_opt_info *info = cli_opt_get((cli_opt)i);
            if (info->group != (cli_group)g || !cli_opt_in((cli_opt)i, verb))
                continue;
            const char *name = cli_group_name((cli_group)g);
            if (!any)
                fprintf(f, "\n%c%s:\n", toupper((unsigned char)name[0]), name + 1);
            any = true;
            help_option(f, (cli_opt)i);
        }
    }
    fputc('\n', f);
    paragraph(f,
              "A value in [brackets] is the default. Each option is also a key of config files.");
}

void cli_help(FILE *f)
{
    paragraph(f, "rescl trains, evaluates and serves residual networks on any OpenCL device.");
    fputs("\nUsage: rescl VERB [options]\n\nVerbs:\n", f);
    for (size_t v = 0; v < VERB_COUNT; v++) {
        const cli_verb_info *info = cli_verb_get((cli_verb)v);
        fprintf(f, "  %-10s", info->name);
        wrapped(f, info->about, 12);
        fputc('\n', f);
    }
    fputs("  help      print this, or the options of a verb: rescl help train\n\n"
          "Options:\n"
          "  -h, --help     this help; after a verb, the options of the verb\n"
          "  -V, --version  the version of the program and of its library\n\n",
          f);
    paragraph(
        f,
        "Results go to stdout, messages to stderr. Exit codes: 0 done, 1 failure, 2 usage, "
        "3 device, 4 file, 5 training diverged, 6 slower (compare --fail-above), 7 something wrong "
        "with the data (data check), 70 another process of the training failed, 130 interrupted.");
    paragraph(f, "Environment: RESCL_DEVICE (default of --device), NO_COLOR, RESCL_CACHE_DIR, "
                 "RESCL_VERBOSE=dispatch,build,plan,cache,all (what the library logs).");
}
