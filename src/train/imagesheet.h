/* Images of a run as PNG: as the network got them, tiles beside each other. */
#ifndef RS_IMAGESHEET_H
#define RS_IMAGESHEET_H

#include "watch.h"

/* The first images of a run's training, copied from its first batch. */
#define RS_SHEET_IMAGES 16
typedef struct rs_image_sheet {
    size_t count, bytes; /* bytes of an image */
    uint8_t *pixels;     /* (RS_SHEET_IMAGES), inputs of the network */
} rs_image_sheet;

rescl_status rs_image_sheet_init(const rs_run_info *run, rs_image_sheet *sheet) RESCL_CHECK;
void rs_image_sheet_fini(rs_image_sheet *sheet);
/* Takes images of training until it has some; allocates nothing. */
void rs_image_sheet_take(rs_image_sheet *sheet, const rs_samples *s);

/* Tiles of `count` inputs of the model, alpha on white, `columns` in a row, none wider than RS_TILE_SIDE: larger ones are
 * made smaller by a whole number. The PNG is on the heap. */
#define RS_TILE_SIDE 128
rescl_status rs_tiles_png(const rescl_model *model, const uint8_t *pixels, size_t count,
                          size_t columns, uint8_t **png, size_t *bytes, size_t *width,
                          size_t *height) RESCL_CHECK;

#endif
