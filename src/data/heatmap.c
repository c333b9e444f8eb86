#include "heatmap.h"

#include "alloc.h"
#include "error.h"
#include "image.h"

#include <math.h>
#include <stdlib.h>

/* Every sixteenth colour of matplotlib's "magma" (Nathaniel J. Smith, Stefan van der Walt; CC0),
 * whose lightness grows evenly. */
static const uint8_t magma[17][3] = {
    {0, 0, 4},       {10, 8, 34},    {29, 17, 71},   {54, 16, 107},   {81, 18, 124},
    {106, 28, 129},  {131, 38, 129}, {156, 46, 127}, {183, 55, 121},  {207, 64, 112},
    {229, 80, 100},  {244, 105, 92}, {251, 135, 97}, {254, 165, 113}, {254, 194, 135},
    {253, 224, 161}, {252, 253, 191}};

#define COLOURS 0.6f /* share of the colour over the gray */
#define DIMMED  0.4f /* of the image's light, where there is no map */

/* Where a pixel of the image lies between the map's samples along one axis. */
typedef struct place {
    bool seen; /* whether the map reaches it */
    size_t low, high;
    float part; /* how near it is to the second */
} place;

/* `x` counts pixels of an image of `of`, which is resized to `full`; the map's `count` samples are
 * spread over pixels [start, start + size) of that. */
static place locate(size_t x, size_t of, size_t full, size_t start, size_t size, size_t count)
{
    const double at = ((double)x + 0.5) * (double)full / (double)of - (double)start;
    const double sample = at * (double)count / (double)size - 0.5;
    const double inside = fmin(fmax(sample, 0), (double)(count - 1));
    const size_t low = (size_t)inside;
    return (place){.seen = at >= 0 && at < (double)size,
                   .low = low,
                   .high = low + 1 < count ? low + 1 : low,
                   .part = (float)(inside - (double)low)};
}

static float value_at(const rs_heatmap *m, const place *y, const place *x)
{
    const float *above = m->value + y->low * m->width, *below = m->value + y->high * m->width;
    const float top = above[x->low] + (above[x->high] - above[x->low]) * x->part;
    const float bottom = below[x->low] + (below[x->high] - below[x->low]) * x->part;
    return top + (bottom - top) * y->part;
}

/* Luma of ITU-R BT.601, as JPEG and Pillow have it. */
static float gray_of(const uint8_t *rgb)
{
    return 0.299f * (float)rgb[0] + 0.587f * (float)rgb[1] + 0.114f * (float)rgb[2];
}

/* `heat` is 0 to 1. */
static void paint(float gray, float heat, uint8_t *dst)
{
    const float at = heat * 16.0f;
    const size_t low = at < 15.0f ? (size_t)at : 15;
    for (size_t c = 0; c < 3; c++) {
        const float colour = (float)magma[low][c] +
                             (at - (float)low) * ((float)magma[low + 1][c] - (float)magma[low][c]);
        dst[c] = (uint8_t)lrintf(gray + COLOURS * (colour - gray));
    }
}

static float largest_of(const rs_heatmap *m)
{
    float most = 0;
    for (size_t i = 0; i < m->height * m->width; i++)
        most = fmaxf(most, m->value[i]);
    return most;
}

rescl_status rs_heatmap_overlay(const rs_heatmap *map, const rescl_image *image,
                                const rs_view *view, size_t height, size_t width, rescl_image *out)
{
    rescl_status st = RESCL_OK;
    const float most = largest_of(map), scale = most > 0 ? 1.0f / most : 0.0f;
    rescl_image shown = {0};
    place *across = NULL;
    uint8_t *dst = NULL;
    RS_TRY(rs_image_converted(image, 3, 8, &shown));
    const uint8_t *src = shown.pixels;
    const size_t bytes = rs_image_bytes(&shown);
    RS_OOM(across = calloc(image->width, sizeof *across));
    for (size_t x = 0; x < image->width; x++)
        across[x] = locate(x, image->width, view->width, view->left, width, map->width);
    RS_OOM(dst = malloc(bytes));
    *out = (rescl_image){.width = image->width, .height = image->height, .pixels = dst};
    for (size_t y = 0; y < image->height; y++) {
        const place down = locate(y, image->height, view->height, view->top, height, map->height);
        for (size_t x = 0; x < image->width; x++, src += 3, dst += 3) {
            const float gray = gray_of(src);
            if (down.seen && across[x].seen)
                paint(gray, fminf(value_at(map, &down, &across[x]) * scale, 1.0f), dst);
            else
                dst[0] = dst[1] = dst[2] = (uint8_t)lrintf(DIMMED * gray);
        }
    }
out:
    free(across);
    rescl_image_free(&shown);
    return st;
}
