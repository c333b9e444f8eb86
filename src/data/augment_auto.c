/* torchvision's RandAugment ("ra"), TrivialAugmentWide ("ta_wide") and AutoAugment (by the dataset
 * whose policy it is), with bilinear interpolation, as in its training script. */
#include "augment.h"
#include "autoops.h"
#include "error.h"

#define RA_OPS   2 /* applied to an image, one after the other */
#define RA_BINS  31
#define RA_USUAL 9
#define TA_BINS  31
#define DRAWN    RS_AUTO_INVERT /* so many operations RandAugment and TrivialAugment draw from */

enum { NONE, RA, TA_WIDE, IMAGENET, CIFAR10, SVHN };
enum { POLICY, RA_MAGNITUDE, FILL_MODE, FILL };

static const char *const names[] = {"none", "ra", "ta_wide", "imagenet", "cifar10", "svhn", NULL};

/* An operation at bin `bin` of `bins`, which a signed one takes in either direction. */
static rescl_status run(rescl_image *image, rs_auto_op op, rs_auto_space space, uint32_t bin,
                        uint32_t bins, bool negative, rs_fill fill)
{
    const double at = (double)bin / (double)(bins - 1);
    const double magnitude = rs_auto_magnitude(op, space, at, image);
    return rs_image_auto(image, op, negative && rs_auto_is_signed(op) ? -magnitude : magnitude,
                         fill);
}

static rescl_status rand_augment(rescl_image *image, uint32_t bin, rs_fill fill, rs_rng *rng)
{
    rescl_status st = RESCL_OK;
    for (int i = 0; i < RA_OPS; i++) {
        const rs_auto_op op = (rs_auto_op)rs_rng_below(rng, DRAWN);
        const bool negative = rs_rng_below(rng, 2) == 1;
        RS_TRY(run(image, op, RS_AUTO_USUAL, bin, RA_BINS, negative, fill));
    }
out:
    return st;
}

static rescl_status trivial_augment(rescl_image *image, rs_fill fill, rs_rng *rng)
{
    const rs_auto_op op = (rs_auto_op)rs_rng_below(rng, DRAWN);
    const uint32_t bin = rs_rng_below(rng, TA_BINS);
    return run(image, op, RS_AUTO_WIDE, bin, TA_BINS, rs_rng_below(rng, 2) == 1, fill);
}

static rescl_status auto_augment(rescl_image *image, const rs_auto_policy *policies, rs_fill fill,
                                 rs_rng *rng)
{
    rescl_status st = RESCL_OK;
    const rs_auto_policy *p = &policies[rs_rng_below(rng, RS_AUTO_POLICIES)];
    for (size_t i = 0; i < RS_COUNT(p->step); i++) {
        const bool wanted = 10 * (double)rs_rng_uniform(rng) <= p->step[i].tenths;
        const bool negative = rs_rng_below(rng, 2) == 0;
        if (wanted)
            RS_TRY(run(image, (rs_auto_op)p->step[i].op, RS_AUTO_USUAL, p->step[i].bin,
                       RS_AUTO_BINS, negative, fill));
    }
out:
    return st;
}

static rescl_status apply(rescl_image *image, const double *number,
                          const uint8_t mean[RS_PIXEL_CHANNELS], rs_rng *rng)
{
    const rs_fill fill = rs_fill_of(number[FILL_MODE], number[FILL]);

    (void)mean;
    switch ((int)number[POLICY]) {
    case RA:
        return rand_augment(image, (uint32_t)number[RA_MAGNITUDE], fill, rng);
    case TA_WIDE:
        return trivial_augment(image, fill, rng);
    case IMAGENET:
        return auto_augment(image, rs_auto_imagenet, fill, rng);
    case CIFAR10:
        return auto_augment(image, rs_auto_cifar10, fill, rng);
    case SVHN:
        return auto_augment(image, rs_auto_svhn, fill, rng);
    default:
        return RESCL_OK;
    }
}

static rescl_status check(const double *number)
{
    rescl_status st = RESCL_OK;
    const int policy = (int)number[POLICY];
    RS_FAIL_IF(policy != RA && (number[RA_MAGNITUDE] < RA_USUAL || number[RA_MAGNITUDE] > RA_USUAL),
               RESCL_ERR_ARG, "ra_magnitude %g: auto_augment is %s; the magnitude is that of ra",
               number[RA_MAGNITUDE], names[policy]);
out:
    return st;
}

static const rescl_option auto_augment_option = {
    .name = "auto_augment",
    .type = RESCL_OPTION_CHOICE,
    .value = "none",
    .choices = names,
    .group = "data",
    .alias = "aa",
    .metavar = "POLICY",
    .help = "ra: RandAugment; ta_wide: TrivialAugment; or AutoAugment's policy for that dataset"};

static const rescl_option ra_magnitude = {.name = "ra_magnitude",
                                          .type = RESCL_OPTION_SIZE,
                                          .value = "9",
                                          .range = "[0,30]",
                                          .group = "data",
                                          .metavar = "N",
                                          .help = "of --auto-augment ra: how far it goes"};

const rs_augment_def rs_augment_auto = {
    .options = {&auto_augment_option, &ra_magnitude, &rs_fill_option_mode, &rs_fill_option_value},
    .strengths = 1,
    .stage = RS_AUGMENT_INPUT,
    .bytes = true,
    .check = check,
    .apply = apply};
