/* The loader's ring.
 *
 * Batch b is staged in slot b % depth. Workers take one sample at a time, in order, from the first
 * batch that is not wholly taken, as soon as its slot is free; a batch is ready when each of its
 * samples is done. All state is under one lock, which no one holds while a sample is made. */
#include "loader.h"

#include "alloc.h"
#include "colour.h"
#include "dataset.h"
#include "error.h"
#include "image.h"
#include "mix.h"
#include "sampler.h"
#include "threadpool.h"
#include "views.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH  1024
#define RING_BYTES ((size_t)256 << 20) /* of prefetched batches, where more than 2 take more */

typedef struct slot {
    rs_batch batch;
    size_t taken, made; /* samples */
    size_t done;        /* those that are final: the batch is mixed before its last one is */
    bool held;          /* by the caller */
    size_t failed_at;   /* the first sample that failed, SIZE_MAX for none */
    rescl_error error;
} slot;

struct rs_loader {
    const rescl_dataset *set;
    rs_loader_options options;
    rs_split split;
    size_t batches, threads;
    rs_loader_part part;
    bool parted; /* `part` says what is read */
    uint64_t epoch;
    rs_sampler sampler; /* {0} without shuffling */
    slot *slots;
    uint8_t *pixels;
    float table[RS_PIXEL_CHANNELS][256];
    int32_t *labels;
    rs_mixed *mixed; /* NULL: batches are neither mixed nor weighted */
    int32_t *rows;   /* where images have several labels */
    size_t *unread_at;
    rs_pool *pool;

    pthread_mutex_t lock;
    bool lock_ready;
    pthread_cond_t work;  /* something may be taken, or `quit` */
    pthread_cond_t ready; /* a sample is done */
    bool started, quit;
    size_t staging;  /* the first batch not wholly taken */
    size_t next;     /* the batch that rs_loader_next gives next */
    size_t busy;     /* samples being made */
    atomic_int lost; /* the label of which no image can be read, or -1 */
};

size_t rs_loader_samples(const rs_loader *l, size_t b)
{
    return b < l->split.full ? l->options.batch : l->split.tail;
}

static slot *slot_of(const rs_loader *l, size_t b)
{
    return &l->slots[b % l->options.depth];
}

/* With the lock held: the next sample to make, if its slot is free. */
static bool take(rs_loader *l, slot **out_slot, size_t *out_sample)
{
    if (!l->started || l->staging >= l->batches || l->staging - l->next >= l->options.depth)
        return false;
    slot *s = slot_of(l, l->staging);
    if (s->held)
        return false;
    if (s->taken == 0) {
        s->batch.index = l->staging;
        s->batch.n = rs_loader_samples(l, l->staging);
    }
    *out_slot = s;
    *out_sample = s->taken++;
    if (s->taken == s->batch.n)
        l->staging++;
    l->busy++;
    return true;
}

/* The next image of the same class, or of several labels the next one, in the set's order that can be read,
 * for one that cannot: the same in every epoch, however threads run. On failure the error is the first image's. */
static rescl_status find_substitute(rs_loader *l, size_t index, rescl_image *image, int32_t *label,
                                    size_t *taken)
{
    rescl_status st = RESCL_OK;
    const rescl_error why = *rescl_last_error();
    const size_t count = rescl_dataset_count(l->set);
    const rs_loader_options *o = &l->options;
    const int32_t wanted = rs_dataset_label(l->set, index);
    for (size_t k = 1; k < count; k++) {
        const size_t other = (index + k) % count;
        if (!o->rows && rs_dataset_label(l->set, other) != wanted)
            continue;
        st = rescl_dataset_get(l->set, other, image, label);
        *taken = other;
        if (!rs_dataset_passes_over(l->set, st))
            goto out; /* good, or a failure of another kind */
    }
    RS_FAIL_IF(o->rows, why.status, "no image can be read; the first is %.700s", why.message);
    atomic_store(&l->lost, wanted);
    RS_FAIL(why.status, "no image of the class '%s' can be read; the first is %.700s",
            rescl_dataset_class_name(l->set, (size_t)wanted), why.message);
out:
    return st;
}

