/* The contract of an operation.
 *
 * An op is one file: shape inference, a host reference in double, and its implementations on a
 * device, best first. One line in ops.def registers it. Everything else (graph, planner, tests,
 * bench) works through rs_op and knows no op by name.
 *
 * Life of an op in a network:
 *   problem   op + attributes + shapes, filled by rs_problem_init (pure)
 *   choice    for a pass: an implementation and its numbers (choice.h)
 *   plan      problem, choice and what the device can do become kernels and sizes (pure);
 *             rs_plan_build then compiles what it names
 *   enqueue   plan + tensors, as often as wanted; asynchronous, allocates nothing
 *
 * Passes. RS_FWD always. Backward is split in two: RS_BWD_PARAMS computes diff_param from what
 * forward kept, RS_BWD_DATA computes diff_src. Where both are wanted PARAMS runs first, and DATA
 * may read the diff_param it left (batch normalisation does). An op has a pass when it has an
 * implementation for it.
 *
 * Determinism. The same plan on the same tensors gives the same bits. */
#ifndef RS_OP_H
#define RS_OP_H

#include "cldevice.h"
#include "tensor.h"

#include <string.h>

#define RS_OP_SRC   3 /* most inputs */
#define RS_OP_PARAM 2 /* most trainable parameters */
#define RS_OP_STATE 2 /* most state tensors (running statistics) */
#define RS_OP_WS    2 /* most tensors kept from forward for backward */

typedef enum rs_pass { RS_FWD = 0, RS_BWD_PARAMS, RS_BWD_DATA, RS_PASS_COUNT } rs_pass;

const char *rs_pass_name(rs_pass pass); /* "fwd", "bwd_params", "bwd_data" */

/* ---- the problem ------------------------------------------------------------------------- */

/* How a parameter starts. WEIGHT leaves the scheme to the model (see init.h). */
typedef enum rs_init_kind {
    RS_INIT_ZERO = 0,
    RS_INIT_ONE,
    RS_INIT_WEIGHT,
    RS_INIT_BIAS
} rs_init_kind;

typedef struct rs_param_spec {
    const char *role; /* "weight", "bias", "running_mean", ...: the last part of its name */
    rs_shape shape;
    rs_init_kind init;
    size_t fan_in, fan_out; /* for WEIGHT and BIAS */
} rs_param_spec;

typedef struct rs_op rs_op;
typedef struct rs_cases rs_cases; /* cases.h */

/* The types of src and dst that kernels which access them by cl/storage.clh serve: for rs_impl.types. */
#define RS_STORAGE_TYPES (1u << RS_F32 | 1u << RS_BF16 | 1u << RS_F16)

/* How products may be computed. TF32: their factors, f32 in memory, may be rounded to 10 bits of
 * mantissa, where an implementation has an engine for that. */
typedef enum rs_math { RS_MATH_F32 = 0, RS_MATH_TF32 } rs_math;

typedef struct rs_problem {
    const rs_op *op;
    const void *attr; /* the op's own attribute struct; borrowed */
    bool training;    /* forward is followed by backward; batch statistics, dropout on */
    int nsrc, nparam, nstate, nws;
    rs_shape src[RS_OP_SRC];
    rs_dtype src_type[RS_OP_SRC];
    rs_shape dst;
    /* How they are stored. diff_src[i] has the type of src[i], diff_dst that of dst. Sums, scratch and
     * what belongs to parameters are f32 always. */
    rs_dtype dst_type, param_type[RS_OP_PARAM];
    rs_math math;
    rs_param_spec param[RS_OP_PARAM], state[RS_OP_STATE];
    rs_shape ws[RS_OP_WS]; /* only filled when training; dtype in ws_type */
    rs_dtype ws_type[RS_OP_WS];
    bool want_diff[RS_OP_SRC];  /* diff_src[i] is wanted from RS_BWD_DATA */
    bool accumulate[RS_OP_SRC]; /* add to diff_src[i] instead of writing it */
    unsigned constants;         /* bits 1 << i of those src that have no gradient: infer's */
    bool want_moments;          /* RS_FWD may leave the moments of dst beside it */
    size_t moments_parts;       /* src[0] comes with its moments in so many parts; 0: without */
    bool want_mask;             /* RS_FWD may leave the mask of its ReLU beside dst */
    bool has_mask;              /* it did, and backward reads that instead of dst */
    bool want_sums;             /* RS_BWD_DATA may leave the sums of diff_src[0] beside it */
    size_t sums_parts;          /* diff_dst comes with its sums in so many parts; 0: without */
} rs_problem;

