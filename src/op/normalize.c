#include "normalize.h"

#include "alloc.h"
#include "attr.h"
#include "spread.h"
#include "support.h"

#include <string.h>

#define TARGET_ALIGN 64

static const char *const problems[] = {"2 images of 8x8", "5 images of 13x11", NULL};
static const char *const choices[] = {"normalize_images", NULL};

static size_t target_bytes(size_t classes)
{
    return (classes ? classes : RS_TARGET_WORDS) * sizeof(int32_t);
}

size_t rs_images_bytes(size_t n, size_t values, size_t classes)
{
    size_t pixels, targets, bytes;
    const bool fits = rs_mul_size(n, values, &pixels) &&
                      rs_mul_size(n, target_bytes(classes), &targets) &&
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

void rs_images_pack(const rs_images *images, size_t values, size_t channels, size_t classes,
                    void *block)
{
    const size_t pixels = images->n * values;
    unsigned char *at = block;
    memcpy(at, images->table, RS_TABLE_BYTES);
    at += RS_TABLE_BYTES;
    if (channels == 3)
        memcpy(at, images->pixels, pixels);
    for (size_t i = 0; channels == 1 && i < pixels; i++)
        at[i] = images->pixels[3 * i];
    at += rs_round_up(pixels, TARGET_ALIGN);
    if (classes > 0)
        pack_rows(images, classes, (int32_t *)(void *)at);
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

rescl_status rs_normalize_kernel(rescl_device *dev, rs_dtype type, rs_kernel **out)
{
    return rs_support_kernel(dev, &(rs_support_use){&rs_support_normalize, type, choices[0]}, out);
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
    return rs_plan_kernel_add(plan, "normalize", choice, "%s", spread(plan->dev, type, 1).options);
}

const rs_support rs_support_normalize = {.name = "normalize",
                                         .part = "images",
                                         .choice = choices,
                                         .types = 1u << RS_F32 | 1u << RS_BF16 | 1u << RS_F16,
                                         .problem = problems,
                                         .plan = plan_kernel};
