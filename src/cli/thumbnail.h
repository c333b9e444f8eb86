/* Images made small for sheets. */
#ifndef CLI_THUMBNAIL_H
#define CLI_THUMBNAIL_H

#include <rescl/data.h>

/* Fits the whole image into a square of `side`. False if memory was short; free the image. */
bool cli_thumbnail(const rescl_image *from, size_t side, rescl_image *out);

/* Copies a thumbnail to the middle of a square of `side` on a sheet whose corner is (x, y). */
void cli_thumbnail_put(rescl_image *sheet, int x, int y, size_t side, const rescl_image *small);

/* Cuts a text to `most` characters, the last of which are dots where there are more. */
void cli_thumbnail_caption(const char *text, int most, char out[256]);

#endif
