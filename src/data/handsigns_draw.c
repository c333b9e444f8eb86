/* Draws a scene. The hand is a height field on a grid of twice the image's resolution: the upper
 * surface of its capsules, blended where they meet. Slopes, hollows (by comparison with a blurred
 * copy) and a short walk towards the light shade it; the mean of four samples lies over the
 * background, which is drawn at the image's own resolution. */
#include "fixed.h"
#include "handsigns.h"
#include "rng.h"

#define NO_HEIGHT INT32_MIN

/* Indices of rs_philox within the image's stream, above those that the pose reads. */
#define INDEX_NOISE   ((uint64_t)1 << 32)
#define INDEX_TEXTURE ((uint64_t)2 << 32)

#define LATTICE 9 /* points of a texture along a side */

typedef struct canvas {
    const rs_scene *scene;
    int32_t size, grid;   /* pixels, samples along a side: grid = 2 * size */
    int32_t *height;      /* of the hand at each sample, NO_HEIGHT beside it */
    int32_t *hollow;      /* blurred height */
    int32_t *line;        /* a copy of a row or column, for the blur */
    int32_t *mid;         /* the image's coordinate of each sample of a row */
    int32_t *color;       /* size * size * 3, in 1/16 */
    int32_t *dark;        /* size * size: the hand's shadow on the wall, 0..256 */
    uint8_t *part;        /* which part is on top, where there is a height */
    int32_t lo[2], hi[2]; /* samples that the hand may touch: lo <= x < hi */
    int32_t skin_texture[LATTICE * LATTICE], back_texture[LATTICE * LATTICE];
} canvas;

/* The image's coordinate of sample i of n. */
static int32_t center(int32_t i, int32_t n)
{
    return (int32_t)((2 * (int64_t)i + 1) * (RS_HAND_SIDE / 2) / n);
}

/* The first sample whose centre is at `at` or after it, within [0, n]. */
static int32_t sample_at(int64_t at, int32_t n)
{
    const int64_t i = (at * n + RS_HAND_SIDE / 2) / RS_HAND_SIDE;
    return i < 0 ? 0 : i > n ? n : (int32_t)i;
}

/* ---- textures ------------------------------------------------------------------------------ */

static void make_texture(const rs_scene *s, uint64_t which, int32_t *texture)
{
    for (int i = 0; i < LATTICE * LATTICE; i++) {
        uint32_t word[4];
        rs_philox(s->seed, s->stream, INDEX_TEXTURE + which * 4096 + (uint64_t)i, word);
        texture[i] = (int32_t)(word[0] >> 24) - 128;
    }
}

/* t^2 (3 - 2 t) of the part of v below RS_HAND_SIDE, 0..256. */
static int32_t ease(uint32_t v)
{
    const uint32_t t = v % RS_HAND_SIDE / 64;
    return (int32_t)(t * t * (768 - 2 * t) >> 16);
}

/* Smooth noise in [-128, 127]: the lattice's values, interpolated; x and y within the image. */
static int32_t texture_at(const int32_t *texture, int32_t x, int32_t y)
{
    const uint32_t u = (uint32_t)x * (LATTICE - 1), v = (uint32_t)y * (LATTICE - 1);
    const int32_t *t = texture + v / RS_HAND_SIDE * LATTICE + u / RS_HAND_SIDE;
    const int32_t fu = ease(u), fv = ease(v);
    const int32_t above = rs_fix_mix(t[0], t[1], fu, 8);
    const int32_t below = rs_fix_mix(t[LATTICE], t[LATTICE + 1], fu, 8);
    return rs_fix_mix(above, below, fv, 8);
}

/* ---- background ---------------------------------------------------------------------------- */

/* How much of shape h covers (x, y), 0..256. */
static int32_t shape_cover(const rs_shape2d *h, int32_t x, int32_t y)
{
    const int32_t ex = x - h->x, ey = y - h->y;
    int32_t u = rs_fix_mul(ex, h->cos14, 14) + rs_fix_mul(ey, h->sin14, 14);
    int32_t v = rs_fix_mul(ey, h->cos14, 14) - rs_fix_mul(ex, h->sin14, 14);
    u = u < 0 ? -u : u;
    v = v < 0 ? -v : v;
    if (u >= h->rx + h->soft || v >= h->ry + h->soft)
        return 0;
    int32_t inside; /* distance from the edge */
    if (h->box) {
        inside = rs_fix_min(h->rx - u, h->ry - v);
    } else {
        const int64_t nu = (int64_t)u * 4096 / h->rx, nv = (int64_t)v * 4096 / h->ry;
        inside = rs_fix_mul(4096 - rs_fix_sqrt(nu * nu + nv * nv), rs_fix_min(h->rx, h->ry), 12);
    }
    return rs_fix_clamp((int32_t)((int64_t)(inside + h->soft / 2) * 256 / h->soft), 0, 256);
}

