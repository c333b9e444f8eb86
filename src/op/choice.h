/* Which implementation a pass takes, and with which numbers: what was asked for, what was measured on
 * this device (tuning.h), or the default. Planning (op.h) knows nothing of how it was chosen.
 *
 * As text a choice is an implementation and those of its tunables that are not left to it,
 * "packed_gemm kc=128 groups=8"; or RS_CHOICE_DEFAULT, what is taken when nothing was measured: the
 * first of the op's list that prefers the device's class, can serve and is not in doubt, else the
 * first that can. Where a device other than a CPU has several of which it is known what they should take,
 * it is the fastest of them. What failed its self-test on the device (trust.h) is never taken. */
#ifndef RS_CHOICE_H
#define RS_CHOICE_H

#include "op.h"

/* Returns text. */
const char *rs_choice_text(const rs_choice *c, char text[RS_CHOICE]);

/* Takes `force` or, when NULL, what RESCL_IMPL says ("conv2d=clblast_gemm,dense=direct"), else what
 * was measured, else the default. Each refusal is logged under RESCL_VERBOSE=dispatch.
 * RESCL_ERR_UNSUPPORTED, with all reasons, when none can serve; a forced one that cannot is an error
 * too: nothing falls back silently. What was measured and cannot serve is logged and left out. */
rescl_status rs_choice_make(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *force,
                            rs_choice *out) RESCL_CHECK;

/* Into `out` up to `most` ways to do a pass on a device other than a CPU, by all implementations that are
 * made for its class, can serve and say what they should take; the fastest first. Returns how many. */
size_t rs_choice_rank(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                      size_t most);

/* Chooses so, and plans by the choice. */
rescl_status rs_choice_plan(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *force,
                            rs_plan *out) RESCL_CHECK;

#endif
