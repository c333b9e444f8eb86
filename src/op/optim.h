/* Optimiser updates over flat arenas of parameters: one launch each.
 *
 * All buffers hold `count` floats from their start. A plan is made once and enqueued each step. */
#ifndef RS_OPTIM_H
#define RS_OPTIM_H

#include "cldevice.h"

typedef enum rs_optim_kind {
    RS_OPTIM_SGD = 0,
    RS_OPTIM_ADAM,
    RS_OPTIM_ADAMW,
    RS_OPTIM_COUNT
} rs_optim_kind;

/* torch.optim's definitions (and PyTorch's SGD: v = momentum * v + g, the first step v = g).
 * Adam adds weight_decay * w to the gradient; AdamW (Loshchilov and Hutter, 2019) shrinks w by
 * lr * weight_decay first. */
typedef struct rs_optim_hyper {
    rs_optim_kind kind;
    double momentum;
    bool nesterov;
    double beta1, beta2, eps;
} rs_optim_hyper;

/* What one update goes by. `step` counts from 1 (Adam's bias correction, in double on the host). */
typedef struct rs_update {
    double lr, weight_decay;
    uint64_t step;
} rs_update;

/* State arrays of `count` floats each that the kind needs: 0, 1 (SGD with momentum) or 2 (m, v). */
int rs_optim_states(const rs_optim_hyper *h);
const char *rs_optim_state_name(const rs_optim_hyper *h, int i); /* "momentum", "m", "v" */

typedef struct rs_optim rs_optim;

rescl_status rs_optim_create(rescl_device *dev, const rs_optim_hyper *h, rs_optim **out)
    RESCL_CHECK;
void rs_optim_destroy(rs_optim *o);

/* One update. States start as zeros. */
rescl_status rs_optim_enqueue(rs_optim *o, rs_buffer *param, rs_buffer *grad,
                              rs_buffer *const *state, size_t count, const rs_update *u)
    RESCL_CHECK;

/* The same in double on the host, for tests: the truth. */
void rs_optim_reference(const rs_optim_hyper *h, double *param, const double *grad,
                        double *const *state, size_t count, const rs_update *u);

#endif
