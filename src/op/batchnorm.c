/* Batch normalisation, with the residual add and the ReLU that follow it in a residual network.
 *
 * Over the m = n * h * w pixels of each channel, g being diff_dst where dst > 0 (all of it without
 * ReLU):
 *
 *     inv_std    = 1 / sqrt(var + eps), the batch's var being divided by m
 *     xhat       = (src0 - mean) * inv_std
 *     dst        = [relu](gamma * xhat + beta [+ src1])
 *     diff_beta  = sum(g)
 *     diff_gamma = sum(g * xhat)
 *     diff_src0  = gamma * inv_std * (g - diff_beta / m - xhat * diff_gamma / m)
 *     diff_src1  = g
 *
 * (Ioffe and Szegedy, "Batch Normalization", 2015, section 3.) Inference takes the running
 * statistics, and so does training where the layer is frozen: they do not depend on src0, hence
 *
 *     diff_src0  = gamma * inv_std * g
 *
 * RS_BWD_DATA reads the diff_param that RS_BWD_PARAMS left, unless the layer is frozen. Without a
 * residual the sign of dst follows from src0, mean and inv_std, which costs less than reading dst;
 * but RS_BWD_DATA of a frozen layer needs src0 for nothing else.
 *
 * synced: the moments of the replicas' parts of a batch are merged, and their sums added, in the order of
 * the parts on the host, in double, m being the pixels of all parts: all replicas have the same bits of these,
 * which depend on how the batch is divided.
 * diff_gamma and diff_beta stay those of the replica's own part.
 *
 * unbiased_running: the running variance takes m / (m - 1) of the batch's; of one pixel, all of it.
 */
#include "alloc.h"
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "op.h"
#include "spread.h"

#include <math.h>
#include <stdio.h>

enum { OPTIONS = 128 }; /* bytes of a kernel's options */

/* Bits of the kernels' `flags` above those of rs_diff_flags. */
enum { RELU = 16, MASK_DST = 32, RUNNING = 64, MASK_BITS = 128 };

/* What a plan keeps: how the pixels are cut into parts of so many rows, and how many groups of
 * work-items lie over the blocks of channels; 0 tiles: one work-item to a part. */
typedef struct kept {
    size_t rows, parts;
    size_t group, tiles, finish_tiles;
    size_t blocks; /* vectors of channels */
} kept;

static size_t channels_of(const rs_problem *p)
{
    return p->src[0].dim[p->src[0].ndim - 1];
}

static size_t pixels_of(const rs_problem *p)
{
    return rs_shape_count(&p->src[0]) / channels_of(p);
}

/* Whether the batch's statistics are taken; else the running ones. */
static bool by_batch(const rs_problem *p)
{
    const rs_batchnorm_attr *a = p->attr;
    return p->training && !a->frozen;
}

static bool is_synced(const rs_problem *p)
{
    const rs_batchnorm_attr *a = p->attr;
    return by_batch(p) && a->synced;
}

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_batchnorm_attr *a = p->attr;
    char x[96], r[96];
    RS_FAIL_IF(p->src[0].ndim < 2, RESCL_ERR_SHAPE, "batchnorm: input is %s, expected (n, ..., c)",
               rs_shape_text(&p->src[0], x));
    RS_FAIL_IF(p->nsrc == 2 && !rs_shape_equal(&p->src[0], &p->src[1]), RESCL_ERR_SHAPE,
               "batchnorm: residual %s differs in shape from the input %s",
               rs_shape_text(&p->src[1], r), rs_shape_text(&p->src[0], x));
    RS_FAIL_IF(!(a->eps > 0) || !(a->momentum >= 0 && a->momentum <= 1), RESCL_ERR_ARG,
               "batchnorm: eps is %g and momentum %g, expected above 0 and 0 to 1", (double)a->eps,
               (double)a->momentum);
    const rs_shape c = rs_shape_1(channels_of(p));
    p->dst = p->src[0];
    p->nparam = p->nstate = 2;
    p->param[0] = (rs_param_spec){.role = "weight", .shape = c, .init = RS_INIT_ONE};
    p->param[1] = (rs_param_spec){.role = "bias", .shape = c, .init = RS_INIT_ZERO};
    p->state[0] = (rs_param_spec){.role = "running_mean", .shape = c, .init = RS_INIT_ZERO};
    p->state[1] = (rs_param_spec){.role = "running_var", .shape = c, .init = RS_INIT_ONE};
    if (by_batch(p)) {
        p->nws = 2;
        p->ws[0] = p->ws[1] = c;
    }
