/* What the program is doing, said where that takes a while: on a terminal a line that counts the time,
 * redrawn in place; else one plain line; with --quiet nothing. */
#ifndef CLI_PHASE_H
#define CLI_PHASE_H

#include <stdbool.h>

/* Begins a phase, and ends the one before. `plain` is the whole of the plain line; `text`, which is shown
 * with the time behind it, may be the same. Both are copied. */
void cli_phase_begin(const char *text, const char *plain);
/* Another text for the phase that is under way; not `visible`: the line is taken away until it is told
 * again. From any thread. */
void cli_phase_update(const char *text, bool visible);
/* Takes the line away. Legal without a phase. */
void cli_phase_end(void);

#endif
