#include "drawing.h"

#include "alloc.h"
#include "cli.h"
#include "glyphs.h"
#include "html.h"
#include "output.h"
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_LENGTH = 6, HEAD_HALF = 3 }; /* of an arrow */

/* ---- recording ---- */

static cli_shape *add(cli_drawing *d)
{
    if (!rs_array_grow(&d->shape, &d->room, d->count + 1, sizeof *d->shape)) {
        d->failed = true;
        return NULL;
    }
    return &d->shape[d->count++];
}

void cli_drawing_fini(cli_drawing *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->shape[i].text);
    free(d->shape);
    *d = (cli_drawing){0};
}

void cli_draw_box(cli_drawing *d, int x, int y, int width, int height, uint32_t fill, uint32_t edge)
{
    cli_shape *s = add(d);
    if (s)
        *s = (cli_shape){SHAPE_BOX, x, y, width, height, fill, edge, false, NULL};
}

void cli_draw_line(cli_drawing *d, int x, int y, int width, int height, uint32_t edge)
{
    cli_shape *s = add(d);
    if (s)
        *s = (cli_shape){SHAPE_LINE, x, y, width, height, edge, edge, false, NULL};
}

void cli_draw_arrow(cli_drawing *d, int x, int y, int width, int height, uint32_t edge)
{
    cli_shape *s = add(d);
    if (s)
        *s = (cli_shape){SHAPE_ARROW, x, y, width, height, edge, edge, false, NULL};
}

void cli_draw_text(cli_drawing *d, int x, int y, bool bold, uint32_t fill, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *raw = rs_vstrf(fmt, args);
    va_end(args);
    char *text = raw ? malloc(RS_ESCAPED(strlen(raw))) : NULL;
    cli_shape *s = text ? add(d) : NULL;
    if (s) {
        rs_escape(raw, "", text);
        *s = (cli_shape){SHAPE_TEXT, x, y, 0, 0, fill, fill, bold, text};
    } else {
        d->failed = true;
        free(text);
    }
    free(raw);
}

int cli_text_length(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* ---- SVG ---- */

static void put_head(const cli_shape *s, FILE *f)
{
    const int x = s->x + s->width, y = s->y + s->height;
    const int dx = s->width > 0 ? -HEAD_LENGTH : s->width < 0 ? HEAD_LENGTH : 0;
    const int dy = s->height > 0 ? -HEAD_LENGTH : s->height < 0 ? HEAD_LENGTH : 0;
    const int sx = dx ? 0 : HEAD_HALF, sy = dx ? HEAD_HALF : 0;
    fprintf(f, "<path d=\"M%d %dL%d %dL%d %dZ\" fill=\"#%06x\"/>\n", x, y, x + dx - sx, y + dy - sy,
            x + dx + sx, y + dy + sy, (unsigned)s->edge);
}

static void put_shape(const cli_shape *s, FILE *f)
{
    switch (s->kind) {
    case SHAPE_BOX:
        fprintf(f,
                "<rect x=\"%d.5\" y=\"%d.5\" width=\"%d\" height=\"%d\" rx=\"2\" fill=\"#%06x\" "
                "stroke=\"#%06x\"/>\n",
                s->x, s->y, s->width - 1, s->height - 1, (unsigned)s->fill, (unsigned)s->edge);
        break;
    case SHAPE_LINE:
    case SHAPE_ARROW:
        fprintf(f, "<path d=\"M%d.5 %d.5L%d.5 %d.5\" stroke=\"#%06x\"/>\n", s->x, s->y,
                s->x + s->width, s->y + s->height, (unsigned)s->edge);
        if (s->kind == SHAPE_ARROW)
            put_head(s, f);
        break;
    case SHAPE_TEXT:
        fprintf(f, "<text x=\"%d\" y=\"%d\"%s fill=\"#%06x\">", s->x, s->y + 11,
                s->bold ? " font-weight=\"bold\"" : "", (unsigned)s->fill);
        rs_html_text(&(rs_html){.f = f}, s->text);
        fputs("</text>\n", f);
        break;
    }
}

bool cli_drawing_svg(const cli_drawing *d, const char *title, FILE *f)
{
    if (d->failed) {
        cli_short_of_memory();
        return false;
    }
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
            "%d\" role=\"img\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, "
            "monospace\" font-size=\"11.6\" xml:space=\"preserve\">\n<title>",
            d->width, d->height, d->width, d->height);
    rs_html_text(&(rs_html){.f = f}, title);
    fprintf(f, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", d->width,
            d->height);
    for (size_t i = 0; i < d->count; i++)
        put_shape(&d->shape[i], f);
    fputs("</svg>\n", f);
    return true;
}