out:
    return st;
}

/* Whether the pass needs dst, or its mask in bits, for the ReLU. */
static bool masks_by_dst(const rs_problem *p, rs_pass pass)
{
    const rs_batchnorm_attr *a = p->attr;
    return a->relu && (p->nsrc == 2 || (a->frozen && pass == RS_BWD_DATA));
}

static unsigned reads(const rs_problem *p, rs_pass pass)
{
    const rs_batchnorm_attr *a = p->attr;
    const unsigned state = a->frozen ? RS_READS_STATE : 0;
    if (pass == RS_FWD)
        return state;
    return state | (a->frozen && pass == RS_BWD_DATA ? 0 : RS_READS_SRC(0)) |
           (masks_by_dst(p, pass) && !p->has_mask ? RS_READS_DST : 0);
}

static bool takes_sums(const rs_problem *p, const rs_args *a, rs_norm *out)
{
    const rs_batchnorm_attr *attr = p->attr;
    if (out)
        *out = (rs_norm){.src = a->src[0].buf,
                         .gamma = a->param[0].buf,
                         .beta = a->param[1].buf,
                         .mean = a->ws[0].buf,
                         .inv_std = a->ws[1].buf,
                         .mask = p->has_mask ? a->mask : NULL,
                         .relu = attr->relu};
    return by_batch(p) && (!masks_by_dst(p, RS_BWD_PARAMS) || p->has_mask);
}

/* ---- reference ----------------------------------------------------------------------------- */

static void reference_fwd(const rs_problem *p, const rs_ref *ref, size_t k)
{
    const rs_batchnorm_attr *a = p->attr;
    const size_t c = channels_of(p), m = pixels_of(p);
    double mean = ref->state[0][k], var = ref->state[1][k];
    if (by_batch(p)) {
        mean = var = 0;
        for (size_t i = 0; i < m; i++)
            mean += ref->src[0][i * c + k] / (double)m;
        for (size_t i = 0; i < m; i++)
            var += pow(ref->src[0][i * c + k] - mean, 2) / (double)m;
        const double unbias = a->unbiased_running && m > 1 ? (double)m / (double)(m - 1) : 1;
        const double keep = (double)a->momentum;
        ref->state[0][k] = keep * ref->state[0][k] + (1 - keep) * mean;
        ref->state[1][k] = keep * ref->state[1][k] + (1 - keep) * var * unbias;
        ref->ws[0][k] = mean;
        ref->ws[1][k] = 1 / sqrt(var + (double)a->eps);
    }
    const double scale = ref->param[0][k] / sqrt(var + (double)a->eps);
    for (size_t i = k; i < m * c; i += c) {
        const double y = scale * (ref->src[0][i] - mean) + ref->param[1][k] +
                         (p->nsrc == 2 ? ref->src[1][i] : 0);
        ref->dst[i] = a->relu && y < 0 ? 0 : y;
    }
}

