#include "noticed.h"

#include "cli.h"
#include "output.h"

#include <rescl/data.h>

void cli_notices_add(cli_notices *n, size_t index, unsigned notices)
{
    for (size_t kind = 0; kind < CLI_NOTICE_KINDS; kind++) {
        if (!(notices >> kind & 1))
            continue;
        atomic_fetch_add(&n->count[kind], 1);
        size_t first = atomic_load(&n->first[kind]);
        while ((first == 0 || first > index + 1) &&
               !atomic_compare_exchange_weak(&n->first[kind], &first, index + 1))
            ;
    }
}

void cli_notices_print(const cli_notices *n, char *const *name)
{
    for (size_t kind = 0; kind < CLI_NOTICE_KINDS; kind++) {
        const size_t count = n->count[kind];
        const char *text = rescl_image_notice_text((rescl_image_notice)(1u << kind));
        if (count == 1)
            cli_warn("%s: %s", name[n->first[kind] - 1], text);
        else if (count > 1)
            cli_warn("%s and %zu more: %s", name[n->first[kind] - 1], count - 1, text);
    }
}
