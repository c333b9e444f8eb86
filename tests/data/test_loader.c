#include "testing.h"
#include "threadpool.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "error.h"
#include "hash.h"
#include "loader.h"

/* A set whose image i is filled with i and whose label is i; image `broken` cannot be read. */
typedef struct fake {
    rescl_dataset set;
    size_t broken;
} fake;

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    const fake *f = (const fake *)set;
    RS_FAIL_IF(index == f->broken, RESCL_ERR_FORMAT, "file-%zu.png: broken", index);
    *image = (rescl_image){.width = 5, .height = 3, .pixels = malloc(5 * 3 * 3)};
    RS_OOM(image->pixels);
    memset(image->pixels, (int)(index % 256), 5 * 3 * 3);
    *label = (int32_t)index;
out:
    return st;
}

static const rs_dataset_format fake_format = {.name = "fake", .get = get};
static char fake_origin[] = "fake set";

static fake fake_of(size_t count)
{
    return (fake){.set = {.format = &fake_format,
                          .origin = fake_origin,
                          .count = count,
                          .total = count,
                          .classes = 1},
                  .broken = SIZE_MAX};
}

static rs_loader_options options_of(size_t batch, size_t workers)
{
    return (rs_loader_options){
        .batch = batch, .height = 3, .width = 5, .workers = workers, .seed = 77};
}

static rs_loader *make(const fake *f, const rs_loader_options *options)
{
    rs_loader *l = NULL;
    assert_ok(rs_loader_create(&f->set, options, &l));
    return l;
}

/* The labels of an epoch from batch `first` on, after checking numbers, sizes and pixels. */
static size_t read_epoch(rs_loader *l, const rs_loader_options *o, size_t count, uint64_t epoch,
                         size_t first, int32_t *labels)
{
    const rs_batch *b;
    size_t n = 0, index = first;
    assert_ok(rs_loader_start(l, epoch, first));
    for (;;) {
        assert_ok(rs_loader_next(l, &b));
        if (b == NULL)
            break;
        const size_t left = count - index * o->batch;
        assert_int_equal(b->index, index++);
        assert_int_equal(b->n, left < o->batch ? left : o->batch);
        for (size_t v = 0; v < 256; v++)
            assert_true(b->table[1][v] == (float)v / 255.0f);
        for (size_t i = 0; i < b->n; i++) {
            for (size_t k = 0; k < 3 * 5 * 3; k++)
                assert_int_equal(b->pixels[i * 3 * 5 * 3 + k], b->labels[i] % 256);
            labels[n++] = b->labels[i];
        }
        rs_loader_release(l, b);
    }
    assert_ok(rs_loader_next(l, &b));
    assert_null(b);
    return n;
}

static void gives_all_in_order(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 7, 8, 9, 64, 65};
    for (size_t i = 0; i < RS_COUNT(counts); i++) {
        for (size_t workers = 0; workers < 4; workers++) {
            const fake f = fake_of(counts[i]);
            rs_loader_options o = options_of(8, workers);
            rs_loader *l = make(&f, &o);
            int32_t labels[65];
            assert_int_equal(rs_loader_batches(l), (counts[i] + 7) / 8);
            for (uint64_t epoch = 0; epoch < 2; epoch++) {
                assert_int_equal(read_epoch(l, &o, counts[i], epoch, 0, labels), counts[i]);
                for (size_t k = 0; k < counts[i]; k++)
                    assert_int_equal(labels[k], k);
            }
            rs_loader_destroy(l);
        }
    }
}

/* A rest that is too small joins the batch before it, if there is one. */
static void splits_samples(void **state)
{
    (void)state;
    static const struct {
        size_t count, batch, least, full, tail;
    } splits[] = {{16, 8, 2, 2, 0}, {17, 8, 0, 2, 1}, {17, 8, 1, 2, 1}, {17, 8, 2, 1, 9},
                  {18, 8, 2, 2, 2}, {9, 8, 2, 0, 9},  {1, 8, 2, 0, 1},  {3, 1, 1, 3, 0}};
    for (size_t i = 0; i < RS_COUNT(splits); i++) {
        const rs_split s = rs_split_batches(splits[i].count, splits[i].batch, splits[i].least);
        assert_int_equal(s.full, splits[i].full);
        assert_int_equal(s.tail, splits[i].tail);
        assert_int_equal(rs_split_count(&s), s.full + (s.tail > 0));
    }
}

