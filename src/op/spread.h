/* How kernels that are bound by memory divide their work: the host's side of FOR_UNITS in
 * common.clh.
 *
 * An implementation that prefers CPUs gives each of a few work-items, alone in its group, one long
 * contiguous part. Any other one lets the work-items of a group take neighbouring vectors in turn.
 * Both are the same kernels, built with -DSPREAD=0 or 1. */
#ifndef RS_SPREAD_H
#define RS_SPREAD_H

#include "op.h"

#define RS_SPREAD_GROUP 128 /* work-items of a group where the device can have so many */

typedef struct rs_spread {
    size_t chunk; /* rows that one work-item takes when SPREAD is 0 */
    rs_grid grid;
    char options[128];
} rs_spread;

/* Divides `rows` rows of `row_elems` numbers each. `cpu`: in chunks of a multiple of `grain` rows,
 * else in turns. Among the options are those of rs_vector_options: kernels take vectors that begin at
 * multiples of `run` numbers. */
rs_spread rs_spread_over(const rs_caps *caps, const rs_problem *p, bool cpu, size_t rows,
                         size_t row_elems, size_t grain, size_t run);

/* Whether its implementation is the chunked one: that for CPUs. */
bool rs_plan_chunked(const rs_plan *plan);

/* For a plan of one kernel, `file`'s `name`: chooses by what the implementation prefers. Vectors begin
 * at the start of each row, or with a grain above 1 at that of the tensor. The plan keeps the result,
 * where rs_spread_grid and rs_spread_chunk find it. */
rescl_status rs_spread_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name,
                            size_t rows, size_t row_elems, size_t grain) RESCL_CHECK;
rs_grid rs_spread_grid(const rs_plan *plan);
size_t rs_spread_chunk(const rs_plan *plan);

/* A number that kernels divide by: QUOTIENT of common.clh. RS_DIVISOR(d) gives the arguments of
 * DIVISOR_PARAM. 1 <= d < 2^31. */
typedef struct rs_divisor {
    uint32_t mul, shift;
} rs_divisor;
rs_divisor rs_divisor_of(size_t d);
#define RS_DIVISOR(d) RS_UINT((d).mul), RS_UINT((d).shift)

/* A walk over the pixels of maps of which a kernel takes vectors of channels: the host's side of
 * cl/pixels.clh. */
typedef struct rs_walk {
    rs_spread spread;
    size_t pixels, rows, cols, depth;
    rs_divisor by_rows, by_cols, by_blocks;
} rs_walk;

/* Over `images` maps of rows x cols pixels, those that a kernel's units are, of `depth` channels.
 * `items` neighbours of a group share a unit where `cpu` is false; `run` as above. */
rs_walk rs_walk_over(const rs_caps *caps, const rs_problem *p, bool cpu, size_t images, size_t rows,
                     size_t cols, size_t depth, size_t items, size_t run);

/* The arguments of WALK_PARAMS. */
#define RS_WALK_ARGS(w)                                                                            \
    RS_UINT((w)->pixels), RS_INT((w)->rows), RS_INT((w)->cols), RS_INT((w)->depth),                \
        RS_UINT((w)->spread.chunk), RS_DIVISOR((w)->by_rows), RS_DIVISOR((w)->by_cols),            \
        RS_DIVISOR((w)->by_blocks)

/* The list of implementations of an op whose kernels are spread so, one for each manner; type_bits is
 * their rs_impl.types. */
#define RS_SPREAD_IMPLS(pass_bits, type_bits, plan_fn, enqueue_fn)                                 \
    {                                                                                              \
        &(const rs_impl){.name = "chunked",                                                        \
                         .passes = (pass_bits),                                                    \
                         .types = (type_bits),                                                     \
                         .prefers = 1u << RESCL_DEVICE_CPU,                                        \
                         .can = rs_can_index32,                                                    \
                         .plan = (plan_fn),                                                        \
                         .enqueue = (enqueue_fn)},                                                 \
            &(const rs_impl){.name = "grouped",                                                    \
                             .passes = (pass_bits),                                                \
                             .types = (type_bits),                                                 \
                             .prefers = 1u << RESCL_DEVICE_GPU | 1u << RESCL_DEVICE_ACCELERATOR,   \
                             .can = rs_can_index32,                                                \
                             .plan = (plan_fn),                                                    \
                             .enqueue = (enqueue_fn)},                                             \
            NULL                                                                                   \
    }

/* The largest power of two, at most `want`, that a work-group of the device may have. */
size_t rs_group_size(const rs_caps *caps, size_t want);

/* The same of a group whose work-items each keep `floats` floats in local memory. */
size_t rs_tree_size(const rs_caps *caps, size_t want, size_t floats);

/* Compute units for which sums are divided into parts that are then joined. On CPUs the same however
 * many there are, so that sums are taken in one order on all with vectors of one width; other devices
 * have too many for one number to serve. */
size_t rs_sum_units(const rs_caps *caps);

/* VW of common.clh on this device, in a kernel that is bound by memory: at least 128 bits of what p stores
 * in 16. p NULL: all is f32. */
size_t rs_vector_width(const rs_caps *caps, const rs_problem *p);

/* " -DSUBGROUP=16" and the like where kernels may ask for a sub-group's width (common.clh), else "". */
#define RS_SUBGROUP_OPTION 24
const char *rs_subgroup_option(const rs_caps *caps, char text[RS_SUBGROUP_OPTION]);

/* The options of such a kernel, each after a space: its width, if it is not the device's own, and then the
 * sub-group's; where vectors begin at multiples of `run` numbers, that they are ALIGNED, which implementations for CPUs
 * leave out (run 1); and rs_storage_options. */
#define RS_VECTOR_OPTIONS 96
const char *rs_vector_options(const rs_caps *caps, const rs_problem *p, size_t run,
                              char text[RS_VECTOR_OPTIONS]);

/* An rs_impl.can: kernels that index with 32 bits. */
const char *rs_can_index32(const rs_problem *p, rs_pass pass, const rs_caps *caps);

/* diff_src[i]'s part in the `flags` argument of backward kernels: (WANT | ACCUMULATE) << 2 * i. */
unsigned rs_diff_flags(const rs_problem *p);

#endif