/* An image as it was read becomes an input, or several that lie `stride` bytes apart: changed as it is,
 * fitted, and changed as it is then. */
static rescl_status make_input(const rs_loader *l, rescl_image *image, size_t draw, uint8_t *pixels,
                               size_t stride)
{
    rescl_status st = RESCL_OK;
    const rs_loader_options *o = &l->options;
    const rs_augment *a = &o->augment;
    rescl_resize resize = o->resize;

    RS_TRY(rs_image_convert(image, o->channels, o->bit_depth));
    if (o->channels == 1)
        rs_image_grey(image);
    RS_TRY(rs_image_augment(image, a, RS_AUGMENT_SOURCE, o->seed, l->epoch, draw));
    if (rs_augment_stretches(a) || rs_augment_acts(a, RS_AUGMENT_INPUT)) {
        RS_TRY(rs_image_fit(image, o->height, o->width, &resize, rs_augment_stretches(a)));
        RS_TRY(rs_image_augment(image, a, RS_AUGMENT_INPUT, o->seed, l->epoch, draw));
        resize.keep_exact = true;
    }
    RS_TRY(
        rs_views_make(image, o->tta, o->height, o->width, &resize, o->preprocess, pixels, stride));
out:
    return st;
}

/* The targets of an image of several labels, for each of its inputs. */
static void fill_rows(const rs_loader *l, const rs_batch *b, size_t sample, size_t index)
{
    const rs_loader_options *o = &l->options;
    const rescl_dataset *set = l->set;
    int32_t own;
    const int32_t *label = NULL;
    const size_t n = rs_dataset_labels(set, rs_dataset_index(set, index), &own, &label);
    for (size_t v = 0; v < b->views; v++) {
        int32_t *row = b->rows + (v * b->n + sample) * o->rows;
        memset(row, 0, o->rows * sizeof *row);
        for (size_t k = 0; k < n; k++) {
            const int32_t named = set->label_map ? set->label_map[label[k]] : label[k];
            row[o->label_map ? o->label_map[named] : named] = RS_MIXED_ONE;
        }
    }
}

void rs_loader_set_part(rs_loader *l, const rs_loader_part *part)
{
    pthread_mutex_lock(&l->lock);
    l->part = *part;
    l->parted = true;
    pthread_mutex_unlock(&l->lock);
}

/* Whether a sample of a batch is read, or the one behind it, which may be mixed with it. */
static bool is_read(const rs_loader *l, const rs_batch *b, size_t sample)
{
    const rs_loader_part *p = &l->part;
    const size_t kind = b->index < l->split.full ? 0 : 1;
    const size_t from = p->first[kind], count = p->count[kind];
    const size_t behind = sample + 1 < b->n ? sample + 1 : 0;
    const bool mixes = rs_augment_acts(&l->options.augment, RS_AUGMENT_BATCH);

    if (!l->parted)
        return true;
    if (p->turns > 1 && b->index % p->turns != p->turn)
        return false;
    return sample - from < count || (mixes && behind - from < count);
}

/* `label` is that of image `index`; of several labels the set tells all. */
static void set_targets(const rs_loader *l, const rs_batch *b, size_t sample, size_t index,
                        int32_t label)
{
    if (l->options.rows)
        fill_rows(l, b, sample, index);
    for (size_t v = 0; !l->options.rows && v < b->views; v++)
        b->labels[v * b->n + sample] = l->options.label_map ? l->options.label_map[label] : label;
}

