#include "splits.h"

#include "error.h"

#include <stddef.h>
#include <strings.h>

const char *rs_split_of(const char *name)
{
    static const struct {
        const char *name, *split;
    } names[] = {
        {"train", "train"}, {"training", "train"}, {"val", "val"},  {"valid", "val"},
        {"dev", "val"},     {"validation", "val"}, {"eval", "val"}, {"evaluation", "val"},
        {"test", "test"},   {"testing", "test"},
    };
    for (size_t i = 0; i < RS_COUNT(names); i++)
        if (strcasecmp(name, names[i].name) == 0)
            return names[i].split;
    return NULL;
}