static void reference_bwd(const rs_problem *p, rs_pass pass, const rs_ref *ref, size_t k)
{
    const rs_batchnorm_attr *a = p->attr;
    const size_t c = channels_of(p), m = pixels_of(p);
    const bool batch = by_batch(p);
    const double mean = batch ? ref->ws[0][k] : ref->state[0][k];
    const double inv = batch ? ref->ws[1][k] : 1 / sqrt(ref->state[1][k] + (double)a->eps);
    const double gamma = ref->param[0][k];
    double sum = 0, dot = 0;
    for (size_t i = k; i < m * c; i += c) {
        const double xhat = (ref->src[0][i] - mean) * inv;
        const double y = masks_by_dst(p, pass) ? ref->dst[i] : gamma * xhat + ref->param[1][k];
        const double g = a->relu && y <= 0 ? 0 : ref->diff_dst[i];
        sum += g;
        dot += g * xhat;
        if (pass == RS_BWD_DATA && p->want_diff[0]) {
            const double moved =
                batch ? (ref->diff_param[1][k] + xhat * ref->diff_param[0][k]) / (double)m : 0;
            ref->diff_src[0][i] =
                (p->accumulate[0] ? ref->diff_src[0][i] : 0) + gamma * inv * (g - moved);
        }
        if (pass == RS_BWD_DATA && p->nsrc == 2 && p->want_diff[1])
            ref->diff_src[1][i] = (p->accumulate[1] ? ref->diff_src[1][i] : 0) + g;
    }
    if (pass == RS_BWD_PARAMS) {
        ref->diff_param[0][k] = dot;
        ref->diff_param[1][k] = sum;
    }
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    for (size_t k = 0; k < channels_of(p); k++)
        if (pass == RS_FWD)
            reference_fwd(p, ref, k);
        else
            reference_bwd(p, pass, ref, k);
}

static size_t reduction(const rs_problem *p, rs_pass pass)
{
    return pass == RS_BWD_PARAMS || (pass == RS_FWD && by_batch(p)) ? pixels_of(p) : 1;
}

/* ---- implementations ----------------------------------------------------------------------- */

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    if (pass != RS_FWD && !p->training)
        return "backward follows a forward of training";
    return rs_can_index32(p, pass, caps);
}

static const char *can_chunked(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    if (pass != RS_FWD && p->has_mask)
        return "it does not read masks in bits";
    return can(p, pass, caps);
}

static size_t clamp(size_t v, size_t lo, size_t hi)
{
    return v > hi ? hi : v < lo ? lo : v;
}

/* Rows of a part, a multiple of `block`, so that there are at most `parts` of at least `least`
 * rows. */
static void divide_pixels(kept *d, size_t pixels, size_t parts, size_t least, size_t block)
{
    d->rows = rs_round_up(clamp(pixels / parts + 1, least, SIZE_MAX), block);
    d->parts = rs_div_up(pixels, d->rows);
}

/* One work-item to a part; 64 rows at least, so that a part's sums are small beside what it reads.
 */
static void divide_chunked(const rs_problem *p, const rs_caps *caps, kept *d)
{
    divide_pixels(d, pixels_of(p), rs_sum_units(caps) * 4, clamp(4096 / channels_of(p), 64, 4096),
                  8);
    d->group = 1;
}

/* Groups of lx blocks of channels by rows, GROUPS_PER_UNIT for each compute unit in all where an item
 * then has a block of rows at least. ROWS and FINISH_BLOCKS are those of batchnorm_grouped.cl. */
static void divide_grouped(const rs_problem *p, const rs_caps *caps, kept *d, char options[OPTIONS])
{
    enum { GROUP = 256, GROUPS_PER_UNIT = 16, ROWS = 2, FINISH_BLOCKS = 2 };
    const size_t vw = rs_vector_width(caps, p);
    const size_t group = rs_tree_size(caps, GROUP, 2 * vw + 1);
    /* Two widths only: each is a program to build. */
    const size_t lx = clamp(d->blocks >= 16 ? 16 : 4, 1, group);
    const size_t finish_lx = clamp(FINISH_BLOCKS, 1, group);
    d->tiles = rs_div_up(d->blocks, lx);
    d->finish_tiles = rs_div_up(d->blocks, finish_lx);
    d->group = group;
    const size_t groups = clamp(caps->compute_units, 1, 4096) * GROUPS_PER_UNIT;
    divide_pixels(d, pixels_of(p), clamp(groups / d->tiles, 1, groups), ROWS * group / lx,
                  ROWS * group / lx);
    char vectors[RS_VECTOR_OPTIONS];
    snprintf(options, OPTIONS, "-DWG=%zu -DLX=%zu%s", group, lx,
             rs_vector_options(caps, p, channels_of(p), vectors));
}