static void joins_a_small_rest(void **state)
{
    (void)state;
    const fake f = fake_of(25);
    rs_loader_options o = options_of(8, 2);
    o.least = 2;
    rs_loader *l = make(&f, &o);
    const rs_batch *b;
    assert_int_equal(rs_loader_batches(l), 3);
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        size_t label = 0;
        assert_ok(rs_loader_start(l, epoch, 0));
        for (size_t n = 0; n < 3; n++) {
            assert_ok(rs_loader_next(l, &b));
            assert_int_equal(b->n, n < 2 ? 8 : 9);
            for (size_t i = 0; i < b->n; i++)
                assert_int_equal(b->labels[i], label++);
            rs_loader_release(l, b);
        }
        assert_int_equal(label, 25);
        assert_ok(rs_loader_next(l, &b));
        assert_null(b);
    }
    rs_loader_destroy(l);
}

/* Many threads are neither made nor prefetched for. */
static void bounds_threads_and_memory(void **state)
{
    (void)state;
    const fake f = fake_of(100000);
    rs_loader_options o = options_of(8, 1000);
    rs_loader *l = make(&f, &o);
    assert_int_equal(rs_data_threads(0), 0);
    assert_int_equal(rs_data_threads(3), 3);
    assert_true(rs_data_threads(1000000) < 1000000);
    assert_int_equal(rs_loader_depth(l), 2 + rs_data_threads(1000) / 2);
    rs_loader_destroy(l);
    o = (rs_loader_options){.batch = 32, .height = 224, .width = 224, .workers = 1000};
    l = make(&f, &o);
    assert_true(rs_loader_depth(l) * 32 * 224 * 224 * 3 <= (size_t)256 << 20);
    rs_loader_destroy(l);
    o.batch = 1024; /* two are made all the same: one to train with, one to come */
    l = make(&f, &o);
    assert_int_equal(rs_loader_depth(l), 2);
    rs_loader_destroy(l);
}

static void leaves_out_the_last(void **state)
{
    (void)state;
    const fake f = fake_of(23);
    rs_loader_options o = options_of(8, 2);
    o.drop_last = true;
    rs_loader *l = make(&f, &o);
    int32_t labels[23];
    assert_int_equal(rs_loader_batches(l), 2);
    assert_int_equal(read_epoch(l, &o, 23, 0, 0, labels), 16);
    rs_loader_destroy(l);
    rs_loader *none = NULL;
    o.batch = 24;
    assert_fails(rs_loader_create(&f.set, &o, &none), RESCL_ERR_ARG, "fake set", "23", "24");
    assert_null(none);
}

/* A permutation, another one in each epoch and for each seed, and the same for any threads. */
static void shuffles_alike_for_any_threads(void **state)
{
    (void)state;
    enum { COUNT = 101 };
    static const size_t workers[] = {0, 1, 2, 5};
    const fake f = fake_of(COUNT);
    int32_t want[3][COUNT];
    for (size_t w = 0; w < RS_COUNT(workers); w++) {
        rs_loader_options o = options_of(16, workers[w]);
        o.shuffle = true;
        o.depth = w;
        rs_loader *l = make(&f, &o);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            int32_t got[COUNT];
            bool seen[COUNT] = {false};
            assert_int_equal(read_epoch(l, &o, COUNT, epoch, 0, got), COUNT);
            for (size_t i = 0; i < COUNT; i++) {
                assert_in_range(got[i], 0, COUNT - 1);
                assert_false(seen[got[i]]);
                seen[got[i]] = true;
            }
            if (w == 0)
                memcpy(want[epoch], got, sizeof got);
            assert_memory_equal(got, want[epoch], sizeof got);
        }
        rs_loader_destroy(l);
    }
    assert_memory_not_equal(want[0], want[1], sizeof want[0]);
    assert_memory_not_equal(want[1], want[2], sizeof want[0]);
    rs_loader_options o = options_of(16, 0);
    int32_t other[COUNT];
    o.shuffle = true;
    o.seed = 78;
    rs_loader *l = make(&f, &o);
    read_epoch(l, &o, COUNT, 0, 0, other);
    assert_memory_not_equal(want[0], other, sizeof other);
    rs_loader_destroy(l);
}