static void draw_background(canvas *c)
{
    const rs_scene *s = c->scene;
    int32_t *dst = c->color;
    for (int32_t py = 0; py < c->size; py++) {
        const int32_t y = center(py, c->size);
        for (int32_t px = 0; px < c->size; px++, dst += 3) {
            const int32_t x = center(px, c->size);
            const int32_t along = rs_fix_mul(x - RS_HAND_SIDE / 2, s->back_cos14, 14) +
                                  rs_fix_mul(y - RS_HAND_SIDE / 2, s->back_sin14, 14);
            const int32_t t = rs_fix_clamp(along + RS_HAND_SIDE / 2, 0, RS_HAND_SIDE);
            int32_t rgb[3];
            for (int k = 0; k < 3; k++)
                rgb[k] = rs_fix_mix(s->back[0][k] * 16, s->back[1][k] * 16, t, 14);
            for (size_t i = 0; i < s->shapes; i++) {
                const rs_shape2d *h = &s->shape[i];
                const int32_t a = shape_cover(h, x, y) * h->alpha / 256;
                for (int k = 0; a > 0 && k < 3; k++)
                    rgb[k] = rs_fix_mix(rgb[k], h->color[k] * 16, a, 8);
            }
            const int32_t grain = texture_at(c->back_texture, x, y) * s->texture / 8;
            for (int k = 0; k < 3; k++)
                dst[k] = rgb[k] + grain;
        }
    }
}

/* ---- the hand's surface -------------------------------------------------------------------- */

/* The larger of two heights; within k >= 0 of each other they blend. */
static int32_t smooth_max(int32_t a, int32_t b, int32_t k)
{
    const int32_t apart = a > b ? a - b : b - a, over = k - apart;
    const int32_t top = a > b ? a : b;
    return over > 0 ? top + (int32_t)((int64_t)over * over / (4 * (int64_t)k)) : top;
}

static void raise_part(canvas *c, uint8_t index)
{
    const rs_part *p = &c->scene->part[index];
    const int32_t reach = rs_fix_max(p->ra, p->rb);
    const int32_t x0 = sample_at(rs_fix_min(p->a.x, p->b.x) - reach, c->grid);
    const int32_t x1 = sample_at(rs_fix_max(p->a.x, p->b.x) + reach, c->grid);
    const int32_t y0 = sample_at(rs_fix_min(p->a.y, p->b.y) - reach, c->grid);
    const int32_t y1 = sample_at(rs_fix_max(p->a.y, p->b.y) + reach, c->grid);
    const int32_t dx = p->b.x - p->a.x, dy = p->b.y - p->a.y, dz = p->b.z - p->a.z;
    const int64_t length2 = (int64_t)dx * dx + (int64_t)dy * dy;
    const int64_t inverse = length2 ? ((int64_t)1 << 44) / length2 : 0;
    for (int32_t gy = y0; gy < y1; gy++) {
        const int32_t ey = c->mid[gy] - p->a.y;
        for (int32_t gx = x0; gx < x1; gx++) {
            const int32_t ex = c->mid[gx] - p->a.x;
            const int64_t dot = (int64_t)ex * dx + (int64_t)ey * dy;
            const int32_t t = dot <= 0         ? 0
                              : dot >= length2 ? 4096
                                               : (int32_t)(dot * inverse >> 32); /* of 4096 */
            const int32_t qx = ex - rs_fix_mul(dx, t, 12), qy = ey - rs_fix_mul(dy, t, 12);
            const int32_t r = rs_fix_mix(p->ra, p->rb, t, 12);
            const int64_t left = (int64_t)r * r - (int64_t)qx * qx - (int64_t)qy * qy;
            if (left <= 0)
                continue;
            const int32_t bulge = rs_fix_mul(rs_fix_sqrt(left), p->flat, 8);
            const int32_t z = p->a.z + rs_fix_mul(dz, t, 12) + bulge;
            const size_t at = (size_t)gy * (size_t)c->grid + (size_t)gx;
            const int32_t old = c->height[at];
            if (old == NO_HEIGHT || z > old)
                c->part[at] = index;
            /* No wider than the part bulges here, or there would be a step at its rim. */
            c->height[at] = old == NO_HEIGHT ? z : smooth_max(old, z, rs_fix_min(p->blend, bulge));
        }
    }
    c->lo[0] = rs_fix_min(c->lo[0], x0);
    c->lo[1] = rs_fix_min(c->lo[1], y0);
    c->hi[0] = rs_fix_max(c->hi[0], x1);
    c->hi[1] = rs_fix_max(c->hi[1], y1);
}