/* The kernels of the passes, not all of which a problem needs. */
enum { STATS = 0, JOIN, FINISH, APPLY };
enum { SUMS = 0, FINISH_SUMS };
enum { DATA = 0 };
enum { KERNELS = 4 };

static bool needs(const rs_problem *p, rs_pass pass, int kernel)
{
    if (pass == RS_BWD_PARAMS)
        return kernel != SUMS || !p->sums_parts;
    if (pass == RS_BWD_DATA || kernel == APPLY)
        return true;
    return kernel == JOIN ? is_synced(p) : by_batch(p) && (kernel != STATS || !p->moments_parts);
}

static rs_kernel *kernel_of(const rs_plan *plan, int kernel)
{
    int place = 0;
    for (int k = 0; k < kernel; k++)
        place += needs(&plan->problem, plan->pass, k);
    return plan->kernel[place].kernel;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    static const char *const names[RS_PASS_COUNT][KERNELS] = {
        {"batchnorm_fwd_stats", "batchnorm_fwd_join", "batchnorm_fwd_finish",
         "batchnorm_fwd_apply"},
        {"batchnorm_bwd_sums", "batchnorm_bwd_finish"},
        {"batchnorm_bwd_data"}};
    const rs_problem *p = &plan->problem;
    rescl_status st = RESCL_OK;
    const bool cpu = rs_plan_chunked(plan);
    const char *file = cpu ? "batchnorm" : "batchnorm_grouped";
    char options[OPTIONS] = "";
    const size_t vw = rs_vector_width(caps, p);
    kept d = {.blocks = rs_div_up(channels_of(p), vw)};
    if (cpu) {
        divide_chunked(p, caps, &d);
        rs_vector_options(caps, p, 1, options);
    } else {
        divide_grouped(p, caps, &d, options);
    }
    RS_PLAN_KEEP(plan, d);
    const bool sums_beside = plan->pass == RS_BWD_DATA && is_synced(p);
    for (int i = 0; i < KERNELS && names[plan->pass][i]; i++)
        if (needs(p, plan->pass, i))
            RS_TRY(rs_plan_kernel_add(plan, file, names[plan->pass][i], "%s%s", options,
                                      sums_beside ? " -DSUMS_BESIDE" : ""));
    if (plan->pass == RS_BWD_PARAMS && needs(p, RS_BWD_PARAMS, SUMS))
        plan->scratch_bytes = rs_sums_bytes(d.parts, channels_of(p));
    else if (plan->pass == RS_FWD && needs(p, RS_FWD, STATS))
        plan->scratch_bytes = rs_moments_bytes(d.parts, channels_of(p));
    else if (sums_beside)
        plan->scratch_bytes = rs_sums_bytes(1, channels_of(p));
    if (!cpu && plan->pass == RS_FWD && p->want_mask && masks_by_dst(p, RS_BWD_DATA))
        plan->mask_bytes = rs_mask_bytes(&p->dst);
out:
    return st;
}

static rs_grid grid_of(const kept *d)
{
    const size_t tiles = d->tiles ? d->tiles : 1;
    return (rs_grid){{d->parts * d->group, tiles, 1}, {d->group, 1, 1}};
}

static rs_grid finish_grid_of(const kept *d)
{
    const size_t groups = d->tiles ? d->finish_tiles : d->blocks;
    return (rs_grid){{groups * d->group, 1, 1}, {d->group, 1, 1}};
}

/* Of the parts of a batch together, if one has so many: pixels of all. */
static size_t pixels_of_all(const rs_meeting *meeting, size_t pixels)
{
    size_t images = 0;
    for (size_t i = 0; i < meeting->parts; i++)
        images += meeting->images[i];
    return pixels / meeting->images[meeting->own] * images;
}

/* The moments of all parts of a batch into `out`, means, then squared deviations, as cl/moments.clh joins
 * them. */
