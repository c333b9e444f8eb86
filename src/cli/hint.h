/* What to say of an option that there is not. */
#ifndef CLI_HINT_H
#define CLI_HINT_H

#include "options.h"

typedef struct cli_foreign {
    const char *names; /* of other programs, blanks between them */
    const char *ours;  /* "a|b": the first that a verb has; NULL: there is none */
    const char *text;  /* what there is instead, or NULL */
} cli_foreign;

const cli_foreign *cli_foreign_list(size_t *count);

/* "; did you mean '--size'?", with `dashes` before the name, "; rescl ..." or "; that is an option of
 * train" for a name without dashes; "" where nothing is known or near. */
const char *cli_opt_hint(const char *name, cli_verb verb, const char *dashes, char buffer[256]);

#endif
