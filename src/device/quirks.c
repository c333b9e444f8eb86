#include "clinternal.h"

#include <stdio.h>
#include <string.h>

typedef enum quirk_field { NAME, VENDOR, PLATFORM, VERSION } quirk_field;

typedef struct quirk {
    quirk_field field;
    const char *substring, *driver;
    unsigned flags;
    const char *options;
} quirk;

#define RS_CORE(architecture, subgroup, own, lanes, engines, registers, local, items, groups, bytes)
#define RS_QUIRK(field, substring, driver, flags, options)                                         \
    {field, substring, driver, flags, options},
static const quirk quirks[] = {
#include "quirks.def"
};
#undef RS_QUIRK
#undef RS_CORE

static const char *field_of(const rs_hw *hw, quirk_field field)
{
    switch (field) {
    case NAME:
        return hw->info.name;
    case VENDOR:
        return hw->info.vendor;
    case PLATFORM:
        return hw->info.platform_name;
    case VERSION:
        break;
    }
    return hw->info.platform_version;
}

void rs_quirks_apply(rs_hw *hw)
{
    for (size_t i = 0; i < RS_COUNT(quirks); i++) {
        const quirk *q = &quirks[i];
        if (strstr(field_of(hw, q->field), q->substring) == NULL ||
            strncmp(hw->info.driver, q->driver, strlen(q->driver)) != 0)
            continue;
        hw->quirks |= q->flags;
        const size_t len = strlen(hw->quirk_options);
        snprintf(hw->quirk_options + len, sizeof hw->quirk_options - len, "%s%s",
                 q->options[0] ? " " : "", q->options);
    }
}

void rs_quirks_tell(const rs_hw *hw, char *text, size_t bytes)
{
    static const char *const says[] = {
#define RS_QUIRK_TEXT(name, text) text,
        RS_QUIRKS(RS_QUIRK_TEXT)
#undef RS_QUIRK_TEXT
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < RS_COUNT(says) && used < bytes; i++)
        if (hw->quirks >> i & 1)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? "; " : "", says[i]);
    if (hw->quirk_options[0] && used < bytes)
        snprintf(text + used, bytes - used, "%sbuilt with%s", used ? "; " : "", hw->quirk_options);
}