/* ---- pixels ---- */

void cli_image_fill(rescl_image *image, int x, int y, int width, int height, uint32_t colour)
{
    const uint8_t rgb[3] = {(uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour};
    const int right = x + width < (int)image->width ? x + width : (int)image->width;
    const int bottom = y + height < (int)image->height ? y + height : (int)image->height;
    for (int row = y > 0 ? y : 0; row < bottom; row++)
        for (int column = x > 0 ? x : 0; column < right; column++)
            memcpy(image->pixels + 3 * ((size_t)row * image->width + (size_t)column), rgb, 3);
}

/* The next character of UTF-8, as an index of glyphs. */
static size_t next_glyph(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    unsigned code = *p++;
    if (code >= 0xc0) {
        code = code == 0xc2 || code == 0xc3 ? (code & 3u) << 6 | (*p & 0x3fu) : '?';
        while ((*p & 0xc0) == 0x80)
            p++;
    }
    *text = (const char *)p;
    if (code >= 0xa0)
        return code - 0xa0 + 95;
    return code >= ' ' && code <= '~' ? code - ' ' : '?' - ' ';
}

void cli_image_text(rescl_image *image, int x, int y, size_t scale, bool bold, uint32_t colour,
                    const char *text)
{
    const int size = (int)scale;
    for (; *text; x += CLI_GLYPH_WIDTH * size) {
        const uint8_t *glyph = cli_glyph[bold][next_glyph(&text)];
        for (int row = 0; row < CLI_GLYPH_HEIGHT; row++)
            for (int bit = 0; bit < CLI_GLYPH_WIDTH; bit++)
                if (glyph[row] >> (CLI_GLYPH_WIDTH - 1 - bit) & 1)
                    cli_image_fill(image, x + bit * size, y + row * size, size, size, colour);
    }
}

static void paint_head(rescl_image *image, const cli_shape *s, int scale)
{
    const int x = s->x + s->width, y = s->y + s->height;
    for (int i = 0; i < HEAD_LENGTH; i++) {
        const int half = i * HEAD_HALF / (HEAD_LENGTH - 1);
        if (s->height != 0)
            cli_image_fill(image, (x - half) * scale, (s->height > 0 ? y - i : y + i) * scale,
                           (2 * half + 1) * scale, scale, s->edge);
        else
            cli_image_fill(image, (s->width > 0 ? x - i : x + i) * scale, (y - half) * scale, scale,
                           (2 * half + 1) * scale, s->edge);
    }
}

static void paint(rescl_image *image, const cli_shape *s, int scale)
{
    const int x = s->x * scale, y = s->y * scale;
    const int width = s->width * scale, height = s->height * scale;
    switch (s->kind) {
    case SHAPE_BOX:
        cli_image_fill(image, x, y, width, height, s->edge);
        cli_image_fill(image, x + scale, y + scale, width - 2 * scale, height - 2 * scale, s->fill);
        break;
    case SHAPE_LINE:
    case SHAPE_ARROW:
        cli_image_fill(image, width < 0 ? x + width : x, height < 0 ? y + height : y,
                       abs(width) + scale, abs(height) + scale, s->edge);
        if (s->kind == SHAPE_ARROW)
            paint_head(image, s, scale);
        break;
    case SHAPE_TEXT:
        cli_image_text(image, x, y, (size_t)scale, s->bold, s->fill, s->text);
        break;
    }
}

int cli_drawing_pixels(const cli_drawing *d, size_t scale, rescl_image *out)
{
    const size_t width = (size_t)d->width * scale, height = (size_t)d->height * scale;
    *out = (rescl_image){.width = width, .height = height};
    if (width * height > RESCL_IMAGE_WHOLE_PIXELS) {
        cli_usage_error(
            "the drawing has %zux%zu pixels, a PNG may have %zu; give a smaller --zoom, "
            "leave out --expand, or write SVG",
            width, height, RESCL_IMAGE_WHOLE_PIXELS);
        return CLI_USAGE;
    }
    out->pixels = d->failed ? NULL : malloc(3 * width * height);
    if (!out->pixels) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    memset(out->pixels, 0xff, 3 * width * height);
    for (size_t i = 0; i < d->count; i++)
        paint(out, &d->shape[i], (int)scale);
    return CLI_OK;
}
