#include "clinternal.h"

#include <stdio.h>
#include <string.h>

typedef enum quirk_field { NAME, VENDOR, PLATFORM, VERSION, DRIVER } quirk_field;

typedef struct quirk {
    quirk_field field;
    const char *substring;
    rs_quirk_flag flag;
    const char *options;
} quirk;

#define RS_QUIRK(field, substring, flag, options) {field, substring, flag, options},
static const quirk quirks[] = {
#include "quirks.def"
    {NAME, NULL, RS_QUIRK_NONE, ""},
};
#undef RS_QUIRK

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
        return hw->platform_version;
    case DRIVER:
        break;
    }
    return hw->info.driver;
}

void rs_quirks_apply(rs_hw *hw)
{
    for (const quirk *q = quirks; q->substring != NULL; q++) {
        if (strstr(field_of(hw, q->field), q->substring) == NULL)
            continue;
        hw->quirks |= (unsigned)q->flag;
        const size_t len = strlen(hw->quirk_options);
        snprintf(hw->quirk_options + len, sizeof hw->quirk_options - len, "%s%s",
                 q->options[0] ? " " : "", q->options);
    }
}
