#include "normalize.h"

#include "alloc.h"
#include "spread.h"

#include <string.h>

#define TABLE_BYTES (3 * 256 * sizeof(float))
#define LABEL_ALIGN 64

size_t rs_images_bytes(size_t n, size_t values)
{
    size_t pixels, labels, bytes;
    const bool fits = rs_mul_size(n, values, &pixels) && rs_mul_size(n, sizeof(int32_t), &labels) &&
                      rs_add_size(pixels, TABLE_BYTES + LABEL_ALIGN, &bytes) &&
                      rs_add_size(bytes, labels, &bytes);
    return fits ? TABLE_BYTES + rs_round_up(pixels, LABEL_ALIGN) + labels : 0;
}

void rs_images_pack(const rs_images *images, size_t values, void *block)
{
    const size_t pixels = images->n * values;
    unsigned char *at = block;
    memcpy(at, images->table, TABLE_BYTES);
    at += TABLE_BYTES;
    memcpy(at, images->pixels, pixels);
    at += rs_round_up(pixels, LABEL_ALIGN);
    memcpy(at, images->labels, images->n * sizeof *images->labels);
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
    const rs_spread s = spread(dev, type, 1);
    return rs_kernel_get(dev, "normalize", s.options, "normalize_images", out);
}

rescl_status rs_normalize_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *block,
                                  const rs_tensor *input, const rs_tensor *labels)
{
    const size_t values = rs_shape_count(&input->shape), n = labels->shape.dim[0];
    const size_t quads = (values + 3) / 4;
    const rs_spread s =
        spread(dev, input->dtype, quads > n ? quads : n); /* a label is a unit, too */
    return RS_LAUNCH(dev, kernel, s.grid, RS_BUF(block), RS_BUF(input->buf), RS_BUF(labels->buf),
                     RS_ULONG(values), RS_UINT(n), RS_UINT(s.chunk));
}