/* Replaces n values at `stride` by their mean over 2 * radius + 1, the ends repeated. */
static void blur_line(int32_t *line, size_t stride, int32_t n, int32_t radius, int32_t *copy)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        copy[i] = line[(size_t)i * stride];
    for (int32_t i = -radius; i <= radius; i++)
        sum += copy[rs_fix_clamp(i, 0, n - 1)];
    for (int32_t i = 0; i < n; i++) {
        line[(size_t)i * stride] = (int32_t)(sum / (2 * radius + 1));
        sum += copy[rs_fix_min(i + radius + 1, n - 1)] - copy[rs_fix_max(i - radius, 0)];
    }
}

static void make_hollow(canvas *c)
{
    const int32_t w = c->hi[0] - c->lo[0], h = c->hi[1] - c->lo[1];
    int32_t lowest = INT32_MAX;
    for (size_t i = 0; i < (size_t)c->grid * (size_t)c->grid; i++) {
        if (c->height[i] != NO_HEIGHT)
            lowest = rs_fix_min(lowest, c->height[i]);
    }
    const int32_t wanted = 36 * c->scene->unit / 16 * c->grid / RS_HAND_SIDE;
    const int32_t radius = rs_fix_max(wanted, 1);
    const size_t grid = (size_t)c->grid;
    const size_t first = (size_t)c->lo[1] * grid + (size_t)c->lo[0];
    for (int32_t y = 0; y < h; y++) {
        int32_t *dst = c->hollow + first + (size_t)y * grid;
        const int32_t *src = c->height + first + (size_t)y * grid;
        for (int32_t x = 0; x < w; x++)
            dst[x] = rs_fix_max(src[x], lowest);
        blur_line(dst, 1, w, radius, c->line);
    }
    for (int32_t x = 0; x < w; x++)
        blur_line(c->hollow + first + x, grid, h, radius, c->line);
}

/* ---- shading ------------------------------------------------------------------------------- */

static int32_t height_at(const canvas *c, int32_t gx, int32_t gy, int32_t beside)
{
    if (gx < 0 || gy < 0 || gx >= c->grid || gy >= c->grid)
        return beside;
    const int32_t z = c->height[(size_t)gy * (size_t)c->grid + (size_t)gx];
    return z == NO_HEIGHT ? beside : z;
}

/* Light from the side on the surface, 0..256 (above where it faces the light straight). */
static int32_t lit(const canvas *c, int32_t gx, int32_t gy, int32_t z)
{
    const int32_t step = RS_HAND_SIDE / c->grid, steep = z - 2 * step;
    const int32_t *l = c->scene->light;
    const int32_t nx = rs_fix_clamp(
        height_at(c, gx - 1, gy, steep) - height_at(c, gx + 1, gy, steep), -6 * step, 6 * step);
    const int32_t ny = rs_fix_clamp(
        height_at(c, gx, gy - 1, steep) - height_at(c, gx, gy + 1, steep), -6 * step, 6 * step);
    const int32_t nz = 2 * step;
    const int32_t length = rs_fix_sqrt((int64_t)nx * nx + (int64_t)ny * ny + (int64_t)nz * nz);
    return rs_fix_max(nx * l[0] + ny * l[1] + nz * l[2], 0) / length;
}

/* How much of the light other parts take away, 0..256: a walk over the surface towards it. */
static int32_t shaded(const canvas *c, int32_t gx, int32_t gy, int32_t z)
{
    const rs_scene *s = c->scene;
    const int32_t pace = 26 * s->unit / 16, soft = 40 * s->unit / 16 + 1;
    int32_t most = 0;
    for (int32_t i = 1; i <= 5; i++) {
        const int32_t along = i * pace * c->grid / RS_HAND_SIDE; /* samples */
        const int32_t sx = gx + rs_fix_mul(along, s->light[0], 8);
        const int32_t sy = gy + rs_fix_mul(along, s->light[1], 8);
        const int32_t ray = z + rs_fix_mul(i * pace, s->light[2], 8) + pace / 4;
        most = rs_fix_max(most, height_at(c, sx, sy, ray) - ray);
    }
    return rs_fix_min(most, soft) * 256 / soft;
}