static void begins_in_the_middle(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    const fake f = fake_of(COUNT);
    for (size_t workers = 0; workers < 3; workers += 2) {
        rs_loader_options o = options_of(8, workers);
        o.shuffle = true;
        rs_loader *l = make(&f, &o);
        int32_t whole[COUNT], part[COUNT];
        const rs_batch *b;
        read_epoch(l, &o, COUNT, 4, 0, whole);
        for (size_t first = 0; first <= 7; first++) {
            const size_t skipped = first * 8 < COUNT ? first * 8 : COUNT;
            assert_ok(rs_loader_start(l, 9, 0)); /* staged, and dropped again */
            assert_int_equal(read_epoch(l, &o, COUNT, 4, first, part), COUNT - skipped);
            assert_memory_equal(part, whole + skipped, (COUNT - skipped) * sizeof *part);
        }
        assert_fails(rs_loader_start(l, 4, 8), RESCL_ERR_ARG, "7 batches", "batch 8");
        assert_ok(rs_loader_next(l, &b)); /* the refused start changed nothing */
        assert_null(b);
        rs_loader_destroy(l);
    }
}

/* The first sample that fails is named, by batch order, for any number of threads. */
static void names_the_sample_that_fails(void **state)
{
    (void)state;
    for (size_t workers = 0; workers < 6; workers++) {
        fake f = fake_of(40);
        f.broken = 21;
        rs_loader_options o = options_of(8, workers);
        rs_loader *l = make(&f, &o);
        const rs_batch *b;
        for (int epoch = 0; epoch < 2; epoch++) {
            assert_ok(rs_loader_start(l, (uint64_t)epoch, 0));
            for (int i = 0; i < 2; i++) {
                assert_ok(rs_loader_next(l, &b));
                rs_loader_release(l, b);
            }
            for (int again = 0; again < 2; again++) {
                assert_fails(rs_loader_next(l, &b), RESCL_ERR_FORMAT, "fake set", "image 21",
                             "file-21.png: broken");
                assert_null(b);
            }
        }
        rs_loader_destroy(l);
    }
}

static void stops_while_it_draws_an_order(void **state)
{
    (void)state;
    atomic_int stop;
    fake f = fake_of(40);
    rs_loader_options o = options_of(8, 2);
    int32_t plain[40], after[40];
    o.shuffle = true;
    rs_loader *l = make(&f, &o);
    assert_int_equal(read_epoch(l, &o, 40, 3, 0, plain), 40);
    rs_loader_destroy(l);
    atomic_init(&stop, 1);
    o.stop = &stop;
    l = make(&f, &o);
    assert_fails(rs_loader_start(l, 3, 0), RESCL_ERR_INTERRUPTED, "order of epoch 4");
    atomic_store(&stop, 0);
    assert_int_equal(read_epoch(l, &o, 40, 3, 0, after), 40);
    assert_memory_equal(plain, after, sizeof plain);
    rs_loader_destroy(l);
}

static void bears_any_end(void **state)
{
    (void)state;
    const fake f = fake_of(200);
    for (size_t workers = 0; workers < 4; workers++) {
        rs_loader_options o = options_of(8, workers);
        const rs_batch *b, *c;
        rs_loader_destroy(make(&f, &o)); /* never started */
        rs_loader *l = make(&f, &o);
        assert_fails(rs_loader_next(l, &b), RESCL_ERR_ARG, "before");
        assert_ok(rs_loader_start(l, 0, 0)); /* staging, nothing taken */
        rs_loader_destroy(l);
        l = make(&f, &o);
        assert_ok(rs_loader_start(l, 0, 0));
        assert_ok(rs_loader_next(l, &b)); /* held at the end */
        assert_ok(rs_loader_next(l, &c));
        rs_loader_release(l, c);
        rs_loader_release(l, NULL);
        rs_loader_destroy(l);
    }
    rs_loader_destroy(NULL);
}

