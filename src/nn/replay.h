/* One pass of one node, run on its device and then by the host reference from the numbers that it read
 * there: whether the device computed this pass rightly, whatever the layers before it gave. */
#ifndef RS_REPLAY_H
#define RS_REPLAY_H

#include "net.h"

typedef enum rs_written_kind {
    RS_WRITES_DST = 0,
    RS_WRITES_STATE,
    RS_WRITES_WS,
    RS_WRITES_DIFF_PARAM,
    RS_WRITES_DIFF_SRC,
    RS_WRITES_MOMENTS,
    RS_WRITES_SUMS
} rs_written_kind;

/* A tensor that a pass writes: the `index`-th of its kind. */
typedef struct rs_written {
    rs_written_kind kind;
    int index;
    rs_tensor tensor;
} rs_written;

#define RS_WRITTEN (2 + RS_OP_STATE + RS_OP_WS)

/* All of them, moments and sums as rows of numbers; returns how many. */
size_t rs_written_by(const rs_plan *plan, const rs_args *args, rs_written out[RS_WRITTEN]);

typedef enum rs_read_kind {
    RS_READ_SRC = 0,
    RS_READ_PARAM,
    RS_READ_STATE,
    RS_READ_WS,
    RS_READ_DST,
    RS_READ_DIFF_DST,
    RS_READ_DIFF_SRC,
    RS_READ_DIFF_PARAM
} rs_read_kind;

/* What the pass read: its largest number by magnitude, or the first that is not finite. */
typedef struct rs_replay_read {
    rs_read_kind kind;
    int index;
    const rs_shape *shape; /* borrowed from the plan */
    size_t at;
    double value;
} rs_replay_read;

#define RS_REPLAY_READS (2 * RS_OP_SRC + 2 * RS_OP_PARAM + RS_OP_STATE + RS_OP_WS + 2)

/* A tensor that the pass wrote. */
typedef struct rs_replay_output {
    rs_written_kind kind;
    int index;
    rs_dtype type;
    size_t count;
    double *got;  /* what the device wrote */
    double *want; /* what it should be; NULL: rs_replay_want computes single numbers */
    double
        *slack; /* by how much `want` moves where what it is computed from is rounded otherwise */
} rs_replay_output;

typedef struct rs_replay {
    bool plain; /* set before: nobody asks for tolerances, which take four times the memory */
    const rs_plan *plan; /* borrowed */
    rs_ref ref;
    rs_ref absolute;   /* the same without signs, for ops that compute single numbers */
    double *owned[96]; /* what these point to */
    size_t nowned;
    rs_replay_read read[RS_REPLAY_READS];
    size_t reads;
    rs_replay_output output[RS_WRITTEN];
    size_t outputs;
} rs_replay;

/* Runs pass `pass` of node `node` on the device, by rs_net_run_pass, and reads what it read and wrote.
 * Left out: the gradient of a bias of an op that has rs_op.reference_at, places of maxima, moments and sums. `out` is
 * {0} but for `plain`, and to be given to rs_replay_fini also after a failure. */
rescl_status rs_replay_run(rs_net *n, size_t node, rs_pass pass, const rs_step *step,
                           rs_replay *out) RESCL_CHECK;
void rs_replay_fini(rs_replay *r);

/* Number `index` of an output, in double. */
double rs_replay_want(const rs_replay *r, const rs_replay_output *o, size_t index);
/* How far number `index` may lie from that, where the output's root mean square is `rms`: rs_tolerance of
 * the larger of the number and of rms, and more where terms cancel. In 16 bits
 * and TF32 implementations may round the factors of their products, too. */
double rs_replay_tolerance(const rs_replay *r, const rs_replay_output *o, size_t index, double want,
                           double rms);

#endif
