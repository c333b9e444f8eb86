/* SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) while a verb works: the first
 * asks it to stop, a second ends the program. SIGHUP, which comes in numbers, is no second. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on the first signal calls `ask` (NULL: nothing to call) within the handler, where little
 * is allowed; when that returns false the program ends at once, for there is nothing to save. */
void cli_interrupt_catch(bool (*ask)(void));

/* Takes the signals back from a driver's compiler: LLVM puts a handler of its own in front, during
 * which a second signal ends the program. */
void cli_interrupt_retake(void);

/* Whether a signal came since then. */
bool cli_interrupted(void);

/* For a verb that saves nothing: the first signal says so and ends the program, with the signal's own
 * status if it is SIGINT, so that a shell's loop ends too, else with CLI_INTERRUPTED. Signals that are
 * ignored, as SIGINT is in a shell's background, stay so. */
void cli_interrupt_end(void);

/* Signals end the program again. */
void cli_interrupt_release(void);

#endif
