#include "tensorsums.h"

#include "alloc.h"
#include "error.h"
#include "spread.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP 128

/* Work-items of a group: one on CPUs. Each keeps two floats in local memory. */
static size_t group_of(rescl_device *dev)
{
    const rs_caps *caps = rs_device_caps(dev);
    return caps->type == RESCL_DEVICE_CPU ? 1 : rs_tree_size(caps, GROUP, 2);
}

static rescl_status make(rescl_device *dev, const void *data, size_t bytes, rs_buffer **out)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_buffer_create(dev, bytes, out));
    if (data)
        RS_TRY(rs_write(dev, *out, 0, data, bytes));
out:
    return st;
}

rescl_status rs_tensor_sums_init(rescl_device *dev, const rs_tensor_span *tensors, size_t count,
                                 rs_tensor_sums *out)
{
    rescl_status st = RESCL_OK;
    rs_tensor_sums s = {.tensors = count};
    uint32_t *piece = NULL, *first = NULL;
    size_t p = 0;

    for (size_t t = 0; t < count; t++)
        s.pieces += rs_div_up(tensors[t].count, RS_PIECE);
    RS_OOM(piece = calloc(s.pieces + 1, 4 * sizeof *piece));
    RS_OOM(first = calloc(count + 1, sizeof *first));
    for (size_t t = 0; t < count; t++) {
        first[t] = (uint32_t)p;
        for (size_t done = 0; done < tensors[t].count; done += RS_PIECE, p++) {
            const size_t left = tensors[t].count - done;
            piece[4 * p] = (uint32_t)(tensors[t].offset + done);
            piece[4 * p + 1] = (uint32_t)(left < RS_PIECE ? left : RS_PIECE);
            piece[4 * p + 2] = (uint32_t)t;
        }
    }
    first[count] = (uint32_t)p;
    RS_TRY(make(dev, piece, 4 * s.pieces * sizeof *piece, &s.piece));
    RS_TRY(make(dev, first, (count + 1) * sizeof *first, &s.first));
    RS_TRY(make(dev, NULL, 2 * s.pieces * sizeof(float), &s.partial));
    RS_TRY(make(dev, NULL, 2 * count * sizeof(float), &s.sum));
    *out = s;
    s = (rs_tensor_sums){0};
out:
    rs_tensor_sums_fini(&s);
    free(piece);
    free(first);
    return st;
}

void rs_tensor_sums_fini(rs_tensor_sums *s)
{
    rs_buffer_release(s->piece);
    rs_buffer_release(s->first);
    rs_buffer_release(s->partial);
    rs_buffer_release(s->sum);
    *s = (rs_tensor_sums){0};
}

rs_grid rs_pieces_grid(rescl_device *dev, size_t pieces)
{
    const size_t group = group_of(dev);
    return (rs_grid){.items = {pieces * group, 1, 1}, .group = {group, 1, 1}};
}

const char *rs_pieces_options(rescl_device *dev, char text[RS_PIECES_OPTIONS])
{
    const rs_caps *caps = rs_device_caps(dev);
    char vectors[RS_VECTOR_OPTIONS];
    snprintf(text, RS_PIECES_OPTIONS, "-DWG=%zu%s", group_of(dev),
             rs_vector_options(caps, NULL, caps->type == RESCL_DEVICE_CPU ? 1 : 16, vectors));
    return text;
}

rescl_status rs_tensor_sums_join(rescl_device *dev, rs_kernel *join, const rs_tensor_sums *s)
{
    const rs_grid grid = rs_pieces_grid(dev, s->tensors);
    return RS_LAUNCH(dev, join, grid, RS_BUF(s->partial), RS_BUF(s->first), RS_BUF(s->sum));
}
