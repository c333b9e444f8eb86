#include "normalize.h"

#include "alloc.h"
#include "attr.h"
#include "spread.h"
#include "support.h"

#include <math.h>
#include <string.h>

#define TARGET_ALIGN 64
#define DEEP_UNIT    0x1.0001p-16f /* 1 / 65535 */

static const char *const problems[] = {"2 images of 8x8", "5 images of 13x11", NULL};
static const char *const choices[] = {"normalize_images", "normalize_rgba", "normalize_deep",
                                      "normalize_deep_rgba", NULL};

static size_t target_bytes(size_t classes)
{
    return (classes ? classes : RS_TARGET_WORDS) * sizeof(int32_t);
}

static size_t sample_bytes(const rs_block_form *form)
{
    return rs_pixel_is_deep(form->bit_depth) ? sizeof(uint16_t) : 1;
}

size_t rs_images_bytes(size_t n, const rs_block_form *form)
{
    size_t pixels, targets, bytes;
    const bool fits = rs_mul_size(n, form->values, &pixels) &&
                      rs_mul_size(pixels, sample_bytes(form), &pixels) &&
                      rs_mul_size(n, target_bytes(form->classes), &targets) &&
                      rs_add_size(pixels, RS_TABLE_BYTES + TARGET_ALIGN, &bytes) &&
                      rs_add_size(bytes, targets, &bytes);
    return fits ? RS_TABLE_BYTES + rs_round_up(pixels, TARGET_ALIGN) + targets : 0;
}

void rs_targets_pack(const int32_t *labels, const rs_mixed *mixed, size_t n, int32_t *targets)
{
    for (size_t i = 0; i < n; i++, targets += RS_TARGET_WORDS) {
        targets[0] = labels[i];
        targets[1] = mixed ? mixed[i].label : labels[i];
        targets[2] = mixed ? mixed[i].share : 0;
        const float weight = mixed ? mixed[i].weight : 1.0f;
        memcpy(&targets[3], &weight, sizeof weight);
    }
}

static void pack_rows(const rs_images *images, size_t classes, int32_t *targets)
{
    const size_t bytes = images->n * target_bytes(classes);
    if (images->rows) {
        memcpy(targets, images->rows, bytes);
        return;
    }
    memset(targets, 0, bytes);
    for (size_t i = 0; i < images->n; i++)
        targets[i * classes + (size_t)images->labels[i]] = RS_MIXED_ONE;
}

void rs_images_pack(const rs_images *images, const rs_block_form *form, void *block)
{
    const size_t values = images->n * form->values, sample = sample_bytes(form);
    unsigned char *at = block;
    memcpy(at, images->table, RS_TABLE_BYTES);
    at += RS_TABLE_BYTES;
    if (form->channels != 1)
        memcpy(at, images->pixels, values * sample);
    for (size_t i = 0; form->channels == 1 && sample == 1 && i < values; i++)
        at[i] = images->pixels[3 * i];
    for (size_t i = 0; form->channels == 1 && sample == 2 && i < values; i++)
        memcpy(at + 2 * i, images->pixels + 6 * i, 2);
    at += rs_round_up(values * sample, TARGET_ALIGN);
    if (form->classes > 0)
        pack_rows(images, form->classes, (int32_t *)(void *)at);
    else
        rs_targets_pack(images->labels, images->mixed, images->n, (int32_t *)(void *)at);
}

/* By how the input is stored. */
static rs_spread spread(rescl_device *dev, rs_dtype type, size_t units)
{
    const rs_caps *caps = rs_device_caps(dev);
    const rs_problem p = {.dst_type = type};
    return rs_spread_over(caps, &p, caps->type == RESCL_DEVICE_CPU, units, 4, 1, 1);
}

const char *rs_normalize_choice(size_t channels, size_t bit_depth)
{
    return choices[(channels == 4 ? 1 : 0) + (rs_pixel_is_deep(bit_depth) ? 2 : 0)];
}

rs_block_form rs_normalize_form(const char *choice)
{
    size_t i = 0;
    while (choices[i + 1] && strcmp(choice, choices[i]) != 0)
        i++;
    return (rs_block_form){.channels = i % 2 ? 4 : 3, .bit_depth = i / 2 ? 16 : 8};
}

float rs_deep_value(const float table[256], uint16_t sample)
{
    return fmaf((float)sample * DEEP_UNIT, table[255] - table[0], table[0]);
}

rescl_status rs_normalize_kernel(rescl_device *dev, rs_dtype type, const char *choice,
                                 rs_kernel **out)
{
    return rs_support_kernel(dev, &(rs_support_use){&rs_support_normalize, type, choice}, out);
}

rescl_status rs_normalize_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *block,
                                  const rs_tensor *input, const rs_tensor *targets)
{
    const size_t values = rs_shape_count(&input->shape);
    const size_t words = rs_shape_count(&targets->shape);
    const size_t quads = (values + 3) / 4;
    const rs_spread s =
        spread(dev, input->dtype, quads > words ? quads : words); /* a word is a unit, too */
    return RS_LAUNCH(dev, kernel, s.grid, RS_BUF(block), RS_BUF(input->buf), RS_BUF(targets->buf),
                     RS_ULONG(values), RS_UINT(words), RS_UINT(s.chunk));
}

static rescl_status plan_kernel(rs_plan *plan, rs_dtype type, const char *choice)
{
    const rs_block_form form = rs_normalize_form(choice);
    return rs_plan_kernel_add(
        plan, "normalize", choices[0], "%s%s%s", spread(plan->dev, type, 1).options,
        form.channels == 4 ? " -DCHANNELS=4" : "", form.bit_depth == 16 ? " -DDEEP=1" : "");
}

const rs_support rs_support_normalize = {.name = "normalize",
                                         .part = "images",
                                         .choice = choices,
                                         .types = 1u << RS_F32 | 1u << RS_BF16 | 1u << RS_F16,
                                         .problem = problems,
                                         .plan = plan_kernel};