/* *unread: the image cannot be read, and the set passes over it. */
static rescl_status make_sample(rs_loader *l, const slot *s, size_t sample, size_t *unread)
{
    rescl_status st = RESCL_OK;
    const rs_loader_options *o = &l->options;
    const size_t position = s->batch.index * o->batch + sample;
    const size_t index = l->sampler.order ? l->sampler.order[position] : position;
    size_t taken = index; /* whose labels count */
    const size_t bytes = o->height * o->width * rs_pixel_bytes(o->channels, o->bit_depth);
    const size_t stride = s->batch.n * bytes;
    uint8_t *pixels = s->batch.pixels + sample * bytes;
    rescl_image image = {0};
    int32_t label;
    *unread = SIZE_MAX;
    label = rs_dataset_label(l->set, index);
    if ((label >= 0 || o->rows) && !is_read(l, &s->batch, sample)) {
        set_targets(l, &s->batch, sample, index, label);
        goto out;
    }
    st = rescl_dataset_get(l->set, index, &image, &label);
    if (rs_dataset_passes_over(l->set, st)) {
        *unread = index;
        if (!o->replace) {
            for (size_t v = 0; v < s->batch.views; v++)
                memset(pixels + v * stride, 0, bytes);
            s->batch.labels[sample] = 0;
            if (o->rows)
                fill_rows(l, &s->batch, sample, index);
            st = RESCL_OK;
            goto out;
        }
        st = find_substitute(l, index, &image, &label, &taken);
    }
    RS_TRY(st);
    RS_TRY(make_input(l, &image, o->balanced ? position : index, pixels, stride));
    set_targets(l, &s->batch, sample, taken, label);
out:
    rescl_image_free(&image);
    return st;
}

/* A row of labels counts weight, of shares their mean, by which the shares are weighed, too. */
static double weigh_row(const float *weight, int32_t label, rs_mixed *m)
{
    const double share = (double)m->share / RS_MIXED_ONE;
    const double own = (1 - share) * (double)weight[label];
    const double other = share * (double)weight[m->label];

    if (own + other > 0)
        m->share = (int32_t)lrint(other / (own + other) * RS_MIXED_ONE);
    m->weight = (float)(own + other);
    return own + other;
}

/* As torch's weighted mean has it: labels divide by the sum of their weights, shares of classes by the number
 * of images. */
static void weigh_batch(const rs_loader *l, rs_batch *b)
{
    const rs_loader_options *o = &l->options;
    const bool mixes = rs_augment_acts(&o->augment, RS_AUGMENT_BATCH);
    double sum = 0;

    for (size_t i = 0; o->class_weight && i < b->n; i++)
        sum += o->loss_weighs ? (double)o->class_weight[b->labels[i]]
                              : weigh_row(o->class_weight, b->labels[i], &b->mixed[i]);
    for (size_t i = 0; !mixes && sum > 0 && i < b->n; i++)
        b->mixed[i].weight = (float)((double)b->mixed[i].weight * (double)b->n / sum);
}

/* Targets in the shares of the images, as torchvision's MixUp and CutMix have it. */
static void mix_rows(const rs_loader *l, const rs_batch *b, int32_t others)
{
    const size_t classes = l->options.rows;
    for (size_t c = 0; others > 0 && c < classes; c++) {
        const int32_t last = b->rows[(b->n - 1) * classes + c];
        for (size_t i = b->n; i-- > 0;) {
            int32_t *own = b->rows + i * classes + c;
            const int32_t other = i > 0 ? *(own - classes) : last;
            *own = (*own ? RS_MIXED_ONE - others : 0) + (other ? others : 0);
        }
    }
}

/* A batch whose samples are made: images, and labels, of which the larger share's is the first. */
static rescl_status mix_batch(rs_loader *l, slot *s)
{
    rescl_status st = RESCL_OK;
    const rs_loader_options *o = &l->options;
    rs_batch *b = &s->batch;
    double share;

    RS_TRY(rs_mix_augment(
        &(rs_mix_batch){b->pixels, b->n, o->height, o->width, o->channels, o->bit_depth},
        &o->augment, o->seed, l->epoch, b->index, &share));
    const int32_t others = (int32_t)lrint(share * RS_MIXED_ONE);
    const bool swap = 2 * others > RS_MIXED_ONE;
    if (o->rows) {
        mix_rows(l, b, others);
        goto out;
    }
    for (size_t i = 0; i < b->n; i++)
        b->mixed[i] = (rs_mixed){b->labels[i > 0 ? i - 1 : b->n - 1], others, 1.0f};
    for (size_t i = 0; swap && i < b->n; i++) {
        const int32_t own = b->labels[i];
        b->labels[i] = b->mixed[i].label;
        b->mixed[i] = (rs_mixed){own, RS_MIXED_ONE - others, 1.0f};
    }
    weigh_batch(l, b);
out:
    return st;
}

static void note_failure(slot *s, size_t sample)
{
    if (sample < s->failed_at) {
        s->failed_at = sample;
        s->error = *rescl_last_error();
    }
}

