#include "pool.h"

#include "attr.h"
#include "error.h"
#include "spread.h"

#include <stdio.h>
#include <string.h>

#define MOST (1 << 20) /* of a kernel, stride or pad */

/* Output size of one axis; 0 when the kernel does not fit. */
static size_t out_size(size_t in, size_t before, size_t after, size_t kernel, size_t stride,
                       bool ceil_mode)
{
    const int64_t room = (int64_t)(in + before + after) - (int64_t)kernel;
    const int64_t s = (int64_t)stride;
    const int64_t padded = room + (ceil_mode ? s - 1 : 0);
    if (padded < 0)
        return 0;
    int64_t out = padded / s + 1;
    if (ceil_mode && (out - 1) * s >= (int64_t)(in + before))
        out--;
    return (size_t)out;
}

static rescl_status check_attr(const rs_problem *p, const rs_pool_attr *a)
{
    rescl_status st = RESCL_OK;
    const char *op = p->op->name;
    RS_FAIL_IF(a->kernel_h == 0 || a->kernel_w == 0 || a->kernel_h > MOST || a->kernel_w > MOST,
               RESCL_ERR_ARG, "%s: kernel %zux%zu, expected 1 to %d", op, a->kernel_h, a->kernel_w,
               MOST);
    RS_FAIL_IF(a->stride_h == 0 || a->stride_w == 0 || a->stride_h > MOST || a->stride_w > MOST,
               RESCL_ERR_ARG, "%s: stride %zux%zu, expected 1 to %d", op, a->stride_h, a->stride_w,
               MOST);
    /* Otherwise a window could lie wholly in padding, where there is no maximum and no mean. */
    RS_FAIL_IF(
        a->pad_top >= a->kernel_h || a->pad_bottom >= a->kernel_h || a->pad_left >= a->kernel_w ||
            a->pad_right >= a->kernel_w,
        RESCL_ERR_ARG,
        "%s: pads %zu %zu %zu %zu (top bottom left right) must be smaller than the %zux%zu kernel",
        op, a->pad_top, a->pad_bottom, a->pad_left, a->pad_right, a->kernel_h, a->kernel_w);
out:
    return st;
}

rescl_status rs_pool_infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_pool_attr *a = p->attr;
    const rs_shape *s = &p->src[0];
    char text[96];
    RS_FAIL_IF(s->ndim != 4, RESCL_ERR_SHAPE, "%s: input is %s, expected (n, h, w, c)", p->op->name,
               rs_shape_text(s, text));
    RS_FAIL_IF(s->dim[1] > INT32_MAX || s->dim[2] > INT32_MAX, RESCL_ERR_SHAPE,
               "%s: input %s is too large", p->op->name, rs_shape_text(s, text));
    if (a->global) {
        p->dst = rs_shape_2(s->dim[0], s->dim[3]);
        return RESCL_OK;
    }
    RS_TRY(check_attr(p, a));
    const size_t h =
        out_size(s->dim[1], a->pad_top, a->pad_bottom, a->kernel_h, a->stride_h, a->ceil_mode);
    const size_t w =
        out_size(s->dim[2], a->pad_left, a->pad_right, a->kernel_w, a->stride_w, a->ceil_mode);
    RS_FAIL_IF(h == 0 || w == 0, RESCL_ERR_SHAPE,
               "%s: the %zux%zu kernel is larger than the padded input %s", p->op->name,
               a->kernel_h, a->kernel_w, rs_shape_text(s, text));
    p->dst = rs_shape_4(s->dim[0], h, w, s->dim[3]);
out:
    return st;
}

