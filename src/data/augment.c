/* The registry of augmentations, and the random numbers that they draw. */
#include "augment.h"

#include "error.h"
#include "optionvalue.h"
#include "str.h"

#include <string.h>

#define AUGMENT_STREAM ((uint64_t)0x4155 << 48) /* "AU"; the epoch is added */
#define SAMPLE_BLOCKS  64                       /* of four words: more than one image takes */
#define STAGE_BLOCKS   (SAMPLE_BLOCKS / 2)

static const rs_augment_def *const defs[] = {
#define RS_AUGMENT(stem) &rs_augment_##stem,
#include "augments.def"
#undef RS_AUGMENT
};

const rs_augment_def *rs_augment_at(size_t i)
{
    return i < RS_AUGMENT_COUNT ? defs[i] : NULL;
}

static bool is_default(const rescl_option *o, double value)
{
    const double none = rs_option_default_number(o);
    return !(value > none || value < none);
}

/* Whether a value turns it on. */
static bool turns_on(const rs_augment_def *def, const double *value)
{
    for (size_t k = 0; k < def->strengths; k++)
        if (!is_default(def->options[k], value[k]))
            return true;
    return false;
}

void rs_augment_set(rs_augment *a, size_t i, const double *value)
{
    const bool on = turns_on(defs[i], value);
    for (size_t k = 0; k < RS_AUGMENT_NUMBERS; k++)
        a->number[i][k] = on && defs[i]->options[k] ? value[k] : 0.0;
}

bool rs_augment_is_on(const rs_augment *a, size_t i)
{
    for (size_t k = 0; k < defs[i]->strengths; k++)
        if (a->number[i][k] > 0.0)
            return true;
    return false;
}

bool rs_augment_acts(const rs_augment *a, rs_augment_stage stage)
{
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        if (defs[i]->stage == stage && rs_augment_is_on(a, i))
            return true;
    return false;
}

bool rs_augment_crops(const rs_augment *a)
{
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        if (defs[i]->crops && rs_augment_is_on(a, i))
            return true;
    return false;
}

/* Whether a value of this option has any use: one of those that have it is on. */
static bool is_used(const rescl_option *o, double value[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS])
{
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        for (size_t k = 0; k < RS_AUGMENT_NUMBERS && defs[i]->options[k]; k++)
            if (defs[i]->options[k] == o && turns_on(defs[i], value[i]))
                return true;
    return false;
}

static rescl_status refuse_idle(const rescl_option *o)
{
    rescl_status st = RESCL_OK;
    rs_str names = {0};
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        for (size_t k = defs[i]->strengths; k < RS_AUGMENT_NUMBERS && defs[i]->options[k]; k++)
            for (size_t s = 0; defs[i]->options[k] == o && s < defs[i]->strengths; s++)
                RS_TRY(rs_str_appendf(&names, "%s%s", names.len ? ", " : "",
                                      defs[i]->options[s]->name));
    RS_FAIL(RESCL_ERR_ARG, "%s changes nothing by itself; it is about %s", o->name, names.text);
out:
    rs_str_fini(&names);
    return st;
}

rescl_status rs_augment_check(double value[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS])
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++) {
        const rs_augment_def *def = defs[i];
        for (size_t k = def->strengths; k < RS_AUGMENT_NUMBERS && def->options[k]; k++)
            if (!is_default(def->options[k], value[i][k]) && !is_used(def->options[k], value))
                RS_TRY(refuse_idle(def->options[k]));
        if (def->check && turns_on(def, value[i]))
            RS_TRY(def->check(value[i]));
    }
out:
    return st;
}

rescl_status rs_augment_check_depth(const rs_augment *a, size_t bit_depth)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; rs_pixel_is_deep(bit_depth) && i < RS_AUGMENT_COUNT; i++)
        RS_FAIL_IF(defs[i]->bytes && rs_augment_is_on(a, i), RESCL_ERR_ARG,
                   "%s takes images of 8 bits, and bit_depth is %zu: go without it, or with a "
                   "bit_depth of 8",
                   defs[i]->options[0]->name, bit_depth);
out:
    return st;
}

rescl_status rs_image_augment(rescl_image *image, const rs_augment *a, rs_augment_stage stage,
                              uint64_t seed, uint64_t epoch, uint64_t index)
{
    rescl_status st = RESCL_OK;
    rs_rng rng;

    rs_rng_init(&rng, seed, AUGMENT_STREAM + epoch);
    rng.index = index * SAMPLE_BLOCKS + (stage == RS_AUGMENT_INPUT ? STAGE_BLOCKS : 0);
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        if (defs[i]->stage == stage && rs_augment_is_on(a, i))
            RS_TRY(defs[i]->apply(image, a->number[i], a->mean, &rng));
out:
    return st;
}
