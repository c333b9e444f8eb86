#include "rounds.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"

#include <stdlib.h>

rescl_status rs_rounds_time(const rs_rounds *r, size_t contenders, rs_stats *stats)
{
    rescl_status st = RESCL_OK;
    double *ms = NULL, *column = NULL; /* ms: a row of all contenders for each round */
    size_t cap = 0, rounds = 0;

    const double start = rs_clock_seconds();
    while (rounds < r->repeats || rs_clock_seconds() - start < r->min_seconds) {
        RS_TRY(rs_array_reserve(&ms, &cap, (rounds + 1) * contenders, sizeof *ms));
        for (size_t i = 0; i < contenders; i++) {
            const double begin = rs_clock_seconds();
            RS_TRY(r->run(r->user, i));
            ms[rounds * contenders + i] = (rs_clock_seconds() - begin) * 1e3;
        }
        rounds++;
    }
    RS_OOM(column = calloc(rounds + 1, sizeof *column));
    for (size_t i = 0; i < contenders; i++) {
        for (size_t k = 0; k < rounds; k++)
            column[k] = ms[k * contenders + i];
        stats[i] = rs_stats_of(column, rounds);
    }
out:
    free(ms);
    free(column);
    return st;
}