/* What is shown is what is given next; nothing that is not made, cannot be made, or is not there. */
static void shows_the_next_batch(void **state)
{
    (void)state;
    fake f = fake_of(20);
    rs_loader_options o = options_of(8, 2);
    f.broken = 17;
    rs_loader *l = make(&f, &o);
    const rs_batch *shown, *b;
    assert_null(rs_loader_peek(l));
    assert_ok(rs_loader_start(l, 0, 0));
    for (size_t i = 0; i < 2; i++) {
        while (!(shown = rs_loader_peek(l)))
            sched_yield();
        assert_int_equal(shown->index, i);
        assert_int_equal(shown->pixels[0], i * 8);
        assert_ptr_equal(rs_loader_peek(l), shown);
        assert_ok(rs_loader_next(l, &b));
        assert_ptr_equal(b, shown);
        rs_loader_release(l, b);
    }
    assert_fails(rs_loader_next(l, &b), RESCL_ERR_FORMAT, "image 17");
    assert_null(rs_loader_peek(l));
    rs_loader_destroy(l);
    o.workers = 0;
    l = make(&f, &o);
    assert_ok(rs_loader_start(l, 0, 2));
    assert_null(rs_loader_peek(l));
    assert_ok(rs_loader_start(l, 0, 3));
    assert_null(rs_loader_peek(l));
    rs_loader_destroy(l);
}

/* Who holds all batches gets an error instead of waiting for himself. */
static void tells_who_holds_all(void **state)
{
    (void)state;
    const fake f = fake_of(100);
    for (size_t workers = 0; workers < 3; workers++) {
        rs_loader_options o = options_of(8, workers);
        o.depth = 2;
        rs_loader *l = make(&f, &o);
        const rs_batch *a, *b, *c;
        assert_ok(rs_loader_start(l, 0, 0));
        assert_ok(rs_loader_next(l, &a));
        assert_ok(rs_loader_next(l, &b));
        assert_fails(rs_loader_next(l, &c), RESCL_ERR_ARG, "release");
        assert_int_equal(a->labels[0], 0);
        assert_int_equal(b->labels[0], 8);
        rs_loader_release(l, a);
        assert_ok(rs_loader_next(l, &c));
        assert_int_equal(c->index, 2);
        assert_ok(rs_loader_start(l, 1, 0)); /* b and c are still the caller's */
        assert_int_equal(b->labels[7], 15);
        assert_int_equal(c->labels[0], 16);
        assert_fails(rs_loader_next(l, &a), RESCL_ERR_ARG, "release");
        rs_loader_release(l, b);
        rs_loader_release(l, c);
        assert_ok(rs_loader_next(l, &a));
        assert_int_equal(a->index, 0);
        rs_loader_release(l, a);
        rs_loader_destroy(l);
    }
}

static void refuses_bad_options(void **state)
{
    (void)state;
    const fake f = fake_of(10), none = fake_of(0);
    const rs_loader_options good = options_of(4, 0);
    rs_loader_options bad[] = {good, good, good, good, good, good};
    static const char *const words[] = {"at least one", "0x5",    "3x0",
                                        "prefetched",   "number", "memory"};
    bad[0].batch = 0;
    bad[1].height = 0;
    bad[2].width = 0;
    bad[3].depth = 100000;
    bad[4].preprocess = (rescl_preprocess)7;
    bad[5].height = SIZE_MAX / 8;
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        rs_loader *l = NULL;
        assert_fails(rs_loader_create(&f.set, &bad[i], &l),
                     i == 5 ? RESCL_ERR_MEMORY : RESCL_ERR_ARG, words[i]);
        assert_null(l);
    }
    rs_loader *l = NULL;
    assert_fails(rs_loader_create(&none.set, &good, &l), RESCL_ERR_ARG, "no images");
}

/* Real images, resized: the same bits for 0, 1, 2 and 5 threads. */
static void stages_hands_alike(void **state)
{
    (void)state;
    static const size_t workers[] = {0, 1, 2, 5};
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = "handsigns",
                                        .split = "train",
                                        .samples = 70,
                                        .image_size = 32,
                                        .seed = 3};
    rescl_dataset *set = NULL;
    rs_hash want = {0, 0};
    assert_ok(rescl_dataset_open(&options, &set));
    for (size_t w = 0; w < RS_COUNT(workers); w++) {
        const rs_loader_options o = {.batch = 16,
                                     .height = 24,
                                     .width = 20,
                                     .shuffle = true,
                                     .preprocess = RESCL_PREPROCESS_TORCH,
                                     .workers = workers[w]};
        rs_loader *l = NULL;
        rs_hash parts[5], got;
        const rs_batch *b;
        size_t n = 0;
        assert_ok(rs_loader_create(set, &o, &l));
        assert_ok(rs_loader_start(l, 1, 0));
        for (assert_ok(rs_loader_next(l, &b)); b != NULL; assert_ok(rs_loader_next(l, &b))) {
            parts[n++] = rs_hash_bytes(b->pixels, b->n * 24 * 20 * 3);
            rs_loader_release(l, b);
        }
        assert_int_equal(n, 5);
        got = rs_hash_bytes(parts, sizeof parts);
        if (w == 0)
            want = got;
        assert_true(got.lo == want.lo && got.hi == want.hi);
        rs_loader_destroy(l);
    }
    rescl_dataset_close(set);
}

