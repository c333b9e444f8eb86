/* MixUp(alpha=strength): images of a batch blended with each other, by a share of Beta(alpha, alpha).
 * Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018). */
#include "mix.h"

static rescl_status mix(const rs_mix_batch *b, const double *number, rs_rng *rng, double *share)
{
    *share = 1 - rs_mix_beta(rng, number[0]);
    return rs_mix_blend(b, *share);
}

static const rescl_option mixup = {
    .name = "mixup",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,100]",
    .group = "data",
    .alias = "mixup-alpha",
    .metavar = "ALPHA",
    .help = "blend images of a batch, and their labels, by shares of Beta(ALPHA, ALPHA)"};

const rs_augment_def rs_augment_mixup = {
    .options = {&mixup}, .strengths = 1, .stage = RS_AUGMENT_BATCH, .mix = mix};