/* Fills dst, param, state, ws from op, attr, training and the nsrc shapes. RESCL_ERR_SHAPE,
 * RESCL_ERR_ARG with the numbers when they do not fit. Types start as f32 but for the labels and
 * indices of an op, want_diff true for every src of floats but constants, accumulate false, no moments, mask or sums. */
rescl_status rs_problem_init(rs_problem *p, const rs_op *op, const void *attr, bool training,
                             const rs_shape *src, int nsrc) RESCL_CHECK;

/* Moments: the mean and the squared deviations of each channel over parts of the pixels, by which
 * batch normalisation need not read its input for them. cl/moments.clh has their layout. */
static inline size_t rs_moments_bytes(size_t parts, size_t channels)
{
    return parts * (2 * channels + 1) * sizeof(float);
}

/* The mask of a ReLU in bits. cl/relumask.clh has its layout. */
static inline size_t rs_mask_bytes(const rs_shape *dst)
{
    const size_t channels = dst->dim[dst->ndim - 1];
    return rs_shape_count(dst) / channels * ((channels + 3) / 4);
}

/* Sums, by which batch normalisation need not read its diff_dst for them: of the diff behind its ReLU,
 * and of that times (src - mean), of each channel over parts of the pixels: [part][2][channels]. */
static inline size_t rs_sums_bytes(size_t parts, size_t channels)
{
    return parts * 2 * channels * sizeof(float);
}

/* The batch normalisation whose diff_dst is summed. */
typedef struct rs_norm {
    rs_buffer *src, *gamma, *beta, *mean, *inv_std;
    rs_buffer *mask; /* of its ReLU; NULL: to be computed again from src, or there is no ReLU */
    bool relu;
} rs_norm;

/* ---- tensors of one call ----------------------------------------------------------------- */

/* Replicas that share a batch, of which each has a part: what brings their numbers together. */
typedef struct rs_meeting {
    size_t parts, own;    /* of the batch, in its order; which of them is this replica's */
    const size_t *images; /* (parts) that each has, at least 1 */
    float *room;          /* on the host, for what any call brings, and one float more */
    /* All call it in the same order, with as many floats. Waits for the others; *all, (parts, count), is
     * valid until the next call. */
    rescl_status (*meet)(void *user, const float *mine, size_t count, const float **all);
    void *user;
} rs_meeting;

/* Absent tensors have buf == NULL. Without diff_dst, that of a loss is `loss_diff` for each row.
 * `seed` and `step` feed counter-based random numbers (dropout):
 * forward and backward of one step see the same pair. */
typedef struct rs_args {
    rs_tensor src[RS_OP_SRC], dst;
    rs_tensor param[RS_OP_PARAM], state[RS_OP_STATE], ws[RS_OP_WS];
    rs_tensor diff_src[RS_OP_SRC], diff_dst, diff_param[RS_OP_PARAM];
    rs_buffer *scratch; /* plan.scratch_bytes, undefined before and after the call */
    rs_buffer *packed;  /* plan.packed_bytes, filled by the plan's pack */
    rs_buffer *moments; /* of dst, if plan.moments_parts; of src[0], if problem.moments_parts */
    rs_buffer *mask;    /* if plan.mask_bytes; if problem.has_mask */
    rs_buffer *sums;    /* of diff_src[0], if plan.sums_parts; of diff_dst, if problem.sums_parts */
    rs_norm norm;       /* if plan.sums_parts: what made src[0] */
    const rs_meeting *meeting; /* NULL: there is no other replica */
    float loss_diff;
    uint64_t seed, step;
    bool
        again; /* RS_FWD runs a second time in its step: ws has what the first left, and states have
                 * moved already */
} rs_args;

