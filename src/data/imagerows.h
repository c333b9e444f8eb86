/* What decoders that go by rows share: the size of the result, room for its pixels, samples of more than
 * 8 bits, alpha, and larger images made smaller while they are read. */
#ifndef RS_IMAGEROWS_H
#define RS_IMAGEROWS_H

#include "image.h"

/* An image whose rows arrive as samples of RGB or RGBA, of 8 or 16 bits. {0} is empty. */
typedef struct rs_image_rows {
    size_t width, height, channels; /* of the file's rows: 3, or 4 with alpha */
    bool deep;                      /* of 16 bits */
    size_t kept;                    /* channels of the result: 4 where alpha is kept */
    size_t factor;                  /* by which the image becomes smaller; 1: it stays */
    size_t out_width, out_height;
    uint8_t *pixels, *row;
    uint32_t *sum;
} rs_image_rows;

/* Refuses what is empty and what has more pixels than the options allow. *pixels may be NULL. */
rescl_status rs_image_check_size(const char *name, size_t width, size_t height,
                                 const rescl_image_options *options, size_t *pixels) RESCL_CHECK;

/* The factor by which an image of that size is made smaller, 1 for none, so that it has no more than
 * RS_MAX_PIXELS and its shorter side as many as the options say. */
size_t rs_image_factor(size_t width, size_t height, const rescl_image_options *options);

/* Room for an image whose size was checked. `deep`: its rows have samples of 16 bits. */
rescl_status rs_image_rows_init(rs_image_rows *r, size_t width, size_t height, size_t channels,
                                bool deep, const rescl_image_options *options) RESCL_CHECK;
/* Where row `y` of the file is to be written, width * channels samples. While factor is 1 rows keep what was
 * written there. */
uint8_t *rs_image_rows_at(rs_image_rows *r, size_t y);
/* Row `y` is written. Where factor is above 1, rows come in their order and once. */
void rs_image_rows_put(rs_image_rows *r, size_t y);
/* The image and its notices, all rows having been put. */
void rs_image_rows_take(rs_image_rows *r, rs_decoded *out);
void rs_image_rows_fini(rs_image_rows *r);

/* RGBA over white to RGB, in place. */
void rs_image_lay_on_white(uint8_t *pixels, size_t count);
void rs_image_lay_deep_on_white(uint16_t *pixels, size_t count);
/* Inks of which 255 is none to RGB, as Pillow has it; dst may be src. */
void rs_image_from_cmyk(const uint8_t *src, uint8_t *dst, size_t count);

/* 16-bit samples that are scaled to their whole range: rescl_image_options.sample_bits. */
typedef struct rs_image_samples {
    size_t bits;
    unsigned all; /* those of colours, or-ed */
} rs_image_samples;

static inline uint16_t rs_image_deep_sample(rs_image_samples *s, unsigned value, bool is_alpha)
{
    const unsigned full = value << (16 - s->bits);
    if (!is_alpha)
        s->all |= value;
    return (uint16_t)(full > 0xffff ? 0xffff : full);
}

static inline uint8_t rs_image_sample(rs_image_samples *s, unsigned value, bool is_alpha)
{
    return (uint8_t)(rs_image_deep_sample(s, value, is_alpha) >> 8);
}

/* The bit of rescl_image_notice for samples that use less or more than their range, or 0. */
unsigned rs_image_samples_notice(const rs_image_samples *s);

#endif
