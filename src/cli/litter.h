/* What an interrupt does to a training: before its first step there is nothing to save, and what a new
 * run has made is removed; from then on the step ends, and the trainer saves. */
#ifndef CLI_LITTER_H
#define CLI_LITTER_H

#include <rescl/rescl.h>
#include <stdbool.h>

/* From here on signals are caught. */
void cli_litter_begin(void);
/* The run's folder is there; `resumed`: it was before, and stays. False after a message. */
bool cli_litter_name(const char *folder, bool resumed);
/* Removes what a new run has made. */
void cli_litter_remove(void);
/* A step is done: from here on an interrupt stops the trainer. */
void cli_litter_stop(rescl_trainer *trainer);
/* The run is whole: from here on an interrupt ends the program, says `farewell`, which has to live on,
 * and removes nothing. The trainer may be destroyed. */
void cli_litter_keep(const char *farewell);
/* From here on signals do what they usually do. */
void cli_litter_end(void);

#endif