/* Augmented images are the same for any threads and from any batch on, differ from epoch to
 * epoch, and an epoch holds each. */
static void augments_alike_for_any_threads(void **state)
{
    (void)state;
    enum { COUNT = 41, VALUES = 3 * 5 * 3 };
    static const size_t workers[] = {0, 1, 3}, first[] = {0, 0, 2};
    const fake f = fake_of(COUNT);
    uint8_t want[2][COUNT * VALUES];
    for (size_t w = 0; w < RS_COUNT(workers); w++) {
        rs_loader_options o = options_of(16, workers[w]);
        o.augment = (rs_augment){.number = {[RS_AUGMENT_jitter] = {0.9},
                                            [RS_AUGMENT_affine] = {20},
                                            [RS_AUGMENT_auto] = {2},
                                            [RS_AUGMENT_erase] = {0.5},
                                            [RS_AUGMENT_cutmix] = {1}}};
        o.shuffle = true;
        rs_loader *l = make(&f, &o);
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            const rs_batch *b;
            assert_ok(rs_loader_start(l, epoch, first[w]));
            for (;;) {
                assert_ok(rs_loader_next(l, &b));
                if (b == NULL)
                    break;
                uint8_t *at = want[epoch] + b->index * 16 * VALUES;
                const size_t bytes = b->n * VALUES;
                if (w == 0)
                    memcpy(at, b->pixels, bytes);
                assert_memory_equal(b->pixels, at, bytes);
                rs_loader_release(l, b);
            }
        }
        rs_loader_destroy(l);
    }
    assert_memory_not_equal(want[0], want[1], sizeof want[0]);
}

/* Each image is mixed with the one before it, with the label of the larger share first, and the same for
 * any threads. The fake set's images are filled with their labels. */
static void mixes_alike_for_any_threads(void **state)
{
    (void)state;
    enum { COUNT = 100, BATCH = 8, VALUES = 3 * 5 * 3 };
    static const size_t workers[] = {0, 1, 3};
    const fake f = fake_of(COUNT);
    uint8_t want[COUNT * VALUES];
    size_t swapped = 0;
    for (size_t w = 0; w < RS_COUNT(workers); w++) {
        rs_loader_options o = options_of(BATCH, workers[w]);
        o.augment = (rs_augment){.number[RS_AUGMENT_mixup] = {1}};
        rs_loader *l = make(&f, &o);
        const rs_batch *b;
        assert_ok(rs_loader_start(l, 0, 0));
        for (;;) {
            assert_ok(rs_loader_next(l, &b));
            if (!b)
                break;
            for (size_t i = 0; i < b->n; i++) {
                const rs_mixed *m = &b->mixed[i];
                const int32_t first = (int32_t)(b->index * BATCH);
                const int32_t own = first + (int32_t)i;
                const int32_t other = i > 0 ? own - 1 : first + (int32_t)b->n - 1;
                const double share = (double)m->share / RS_MIXED_ONE;
                assert_true(b->labels[i] == own ? m->label == other : m->label == own);
                assert_true(b->labels[i] == own || b->labels[i] == other);
                assert_true(share >= 0 && share <= 0.5);
                const double value = b->labels[i] + share * (m->label - b->labels[i]);
                assert_true(fabs(value - b->pixels[i * VALUES]) < 0.51);
                swapped += b->labels[i] != own;
            }
            uint8_t *at = want + b->index * BATCH * VALUES;
            if (w == 0)
                memcpy(at, b->pixels, b->n * VALUES);
            assert_memory_equal(b->pixels, at, b->n * VALUES);
            rs_loader_release(l, b);
        }
        rs_loader_destroy(l);
    }
    assert_in_range(swapped, COUNT / 4, 3 * COUNT);
}

/* Image i has the classes i % CLASSES and 7 * i % CLASSES, every fifth one none. */
enum { CLASSES = 10000 };