/* ---- plans and implementations ----------------------------------------------------------- */

#define RS_PLAN_KERNELS   6
#define RS_PLAN_KEPT      384 /* bytes */
#define RS_PLAN_TUNABLES  6
#define RS_TUNABLE_VALUES 6

typedef struct rs_impl rs_impl;

/* How a pass is done; choice.h says how it is made, and what it is as text. */
#define RS_CHOICE         128 /* bytes of such a text */
#define RS_CHOICE_DEFAULT "default"
typedef struct rs_choice {
    const rs_impl *impl;
    int tune[RS_PLAN_TUNABLES]; /* of impl->tunables; 0: the implementation's own choice */
} rs_choice;

typedef struct rs_plan_kernel {
    const char *file, *name; /* string literals */
    char options[192];
    bool moves;        /* it only rearranges: results have the same bits with and without it */
    rs_kernel *kernel; /* set by rs_plan_build */
} rs_plan_kernel;

typedef struct rs_plan {
    rs_choice choice;
    rs_pass pass;
    rs_problem problem;
    rescl_device *dev;
    size_t scratch_bytes; /* device memory used within the call only */
    size_t packed_bytes;  /* a rearranged copy of the parameters, refreshed when they change; then
                           * `pack` alone reads the parameters */
    size_t moments_parts; /* of the moments that RS_FWD leaves, if they are wanted; 0: none */
    size_t mask_bytes;    /* of the mask that RS_FWD leaves, if it is wanted; 0: none */
    size_t sums_parts;    /* of the sums that RS_BWD_DATA leaves, if they are wanted; 0: none */
    rs_math math; /* how the implementation computes products: F32 unless it says otherwise */
    int nkernels;
    rs_plan_kernel kernel[RS_PLAN_KERNELS];
    unsigned char kept[RS_PLAN_KEPT]; /* what enqueue and pack need: RS_PLAN_KEEP */
} rs_plan;

/* A number of an implementation that measuring may choose better than its own rule does. */
typedef struct rs_tunable {
    const char *name;             /* as tuning files have it */
    unsigned passes;              /* that heed it: bits 1u << rs_pass */
    int min, max;                 /* what a plan takes */
    int tried[RS_TUNABLE_VALUES]; /* what `rescl tune` tries besides the rule; 0 ends them */
} rs_tunable;

/* What a choice should take on a device that nobody has measured, as roofline.h has it. */
typedef struct rs_expected {
    rs_choice choice;
    double ns;
} rs_expected;

#define RS_EXPECTED 32 /* ways of an implementation that are worth knowing */

/* One way to do one or more passes on a device. */
struct rs_impl {
    const char *name; /* unique within the op: "packed_gemm", "clblast_gemm", "direct" */
    unsigned passes;  /* bits 1u << rs_pass */
    unsigned types;   /* bits 1u << rs_dtype: how src, dst and parameters may be stored; 0: f32 */
    unsigned prefers; /* bits 1u << rescl_device_type it was made for; 0: any. Others take it only
                       * when forced or when nothing else can serve. */
    /* NULL when this implementation can serve, else the reason why not. NULL pointer: it can. */
    const char *(*can)(const rs_problem *p, rs_pass pass, const rs_caps *caps);
    /* Fills kernels, sizes and what is kept from plan->problem, pass and choice, and `caps`. Pure. */
    rescl_status (*plan)(rs_plan *plan, const rs_caps *caps);
    rescl_status (*enqueue)(const rs_plan *plan, const rs_args *args);
    /* Refreshes args->packed from args->param; NULL when packed_bytes is always 0. */
    rescl_status (*pack)(const rs_plan *plan, const rs_args *args);
    /* Terms whose plain sum rounds as its results do. NULL: those of the op's reduction. */
    size_t (*terms)(const rs_problem *p, rs_pass pass);
    /* At most RS_PLAN_TUNABLES, ended by {0}; NULL: none. plan->choice.tune has their values, in
     * range; any of them gives a right result, and where one does not fit the device or the problem
     * `plan` takes the next that does. */
    const rs_tunable *tunables;
    /* Why, of those that can serve, the untuned choice should leave this one out for this problem,
     * or NULL. NULL pointer: never. */
    const char *(*doubt)(const rs_problem *p, rs_pass pass, const rs_caps *caps);
    /* Not for CPUs: into `out` up to `most` ways to do a pass that this one can serve, the fastest first;
     * returns how many, at least one. The first is what `plan` does by its own rule. The untuned choice
     * takes the fastest of the implementations that have this. NULL: it is not known. */
    size_t (*expect)(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                     size_t most);
};

