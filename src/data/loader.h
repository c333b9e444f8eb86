/* Batches, prefetched by background threads.
 *
 * The content of batch b of epoch e depends only on (dataset, options, e, b), not on the number of
 * threads nor on timing. The training order of an epoch is a permutation drawn from (seed, epoch),
 * what augmentation does to an image from (seed, epoch, its index in the dataset), in a balanced order, where
 * it may come twice, from (seed, epoch, its place in that order).
 */
#ifndef RS_LOADER_H
#define RS_LOADER_H

#include "augment.h"
#include "mixed.h"
#include "pixel.h"

#include <stdatomic.h>

typedef struct rs_loader_options {
    size_t batch;
    size_t height, width; /* of the network's input; images of another size are resized */
    rescl_resize resize;
    rescl_preprocess preprocess;
    rescl_normalize normalize; /* of RESCL_PREPROCESS_NORMALIZE */
    /* Of the network, as which images are taken; 1 makes them grey as they are read; 0: 3, 8. */
    size_t channels, bit_depth;
    rs_augment augment;
    rescl_tta tta;            /* each image is several samples of a batch */
    const int32_t *label_map; /* of the dataset's labels, borrowed: rs_class_map; NULL: none */
    size_t
        rows; /* of a network that takes several labels: its classes, see rs_batch.rows; else 0 */
    bool shuffle;
    bool balanced; /* with shuffle: see rs_sampler_init */
    const float
        *class_weight; /* of each class (as label_map counts them) what its loss counts, borrowed; a
                                * batch's add up to its number of images, unless its images are mixed. NULL:
                                * all the same */
    bool
        loss_weighs; /* the loss itself takes the class weights: what images count only scales them so */
    bool replace;   /* another image of its class takes the place of one that cannot be read */
    bool drop_last; /* leave out a last batch smaller than `batch` */
    size_t least;   /* see rs_split_batches */
    uint64_t seed;
    size_t workers; /* threads, of which rs_data_threads are made; 0: load in the calling thread */
    size_t depth;   /* batches prefetched; 0: 2 + threads / 2, or fewer if they are large */
    const atomic_int *stop; /* not 0 ends the drawing of an order; NULL: nothing does */
} rs_loader_options;

typedef struct rs_batch {
    const rescl_dataset *set; /* that it is of; NULL: the caller's own */
    size_t index;             /* within the epoch */
    size_t n;                 /* samples in it: `batch`, or another number in the last */
    size_t views;             /* inputs of each sample, see rs_views_count; 0: 1 */
    uint8_t *pixels; /* (views, n, height, width, samples of pixel.h), by rs_image_to_input */
    const float (*table)[256]; /* rs_preprocess_table of the loader's preprocessing */
    int32_t *labels; /* (n), and room for (views, n); of an image that is mixed, that of its
                                * larger share */
    rs_mixed
        *mixed; /* (n): with what, and what it counts; NULL: no image is mixed, and all count the
                      * same */
    int32_t *
        rows; /* (views, n, classes) where an image may have any number of labels: what each class is
                    * to be, in units of 1 / RS_MIXED_ONE; labels are 0 then. NULL: labels tell */
    size_t unread; /* samples whose image cannot be read: with `replace` another one stands there,
                         * else black, which counts for nothing */
    size_t *unread_at; /* (n): the sample of the set, SIZE_MAX where it was read */
} rs_batch;

/* Inputs in a batch: those of all its samples. */
static inline size_t rs_batch_inputs(const rs_batch *b)
{
    return b->views > 1 ? b->n * b->views : b->n;
}

typedef struct rs_loader rs_loader;

/* Borrows the dataset. All memory is allocated here. */
rescl_status rs_loader_create(const rescl_dataset *set, const rs_loader_options *options,
                              rs_loader **out) RESCL_CHECK;
void rs_loader_destroy(rs_loader *l);

/* How samples divide into batches: `full` of them have the size that was asked for, and a last one
 * has `tail` samples; 0: there is none. */
typedef struct rs_split {
    size_t full, tail;
} rs_split;

/* A rest of fewer than `least` samples joins the batch before it, whose size is the tail's then. */
rs_split rs_split_batches(size_t count, size_t batch, size_t least);
size_t rs_split_count(const rs_split *s); /* batches */

