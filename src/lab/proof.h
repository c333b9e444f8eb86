/* One way to do a pass, held against the op's reference in double on one of the op's cases.
 *
 *     RS_TRY(rs_proof_init(op, c, training, &storage, &r));
 *     RS_TRY(rs_proof_forward(&r, each, user));        each: rs_proof_choice(&r, dev, pass, "direct", label)
 *     RS_TRY(rs_proof_backward(&r, RS_PROOF_ALL, each, user));
 *     rs_proof_fini(&r);
 *
 * On the device every tensor lies between guard zones that have to survive; inputs have to come back
 * unchanged; outputs, scratch and tensors that a pass does not declare to read start as NaN; results lie
 * within rs_tolerance of the reference, which gets the numbers as they are stored; and the plan runs twice
 * and has to give the same bits. */
#ifndef RS_PROOF_H
#define RS_PROOF_H

#include "cases.h"

/* The tensors of a call, in one list. */
enum {
    RS_SLOT_SRC = 0,
    RS_SLOT_PARAM = RS_SLOT_SRC + RS_OP_SRC,
    RS_SLOT_STATE = RS_SLOT_PARAM + RS_OP_PARAM,
    RS_SLOT_WS = RS_SLOT_STATE + RS_OP_STATE,
    RS_SLOT_DST = RS_SLOT_WS + RS_OP_WS,
    RS_SLOT_DIFF_SRC,
    RS_SLOT_DIFF_DST = RS_SLOT_DIFF_SRC + RS_OP_SRC,
    RS_SLOT_DIFF_PARAM,
    RS_SLOTS = RS_SLOT_DIFF_PARAM + RS_OP_PARAM
};

/* What a pass does with a tensor. UNREAD: present, and not declared to be read: it holds NaN. */
typedef enum rs_slot_use {
    RS_SLOT_ABSENT,
    RS_SLOT_UNREAD,
    RS_SLOT_IN,
    RS_SLOT_OUT,
    RS_SLOT_INOUT
} rs_slot_use;

typedef struct rs_slot {
    rs_dtype type;
    size_t count; /* 0: the problem has no such tensor */
    double *in;   /* before the pass */
    double *want; /* what the reference makes of it */
} rs_slot;

typedef struct rs_proof {
    const rs_case *c;
    rs_problem p;
    rs_slot slot[RS_SLOTS];
} rs_proof;

/* Tensors of a case of op->cases, filled. `out` is {0}. Borrows op and case. */
rescl_status rs_proof_init(const rs_op *op, const rs_case *c, bool training, const rs_storage *how,
                           rs_proof *out) RESCL_CHECK;
void rs_proof_fini(rs_proof *r);

/* "dst[0]". Returns text. */
#define RS_SLOT_TEXT 24
const char *rs_slot_text(int slot, char text[RS_SLOT_TEXT]);
rs_slot_use rs_proof_use(const rs_proof *r, rs_pass pass, int slot);

/* The seed and the step of a call, and of what is filled. */
#define RS_PROOF_SEED 0x123456789abcdefu
#define RS_PROOF_STEP 7u

/* Runs the reference from `in` into `want`; what it leaves alone is equal to `in`. */
void rs_proof_reference(rs_proof *r, rs_pass pass);
/* Makes what the reference computed of slots first ... last - 1 the input of the next pass; `rounded` to
 * their types. */
void rs_proof_keep(rs_proof *r, int first, int last, bool rounded);

/* Called for a pass of r that is set up, the reference's results in `want`. `label` says what is special
 * about it, such as " want 0x1 accumulate 0x0". */
typedef rescl_status (*rs_proof_fn)(rs_proof *r, rs_pass pass, const char *label, void *user);

/* Forward; those of backward whose bits 1u << rs_pass are in `passes`, and of RS_BWD_DATA each set of wanted
 * gradients, writing and accumulating. A proof is walked backward when it is training, after which its tensors
 * are used up. */
#define RS_PROOF_ALL (1u << RS_BWD_PARAMS | 1u << RS_BWD_DATA)
rescl_status rs_proof_forward(rs_proof *r, rs_proof_fn fn, void *user) RESCL_CHECK;
rescl_status rs_proof_backward(rs_proof *r, unsigned passes, rs_proof_fn fn, void *user)
    RESCL_CHECK;

/* Within such a call: runs the pass by `choice` (as rs_choice_plan) on the device. RESCL_ERR_NUMERIC, naming
 * tensor and element, where a result is wrong; else what running it fails with. */
rescl_status rs_proof_choice(const rs_proof *r, rescl_device *dev, rs_pass pass, const char *choice,
                             const char *label) RESCL_CHECK;

/* RESCL_ERR_NUMERIC, naming the worst element, unless each got[i] is within rs_tolerance of want[i]; NaN
 * matches only NaN. The magnitude of element i is the largest of |want[i]|, the root mean square of want,
 * and `scale`. */
rescl_status rs_expect_close(const char *what, rs_dtype type, size_t terms, double scale,
                             const double *want, const double *got, size_t count) RESCL_CHECK;

#endif