/* `plan` works out once what `enqueue` and `pack` need, in a struct of the implementation's own that
 * the plan keeps; they get a copy of it. */
#define RS_PLAN_KEEP(plan, from)                                                                   \
    do {                                                                                           \
        _Static_assert(sizeof(from) <= RS_PLAN_KEPT, "a plan does not keep so much");              \
        memcpy((plan)->kept, &(from), sizeof(from));                                               \
    } while (0)
#define RS_PLAN_RECALL(plan, to)                                                                   \
    do {                                                                                           \
        _Static_assert(sizeof(to) <= RS_PLAN_KEPT, "a plan does not keep so much");                \
        memcpy(&(to), (plan)->kept, sizeof(to));                                                   \
    } while (0)

/* The options by which cl/storage.clh knows how a problem's src and dst are stored, each after a space;
 * "" where all is f32. */
const char *rs_storage_options(const rs_problem *p);

/* Adds a kernel to the plan; `fmt` gives its -D options. The first added is plan->kernel[0], and so
 * on. */
rescl_status rs_plan_kernel_add(rs_plan *plan, const char *file, const char *name, const char *fmt,
                                ...) RESCL_CHECK RESCL_PRINTF(4, 5);

/* Plans a pass by a choice that can serve it (choice.h). Pure: of `dev` it heeds rs_device_caps. */
rescl_status rs_plan_make(rs_plan *plan, const rs_problem *p, rs_pass pass, rescl_device *dev,
                          const rs_choice *choice) RESCL_CHECK;
rescl_status rs_plan_build(rs_plan *plan) RESCL_CHECK;
rescl_status rs_plan_enqueue(const rs_plan *plan, const rs_args *args) RESCL_CHECK;
rescl_status rs_plan_pack(const rs_plan *plan, const rs_args *args) RESCL_CHECK;

/* NULL if the op has none of this name. */
const rs_impl *rs_impl_find(const rs_op *op, const char *name);

/* Whether an implementation can do a pass: NULL, or why not. */
const char *rs_impl_refuses(const rs_impl *impl, const rs_problem *p, rs_pass pass,
                            const rs_caps *caps);

/* ---- tolerance --------------------------------------------------------------------------- */

/* Terms whose plain sum rounds as the results of `impl` do. */
size_t rs_impl_terms(const rs_impl *impl, const rs_problem *p, rs_pass pass);

/* How far a result of `type` may lie from the truth: `terms` numbers were summed for it, of which
 * the sum, or the largest part that cancels, is of the size `magnitude`. The magnitude of an
 * element is the larger of its own and the root mean square of its tensor. */
double rs_tolerance(rs_dtype type, size_t terms, double magnitude);

/* ---- what a pass costs --------------------------------------------------------------------- */

/* Floating-point operations of a pass, those of a convolution by its definition: two for each
 * multiply-accumulate; 0 for ops that do not count them. */
double rs_pass_flop(const rs_problem *p, rs_pass pass);

/* Bytes that a pass has to read and write at least: each number of its tensors once, adding to one
 * twice. */
double rs_pass_bytes(const rs_problem *p, rs_pass pass);