/* Distance of (x, y) from the segment a b. */
static int32_t segment_distance(const rs_point3 *a, const rs_point3 *b, int32_t x, int32_t y)
{
    const int64_t dx = b->x - a->x, dy = b->y - a->y, length2 = dx * dx + dy * dy;
    const int64_t ex = x - a->x, ey = y - a->y, dot = ex * dx + ey * dy;
    const int64_t t = dot <= 0 || length2 == 0 ? 0 : dot >= length2 ? 4096 : dot * 4096 / length2;
    const int64_t qx = ex - dx * t / 4096, qy = ey - dy * t / 4096;
    return rs_fix_sqrt(qx * qx + qy * qy);
}

/* Darkness of the palm's lines and of the creases at the joints, 0..256. */
static int32_t crease(const canvas *c, const rs_part *p, int32_t x, int32_t y)
{
    const rs_scene *s = c->scene;
    const int32_t width = 9 * s->unit / 16 + 1;
    int32_t nearest = width;
    if (p->kind == RS_PART_PALM) {
        for (size_t i = 0; i < s->lines; i++) {
            for (int k = 0; k < 2; k++)
                nearest =
                    rs_fix_min(nearest, segment_distance(&s->line[i][k], &s->line[i][k + 1], x, y));
        }
        return (width - nearest) * 90 / width;
    }
    if (p->crease_a == 0)
        return 0;
    const int64_t dx = p->b.x - p->a.x, dy = p->b.y - p->a.y;
    const int32_t length = rs_fix_sqrt(dx * dx + dy * dy) + 1;
    int32_t along = (int32_t)(((x - p->a.x) * dx + (y - p->a.y) * dy) / length);
    along = along < 0 ? -along : along;
    return along < width ? (width - along) * p->crease_a / width / 2 : 0;
}

/* True on the nail at the end of p. */
static int on_nail(const rs_part *p, int32_t x, int32_t y)
{
    if (!p->nail)
        return 0;
    const int64_t dx = p->b.x - p->a.x, dy = p->b.y - p->a.y;
    const int32_t length = rs_fix_sqrt(dx * dx + dy * dy) + 1;
    const int64_t ex = x - p->b.x, ey = y - p->b.y;
    const int64_t u = (ex * dx + ey * dy) / length - p->rb / 8, v = (ex * dy - ey * dx) / length;
    const int64_t ru = p->rb * 11 / 16, rv = p->rb * 9 / 16;
    return u * u * rv * rv + v * v * ru * ru < ru * ru * rv * rv;
}

/* The colour of the hand at a sample, in 1/16. */
static void shade(const canvas *c, int32_t gx, int32_t gy, int32_t out[3])
{
    const rs_scene *s = c->scene;
    const size_t at = (size_t)gy * (size_t)c->grid + (size_t)gx;
    const rs_part *p = &s->part[c->part[at]];
    const int32_t x = c->mid[gx], y = c->mid[gy], z = c->height[at];
    const int32_t *base = p->kind == RS_PART_SLEEVE ? s->sleeve
                          : on_nail(p, x, y)        ? s->nail
                                                    : s->skin;
    const int32_t depth = rs_fix_clamp(c->hollow[at] - z, 0, 48 * s->unit / 16);
    const int32_t open = 256 - depth * 150 / (48 * s->unit / 16 + 1);
    const int32_t direct = lit(c, gx, gy, z) * (256 - shaded(c, gx, gy, z) * 3 / 4) / 256;
    int32_t light = (s->ambient + direct * (276 - s->ambient) / 256) * open / 256;
    light -= light * crease(c, p, x, y) / 256;
    if (p->kind != RS_PART_SLEEVE)
        light += light * texture_at(c->skin_texture, x, y) * s->mottle / (128 * 512);
    /* Light that comes back out of skin is red: shadows lose less of it. */
    const int32_t dark = p->kind == RS_PART_SLEEVE ? 0 : rs_fix_max(256 - light, 0);
    out[0] = base[0] * (light + dark / 6) / 16;
    out[1] = base[1] * light / 16;
    out[2] = base[2] * (light - dark / 20) / 16;
}

/* The hand's cover, moved away from the light and blurred twice. */
static void cast_shadow(canvas *c)
{
    const rs_scene *s = c->scene;
    const int32_t away = 140 * s->unit / 16 * c->grid / RS_HAND_SIDE;
    const int32_t sx = rs_fix_mul(away, s->light[0], 8), sy = rs_fix_mul(away, s->light[1], 8);
    const int32_t radius = rs_fix_max(away / 8, 1);
    const size_t size = (size_t)c->size;
    int32_t *dst = c->dark;
    for (int32_t y = 0; y < c->size; y++) {
        for (int32_t x = 0; x < c->size; x++)
            *dst++ = height_at(c, 2 * x + sx, 2 * y + sy, NO_HEIGHT) == NO_HEIGHT ? 0 : 256;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < size; i++)
            blur_line(c->dark + i * size, 1, c->size, radius, c->line);
        for (size_t i = 0; i < size; i++)
            blur_line(c->dark + i, size, c->size, radius, c->line);
    }
}

