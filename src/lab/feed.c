#include "feed.h"

#include "error.h"
#include "loader.h"

#include <stdlib.h>

struct rs_feed {
    rs_loader *loader;
    const rs_batch *batch; /* that was given last */
    uint64_t epoch;
    size_t classes;
};

rescl_status rs_feed_create(const rescl_dataset *set, size_t batch, size_t size, size_t channels,
                            size_t workers, rs_feed **out)
{
    rescl_status st = RESCL_OK;
    rs_feed *f = NULL;
    const size_t images = rescl_dataset_count(set);
    const rs_loader_options load = {.batch = batch,
                                    .height = size,
                                    .width = size,
                                    .channels = channels,
                                    .shuffle = true,
                                    .replace = true,
                                    .drop_last = true,
                                    .workers = workers};

    RS_FAIL_IF(rescl_dataset_multi_label(set), RESCL_ERR_ARG,
               "the data gives an image any number of labels, and the network here chooses one "
               "class: give data of one label an image, or none, for random images");
    RS_FAIL_IF(images < batch, RESCL_ERR_ARG,
               "the data has %zu images, a batch %zu: give a smaller --batch-size", images, batch);
    RS_OOM(f = calloc(1, sizeof *f));
    f->classes = rescl_dataset_classes(set);
    RS_TRY(rs_loader_create(set, &load, &f->loader));
    RS_TRY(rs_loader_start(f->loader, 0, 0));
    *out = f;
    f = NULL;
out:
    rs_feed_destroy(f);
    return st;
}

void rs_feed_destroy(rs_feed *f)
{
    if (!f)
        return;
    if (f->batch)
        rs_loader_release(f->loader, f->batch);
    rs_loader_destroy(f->loader);
    free(f);
}

size_t rs_feed_classes(const rs_feed *f)
{
    return f->classes;
}

rescl_status rs_feed_next(rs_feed *f, rs_images *out)
{
    rescl_status st = RESCL_OK;

    if (f->batch)
        rs_loader_release(f->loader, f->batch);
    f->batch = NULL;
    RS_TRY(rs_loader_next(f->loader, &f->batch));
    if (!f->batch) {
        RS_TRY(rs_loader_start(f->loader, ++f->epoch, 0));
        RS_TRY(rs_loader_next(f->loader, &f->batch));
    }
    *out = (rs_images){f->batch->n,      f->batch->pixels, f->batch->table,
                       f->batch->labels, f->batch->mixed,  f->batch->rows};
out:
    return st;
}
