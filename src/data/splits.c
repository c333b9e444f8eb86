#include "splits.h"

#include "error.h"

#include "str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *split;
} names[] = {
    {"train", "train"}, {"training", "train"}, {"val", "val"},  {"valid", "val"},
    {"dev", "val"},     {"validation", "val"}, {"eval", "val"}, {"evaluation", "val"},
    {"test", "test"},   {"testing", "test"},
};

const char *rs_split_of(const char *name)
{
    for (size_t i = 0; i < RS_COUNT(names); i++)
        if (strcasecmp(name, names[i].name) == 0)
            return names[i].split;
    return NULL;
}

/* The split that a word of `n` letters says. */
static const char *split_of_word(const char *word, size_t n)
{
    static const char *const ends[] = {"", "set", "data", "images", "imgs"};
    char stem[16];
    for (size_t i = 0; i < RS_COUNT(ends); i++) {
        const size_t end = strlen(ends[i]);
        if (n <= end || n - end >= sizeof stem || strncasecmp(word + n - end, ends[i], end) != 0)
            continue;
        memcpy(stem, word, n - end);
        stem[n - end] = '\0';
        if (rs_split_of(stem))
            return rs_split_of(stem);
    }
    return NULL;
}

const char *rs_split_next(const char **rest)
{
    const char *split = NULL;
    while (!split && **rest) {
        size_t n = 0;
        while (isalpha((unsigned char)(*rest)[n]))
            n++;
        split = split_of_word(*rest, n);
        *rest += n ? n : 1;
    }
    return split;
}

const char *rs_split_alias(const char *split, size_t i)
{
    for (size_t n = 0; n < RS_COUNT(names); n++)
        if (strcmp(names[n].split, split) == 0 && i-- == 0)
            return names[n].name;
    return NULL;
}

char *rs_split_fill(const char *text, const char *name)
{
    const char *place = strstr(text, RS_SPLIT_PLACE);
    return place ? rs_strf("%.*s%s%s", (int)(place - text), text, name,
                           place + strlen(RS_SPLIT_PLACE))
                 : rs_strf("%s", text);
}
