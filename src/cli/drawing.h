/* Drawings of boxes, lines, text and images, which become SVG or pixels. The unit is a pixel. */
#ifndef CLI_DRAWING_H
#define CLI_DRAWING_H

#include <rescl/data.h>
#include <stdio.h>

/* Of a character; all are as wide. */
enum { CLI_TEXT_WIDTH = 7, CLI_TEXT_HEIGHT = 14 };

typedef struct cli_shape {
    enum { SHAPE_BOX, SHAPE_LINE, SHAPE_ARROW, SHAPE_TEXT } kind;
    int x, y, width, height; /* of a line: to its end, one of them being 0 */
    uint32_t fill, edge;     /* 0xRRGGBB */
    bool bold;
    char *text;
} cli_shape;

typedef struct cli_drawing {
    int width, height; /* the caller sets them before it is written */
    cli_shape *shape;
    size_t count, room;
    bool failed; /* memory was short */
} cli_drawing;

/* Starts empty, as {0}. */
void cli_drawing_fini(cli_drawing *d);

void cli_draw_box(cli_drawing *d, int x, int y, int width, int height, uint32_t fill,
                  uint32_t edge);
/* Across or down. An arrow has its head at the end. */
void cli_draw_line(cli_drawing *d, int x, int y, int width, int height, uint32_t edge);
void cli_draw_arrow(cli_drawing *d, int x, int y, int width, int height, uint32_t edge);
/* `x`, `y`: the upper left corner. UTF-8; control characters are escaped. */
void cli_draw_text(cli_drawing *d, int x, int y, bool bold, uint32_t fill, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* How many characters a text has. */
int cli_text_length(const char *text);

/* `title` is what screen readers say. False after a message if memory was short. */
bool cli_drawing_svg(const cli_drawing *d, const char *title, FILE *f);
/* `scale` pixels for each of the drawing. What Latin-1 does not have is drawn as '?'. Exit code; free the
 * image. */
int cli_drawing_pixels(const cli_drawing *d, size_t scale, rescl_image *out);

/* Draws text on an image, which may end before it does. */
void cli_image_text(rescl_image *image, int x, int y, size_t scale, bool bold, uint32_t colour,
                    const char *text);
/* Fills a part of an image, cut at its edges. */
void cli_image_fill(rescl_image *image, int x, int y, int width, int height, uint32_t colour);

#endif
