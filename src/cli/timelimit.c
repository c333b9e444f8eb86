#include "timelimit.h"

#include "clock.h"
#include "interrupt.h"
#include "output.h"

#define LEAST 1e-3 /* 0 would mean no limit */

cli_limit cli_limit_begin(const cli_args *args)
{
    const double seconds = cli_real(args, OPT_time_limit);
    return (cli_limit){seconds, seconds > 0 ? rs_clock_seconds() + seconds : 0};
}

double cli_limit_left(const cli_limit *limit)
{
    const double left = limit->end - rs_clock_seconds();
    return limit->end <= 0 ? 0 : left < LEAST ? LEAST : left;
}

bool cli_limit_passed(const cli_limit *limit)
{
    return limit->end > 0 && rs_clock_seconds() >= limit->end;
}

bool cli_limit_ended(const cli_limit *limit, rescl_status status)
{
    const bool ended = status == RESCL_ERR_INTERRUPTED && limit->end > 0 && !cli_interrupted();
    if (ended)
        cli_warn("--time-limit %g: %s", limit->seconds, rescl_last_error()->message);
    return ended;
}

void cli_limit_tell(const cli_limit *limit, size_t left, size_t all, const char *nouns)
{
    if (left > 0)
        cli_warn("--time-limit %g: the time limit is reached: %zu of %zu %s were not begun",
                 limit->seconds, left, all, nouns);
}
