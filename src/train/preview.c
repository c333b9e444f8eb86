/* A sheet of training images as the network will get them. */
#include "error.h"
#include "imagesheet.h"
#include "path.h"
#include "trainer.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 8

/* The first `count` images of the first epoch, of `bytes` each. */
static rescl_status collect(rs_loader *loader, uint8_t *pixels, size_t bytes, size_t count)
{
    rescl_status st = RESCL_OK;
    const rs_batch *batch = NULL;
    size_t have = 0;

    RS_TRY(rs_loader_start(loader, 0, 0));
    while (have < count) {
        RS_TRY(rs_loader_next(loader, &batch));
        if (!batch)
            break;
        const size_t n = batch->n < count - have ? batch->n : count - have;
        memcpy(pixels + have * bytes, batch->pixels, n * bytes);
        have += n;
        rs_loader_release(loader, batch);
        batch = NULL;
    }
out:
    rs_loader_release(loader, batch);
    return st;
}

rescl_status rescl_train_preview(rescl_model *model, const rescl_dataset *train_set,
                                 const rescl_train_options *options, size_t images,
                                 const char *path)
{
    rescl_status st = RESCL_OK;
    rescl_trainer t = {.model = model}; /* as far as a loader goes by it */
    const size_t bytes_each = rs_model_input_bytes(model);
    const size_t all = rescl_dataset_count(train_set), count = images < all ? images : all;
    rs_loader *loader = NULL;
    uint8_t *pixels = NULL, *png = NULL;
    size_t bytes, width, height;

    RS_FAIL_IF(images == 0, RESCL_ERR_ARG, "a preview of no images");
    RS_TRY(rs_train_options_copy(options, &t.options));
    if (t.options.batch_size == 0)
        t.options.batch_size = count;
    RS_TRY(rs_trainer_loader(&t, train_set, true, &loader));
    RS_OOM(pixels = calloc(count, bytes_each));
    RS_TRY(collect(loader, pixels, bytes_each, count));
    RS_TRY(rs_tiles_png(model, pixels, count, COLUMNS, &png, &bytes, &width, &height));
    RS_TRY(rs_file_write(path, png, bytes));
out:
    rs_loader_destroy(loader);
    rs_train_options_fini(&t.options);
    free(pixels);
    free(png);
    return st;
}
