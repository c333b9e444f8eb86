/* Kernels that stand around a network's ops: no op has them, and nothing else can take their place. Each is an
 * object at the end of its file, rs_support_<name>, and a line of supports.def; src/lab/supportproof.h holds
 * it against the host's reference. */
#ifndef RS_SUPPORT_H
#define RS_SUPPORT_H

#include "op.h"

typedef struct rs_support {
    const char *name, *part;    /* as checks name them beside op and pass: "optimiser", "update" */
    const char *const *choice;  /* what `plan` takes: the optimisers; NULL ends them */
    unsigned types;             /* it serves: bits 1u << rs_dtype */
    const char *const *problem; /* of its checks; NULL ends them */
    /* Adds its kernel, or kernels. */
    rescl_status (*plan)(rs_plan *plan, rs_dtype type, const char *choice);
} rs_support;

#define RS_SUPPORT(name) extern const rs_support rs_support_##name;
#include "supports.def"
#undef RS_SUPPORT

/* NULL after the last; NULL if none has the name. */
const rs_support *rs_support_at(size_t index);
const rs_support *rs_support_find(const char *name);

/* One that is to be launched. */
typedef struct rs_support_use {
    const rs_support *support;
    rs_dtype type;
    const char *choice;
} rs_support_use;

/* Its kernel, compiled. RESCL_ERR_DEVICE where it is known, or found by rs_trust_supports, to be wrong. */
rescl_status rs_support_kernel(rescl_device *dev, const rs_support_use *use, rs_kernel **out)
    RESCL_CHECK;
/* The same of one with several, in the order of its plan: `most` at most. */
rescl_status rs_support_kernels(rescl_device *dev, const rs_support_use *use, rs_kernel **out,
                                int most) RESCL_CHECK;

#endif
