/* CutMix(alpha=strength): a box of each image of a batch is another one's; its area is a share of
 * Beta(alpha, alpha), but for what would lie outside. Yun et al., "CutMix" (2019). */
#include "mix.h"

static rescl_status mix(const rs_mix_batch *b, const double *number, rs_rng *rng, double *share)
{
    const double wanted = 1 - rs_mix_beta(rng, number[0]);
    const size_t x = rs_rng_below(rng, (uint32_t)b->width);
    const size_t y = rs_rng_below(rng, (uint32_t)b->height);
    const rs_rect box = rs_mix_box(b->height, b->width, y, x, wanted);

    *share = (double)(box.width * box.height) / (double)(b->width * b->height);
    return rs_mix_paste(b, &box);
}

static const rescl_option cutmix = {
    .name = "cutmix",
    .type = RESCL_OPTION_REAL,
    .value = "0",
    .range = "[0,100]",
    .group = "data",
    .alias = "cutmix-alpha",
    .metavar = "ALPHA",
    .help =
        "put a box of another image of the batch into each one, and share the label with it; with "
        "--mixup too one of them is drawn for a batch"};

const rs_augment_def rs_augment_cutmix = {
    .options = {&cutmix}, .strengths = 1, .stage = RS_AUGMENT_BATCH, .mix = mix};