/* With the lock held, which is given up meanwhile: makes the sample that take() gave. Whoever makes a
 * batch's last one mixes it. */
static void make_taken(rs_loader *l, slot *s, size_t sample)
{
    size_t unread;
    pthread_mutex_unlock(&l->lock);
    rescl_status st = make_sample(l, s, sample, &unread);
    pthread_mutex_lock(&l->lock);
    s->batch.unread += unread != SIZE_MAX;
    s->batch.unread_at[sample] = unread;
    if (st != RESCL_OK)
        note_failure(s, sample);
    s->made++;
    if (s->made == s->batch.n && l->mixed && s->failed_at == SIZE_MAX) {
        pthread_mutex_unlock(&l->lock);
        st = mix_batch(l, s);
        pthread_mutex_lock(&l->lock);
        if (st != RESCL_OK)
            note_failure(s, 0);
    }
    s->done++;
    l->busy--;
    pthread_cond_broadcast(&l->ready);
}

static void work(void *arg)
{
    rs_loader *l = arg;
    slot *s;
    size_t sample;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        if (take(l, &s, &sample))
            make_taken(l, s, sample);
        else
            pthread_cond_wait(&l->work, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
}

/* Files whose alpha or lower bits are dropped while they are read have lost what the network is made for. */
static rescl_status check_form(const rescl_dataset *set, const rs_loader_options *o)
{
    rescl_status st = RESCL_OK;
    const bool files = rs_dataset_can_probe(set);
    RS_FAIL_IF(files && o->channels == 4 && set->images.channels != 4, RESCL_ERR_ARG,
               "%s: its images are read without a fourth channel, and the network takes four: open "
               "the set with channels 4",
               set->origin);
    RS_FAIL_IF(files && rs_pixel_is_deep(o->bit_depth) && !rs_pixel_is_deep(set->images.bit_depth),
               RESCL_ERR_ARG,
               "%s: its images are read with 8 bits a sample, and the network takes 16: open the "
               "set with bit_depth 16",
               set->origin);
    RS_TRY(rs_augment_check_depth(&o->augment, o->bit_depth));
out:
    return st;
}

static rescl_status check_options(const rescl_dataset *set, const rs_loader_options *o)
{
    rescl_status st = RESCL_OK;
    const size_t count = rescl_dataset_count(set);
    RS_FAIL_IF(o->batch == 0, RESCL_ERR_ARG, "a batch needs at least one sample");
    RS_FAIL_IF(o->height == 0 || o->width == 0, RESCL_ERR_ARG,
               "an input of %zux%zu is not possible", o->height, o->width);
    RS_FAIL_IF(count == 0, RESCL_ERR_ARG, "%s: holds no images", set->origin);
    RS_FAIL_IF(count > UINT32_MAX, RESCL_ERR_ARG, "%s: %zu images are too many; the most are %lu",
               set->origin, count, (unsigned long)UINT32_MAX);
    RS_FAIL_IF(o->drop_last && o->batch > count, RESCL_ERR_ARG,
               "%s: its %zu images do not fill one batch of %zu, and smaller ones are left out",
               set->origin, count, o->batch);
    RS_FAIL_IF(o->depth > MAX_DEPTH, RESCL_ERR_ARG,
               "%zu prefetched batches are too many; at most %d are possible", o->depth, MAX_DEPTH);
    RS_TRY(check_form(set, o));
out:
    return st;
}

/* Batches to prefetch, which never depend on what they hold: enough for the threads, within a budget. */
static size_t usual_depth(size_t batch_bytes, size_t threads)
{
    const size_t wanted = 2 + threads / 2, afford = RING_BYTES / (batch_bytes + 1);
    const size_t depth = wanted < afford ? wanted : afford;
    return depth > 2 ? depth : 2;
}

/* The ring's slots lie in one array of pixels and one of labels. */
static rescl_status make_slots(rs_loader *l)
{
    rescl_status st = RESCL_OK;
    rs_loader_options *o = &l->options;
    const size_t full = l->split.full ? o->batch : 0;
    const size_t views = rs_views_count(o->tta);
    const size_t room = (l->split.tail > full ? l->split.tail : full) * views; /* inputs */
    size_t values, bytes;
    const bool fits = rs_mul_size(o->height, o->width, &values) &&
                      rs_mul_size(values, rs_pixel_bytes(o->channels, o->bit_depth), &values) &&
                      rs_mul_size(values, room, &values);
    if (o->depth == 0)
        o->depth = fits ? usual_depth(values, l->threads) : 2;
    RS_FAIL_IF(!fits || !rs_mul_size(values, o->depth, &bytes), RESCL_ERR_MEMORY,
               "%zu batches of %zu images of %zux%zu do not fit into memory", o->depth, room,
               o->height, o->width);
    l->pixels = rs_aligned_calloc(o->depth, values);
    RS_FAIL_IF(!l->pixels, RESCL_ERR_MEMORY,
               "out of host memory: %zu batches of %zu images of %zux%zu take %.1f GiB", o->depth,
               room, o->height, o->width, (double)bytes / 0x1p30);
    RS_OOM(l->labels = calloc(o->depth * room + 1, sizeof *l->labels));
    if (o->rows > 0) {
        size_t targets;
        RS_FAIL_IF(!rs_mul_size(o->rows, room, &targets) || !rs_mul_size(targets, o->depth, &bytes),
                   RESCL_ERR_MEMORY, "targets of %zu classes and %zu images do not fit into memory",
                   o->rows, room);
        RS_OOM(l->rows = calloc(bytes, sizeof *l->rows));
    }
    if (rs_augment_acts(&o->augment, RS_AUGMENT_BATCH) || o->class_weight)
        RS_OOM(l->mixed = calloc(o->depth * room + 1, sizeof *l->mixed));
    RS_OOM(l->unread_at = calloc(o->depth * room + 1, sizeof *l->unread_at));
    RS_OOM(l->slots = calloc(o->depth, sizeof *l->slots));
    for (size_t i = 0; i < o->depth; i++) {
        l->slots[i].batch.pixels = l->pixels + i * values;
        l->slots[i].batch.views = views;
        l->slots[i].batch.table = (const float(*)[256])l->table;
        l->slots[i].batch.set = l->set;
        l->slots[i].batch.labels = l->labels + i * room;
        l->slots[i].batch.mixed = l->mixed && o->rows == 0 ? l->mixed + i * room : NULL;
        l->slots[i].batch.rows = l->rows ? l->rows + i * room * o->rows : NULL;
        l->slots[i].batch.unread_at = l->unread_at + i * room;
    }
out:
    return st;
}

rescl_status rs_loader_create(const rescl_dataset *set, const rs_loader_options *options,
                              rs_loader **out)
{
    rescl_status st = RESCL_OK;
    rs_loader *l = NULL;
    *out = NULL;
    RS_TRY(check_options(set, options));
    RS_OOM(l = calloc(1, sizeof *l));
    atomic_init(&l->lost, -1);
    l->set = set;
    l->options = *options;
    RS_TRY(
        rs_preprocess_table(options->preprocess, &options->normalize, options->channels, l->table));
    rs_preprocess_mean(options->preprocess, (const float(*)[256])l->table, l->options.augment.mean);
    if (rs_augment_crops(&l->options.augment))
        l->options.resize.resize_size = 0; /* the random crop is in place of the centre's */
    l->threads = rs_data_threads(options->workers);
    const size_t count = rescl_dataset_count(set);
    l->split = rs_split_batches(count, options->batch, options->least);
    if (options->drop_last)
        l->split = (rs_split){count / options->batch, 0};
    l->batches = rs_split_count(&l->split);
    if (options->shuffle)
        RS_TRY(rs_sampler_init(&l->sampler, set, options->balanced, options->seed, options->stop));
    RS_TRY(make_slots(l));
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->lock_ready = true;
    if (l->threads > 0)
        RS_TRY(rs_pool_create(l->threads, &l->pool));
    for (size_t i = 0; i < l->threads; i++)
        RS_TRY(rs_pool_submit(l->pool, work, l));
    *out = l;
    l = NULL;
out:
    rs_loader_destroy(l);
    return st;
}

void rs_loader_destroy(rs_loader *l)
{
    if (!l)
        return;
    if (l->lock_ready) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_broadcast(&l->work);
        pthread_mutex_unlock(&l->lock);
        rs_pool_destroy(l->pool);
        pthread_cond_destroy(&l->ready);
        pthread_cond_destroy(&l->work);
        pthread_mutex_destroy(&l->lock);
    }
    free(l->slots);
    rs_aligned_free(l->pixels);
    free(l->labels);
    free(l->mixed);
    free(l->rows);
    free(l->unread_at);
    rs_sampler_fini(&l->sampler);
    free(l);
}

