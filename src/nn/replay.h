/* One pass of one node, run on its device and then by the host reference from the numbers that it read
 * there: whether the device computed this pass rightly, whatever the layers before it gave. */
#ifndef RS_REPLAY_H
#define RS_REPLAY_H

#include "net.h"

/* A tensor that the pass writes. */
typedef struct rs_replay_output {
    const char *what; /* "dst", "diff_src", "diff_param", "state", "ws" */
    rs_dtype type;
    size_t count;
    double *got;  /* what the device wrote */
    double *want; /* what it should be; NULL: rs_replay_want computes single numbers */
    double
        *slack; /* by how much `want` moves where what it is computed from is rounded otherwise */
} rs_replay_output;

#define RS_REPLAY_OUTPUTS (1 + RS_OP_STATE + RS_OP_WS)

typedef struct rs_replay {
    const rs_plan *plan; /* borrowed */
    rs_ref ref;
    rs_ref absolute;   /* the same without signs, for ops that compute single numbers */
    double *owned[96]; /* what these point to */
    size_t nowned;
    rs_replay_output output[RS_REPLAY_OUTPUTS];
    size_t outputs;
} rs_replay;

/* Runs pass `pass` of node `node` on the device, by rs_net_run_pass, and reads what it read and wrote.
 * Left out: the gradient of a bias of an op that has rs_op.reference_at, and places of maxima. `out` is
 * {0}, and to be given to rs_replay_fini also after a failure. */
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
