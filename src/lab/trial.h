/* One operation alone, to be timed or judged: a plan that is ready to run, and tensors for it. */
#ifndef RS_TRIAL_H
#define RS_TRIAL_H

#include "op.h"

/* Tensors of a problem on the device, filled there with uniform numbers in [-1, 1) that depend on
 * nothing but tensor, index and how activations are stored, by which parameters are rounded too; with
 * those of the backward passes where `backward`. */
rescl_status rs_trial_args_make(rescl_device *dev, const rs_problem *p, bool backward, rs_args *out)
    RESCL_CHECK;
void rs_trial_args_release(rs_args *args);

/* What gives element `index` of the tensor of that role, as rs_trial_args_make fills it for a problem
 * whose activations are all of one type. From any thread. */
typedef double (*rs_trial_number)(rs_role role, size_t index);
rs_trial_number rs_trial_numbers(const rs_problem *p);

/* What tells cl/trial.cl how a tensor is stored: an option, or "". */
const char *rs_trial_storage(rs_dtype type);

/* Fills a tensor of floats with the numbers of a seed, of which those of the roles are their own; or
 * with NaN. Asynchronous. */
rescl_status rs_trial_fill(rescl_device *dev, const rs_tensor *t, uint64_t seed) RESCL_CHECK;
rescl_status rs_trial_spoil(rescl_device *dev, const rs_tensor *t) RESCL_CHECK;

/* What a pass computes: dst, diff_param 0 or diff_src 0. */
const rs_tensor *rs_trial_result(const rs_args *args, rs_pass pass);

typedef struct rs_trial {
    rs_plan plan;
    rs_buffer *scratch, *packed, *moments, *sums;
    rs_tensor norm[4]; /* gamma, beta, mean and inv_std of what is summed for */
} rs_trial;

/* Plans by `choice` (as rs_choice_plan), compiles and takes memory. `out` is {0}. */
rescl_status rs_trial_init(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *choice,
                           rs_trial *out) RESCL_CHECK;
void rs_trial_fini(rs_trial *t);

/* Runs the pass and waits for it. `pack` refreshes the packed parameters first. *ms is how long it
 * took (ms may be NULL): on a device that is profiled, from the start of the first kernel to the end
 * of the last, by its own clock; else by the host's, until the device is idle. */
rescl_status rs_trial_run(const rs_trial *t, rs_args *args, bool pack, double *ms) RESCL_CHECK;

/* Devices other than CPUs are profiled while they are measured, where their drivers can: the host's
 * clock would add what a launch and waiting for it take. A CPU's kernels begin at once, and what is
 * between them counts. */
rescl_status rs_trial_clock_begin(rescl_device *dev) RESCL_CHECK;
void rs_trial_clock_end(rescl_device *dev);

#endif
