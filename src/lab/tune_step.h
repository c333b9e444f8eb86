/* The choices of a network put to the proof in whole steps (gains.h). */
#ifndef RS_TUNE_STEP_H
#define RS_TUNE_STEP_H

#include "tunetable.h"
#include "worklist.h"

#include <rescl/tune.h>

/* What a choice was measured to gain in its pass, as the note of its line in a tuning file. */
#define RS_TUNE_NOTE (2 * RS_CHOICE + 96) /* bytes */
typedef struct rs_tune_note {
    double best_ms, default_ms; /* default_ms: NaN where the default failed or was wrong */
    const char *untuned;        /* what is taken without tuning */
    bool failed, is_default;    /* the default did; it is the choice */
} rs_tune_note;
void rs_tune_note_write(const rs_tune_note *note, char text[RS_TUNE_NOTE]);

/* What a network's proof goes by. */
typedef struct rs_tune_proof_job {
    rescl_device *dev;
    const rescl_tune_options *o;
    rescl_precision precision;
    const rs_worklist *list; /* of the network */
    rs_tune_table *table;    /* what the file at `path` holds; both are changed */
    const char *path;
    double deadline; /* of rounds.h */
    void *user;      /* of o->proved */
} rs_tune_proof_job;

/* Puts the choices that the table has for the problems of the list and that are not the only ones that
 * serve to the proof, unless all of them were proven before, keeps what gains and tells o->proved.
 * What the time limit or short memory of the device leaves undecided is told, and no failure. */
rescl_status rs_tune_prove(const rs_tune_proof_job *job) RESCL_CHECK;

#endif