static void merge_moments(const rs_meeting *meeting, const float *all, size_t channels,
                          size_t pixels, float *out)
{
    const size_t each = pixels / meeting->images[meeting->own];
    for (size_t k = 0; k < channels; k++) {
        double mean = 0, m2 = 0, count = 0;
        for (size_t i = 0; i < meeting->parts; i++) {
            const float *part = all + i * 2 * channels + k;
            const double n = (double)(meeting->images[i] * each), share = n / (count + n);
            const double delta = (double)part[0] - mean;
            mean += delta * share;
            m2 += (double)part[channels] + delta * delta * count * share;
            count += n;
        }
        out[k] = (float)mean;
        out[channels + k] = (float)m2;
    }
}

/* The one part of moments there is becomes that of all replicas; *pixels that of theirs. */
static rescl_status meet_moments(const rs_plan *plan, const rs_meeting *meeting, rs_buffer *moments,
                                 size_t *pixels)
{
    rescl_status st = RESCL_OK;
    const size_t c = channels_of(&plan->problem), all_pixels = pixels_of_all(meeting, *pixels);
    const float *all = NULL;
    float *room = meeting->room;

    RS_FAIL_IF(all_pixels > UINT32_MAX, RESCL_ERR_UNSUPPORTED,
               "batchnorm: %zu pixels of a batch are normalised together, and %lu are the most",
               all_pixels, (unsigned long)UINT32_MAX);
    RS_TRY(rs_read(plan->dev, moments, 0, room, 2 * c * sizeof *room));
    RS_TRY(meeting->meet(meeting->user, room, 2 * c, &all));
    merge_moments(meeting, all, c, *pixels, room);
    room[2 * c] = (float)all_pixels;
    RS_TRY(rs_write(plan->dev, moments, 0, room, (2 * c + 1) * sizeof *room));
    *pixels = all_pixels;
out:
    return st;
}

/* Into `sums` diff_gamma and diff_beta of all parts, each times what this replica has of the pixels: its
 * kernels divide by its own. */
static rescl_status meet_sums(const rs_plan *plan, const rs_args *a, rs_buffer *sums)
{
    rescl_status st = RESCL_OK;
    const size_t c = channels_of(&plan->problem), bytes = c * sizeof(float);
    const size_t pixels = pixels_of(&plan->problem);
    const rs_meeting *meeting = a->meeting;
    const float *all = NULL;

    if (!meeting) {
        RS_TRY(rs_copy(plan->dev, a->diff_param[0].buf, 0, sums, 0, bytes));
        RS_TRY(rs_copy(plan->dev, a->diff_param[1].buf, 0, sums, bytes, bytes));
        goto out;
    }
    const double share = (double)pixels / (double)pixels_of_all(meeting, pixels);
    RS_TRY(rs_read(plan->dev, a->diff_param[0].buf, 0, meeting->room, bytes));
    RS_TRY(rs_read(plan->dev, a->diff_param[1].buf, 0, meeting->room + c, bytes));
    RS_TRY(meeting->meet(meeting->user, meeting->room, 2 * c, &all));
    for (size_t k = 0; k < 2 * c; k++) {
        double sum = 0;
        for (size_t i = 0; i < meeting->parts; i++)
            sum += (double)all[i * 2 * c + k];
        meeting->room[k] = (float)(sum * share);
    }
    RS_TRY(rs_write(plan->dev, sums, 0, meeting->room, 2 * bytes));
out:
    return st;
}

