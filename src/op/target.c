#include "target.h"

#include "attr.h"
#include "mixed.h"

#include <string.h>

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
