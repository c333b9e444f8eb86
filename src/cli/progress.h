/* How training and evaluation show where they are, on stderr: on a terminal a bar in the manner of
 * Keras, redrawn in place; else a plain line each few steps, and where these take long each half minute; with
 * --quiet nothing. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <rescl/train.h>

typedef struct cli_progress {
    bool quiet, bar;
    size_t print_freq;     /* steps between plain lines */
    size_t epoch;          /* whose heading was printed; SIZE_MAX: none yet */
    bool training;         /* of the last step: steps of another kind start their own clock */
    double seconds;        /* of the steps seen of this kind in this epoch ... */
    size_t seen;           /* ... and how many they are, for the ETA */
    double drawn;          /* when the bar was last drawn or a line printed, by rs_clock_seconds */
    double began;          /* when the first epoch that it saw began ... */
    size_t first;          /* ... and which that was */
    rescl_step_event step; /* the last training step */
    double
        waits; /* of several devices, how much of its time one waits for the others, at most; else 0 */
    bool cached;    /* the first epoch decodes the images that the others have in memory */
    size_t ended;   /* epochs whose end it saw */
    bool told_wait; /* that training waits for data */
    bool open;      /* the cursor stands behind a bar */
} cli_progress;

/* `cached`: the training images are kept in memory. */
void cli_progress_init(cli_progress *p, size_t print_freq, bool cached);
/* For callbacks: `user` is the cli_progress. */
void cli_progress_step(const rescl_step_event *event, void *user);
void cli_progress_epoch(const rescl_epoch_event *event, void *user);
/* Leaves the bar: later messages start on a line of their own. */
void cli_progress_end(cli_progress *p);

#endif