/* From src to what backward needs of the statistics, and the running ones. */
static rescl_status enqueue_statistics(const rs_plan *plan, const rs_args *a, const kept *d)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    const rs_batchnorm_attr *attr = p->attr;
    const rs_grid grid = grid_of(d), finish = finish_grid_of(d);
    const size_t c = channels_of(p);
    size_t m = pixels_of(p), parts = p->moments_parts ? p->moments_parts : d->parts;
    rs_buffer *moments = p->moments_parts ? a->moments : a->scratch;

    if (needs(p, RS_FWD, STATS))
        RS_TRY(RS_LAUNCH(plan->dev, kernel_of(plan, STATS), grid, RS_BUF(a->src[0].buf),
                         RS_BUF(moments), RS_UINT(m), RS_UINT(c), RS_UINT(d->rows),
                         RS_UINT(parts)));
    if (needs(p, RS_FWD, JOIN)) {
        RS_TRY(RS_LAUNCH(plan->dev, kernel_of(plan, JOIN), finish, RS_BUF(moments), RS_UINT(c),
                         RS_UINT(parts), RS_UINT(m)));
        parts = 1;
        if (a->meeting)
            RS_TRY(meet_moments(plan, a->meeting, moments, &m));
    }
    const double unbias = attr->unbiased_running && m > 1 ? (double)m / (double)(m - 1) : 1;
    RS_TRY(RS_LAUNCH(plan->dev, kernel_of(plan, FINISH), finish, RS_BUF(moments),
                     RS_BUF(a->ws[0].buf), RS_BUF(a->ws[1].buf), RS_BUF(a->state[0].buf),
                     RS_BUF(a->state[1].buf), RS_UINT(m), RS_UINT(c), RS_UINT(parts),
                     RS_FLOAT(attr->eps), RS_FLOAT(attr->momentum), RS_FLOAT(unbias)));
out:
    return st;
}

static rescl_status enqueue_fwd(const rs_plan *plan, const rs_args *a)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    const rs_batchnorm_attr *attr = p->attr;
    kept d;
    RS_PLAN_RECALL(plan, d);
    const size_t m = pixels_of(p), c = channels_of(p);
    const rs_grid grid = grid_of(&d);
    const bool batch = by_batch(p);
    if (batch && !a->again)
        RS_TRY(enqueue_statistics(plan, a, &d));
    const rs_arg apply[] = {RS_BUF(a->src[0].buf),
                            RS_BUF(p->nsrc == 2 ? a->src[1].buf : NULL),
                            RS_BUF(a->param[0].buf),
                            RS_BUF(a->param[1].buf),
                            RS_BUF(batch ? a->ws[0].buf : a->state[0].buf),
                            RS_BUF(batch ? a->ws[1].buf : a->state[1].buf),
                            RS_BUF(a->dst.buf),
                            RS_UINT(m),
                            RS_UINT(c),
                            RS_UINT(d.rows),
                            RS_UINT((attr->relu ? RELU : 0) | (batch ? 0 : RUNNING)),
                            RS_FLOAT(attr->eps),
                            RS_BUF(plan->mask_bytes ? a->mask : NULL)};
    /* Only groups leave a mask. */
    RS_TRY(rs_launch(plan->dev, kernel_of(plan, APPLY), &grid, apply,
                     RS_COUNT(apply) - (d.tiles == 0)));
out:
    return st;
}

