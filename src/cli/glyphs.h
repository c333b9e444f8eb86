/* The letters of pictures. */
#ifndef CLI_GLYPHS_H
#define CLI_GLYPHS_H

#include <stdint.h>

/* ' ' to '~', then those of Latin-1 from U+00A0 to U+00FF. */
enum { CLI_GLYPHS = 95 + 96, CLI_GLYPH_WIDTH = 7, CLI_GLYPH_HEIGHT = 14 };

/* Plain ones, then bold ones. */
extern const uint8_t cli_glyph[2][CLI_GLYPHS][CLI_GLYPH_HEIGHT];

#endif
