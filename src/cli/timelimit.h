/* --time-limit: how long a verb that measures may go on. */
#ifndef CLI_TIMELIMIT_H
#define CLI_TIMELIMIT_H

#include "options.h"

#include <rescl/status.h>

typedef struct cli_limit {
    double seconds; /* the option's value */
    double end;     /* by rs_clock_seconds; 0: none */
} cli_limit;

/* Begins now. */
cli_limit cli_limit_begin(const cli_args *args);
/* Seconds that are left, as the library's options have them: 0 without a limit, else above 0. */
double cli_limit_left(const cli_limit *limit);
bool cli_limit_passed(const cli_limit *limit);

/* Whether a failure is that the limit was reached, or a part of it that was set aside for something;
 * then it has been said, and is none. */
bool cli_limit_ended(const cli_limit *limit, rescl_status status);
/* Says, if `left` is above 0, that so many of `all` `nouns` were not begun. */
void cli_limit_tell(const cli_limit *limit, size_t left, size_t all, const char *nouns);

#endif