/* ---- the host reference ------------------------------------------------------------------ */

/* The tensors that single numbers of a result depend on; those of the i-th add i. */
typedef enum rs_role {
    RS_ROLE_SRC = 0,
    RS_ROLE_PARAM = RS_ROLE_SRC + RS_OP_SRC,
    RS_ROLE_DIFF_DST = RS_ROLE_PARAM + RS_OP_PARAM,
    RS_ROLE_DIFF_SRC,
    RS_ROLE_COUNT = RS_ROLE_DIFF_SRC + RS_OP_SRC
} rs_role;

/* The same tensors as rs_args, as doubles on the host (labels and indices too). The reference fills
 * dst, ws and updates state (RS_FWD), diff_param (RS_BWD_PARAMS) or diff_src (RS_BWD_DATA,
 * honouring want_diff and accumulate). Plain loops: it is the truth, not fast. */
typedef struct rs_ref {
    const double *src[RS_OP_SRC], *param[RS_OP_PARAM], *diff_dst;
    double *dst, *state[RS_OP_STATE], *ws[RS_OP_WS];
    double *diff_src[RS_OP_SRC], *diff_param[RS_OP_PARAM];
    /* For rs_op.reference_at alone: element `index` of a tensor whose array is NULL. */
    double (*number)(rs_role role, size_t index);
    uint64_t seed, step;
} rs_ref;

/* ---- the op ------------------------------------------------------------------------------ */

/* What a backward pass reads besides diff_dst, param and ws: decides what the planner keeps. STATE:
 * the pass reads the state and does not change it, RS_FWD in training included. */
#define RS_READS_SRC(i) (1u << (i))
#define RS_READS_DST    (1u << RS_OP_SRC)
#define RS_READS_STATE  (1u << (RS_OP_SRC + 1))

struct rs_op {
    const char *name;  /* the stem of its files */
    const char *layer; /* what Keras calls such a layer, for summaries */
    int src_min, src_max;
    rescl_status (*infer)(rs_problem *p); /* see rs_problem_init; src shapes are checked already */
    unsigned (*reads)(const rs_problem *p, rs_pass pass); /* NULL: nothing */
    bool (*takes_moments)(const rs_problem *p); /* RS_FWD can use those of src[0]; NULL: no */
    /* RS_BWD_PARAMS can use the sums of diff_dst: of which normalisation with these tensors they are to
     * be; `out` may be NULL. NULL, or false: it cannot. */
    bool (*takes_sums)(const rs_problem *p, const rs_args *args, rs_norm *out);
    void (*reference)(const rs_problem *p, rs_pass pass, const rs_ref *ref);
    /* Multiply-accumulates of forward; NULL: counts as 0. */
    double (*macs)(const rs_problem *p);
    /* Terms in the longest sum that makes one output number of this pass, for tolerances. */
    size_t (*reduction)(const rs_problem *p, rs_pass pass);
    /* What makes a problem of this op differ in speed from another of the same pass: words without
     * '=' and '#'. NULL: the op is not tuned. */
    void (*key)(const rs_problem *p, char *text, size_t size);
    /* One number of what `reference` computes: element `index` of dst, diff_param 0 or diff_src 0
     * (its accumulation included: ref->diff_src holds what was there). Reads tensors whose arrays are
     * NULL through ref->number. From any thread. For ops with a key. */
    double (*reference_at)(const rs_problem *p, rs_pass pass, const rs_ref *ref, size_t index);
    const rs_impl *const *impls; /* best first, ended by NULL */
    const rs_cases *cases;       /* on which these are held against the reference */
};

bool rs_op_has_pass(const rs_op *op, rs_pass pass);

/* Every op, generated from ops.def: rs_op_conv2d, ... and the list by name. */
#define RS_OP(stem) extern const rs_op rs_op_##stem;
#include "ops.def"
#undef RS_OP

const rs_op *rs_op_find(const char *name); /* NULL if there is none */
const rs_op *rs_op_at(size_t index);       /* NULL past the end */

#endif
