#include "clip.h"

#include "alloc.h"
#include "error.h"
#include "support.h"
#include "tensorsums.h"

#include <stdlib.h>
#include <string.h>

enum { BY_NORM, BY_VALUE };
enum { SQUARES, JOIN, SCALE, KERNELS };

static const char *const choices[] = {"norm", "value", NULL};
static const char *const problems[] = {"272 gradients", "100016 and 48 gradients",
                                       "1 of 272 gradients huge", NULL};

struct rs_clip {
    rescl_device *dev;
    double norm, value;
    rs_kernel *kernel[KERNELS]; /* by value: the first */
    rs_tensor_sums sums;        /* of one tensor: all arenas; no table of its pieces */
    size_t arenas, *count;
};

const char *rs_clip_choice(double norm)
{
    return choices[norm > 0.0 ? BY_NORM : BY_VALUE];
}

/* Room for what the pieces of all arenas give. */
static rescl_status make_sums(rs_clip *c)
{
    rescl_status st = RESCL_OK;
    uint32_t first[2] = {0, 0};

    c->sums.tensors = 1;
    for (size_t a = 0; a < c->arenas; a++)
        c->sums.pieces += rs_div_up(c->count[a], RS_PIECE);
    first[1] = (uint32_t)c->sums.pieces;
    RS_TRY(rs_buffer_create(c->dev, sizeof first, &c->sums.first));
    RS_TRY(rs_write(c->dev, c->sums.first, 0, first, sizeof first));
    RS_TRY(rs_buffer_create(c->dev, 2 * c->sums.pieces * sizeof(float), &c->sums.partial));
    RS_TRY(rs_buffer_create(c->dev, 2 * sizeof(float), &c->sums.sum));
out:
    return st;
}

rescl_status rs_clip_create(rescl_device *dev, double norm, double value, const size_t *count,
                            size_t arenas, rs_clip **out)
{
    rescl_status st = RESCL_OK;
    rs_clip *c = NULL;

    RS_OOM(c = calloc(1, sizeof *c));
    c->dev = dev;
    c->norm = norm;
    c->value = value;
    c->arenas = arenas;
    RS_OOM(c->count = calloc(arenas + 1, sizeof *c->count));
    memcpy(c->count, count, arenas * sizeof *count);
    RS_TRY(rs_support_kernels(dev,
                              &(rs_support_use){&rs_support_clip, RS_F32, rs_clip_choice(norm)},
                              c->kernel, KERNELS));
    if (norm > 0.0 && arenas > 0)
        RS_TRY(make_sums(c));
    *out = c, c = NULL;
out:
    rs_clip_destroy(c);
    return st;
}

void rs_clip_destroy(rs_clip *c)
{
    if (!c)
        return;
    rs_tensor_sums_fini(&c->sums);
    free(c->count);
    free(c);
}

static rescl_status by_norm(rs_clip *c, rs_buffer *const *grad)
{
    rescl_status st = RESCL_OK;
    size_t at = 0;

    for (size_t a = 0; a < c->arenas; a++) {
        const size_t pieces = rs_div_up(c->count[a], RS_PIECE);
        const rs_grid grid = rs_pieces_grid(c->dev, pieces);
        RS_TRY(RS_LAUNCH(c->dev, c->kernel[SQUARES], grid, RS_BUF(grad[a]), RS_BUF(c->sums.partial),
                         RS_UINT(c->count[a]), RS_UINT(RS_PIECE), RS_UINT(at)));
        at += pieces;
    }
    if (c->arenas > 0)
        RS_TRY(rs_tensor_sums_join(c->dev, c->kernel[JOIN], &c->sums));
    for (size_t a = 0; a < c->arenas; a++) {
        const rs_grid grid = rs_pieces_grid(c->dev, rs_div_up(c->count[a], RS_PIECE));
        RS_TRY(RS_LAUNCH(c->dev, c->kernel[SCALE], grid, RS_BUF(grad[a]), RS_BUF(c->sums.sum),
                         RS_UINT(c->count[a]), RS_UINT(RS_PIECE), RS_FLOAT(c->norm)));
    }
out:
    return st;
}

rescl_status rs_clip_enqueue(rs_clip *c, rs_buffer *const *grad)
{
    rescl_status st = RESCL_OK;

    if (c->norm > 0.0) {
        RS_TRY(by_norm(c, grad));
        goto out;
    }
    for (size_t a = 0; a < c->arenas; a++) {
        const rs_grid grid = rs_pieces_grid(c->dev, rs_div_up(c->count[a], RS_PIECE));
        RS_TRY(RS_LAUNCH(c->dev, c->kernel[0], grid, RS_BUF(grad[a]), RS_UINT(c->count[a]),
                         RS_UINT(RS_PIECE), RS_FLOAT(c->value)));
    }
out:
    return st;
}

static rescl_status plan_kernels(rs_plan *plan, rs_dtype type, const char *choice)
{
    static const char *const kernel[2][KERNELS] = {
        {"clip_squares", "tensor_sums_join", "clip_norm"}, {"clip_value"}};
    rescl_status st = RESCL_OK;
    const int way = strcmp(choice, choices[BY_NORM]) == 0 ? BY_NORM : BY_VALUE;
    char options[RS_PIECES_OPTIONS];

    (void)type;
    rs_pieces_options(plan->dev, options);
    for (int i = 0; i < KERNELS && kernel[way][i]; i++)
        RS_TRY(rs_plan_kernel_add(plan, "clip", kernel[way][i], "%s", options));
out:
    return st;
}

const rs_support rs_support_clip = {.name = "clip",
                                    .part = "gradients",
                                    .choice = choices,
                                    .types = 1u << RS_F32,
                                    .problem = problems,
                                    .plan = plan_kernels};
