#include "hint.h"

#include <string.h>

#define CLI_FOREIGN(names, ours) {(names), (ours), NULL},
#define CLI_ABSENT(names, text)  {(names), NULL, (text)},
static const cli_foreign foreign[] = {
#include "foreign.def"
};
#undef CLI_ABSENT
#undef CLI_FOREIGN

enum { FOREIGN_COUNT = sizeof foreign / sizeof *foreign };

const cli_foreign *cli_foreign_list(size_t *count)
{
    *count = FOREIGN_COUNT;
    return foreign;
}

static bool same(const char *name, const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char c = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
        if (!c || (c == '_' ? '-' : c) != word[i])
            return false;
    }
    return !name[len];
}

static bool among(const char *name, const char *names)
{
    for (const char *word = names; *word;) {
        const size_t len = strcspn(word, " ");
        if (same(name, word, len))
            return true;
        word += len + strspn(word + len, " ");
    }
    return false;
}

/* The first of "a|b" that the verb has. */
static cli_opt first_of(const char *ours, cli_verb verb)
{
    for (const char *word = ours; word && *word;) {
        const size_t len = strcspn(word, "|");
        const cli_opt id = cli_opt_find(word, len, verb);
        if (id != OPT_NONE)
            return id;
        word += len + (word[len] == '|');
    }
    return OPT_NONE;
}

/* The verbs, of which there is at least one, that have the option; NULL if there is none. */
static const char *verbs_with(const char *name, char buffer[128])
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t v = 0; v < VERB_COUNT; v++)
        if (cli_opt_find(name, strlen(name), (cli_verb)v) != OPT_NONE && used < 128)
            used += (size_t)snprintf(buffer + used, 128 - used, "%s%s", used ? ", " : "",
                                     cli_verb_get((cli_verb)v)->name);
    return used ? buffer : NULL;
}

const char *cli_opt_hint(const char *name, cli_verb verb, const char *dashes, char buffer[256])
{
    const char *ours = NULL, *text = NULL;
    char verbs[128];
    for (size_t i = 0; i < FOREIGN_COUNT && !ours; i++) {
        if (!among(name, foreign[i].names))
            continue;
        const cli_opt id = first_of(foreign[i].ours, verb);
        if (id != OPT_NONE)
            ours = cli_opt_get(id)->name;
        if (!text)
            text = foreign[i].text;
    }
    const char *elsewhere = verbs_with(name, verbs);
    if (!ours && !text && !elsewhere)
        ours = cli_opt_nearest(name, verb);
    buffer[0] = '\0';
    if (ours)
        snprintf(buffer, 256, "; did you mean '%s%s'?", dashes, ours);
    else if (text)
        snprintf(buffer, 256, "; %s", text);
    else if (elsewhere)
        snprintf(buffer, 256, "; it is an option of %s", elsewhere);
    return buffer;
}