static rescl_status enqueue_bwd(const rs_plan *plan, const rs_args *a)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    const rs_batchnorm_attr *attr = p->attr;
    kept d;
    RS_PLAN_RECALL(plan, d);
    const size_t m = pixels_of(p), c = channels_of(p), parts = d.parts;
    const rs_grid grid = grid_of(&d), finish = finish_grid_of(&d);
    const bool by_dst = masks_by_dst(p, plan->pass), batch = by_batch(p);
    const unsigned from = !by_dst ? 0u : p->has_mask ? MASK_BITS : MASK_DST;
    const unsigned flags = (attr->relu ? RELU : 0u) | from | (batch ? 0u : RUNNING);
    rs_buffer *masks = !by_dst ? NULL : p->has_mask ? a->mask : a->dst.buf;
    rs_buffer *means = batch ? a->ws[0].buf : a->state[0].buf;
    rs_buffer *spreads = batch ? a->ws[1].buf : a->state[1].buf;
    if (plan->pass == RS_BWD_PARAMS) {
        rs_buffer *sums = p->sums_parts ? a->sums : a->scratch;
        if (needs(p, RS_BWD_PARAMS, SUMS))
            RS_TRY(RS_LAUNCH(plan->dev, kernel_of(plan, SUMS), grid, RS_BUF(a->src[0].buf),
                             RS_BUF(a->diff_dst.buf), RS_BUF(masks), RS_BUF(a->param[0].buf),
                             RS_BUF(a->param[1].buf), RS_BUF(means), RS_BUF(spreads), RS_BUF(sums),
                             RS_UINT(m), RS_UINT(c), RS_UINT(d.rows), RS_UINT(flags),
                             RS_FLOAT(attr->eps)));
        RS_TRY(RS_LAUNCH(
            plan->dev, kernel_of(plan, FINISH_SUMS), finish, RS_BUF(sums), RS_BUF(spreads),
            RS_BUF(a->diff_param[0].buf), RS_BUF(a->diff_param[1].buf), RS_UINT(c),
            RS_UINT(p->sums_parts ? p->sums_parts : parts), RS_UINT(flags), RS_FLOAT(attr->eps)));
        goto out;
    }
    const bool sums_beside = is_synced(p);
    if (sums_beside)
        RS_TRY(meet_sums(plan, a, a->scratch));
    RS_TRY(RS_LAUNCH(
        plan->dev, kernel_of(plan, DATA), grid, RS_BUF(a->src[0].buf), RS_BUF(a->diff_dst.buf),
        RS_BUF(masks), RS_BUF(a->param[0].buf), RS_BUF(a->param[1].buf), RS_BUF(means),
        RS_BUF(spreads), RS_BUF(sums_beside ? a->scratch : a->diff_param[0].buf),
        RS_BUF(sums_beside ? a->scratch : a->diff_param[1].buf), RS_BUF(a->diff_src[0].buf),
        RS_BUF(p->nsrc == 2 ? a->diff_src[1].buf : NULL), RS_UINT(m), RS_UINT(c), RS_UINT(d.rows),
        RS_UINT(flags | rs_diff_flags(p)), RS_FLOAT(attr->eps)));
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    return plan->pass == RS_FWD ? enqueue_fwd(plan, a) : enqueue_bwd(plan, a);
}

#define PASSES (1u << RS_FWD | 1u << RS_BWD_PARAMS | 1u << RS_BWD_DATA)

static const rs_impl chunked = {.name = "chunked",
                                .passes = PASSES,
                                .types = RS_STORAGE_TYPES,
                                .prefers = 1u << RESCL_DEVICE_CPU,
                                .can = can_chunked,
                                .plan = plan,
                                .enqueue = enqueue};
static const rs_impl grouped = {.name = "grouped",
                                .passes = PASSES,
                                .types = RS_STORAGE_TYPES,
                                .prefers = 1u << RESCL_DEVICE_GPU | 1u << RESCL_DEVICE_ACCELERATOR,
                                .can = can,
                                .plan = plan,
                                .enqueue = enqueue};
static const rs_impl *const impls[] = {&chunked, &grouped, NULL};

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_batchnorm_attr plain = {.eps = 1e-5f, .momentum = 0.9f, .unbiased_running = true};
static const rs_batchnorm_attr relu = {
    .eps = 1e-3f, .momentum = 0.99f, .relu = true, .unbiased_running = true};
static const rs_batchnorm_attr biased = {.eps = 1e-3f, .momentum = 0.5f};
static const rs_batchnorm_attr synced = {
    .eps = 1e-5f, .momentum = 0.9f, .relu = true, .unbiased_running = true, .synced = true};
static const rs_batchnorm_attr frozen = {.eps = 1e-3f, .momentum = 0.9f, .frozen = true};
static const rs_batchnorm_attr frozen_relu = {
    .eps = 1e-5f, .momentum = 0.9f, .relu = true, .frozen = true};

enum { FAR_MEAN = 1, NOT_A_NUMBER };

