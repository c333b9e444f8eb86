/* How images lie on the host on their way to a network: rows from the top without padding, three samples a
 * pixel, also where a network has one channel, or four; of a byte each, or of two in the machine's order. */
#ifndef RS_PIXEL_H
#define RS_PIXEL_H

#include <stdbool.h>
#include <stddef.h>

/* The most channels. */
#define RS_PIXEL_CHANNELS 4

static inline size_t rs_pixel_samples(size_t channels)
{
    return channels == 4 ? 4 : 3;
}

/* `bit_depth`: 16; 8 or 0. */
static inline bool rs_pixel_is_deep(size_t bit_depth)
{
    return bit_depth == 16;
}

static inline size_t rs_pixel_bytes(size_t channels, size_t bit_depth)
{
    return rs_pixel_samples(channels) * (rs_pixel_is_deep(bit_depth) ? 2 : 1);
}

#endif
