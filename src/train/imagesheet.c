#include "imagesheet.h"

#include "error.h"
#include "image.h"
#include "netmodel.h"

#include <stdlib.h>
#include <string.h>

rescl_status rs_image_sheet_init(const rs_run_info *run, rs_image_sheet *sheet)
{
    rescl_status st = RESCL_OK;

    *sheet = (rs_image_sheet){.bytes = rs_model_input_bytes(run->model)};
    RS_OOM(sheet->pixels = calloc(RS_SHEET_IMAGES, sheet->bytes));
out:
    return st;
}

void rs_image_sheet_fini(rs_image_sheet *sheet)
{
    free(sheet->pixels);
    *sheet = (rs_image_sheet){0};
}

void rs_image_sheet_take(rs_image_sheet *sheet, const rs_samples *s)
{
    if (!s->training || sheet->count > 0)
        return;
    sheet->count = s->read < RS_SHEET_IMAGES ? s->read : RS_SHEET_IMAGES;
    memcpy(sheet->pixels, s->images, sheet->count * sheet->bytes);
}

/* The mean of a square of `by` x `by` pixels, as red, green and blue. */
static void mean_pixel(const uint8_t *from, size_t row_bytes, size_t by, bool blue_first,
                       uint8_t *to)
{
    for (size_t c = 0; c < 3; c++) {
        size_t sum = 0;
        for (size_t y = 0; y < by; y++)
            for (size_t x = 0; x < by; x++)
                sum += from[y * row_bytes + 3 * x + c];
        to[blue_first ? 2 - c : c] = (uint8_t)((sum + by * by / 2) / (by * by));
    }
}

rescl_status rs_tiles_png(const rescl_model *model, const uint8_t *pixels, size_t count,
                          size_t columns, uint8_t **png, size_t *bytes, size_t *width,
                          size_t *height)
{
    rescl_status st = RESCL_OK;
    const bool blue_first = model->preprocess == RESCL_PREPROCESS_CAFFE;
    const size_t side = model->image_size, by = (side + RS_TILE_SIDE - 1) / RS_TILE_SIDE;
    const size_t tile = side / by, across = count < columns ? count : columns;
    rescl_image all = {.width = across * tile, .height = (count + columns - 1) / columns * tile};
    rescl_image input = {.width = side,
                         .height = side,
                         .channels = rs_pixel_samples(model->channels),
                         .bit_depth = model->graph->bit_depth};
    rescl_image shown = {0};

    RS_OOM(all.pixels = calloc(all.width * all.height, 3));
    for (size_t i = 0; i < count; i++) {
        input.pixels = (uint8_t *)(uintptr_t)(pixels + i * rs_image_bytes(&input));
        RS_TRY(rs_image_converted(&input, 3, 8, &shown));
        const uint8_t *from = shown.pixels;
        uint8_t *to = all.pixels + (i / columns * tile * all.width + i % columns * tile) * 3;
        for (size_t y = 0; y < tile; y++)
            for (size_t x = 0; x < tile; x++)
                mean_pixel(from + (y * side + x) * by * 3, side * 3, by, blue_first,
                           to + (y * all.width + x) * 3);
        rescl_image_free(&shown);
    }
    RS_TRY(rs_png_encode("a sheet of images", &all, png, bytes));
    *width = all.width;
    *height = all.height;
out:
    free(all.pixels);
    rescl_image_free(&shown);
    return st;
}
