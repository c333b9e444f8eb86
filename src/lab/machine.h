/* How busy the machine is, and how fast it runs, by what the system tells in /proc and /sys. Numbers
 * are NaN where it does not. RESCL_MACHINE_ROOT names another folder that these two lie in. */
#ifndef RS_MACHINE_H
#define RS_MACHINE_H

#include <stdbool.h>

/* The path of a file of the system below the root, into `out`; false if it is too long. */
#define RS_MACHINE_PATH 512
bool rs_machine_path(char out[RS_MACHINE_PATH], const char *path);
/* The first word of a file of the system, "" without one: then errno says why, 0 (if it was) that the file
 * is empty. */
#define RS_MACHINE_WORD 64
void rs_machine_word(char word[RS_MACHINE_WORD], const char *path);
/* The number that its first word is, NaN where it is none. */
double rs_machine_number(const char *path);

/* The load average over a minute. */
double rs_machine_load(void);
/* The clock of the processors that this process may run on, in MHz: their mean. */
double rs_machine_clock(void);

/* Seconds that the processors this process may run on were there, and were busy, with this process and
 * with others, since the system and the process began. */
typedef struct rs_machine_time {
    double all, busy, own;
} rs_machine_time;
rs_machine_time rs_machine_time_now(void);
/* The share of the processors' time that was others' between the two; NaN where that is too short a
 * time to tell. */
double rs_machine_others(const rs_machine_time *before, const rs_machine_time *after);

#endif
