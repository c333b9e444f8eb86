/* What training says of its devices. */
#ifndef CLI_TEAM_NOTE_H
#define CLI_TEAM_NOTE_H

#include <rescl/rescl.h>

/* A line for a device that trains. */
void cli_device_note(rescl_device *device);

/* Of the time of the device that waits most for the others, the part that it waits, since the epoch began; 0 for
 * one device. */
double cli_team_waits(rescl_trainer *trainer);

/* Behind an epoch on several devices: the share, the speed and the waiting of each. */
void cli_team_note(rescl_trainer *trainer);

#endif
