#include "target.h"

#include "attr.h"
#include "error.h"
#include "mixed.h"

#include <string.h>

rescl_status rs_target_infer(rs_problem *p, const char *name, float smoothing)
{
    rescl_status st = RESCL_OK;
    const rs_shape *x = &p->src[0], *y = &p->src[1];
    char tx[96], ty[96];
    RS_FAIL_IF(x->ndim != 2, RESCL_ERR_SHAPE, "%s: logits are %s, expected (n, classes)", name,
               rs_shape_text(x, tx));
    const bool targets = y->ndim == 2 && y->dim[1] == RS_TARGET_WORDS;
    RS_FAIL_IF((y->ndim != 1 && !targets) || y->dim[0] != x->dim[0], RESCL_ERR_SHAPE,
               "%s: labels are %s, expected one for each row of the logits %s", name,
               rs_shape_text(y, ty), rs_shape_text(x, tx));
    RS_FAIL_IF(!(smoothing >= 0 && smoothing <= 1), RESCL_ERR_ARG,
               "%s: label smoothing is %g, expected 0 to 1", name, (double)smoothing);
    p->src_type[1] = RS_I32;
    p->dst = rs_shape_1(x->dim[0]);
out:
    return st;
}

size_t rs_target_reduction(const rs_problem *p, rs_pass pass)
{
    return pass == RS_FWD ? p->src[0].dim[1] : 1;
}

rescl_status rs_target_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name)
{
    const rs_problem *p = &plan->problem;
    const size_t rows = p->src[0].dim[0], classes = p->src[0].dim[1];
    const bool cpu = rs_plan_chunked(plan);
    /* A group takes rows, however short they are. */
    const size_t least = cpu ? 1 : 4 * rs_group_size(caps, RS_SPREAD_GROUP);
    const rs_spread s =
        rs_spread_over(caps, p, cpu, rows, classes > least ? classes : least, 1, classes);
    RS_PLAN_KEEP(plan, s);
    return rs_plan_kernel_add(plan, file, name, "%s", s.options);
}

size_t rs_target_words(const rs_problem *p)
{
    return p->src[1].ndim == 1 ? 1 : RS_TARGET_WORDS;
}

rs_target rs_target_at(const rs_shape *shape, const double *targets, size_t row)
{
    if (shape->ndim == 1)
        return (rs_target){targets[row], targets[row], 0, 1};
    const double *t = targets + row * RS_TARGET_WORDS;
    const int32_t bits = (int32_t)t[3];
    float weight;
    memcpy(&weight, &bits, sizeof weight);
    return (rs_target){t[0], t[1], t[2] / RS_MIXED_ONE, (double)weight};
}

bool rs_target_is_known(const rs_target *t, size_t classes)
{
    const double end = (double)classes;
    return t->label >= 0 && t->label < end && t->other >= 0 && t->other < end;
}

double rs_target_of(const rs_target *t, size_t k, size_t classes, double smoothing)
{
    const double own =
        ((double)k == t->label ? 1 - t->share : 0) + ((double)k == t->other ? t->share : 0);
    return smoothing / (double)classes + (1 - smoothing) * own;
}

void rs_target_mix(double *targets, size_t n, rs_rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        double *t = targets + i * RS_TARGET_WORDS;
        const float weight = i % 2 ? 0.25f + 2.0f * rs_rng_uniform(rng) : 1.0f;
        int32_t bits;
        memcpy(&bits, &weight, sizeof bits);
        t[1] = i == 1 ? t[0] : t[1];
        t[2] = i == 0 ? 0 : rs_rng_below(rng, RS_MIXED_ONE);
        t[3] = bits;
    }
}

void rs_target_spoil(double *labels, size_t classes)
{
    labels[0] = (double)classes;
    labels[2] = -1;
    labels[3] = INT32_MAX;
    labels[6] = INT32_MIN;
}