#define BOTH(...)                                                                                  \
    {                                                                                              \
        {4, {__VA_ARGS__}},                                                                        \
        {                                                                                          \
            4,                                                                                     \
            {                                                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }

static const rs_case case_list[] = {
    {.name = "one pixel", .src = {{4, {1, 1, 1, 3}}}, .attr = &plain, .scale = 400},
    {.name = "one channel", .src = {{4, {2, 5, 3, 1}}}, .attr = &plain, .scale = 1},
    {.name = "biased running variance", .src = {{4, {2, 3, 3, 16}}}, .attr = &biased, .scale = 1},
    {.name = "prime", .src = {{4, {3, 7, 5, 13}}}, .attr = &plain, .scale = 1},
    {.name = "prime, relu", .src = {{4, {3, 7, 5, 37}}}, .attr = &relu, .scale = 1},
    {.name = "residual", .src = BOTH(3, 7, 5, 19), .attr = &plain, .scale = 1},
    {.name = "residual, relu", .src = BOTH(3, 7, 5, 48), .attr = &relu, .scale = 1},
    {.name = "two dimensions", .src = {{2, {33, 70}}}, .attr = &relu, .scale = 1},
    {.name = "many pixels", .src = {{4, {8, 17, 19, 64}}}, .attr = &relu, .scale = 1},
    {.name = "many channels", .src = BOTH(8, 2, 2, 2048), .attr = &relu, .scale = 1},
    {.name = "mean far from zero",
     .src = {{4, {4, 16, 16, 20}}},
     .attr = &plain,
     .no_gradient = true,
     .variant = FAR_MEAN,
     .scale = 200},
    {.name = "NaN stays in its channel",
     .src = {{4, {2, 9, 9, 20}}},
     .attr = &relu,
     .no_gradient = true,
     .variant = NOT_A_NUMBER,
     .scale = 1},
    {.name = "synced", .src = {{4, {3, 7, 5, 37}}}, .attr = &synced, .scale = 1},
    {.name = "synced, residual", .src = BOTH(8, 5, 5, 48), .attr = &synced, .scale = 1},
    {.name = "frozen, one pixel", .src = {{4, {1, 1, 1, 3}}}, .attr = &frozen, .scale = 1},
    {.name = "frozen", .src = {{4, {3, 7, 5, 13}}}, .attr = &frozen, .scale = 1},
    {.name = "frozen, relu", .src = {{4, {3, 7, 5, 37}}}, .attr = &frozen_relu, .scale = 1},
    {.name = "frozen, residual", .src = BOTH(3, 7, 5, 19), .attr = &frozen, .scale = 1},
    {.name = "frozen, residual, relu", .src = BOTH(3, 7, 5, 48), .attr = &frozen_relu, .scale = 1},
    {.name = "frozen, two dimensions", .src = {{2, {33, 70}}}, .attr = &frozen_relu, .scale = 1},
    {.name = "frozen, many pixels", .src = {{4, {8, 17, 19, 64}}}, .attr = &frozen, .scale = 1},
    {.name = "frozen, NaN stays in its channel",
     .src = {{4, {2, 9, 9, 20}}},
     .attr = &frozen_relu,
     .no_gradient = true,
     .variant = NOT_A_NUMBER,
     .scale = 1},
};

static void fill_case(const rs_case *c, const rs_problem *p, rs_case_data *d, rs_rng *rng)
{
    const size_t n = rs_shape_count(&p->src[0]);
    (void)rng;
    for (size_t i = 0; i < n && c->variant == FAR_MEAN; i++)
        d->src[0][i] = 1e4 + d->src[0][i];
    if (c->variant == NOT_A_NUMBER)
        d->src[0][20 * 31 + 7] = NAN;
}

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .fill = fill_case};

const rs_op rs_op_batchnorm = {.name = "batchnorm",
                               .layer = "BatchNormalization",
                               .src_min = 1,
                               .src_max = 2,
                               .infer = infer,
                               .reads = reads,
                               .takes_moments = by_batch,
                               .takes_sums = takes_sums,
                               .reference = reference,
                               .reduction = reduction,
                               .impls = impls,
                               .cases = &cases};