static void compose(canvas *c)
{
    const rs_scene *s = c->scene;
    int32_t *dst = c->color;
    for (int32_t py = 0; py < c->size; py++) {
        for (int32_t px = 0; px < c->size; px++, dst += 3) {
            int32_t sum[3] = {0, 0, 0}, covered = 0;
            for (int32_t i = 0; i < 4; i++) {
                const int32_t gx = 2 * px + i % 2, gy = 2 * py + i / 2;
                if (height_at(c, gx, gy, NO_HEIGHT) == NO_HEIGHT)
                    continue;
                int32_t rgb[3];
                shade(c, gx, gy, rgb);
                covered++;
                for (int k = 0; k < 3; k++)
                    sum[k] += rgb[k];
            }
            const int32_t dark = c->dark[py * c->size + px] * s->shadow / 256;
            for (int k = 0; k < 3; k++) {
                const int32_t wall = dst[k] - dst[k] * dark / 256;
                dst[k] = (wall * (4 - covered) + sum[k]) / 4;
            }
        }
    }
}

/* ---- the camera ---------------------------------------------------------------------------- */

/* One pass of [1 2 1] / 4 along `n` pixels at `stride`. */
static void binomial_line(int32_t *line, size_t stride, int32_t n)
{
    int32_t before = line[0];
    for (int32_t i = 0; i < n; i++) {
        int32_t *at = line + (size_t)i * stride;
        const int32_t now = *at, after = i + 1 < n ? at[stride] : now;
        *at = (before + 2 * now + after) / 4;
        before = now;
    }
}

static void soften(canvas *c)
{
    const size_t size = (size_t)c->size;
    for (int pass = 0; pass < c->scene->blur; pass++) {
        for (size_t i = 0; i < size; i++) {
            for (size_t k = 0; k < 3; k++) {
                binomial_line(c->color + i * size * 3 + k, 3, c->size);
                binomial_line(c->color + i * 3 + k, size * 3, c->size);
            }
        }
    }
}

/* Exposure, noise (the sum of two uniform numbers) and rounding to bytes. */
static void develop(const canvas *c, uint8_t *pixels)
{
    const rs_scene *s = c->scene;
    const size_t values = (size_t)c->size * (size_t)c->size * 3;
    uint32_t word[4] = {0};
    for (size_t i = 0; i < values; i++) {
        if (i % 8 == 0)
            rs_philox(s->seed, s->stream, INDEX_NOISE + i / 8, word);
        const uint32_t bits = word[i % 8 / 2] >> (i % 2 * 16);
        const int32_t grain = (int32_t)(bits & 255) + (int32_t)(bits >> 8 & 255) - 255;
        const int32_t v = c->color[i] * s->gain[i % 3] / 16 + grain * s->noise;
        pixels[i] = (uint8_t)rs_fix_clamp((v + 128) / 256, 0, 255);
    }
}

/* ---- entry --------------------------------------------------------------------------------- */

size_t rs_handsigns_scratch(size_t size)
{
    const size_t grid = 2 * size;
    return sizeof(int32_t) * (2 * grid * grid + 2 * grid + 4 * size * size) + grid * grid;
}

void rs_handsigns_draw(const rs_scene *scene, size_t size, uint8_t *pixels, void *scratch)
{
    const size_t grid = 2 * size, samples = grid * grid;
    canvas c = {.scene = scene, .size = (int32_t)size, .grid = (int32_t)grid};
    c.height = scratch;
    c.hollow = c.height + samples;
    c.line = c.hollow + samples;
    c.mid = c.line + grid;
    c.color = c.mid + grid;
    c.dark = c.color + 3 * size * size;
    c.part = (uint8_t *)(c.dark + size * size);
    c.lo[0] = c.lo[1] = (int32_t)grid;
    for (size_t i = 0; i < samples; i++)
        c.height[i] = NO_HEIGHT;
    for (int32_t i = 0; i < c.grid; i++)
        c.mid[i] = center(i, c.grid);
    make_texture(scene, 0, c.skin_texture);
    make_texture(scene, 1, c.back_texture);
    draw_background(&c);
    for (size_t i = 0; i < scene->parts; i++)
        raise_part(&c, (uint8_t)i);
    if (c.lo[0] < c.hi[0] && c.lo[1] < c.hi[1])
        make_hollow(&c);
    cast_shadow(&c);
    compose(&c);
    soften(&c);
    develop(&c, pixels);
}