rs_split rs_split_batches(size_t count, size_t batch, size_t least)
{
    rs_split s = {count / batch, count % batch};
    if (s.tail > 0 && s.tail < least && s.full > 0) {
        s.full--;
        s.tail += batch;
    }
    return s;
}

size_t rs_split_count(const rs_split *s)
{
    return s->full + (s->tail > 0);
}

int32_t rs_loader_lost(const rs_loader *l)
{
    return atomic_load(&l->lost);
}

size_t rs_loader_batches(const rs_loader *l)
{
    return l->batches;
}

size_t rs_loader_depth(const rs_loader *l)
{
    return l->options.depth;
}

static void empty_slot(slot *s)
{
    s->taken = s->made = s->done = s->batch.unread = 0;
    s->failed_at = SIZE_MAX;
}

rescl_status rs_loader_start(rs_loader *l, uint64_t epoch, size_t first)
{
    rescl_status st = RESCL_OK;
    pthread_mutex_lock(&l->lock);
    RS_FAIL_IF(first > l->batches, RESCL_ERR_ARG,
               "an epoch of %s has %zu batches; it cannot begin at batch %zu", l->set->origin,
               l->batches, first);
    l->started = false; /* nothing more is taken */
    while (l->busy > 0)
        pthread_cond_wait(&l->ready, &l->lock);
    for (size_t i = 0; i < l->options.depth; i++)
        empty_slot(&l->slots[i]);
    if (l->sampler.order)
        RS_TRY(rs_sampler_draw(&l->sampler, epoch));
    atomic_store(&l->lost, -1);
    l->epoch = epoch;
    l->staging = l->next = first;
    l->started = true;
    pthread_cond_broadcast(&l->work);
out:
    pthread_mutex_unlock(&l->lock);
    return st;
}