static size_t several(const rescl_dataset *set, size_t index, const int32_t **out)
{
    static _Thread_local int32_t label[2];
    (void)set;
    label[0] = (int32_t)(index % CLASSES);
    label[1] = (int32_t)(7 * index % CLASSES);
    *out = label;
    return index % 5 == 0 ? 0 : 2;
}

static bool has(size_t index, size_t class_index)
{
    const int32_t *label = NULL;
    const size_t n = several(NULL, index, &label);
    return n && ((size_t)label[0] == class_index || (size_t)label[1] == class_index);
}

static const rs_dataset_format several_format = {.name = "fake", .get = get, .labels = several};

/* As many of the image before as the first image of labels says, which is of the class of its number. */
static void check_mixed_rows(const rs_batch *b, size_t first)
{
    const size_t i = first % 5 ? 0 : 1;
    const int32_t share = RS_MIXED_ONE - b->rows[i * CLASSES + (first + i) % CLASSES];
    for (size_t k = 0; k < b->n; k++)
        for (size_t c = 0; c < CLASSES; c++) {
            const size_t other = first + (k > 0 ? k - 1 : b->n - 1);
            assert_int_equal(b->rows[k * CLASSES + c],
                             (has(first + k, c) ? RS_MIXED_ONE - share : 0) +
                                 (has(other, c) ? share : 0));
        }
}

static void mixes_rows_alike_for_any_threads(void **state)
{
    (void)state;
    enum { COUNT = 399, BATCH = 8 };
    static const size_t workers[] = {0, 5};
    fake f = fake_of(COUNT);
    static int32_t want[COUNT * CLASSES];
    f.set.format = &several_format;
    for (size_t w = 0; w < RS_COUNT(workers); w++) {
        rs_loader_options o = options_of(BATCH, workers[w]);
        o.augment = (rs_augment){.number[RS_AUGMENT_mixup] = {1}};
        o.rows = CLASSES;
        rs_loader *l = make(&f, &o);
        const rs_batch *b;
        assert_ok(rs_loader_start(l, 0, 0));
        for (;;) {
            assert_ok(rs_loader_next(l, &b));
            if (!b)
                break;
            int32_t *at = want + b->index * BATCH * CLASSES;
            const size_t bytes = b->n * CLASSES * sizeof *at;
            if (w == 0) {
                check_mixed_rows(b, b->index * BATCH);
                memcpy(at, b->rows, bytes);
            }
            assert_memory_equal(b->rows, at, bytes);
            rs_loader_release(l, b);
        }
        rs_loader_destroy(l);
    }
}

/* The first input of drawn hands, resized so and changed so. */
static rs_hash first_input(const rescl_dataset *set, size_t resize_size, double crop)
{
    rs_loader_options o = {.batch = 1, .height = 16, .width = 16, .seed = 5};
    rs_loader *l = NULL;
    const rs_batch *b = NULL;
    o.resize.resize_size = resize_size;
    o.augment.number[RS_AUGMENT_crop][0] = crop;
    assert_ok(rs_loader_create(set, &o, &l));
    assert_ok(rs_loader_start(l, 0, 0));
    assert_ok(rs_loader_next(l, &b));
    const rs_hash hash = rs_hash_bytes(b->pixels, 16 * 16 * 3);
    rs_loader_release(l, b);
    rs_loader_destroy(l);
    return hash;
}

static void a_random_crop_replaces_the_centre(void **state)
{
    (void)state;
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = "handsigns",
                                        .split = "train",
                                        .samples = 1,
                                        .image_size = 32};
    rescl_dataset *set = NULL;
    assert_ok(rescl_dataset_open(&options, &set));
    assert_true(first_input(set, 0, 0.0).lo != first_input(set, 24, 0.0).lo);
    assert_true(first_input(set, 0, 0.5).lo == first_input(set, 24, 0.5).lo);
    rescl_dataset_close(set);
}

static int32_t label(const rescl_dataset *set, size_t index)
{
    (void)set;
    return (int32_t)index;
}

static const rs_dataset_format labelled_format = {.name = "fake", .get = get, .label = label};

/* Samples of a batch that have the pixels of their own image. */
static size_t read_of(const rs_batch *b, bool read[8])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        read[i] = b->pixels[i * 3 * 5 * 3] == b->labels[i] % 256;
        n += read[i];
    }
    return n;
}

