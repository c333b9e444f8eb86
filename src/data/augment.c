/* The registry of augmentations, and the random numbers that they draw. */
#include "augment.h"

#include "error.h"
#include "optionvalue.h"

#define AUGMENT_STREAM ((uint64_t)0x4155 << 48) /* "AU"; the epoch is added */
#define SAMPLE_BLOCKS  64                       /* of four words: more than one image takes */

static const rs_augment_def *const defs[] = {
#define RS_AUGMENT(stem) &rs_augment_##stem,
#include "augments.def"
#undef RS_AUGMENT
};

const rs_augment_def *rs_augment_at(size_t i)
{
    return i < RS_AUGMENT_COUNT ? defs[i] : NULL;
}

void rs_augment_set(rs_augment *a, size_t i, double value)
{
    const double none = rs_option_default_number(&defs[i]->option);
    a->strength[i] = value > none || value < none ? value : 0.0;
}

bool rs_augment_crops(const rs_augment *a)
{
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        if (defs[i]->crops && a->strength[i] > 0.0)
            return true;
    return false;
}

rescl_status rs_image_augment(rescl_image *image, const rs_augment *a, uint64_t seed,
                              uint64_t epoch, uint64_t index)
{
    rescl_status st = RESCL_OK;
    rs_rng rng;

    rs_rng_init(&rng, seed, AUGMENT_STREAM + epoch);
    rng.index = index * SAMPLE_BLOCKS;
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        if (a->strength[i] > 0.0)
            RS_TRY(defs[i]->apply(image, a->strength[i], &rng));
out:
    return st;
}
