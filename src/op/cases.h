/* The cases of an operation: small problems of odd shapes, on which an implementation is held against the
 * reference. Each op has its own beside its formula; the tests, `rescl selftest` and what checks a device
 * before a run all take them, through lab's proof.h. */
#ifndef RS_CASES_H
#define RS_CASES_H

#include "op.h"
#include "rng.h"

typedef struct rs_case {
    const char *name;
    rs_shape src[RS_OP_SRC]; /* an ndim of 0 ends them */
    const void *attr;
    bool inference_only; /* it has no backward pass */
    bool no_gradient;    /* finite differences do not apply: ties, kinks, NaN */
    bool f32_alone;      /* narrower types cannot hold its numbers */
    double scale;        /* size of the terms that cancel within an output, when it exceeds the
                          * outputs themselves; widens the tolerance */
    int variant;         /* free, for `fill` */
} rs_case;

/* What goes into a call, on the host and filled already: src, param and diff_dst uniform in [-1, 1),
 * i32 inputs 0, state uniform in [0.5, 1.5). Values are rounded to their types afterwards. */
typedef struct rs_case_data {
    double *src[RS_OP_SRC], *param[RS_OP_PARAM], *state[RS_OP_STATE], *diff_dst;
} rs_case_data;

struct rs_cases {
    const rs_case *list;
    size_t count;
    size_t
        kinds;  /* the first of them: one of each kind; the rest are more shapes of these. 0: all */
    bool mixed; /* dst in f32 is tried with narrower src, too */
    /* Changes the default data of a case; NULL: nothing to change. */
    void (*fill)(const rs_case *c, const rs_problem *p, rs_case_data *d, rs_rng *rng);
};

/* How src and dst lie, and how products may be computed. The ways that there are, f32 first. */
typedef struct rs_storage {
    rs_dtype src, dst;
    rs_math math;
} rs_storage;
#define RS_STORAGES 6
extern const rs_storage rs_storages[RS_STORAGES];

/* How products are computed on a device: in f32 where it has no engine for what was asked for. */
rs_math rs_math_on(const rs_caps *caps, rs_math math);

/* Whether one of the op's implementations, or `impl` alone if it is not NULL, stores so on a device, and the
 * case has numbers for it. */
bool rs_storage_fits(const rs_op *op, const rs_impl *impl, const rs_case *c, const rs_storage *how,
                     const rs_caps *caps);

/* The problem of a case, its inputs of numbers and its output stored so. */
rescl_status rs_case_problem(const rs_op *op, const rs_case *c, bool training,
                             const rs_storage *how, rs_problem *out) RESCL_CHECK;

#endif