/* After a failure: the label of the set of which no image can be read; -1: it was another one. */
int32_t rs_loader_lost(const rs_loader *l);

size_t rs_loader_batches(const rs_loader *l); /* per epoch */
size_t rs_loader_depth(const rs_loader *l);   /* batches that are in memory at once */

/* Which samples of batches are read; those of others have their labels, and pixels that mean nothing. */
typedef struct rs_loader_part {
    size_t turn, turns; /* of so many batches that follow each other this one; 0 or 1 turns: all */
    /* Of a whole batch, and of a last one of another size: so many from `first` on. */
    size_t first[2], count[2];
} rs_loader_part;

/* Between epochs; before the first all are read, and a set that does not know its labels beforehand is read as a
 * whole all the same. */
void rs_loader_set_part(rs_loader *l, const rs_loader_part *part);
size_t rs_loader_samples(const rs_loader *l, size_t batch); /* in it */

/* Begins an epoch at batch `first` (a resume starts in the middle). Drops what was staged.
 * RESCL_ERR_INTERRUPTED when *stop is set; the epoch can be begun again. */
rescl_status rs_loader_start(rs_loader *l, uint64_t epoch, size_t first) RESCL_CHECK;
/* Waits for the next batch; *out is NULL after the last. Images that cannot be read are counted in
 * the batch where the set passes over them (rs_dataset_passes_over); else they fail here, naming the
 * file. The batch is the caller's until rs_loader_release. */
rescl_status rs_loader_next(rs_loader *l, const rs_batch **out) RESCL_CHECK;
void rs_loader_release(rs_loader *l, const rs_batch *batch);
/* The batch that rs_loader_next gives next, if that would neither wait nor fail; else NULL. It can be read,
 * and becomes the caller's by rs_loader_next. */
const rs_batch *rs_loader_peek(rs_loader *l);

/* Where the input lies in an image: the image is resized to width x height, and the input is cut
 * out of that at (left, top). */
typedef struct rs_view {
    size_t width, height, left, top;
} rs_view;

rescl_status rs_view_init(rs_view *v, const rescl_image *image, size_t height, size_t width,
                          const rescl_resize *resize) RESCL_CHECK;

/* Preprocessing takes two steps. An image is resized and cropped as `resize` says, into dst (height *
 * width pixels of its form), whose channels are in the network's order: blue first for
 * RESCL_PREPROCESS_CAFFE. */
rescl_status rs_image_to_input(const rescl_image *image, size_t height, size_t width,
                               const rescl_resize *resize, rescl_preprocess preprocess,
                               uint8_t *dst) RESCL_CHECK;
/* The same of the part of the image that a view says. */
rescl_status rs_view_input(const rescl_image *image, const rs_view *v, rescl_interpolation how,
                           size_t height, size_t width, rescl_preprocess preprocess, uint8_t *dst)
    RESCL_CHECK;
/* The first step alone, in place, with the image's own order of channels. `stretch`: by the input's sides
 * instead of the image's proportions, all of it. */
rescl_status rs_image_fit(rescl_image *image, size_t height, size_t width,
                          const rescl_resize *resize, bool stretch) RESCL_CHECK;
/* Gives an image that is RGB the network's order of channels, in place. */
void rs_image_to_network(rescl_preprocess preprocess, rescl_image *image);
/* Then the network reads table[c][v] where channel c of that is v; of 16 bits what lies between table[c][0] and
 * table[c][255] in proportion. A network of one channel has the same numbers for all of them, by the mean of what
 * three have. RESCL_ERR_ARG for a number that is no
 * preprocessing, and for a mean or std out of range where the preprocessing reads them. */
rescl_status rs_preprocess_table(rescl_preprocess p, const rescl_normalize *normalize,
                                 size_t channels, float table[RS_PIXEL_CHANNELS][256]) RESCL_CHECK;
/* The colour, red first, for which the network reads the numbers nearest to 0. */
void rs_preprocess_mean(rescl_preprocess p, const float table[RS_PIXEL_CHANNELS][256],
                        uint8_t colour[RS_PIXEL_CHANNELS]);

#endif
