/* Whether a device may be trusted with what a run launches there.
 *
 * Before a net's first step each of its ways to do a pass is run on small problems (checks.h) and held
 * against the host's reference; what fails is taken out, so that the choice (choice.h) falls on the next. A
 * kernel may hang or end its process: the program rescl does it, in a process of its own, by the library's
 * rescl_selftest. What came of it is kept on disk, under device, driver, rescl's version, and the source and
 * options of the kernels (cldevice.h, verdicts); what may pass, such as want of memory, a time that ran out or
 * a signal that code does not raise by what it does, is not.
 *
 * RESCL_SELFTEST=off leaves all of it out; a number is the seconds after which a check is taken to hang
 * (RS_TRUST_SECONDS unless set). */
#ifndef RS_TRUST_H
#define RS_TRUST_H

#include "checks.h"

#define RS_TRUST_SECONDS 60

/* NULL, or why a way that can serve is not to be taken on this device. For the host thread of the device, as
 * all of these. */
const char *rs_trust_refuses(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rs_choice *choice);

/* Checks what these plans launch and nobody has checked. *worse: something was found wrong that was not known
 * to be, with a warning for each; then plan again. Where nothing can be checked, for want of the program or
 * because it does not open the device, that is logged and they are taken as they are. */
rescl_status rs_trust_plans(rescl_device *dev, const rs_plan *const *plans, size_t count,
                            bool *worse) RESCL_CHECK;

/* The same for supports (support.h), which nothing replaces: RESCL_ERR_DEVICE, naming kernel and reason, where
 * one is wrong. rs_support_kernel asks it of each; to ask it of several before starts one process. */
rescl_status rs_trust_supports(rescl_device *dev, const rs_support_use *use, size_t count)
    RESCL_CHECK;

/* What came of a check: RESCL_OK, RESCL_ERR_NUMERIC if its numbers are wrong, RESCL_ERR_BUILD if it does not
 * compile, RESCL_ERR_DEVICE if it failed, crashed or hangs; others say nothing of the device. */
typedef struct rs_checked {
    rescl_status status;
    const char *reason; /* "" when the status is RESCL_OK */
} rs_checked;

/* Told of each check as it ends; anything but RESCL_OK ends the run. */
typedef rescl_status (*rs_trust_fn)(const rs_check *c, const rs_checked *result, void *user);

/* Does all checks, whatever is known, and keeps what came of them. RESCL_ERR_UNSUPPORTED where there is no
 * program to do it; RESCL_ERR_DEVICE where it ends before the first. */
rescl_status rs_trust_run(rescl_device *dev, const rs_checks *checks, rs_trust_fn fn, void *user)
    RESCL_CHECK;

/* What is known of a check without doing it: NULL, or "" if it is right, or what was wrong. On the heap.
 * *status: what came of it, RESCL_ERR_NOT_FOUND where nothing is known. */
char *rs_trust_recall(rescl_device *dev, const rs_check *c, rescl_status *status);

/* ---- between the processes ------------------------------------------------------------------ */

/* The variable that holds the checks of a process made for them, one a line; if the first is RS_TRUST_ALONE,
 * nothing is compiled ahead, so that who ends the process is known; a check may then take RS_TRUST_BUILDS
 * times as long to compile. It writes a line when it begins one, when that is compiled and when it ended,
 * behind RS_TRUST_SAYS, which tells them from what a driver prints: "<index> begins", "<index> runs",
 * "<index> is <status> <reason>". */
#define RS_TRUST_CHECKS "RESCL_SELFTEST_CHECKS"
#define RS_TRUST_ALONE  "alone"
#define RS_TRUST_SAYS   "rescl-selftest: "
#define RS_TRUST_BUILDS 10
/* What RESCL_SELFTEST says; *on is false, too, in a process made for checks. RESCL_ERR_ARG when it is neither
 * on, off nor seconds. */
rescl_status rs_trust_read(bool *on, unsigned *seconds) RESCL_CHECK;

#endif
