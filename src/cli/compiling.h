/* Tells on stderr that kernels are compiled, which is silent otherwise and can take a minute: on a
 * terminal in a line that is redrawn, else in one plain line. */
#ifndef CLI_COMPILING_H
#define CLI_COMPILING_H

#include <rescl/device.h>
#include <stdbool.h>

/* Watches the device. With `held` the line stays until cli_compiling_end, since drivers compile more
 * when a kernel runs for the first time; else it goes when nothing is compiled any more. */
void cli_compiling_watch(rescl_device *device, bool held);

/* Removes the line, or that of the phase before it, and tells nothing more. May be called any number of
 * times. */
void cli_compiling_end(void);

#endif
