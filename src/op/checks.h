/* What has to be right before a device is trusted with a network: each check is one way to do a pass, on one
 * of its op's cases. Which cases a plan needs follows from the kernels that it launches. */
#ifndef RS_CHECKS_H
#define RS_CHECKS_H

#include "cases.h"
#include "hash.h"
#include "support.h"

typedef struct rs_check {
    const rs_op *op;           /* or */
    const rs_support *support; /* which has no pass and is not training; how.src is its type */
    rs_pass pass;
    bool training;
    rs_storage how;
    char choice[RS_CHOICE];
    size_t number; /* of the case, or of support->problem */
} rs_check;

/* "conv2d fwd train f32 f32 f32 3 packed_gemm kc=128", from which a process of its own reads it. */
#define RS_CHECK_TEXT (RS_CHOICE + 64)
const char *rs_check_text(const rs_check *c, char text[RS_CHECK_TEXT]);
bool rs_check_parse(const char *text, rs_check *out);

/* Of it, as reports name them: "conv2d", "fwd", "3x3 stride 2". */
const char *rs_check_op(const rs_check *c);
const char *rs_check_pass(const rs_check *c);
const char *rs_check_problem(const rs_check *c);

/* The same but for the case, and for whether it is training. */
bool rs_check_same_way(const rs_check *a, const rs_check *b);

/* Plans the pass on the case. */
rescl_status rs_check_plan(const rs_check *c, rescl_device *dev, rs_plan *out) RESCL_CHECK;

/* A list without repetitions. {0} is empty. */
typedef struct rs_checks {
    rs_check *list;
    size_t count, cap;
    rs_hash *covered; /* the kernels, with their options, that the list's checks launch */
    size_t ncovered, covered_cap;
    size_t without; /* kernels that no case launches: nothing checks them */
} rs_checks;

/* Adds what the kernels of a plan need: for each some cases for which it is compiled in the same way, so that
 * nothing more is to be compiled; where there is none, one that takes the kernel at all. */
rescl_status rs_checks_add(rs_checks *all, const rs_plan *plan) RESCL_CHECK;
/* Adds all checks of one. */
rescl_status rs_checks_add_support(rs_checks *all, const rs_support_use *use) RESCL_CHECK;
/* Adds every case of every op by every implementation that can serve it on the device, in each type, and
 * all supports. */
rescl_status rs_checks_add_all(rs_checks *all, rescl_device *dev) RESCL_CHECK;
void rs_checks_fini(rs_checks *all);

#endif