/* 2 samples of 8 from the third on, 1 of the last 4; an image that cannot be read is elsewhere. */
static void reads_a_part_of_each_batch(void **state)
{
    (void)state;
    for (size_t workers = 0; workers < 3; workers++) {
        fake f = fake_of(20);
        f.set.format = &labelled_format;
        f.broken = 4;
        rs_loader_options o = options_of(8, workers);
        rs_loader *l = make(&f, &o);
        const rs_batch *b;
        bool read[8];
        assert_int_equal(rs_loader_samples(l, 1), 8);
        assert_int_equal(rs_loader_samples(l, 2), 4);
        rs_loader_set_part(l, &(rs_loader_part){.first = {2, 3}, .count = {2, 1}});
        assert_ok(rs_loader_start(l, 0, 0));
        for (size_t k = 0; k < 3; k++) {
            assert_ok(rs_loader_next(l, &b));
            for (size_t i = 0; i < b->n; i++)
                assert_int_equal(b->labels[i], 8 * k + i);
            (void)read_of(b, read);
            assert_true(k < 2 ? read[2] && read[3] && !read[4] : read[3] && !read[2]);
            rs_loader_release(l, b);
        }
        rs_loader_destroy(l);
    }
}

static void reads_batches_in_turn(void **state)
{
    (void)state;
    fake f = fake_of(20);
    f.set.format = &labelled_format;
    f.broken = 4;
    rs_loader_options o = options_of(8, 2);
    rs_loader *l = make(&f, &o);
    const rs_batch *b;
    bool read[8];
    rs_loader_set_part(l, &(rs_loader_part){.turn = 1, .turns = 2, .count = {SIZE_MAX, SIZE_MAX}});
    assert_ok(rs_loader_start(l, 0, 0));
    for (size_t k = 0; k < 3; k++) {
        assert_ok(rs_loader_next(l, &b));
        assert_true(k == 1 ? read_of(b, read) == 8 : read_of(b, read) <= 1);
        rs_loader_release(l, b);
    }
    rs_loader_destroy(l);
}

/* Of several labels, too; an image that cannot be read is where nothing is read. */
static void fills_the_rows_of_all(void **state)
{
    (void)state;
    fake f = fake_of(20);
    f.set.format = &several_format;
    f.broken = 4;
    rs_loader_options o = options_of(8, 2);
    o.rows = CLASSES;
    rs_loader *l = make(&f, &o);
    const rs_batch *b;
    rs_loader_set_part(l, &(rs_loader_part){.first = {2, 3}, .count = {2, 1}});
    assert_ok(rs_loader_start(l, 0, 0));
    for (size_t k = 0; k < 3; k++) {
        assert_ok(rs_loader_next(l, &b));
        assert_int_equal(b->unread, 0);
        for (size_t i = 0; i < b->n; i++)
            for (size_t c = 0; c < CLASSES; c++)
                assert_int_equal(b->rows[i * CLASSES + c], has(8 * k + i, c) ? RS_MIXED_ONE : 0);
        rs_loader_release(l, b);
    }
    rs_loader_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_all_in_order),
        cmocka_unit_test(splits_samples),
        cmocka_unit_test(joins_a_small_rest),
        cmocka_unit_test(bounds_threads_and_memory),
        cmocka_unit_test(leaves_out_the_last),
        cmocka_unit_test(shuffles_alike_for_any_threads),
        cmocka_unit_test(augments_alike_for_any_threads),
        cmocka_unit_test(mixes_alike_for_any_threads),
        cmocka_unit_test(mixes_rows_alike_for_any_threads),
        cmocka_unit_test(begins_in_the_middle),
        cmocka_unit_test(names_the_sample_that_fails),
        cmocka_unit_test(stops_while_it_draws_an_order),
        cmocka_unit_test(bears_any_end),
        cmocka_unit_test(shows_the_next_batch),
        cmocka_unit_test(tells_who_holds_all),
        cmocka_unit_test(refuses_bad_options),
        cmocka_unit_test(stages_hands_alike),
        cmocka_unit_test(a_random_crop_replaces_the_centre),
        cmocka_unit_test(reads_a_part_of_each_batch),
        cmocka_unit_test(fills_the_rows_of_all),
        cmocka_unit_test(reads_batches_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