rs_pool_geom rs_pool_geometry(const rs_problem *p)
{
    const rs_pool_attr *a = p->attr;
    const size_t *s = p->src[0].dim;
    rs_pool_geom g = {.n = (int64_t)s[0],
                      .h = (int64_t)s[1],
                      .w = (int64_t)s[2],
                      .c = (int64_t)s[3],
                      .out_h = 1,
                      .out_w = 1,
                      .stride_h = 1,
                      .stride_w = 1};
    g.kernel_h = g.end_h = g.h;
    g.kernel_w = g.end_w = g.w;
    if (a->global)
        return g;
    g.out_h = (int64_t)p->dst.dim[1], g.out_w = (int64_t)p->dst.dim[2];
    g.kernel_h = (int64_t)a->kernel_h, g.kernel_w = (int64_t)a->kernel_w;
    g.stride_h = (int64_t)a->stride_h, g.stride_w = (int64_t)a->stride_w;
    g.pad_top = (int64_t)a->pad_top, g.pad_left = (int64_t)a->pad_left;
    g.end_h = g.h + (int64_t)a->pad_bottom, g.end_w = g.w + (int64_t)a->pad_right;
    return g;
}

/* Windows of at most so many places, and tiles of so many pixels, are taken in registers. */
#define UNROLLED_PLACES  16
#define UNROLLED_STRIDES 4

/* Large windows are shared by so many work-items. */
#define SHARED_PLACES 32
#define SHARED_ITEMS  8

/* What kernels for GPUs have as numbers: options. */
static void numbers(const rs_pool_geom *g, bool unrolled, size_t items, char text[96])
{
    int n = snprintf(text, 96, " -DSTRIDE_H=%d -DSTRIDE_W=%d -DLY=%zu", (int)g->stride_h,
                     (int)g->stride_w, items);
    if (unrolled)
        snprintf(text + n, 96 - (size_t)n, " -DKERNEL_H=%d -DKERNEL_W=%d", (int)g->kernel_h,
                 (int)g->kernel_w);
}

rescl_status rs_pool_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name,
                          bool tiles)
{
    const rs_pool_geom g = rs_pool_geometry(&plan->problem);
    const bool cpu = rs_plan_chunked(plan), fwd = plan->pass == RS_FWD;
    const int64_t places = g.kernel_h * g.kernel_w;
    const bool unrolled =
        !cpu && places <= UNROLLED_PLACES && g.stride_h * g.stride_w <= UNROLLED_STRIDES;
    const size_t group = rs_group_size(caps, SHARED_ITEMS);
    const size_t items = fwd && !tiles && places >= SHARED_PLACES ? group : 1;
    int64_t rows = fwd ? g.out_h : g.h, cols = fwd ? g.out_w : g.w;
    char options[96] = "";
    if (!fwd && tiles && unrolled) {
        rows = (g.h - 1 + g.pad_top) / g.stride_h - g.pad_top / g.stride_h + 1;
        cols = (g.w - 1 + g.pad_left) / g.stride_w - g.pad_left / g.stride_w + 1;
    }
    const rs_walk walk = rs_walk_over(caps, &plan->problem, cpu, (size_t)g.n, (size_t)rows,
                                      (size_t)cols, (size_t)g.c, items, (size_t)g.c);
    RS_PLAN_KEEP(plan, walk);
    if (!cpu)
        numbers(&g, unrolled, items, options);
    return rs_plan_kernel_add(plan, file, name, "%s%s", walk.spread.options, options);
}

rescl_status rs_pool_launch(const rs_plan *plan, const rs_arg *args, size_t nargs)
{
    const rs_pool_geom g = rs_pool_geometry(&plan->problem);
    rs_walk walk;
    RS_PLAN_RECALL(plan, walk);
    const rs_arg shared[] = {RS_WALK_ARGS(&walk), RS_INT(g.h),        RS_INT(g.w),
                             RS_INT(g.out_h),     RS_INT(g.out_w),    RS_INT(g.kernel_h),
                             RS_INT(g.kernel_w),  RS_INT(g.stride_h), RS_INT(g.stride_w),
                             RS_INT(g.pad_top),   RS_INT(g.pad_left), RS_INT(g.end_h),
                             RS_INT(g.end_w)};
    rs_arg all[RS_COUNT(shared) + RS_POOL_ARGS];
    memcpy(all, shared, sizeof shared);
    memcpy(all + RS_COUNT(shared), args, nargs * sizeof *args);
    return rs_launch(plan->dev, plan->kernel[0].kernel, &walk.spread.grid, all,
                     RS_COUNT(shared) + nargs);
}