rescl_status rs_loader_next(rs_loader *l, const rs_batch **out)
{
    rescl_status st = RESCL_OK;
    *out = NULL;
    pthread_mutex_lock(&l->lock);
    RS_FAIL_IF(!l->started, RESCL_ERR_ARG, "rs_loader_next before rs_loader_start");
    if (l->next >= l->batches)
        goto out;
    slot *s = slot_of(l, l->next);
    RS_FAIL_IF(
        s->held, RESCL_ERR_ARG,
        "batch %zu cannot be prefetched: the caller holds the batch in its place; release it first",
        l->next);
    while (s->done == 0 || s->done < s->batch.n) {
        slot *taken;
        size_t sample;
        if (l->threads == 0 && take(l, &taken, &sample))
            make_taken(l, taken, sample);
        else
            pthread_cond_wait(&l->ready, &l->lock);
    }
    if (s->failed_at != SIZE_MAX) {
        errno = s->error.sys_errno;
        RS_FAIL(s->error.status, "%s", s->error.message);
    }
    s->held = true;
    l->next++;
    *out = &s->batch;
out:
    pthread_mutex_unlock(&l->lock);
    return st;
}

const rs_batch *rs_loader_peek(rs_loader *l)
{
    const rs_batch *batch = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->started && l->next < l->batches) {
        const slot *s = slot_of(l, l->next);
        const bool made = s->done > 0 && s->done == s->batch.n && s->failed_at == SIZE_MAX;
        batch = made && !s->held ? &s->batch : NULL;
    }
    pthread_mutex_unlock(&l->lock);
    return batch;
}

void rs_loader_release(rs_loader *l, const rs_batch *batch)
{
    if (!batch)
        return;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->options.depth; i++) {
        if (&l->slots[i].batch == batch && l->slots[i].held) {
            l->slots[i].held = false;
            empty_slot(&l->slots[i]);
        }
    }
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
}
