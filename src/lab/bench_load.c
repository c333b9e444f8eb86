/* Times the loading of images: decoding, resizing, augmenting, by several numbers of threads. */
#include "alloc.h"
#include "dataset.h"
#include "error.h"
#include "image.h"
#include "loader.h"
#include "measure.h"
#include "optionvalue.h"
#include "str.h"
#include "threadpool.h"

#include <stdio.h>
#include <stdlib.h>

#define LEAST      8   /* images, or a batch where that is more */
#define DRAWN_SIDE 400 /* pixels: as large as photos of usual sets */
#define QUALITY    90  /* of JPEGs */
#define MOST       256 /* images of a data set */
#define MOST_WAYS  16
#define CROP       0.35 /* the least share of an image, mirroring, and colour, as many trainings do */
#define FLIP       0.5
#define JITTER     0.4

/* ---- a data set of files in memory --------------------------------------------------------- */

typedef struct memory_file {
    uint8_t *data;
    size_t bytes;
} memory_file;

static rescl_status get_file(const rescl_dataset *set, size_t index, rescl_image *image,
                             int32_t *label)
{
    const memory_file *file = (const memory_file *)set->state + index;
    *label = 0;
    return rescl_image_decode(file->data, file->bytes, set->origin, image);
}

static int32_t label_of_file(const rescl_dataset *set, size_t index)
{
    (void)set, (void)index;
    return 0;
}

static void close_files(rescl_dataset *set)
{
    memory_file *file = set->state;
    for (size_t i = 0; file && i < set->total; i++)
        free(file[i].data);
    free(file);
}

static const rs_dataset_format memory_format = {
    .name = "memory", .get = get_file, .label = label_of_file, .close = close_files};

/* Drawn hands, as files of that kind. */
static rescl_status make_set(size_t count, bool png, rescl_dataset **out)
{
    rescl_status st = RESCL_OK;
    rescl_data_options drawn;
    rescl_dataset *hands = NULL, *set = NULL;
    rescl_image image = {0};
    memory_file *file = NULL;
    int32_t label;

    rescl_data_options_default(&drawn);
    drawn.path = "handsigns";
    drawn.split = "train";
    drawn.image_size = DRAWN_SIDE;
    drawn.samples = count;
    RS_TRY(rescl_dataset_open(&drawn, &hands));
    RS_OOM(set = calloc(1, sizeof *set));
    set->format = &memory_format;
    RS_OOM(set->origin = rs_strf("%s", png ? "a drawn PNG" : "a drawn JPEG"));
    RS_OOM(set->state = file = calloc(count, sizeof *file));
    RS_OOM(set->class_name = calloc(1, sizeof *set->class_name));
    set->classes = 1;
    RS_OOM(set->class_name[0] = rs_strf("hand"));
    set->count = set->total = count;
    for (size_t i = 0; i < count; i++) {
        RS_TRY(rescl_dataset_get(hands, i, &image, &label));
        RS_TRY(png ? rs_png_encode(set->origin, &image, &file[i].data, &file[i].bytes)
                   : rs_jpeg_encode(&image, QUALITY, &file[i].data, &file[i].bytes));
        rescl_image_free(&image);
        image = (rescl_image){0};
    }
    *out = set;
    set = NULL;
out:
    rescl_image_free(&image);
    rescl_dataset_close(hands);
    rescl_dataset_close(set);
    return st;
}

/* ---- measuring ----------------------------------------------------------------------------- */

typedef struct way {
    rs_loader *loader;
    size_t threads;
} way;

typedef struct loading {
    const rescl_bench_options *o;
    const rescl_dataset *set;
    char what[96];
    way way[MOST_WAYS];
    size_t ways;
} loading;

/* An epoch of images of so many bytes, always the same one. `sum` may be NULL: of all its pixels, in their
 * order. */
static rescl_status load(rs_loader *loader, size_t bytes, uint64_t *sum)
{
    rescl_status st = RESCL_OK;
    const rs_batch *batch = NULL;

    RS_TRY(rs_loader_start(loader, 0, 0));
    for (;;) {
        RS_TRY(rs_loader_next(loader, &batch));
        if (!batch)
            break;
        if (sum)
            *sum = 31 * *sum + rs_hash_bytes(batch->pixels, batch->n * bytes).lo;
        rs_loader_release(loader, batch);
    }
out:
    return st;
}

static rescl_status run_way(void *user, size_t i)
{
    const loading *l = user;
    return load(l->way[i].loader, 0, NULL);
}

/* An augmentation at a strength, its other numbers being the usual ones. */
static void turn_on(rs_augment *a, size_t i, double strength)
{
    const rs_augment_def *def = rs_augment_at(i);
    double value[RS_AUGMENT_NUMBERS] = {0};

    for (size_t k = 0; k < RS_AUGMENT_NUMBERS && def->options[k]; k++)
        value[k] = rs_option_default_number(def->options[k]);
    value[0] = strength;
    rs_augment_set(a, i, value);
}

/* A loader for 1, 2, 4, ... threads, and for as many as there may be. */
static rescl_status open_ways(loading *l, bool augment)
{
    rescl_status st = RESCL_OK;
    const size_t most = rs_data_threads(rs_cpu_count());
    rs_loader_options options = {.batch = l->o->batch < l->set->count ? l->o->batch : l->set->count,
                                 .height = l->o->size,
                                 .width = l->o->size,
                                 .shuffle = true};

    if (augment) {
        turn_on(&options.augment, RS_AUGMENT_crop, CROP);
        turn_on(&options.augment, RS_AUGMENT_hflip, FLIP);
        turn_on(&options.augment, RS_AUGMENT_jitter, JITTER);
    }
    for (size_t threads = 1, last = 0; threads != last && l->ways < MOST_WAYS;
         last = threads, threads = 2 * threads < most ? 2 * threads : most) {
        options.workers = threads;
        RS_TRY(rs_loader_create(l->set, &options, &l->way[l->ways].loader));
        l->way[l->ways++].threads = threads;
        RS_TRY(load(l->way[l->ways - 1].loader, 0, NULL));
    }
out:
    return st;
}

static void close_ways(loading *l)
{
    for (size_t i = 0; i < l->ways; i++)
        rs_loader_destroy(l->way[i].loader);
    l->ways = 0;
}

static void tell_way(const loading *l, rs_measurement *m, size_t i, bool augment, bool same,
                     rescl_bench_fn fn, void *user)
{
    rescl_bench_row row = rs_row_empty("load", l->what);

    row.precision = NULL;
    row.mode = augment ? "augment" : "decode";
    row.size = l->o->size;
    row.batch = l->o->batch;
    row.threads = l->way[i].threads;
    row.images = l->set->count;
    row.checked = "all pixels, against those that one thread loads";
    if (same) {
        rs_measurement_tell(m, i, &row);
        rs_row_rate(&row, (double)l->set->count, "img/s");
    } else {
        row.status =
            rs_error_set(RESCL_ERR_NUMERIC, 0, __FILE__, __LINE__,
                         "%s: %zu threads load other pixels than one", l->what, row.threads);
        row.reason = rescl_last_error()->message;
    }
    fn(&row, user);
}

static rescl_status measure_ways(loading *l, rescl_device *dev, double deadline, bool augment,
                                 rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    const rs_rounds rounds = {.repeats = l->o->repeats,
                              .min_seconds = l->o->min_seconds,
                              .deadline = deadline,
                              .run = run_way,
                              .user = l};
    rs_measurement m = rs_measurement_of(dev, l->o);
    uint64_t sum[MOST_WAYS] = {0};

    m.on_host = true;
    RS_TRY(open_ways(l, augment));
    RS_TRY(rs_measure(&m, &rounds, l->ways));
    for (size_t i = 0; i < l->ways; i++)
        RS_TRY(load(l->way[i].loader, 3 * l->o->size * l->o->size, &sum[i]));
    for (size_t i = 0; i < l->ways; i++)
        tell_way(l, &m, i, augment, sum[i] == sum[0], fn, user);
out:
    close_ways(l);
    rs_measurement_fini(&m);
    return st;
}

static rescl_status measure_set(const rescl_bench_options *o, rescl_device *dev,
                                const rescl_dataset *set, const char *what, double deadline,
                                rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    loading l = {.o = o, .set = set};

    snprintf(l.what, sizeof l.what, "%s", what);
    for (int augment = 0; augment < 2; augment++) {
        RS_FAIL_IF(augment && rs_deadline_passed(deadline), RESCL_ERR_INTERRUPTED,
                   "the time limit is reached: %s was not augmented", what);
        RS_TRY(measure_ways(&l, dev, deadline, augment, fn, user));
    }
out:
    return st;
}

static rescl_status open_data(const char *path, rescl_dataset **out)
{
    rescl_data_options data;
    rescl_data_options_default(&data);
    data.path = path;
    data.split = "train";
    data.samples = MOST;
    return rescl_dataset_open(&data, out);
}

/* A drawn set of that kind; what cannot be made is told as a row. */
static rescl_status measure_drawn(const rescl_bench_options *o, rescl_device *dev, bool png,
                                  double deadline, rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_dataset *set = NULL;
    char what[96];

    snprintf(what, sizeof what, "%s:%dx%d", png ? "png" : "jpeg", DRAWN_SIDE, DRAWN_SIDE);
    st = make_set(o->batch < LEAST ? LEAST : o->batch, png, &set);
    if (st == RESCL_ERR_UNSUPPORTED) {
        rescl_bench_row row = rs_row_empty("load", what);
        row.precision = NULL;
        row.status = st;
        row.reason = rescl_last_error()->message;
        fn(&row, user);
        st = RESCL_OK;
        goto out;
    }
    RS_TRY(st);
    RS_TRY(measure_set(o, dev, set, what, deadline, fn, user));
out:
    rescl_dataset_close(set);
    return st;
}

rescl_status rescl_bench_load(rescl_device *device, const rescl_bench_options *options,
                              rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    rescl_dataset *set = NULL;

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_FAIL_IF(o.batch == 0 || o.repeats == 0 || o.size == 0, RESCL_ERR_ARG,
               "bench: size %zu, batch %zu, repeats %zu: expected at least 1", o.size, o.batch,
               o.repeats);
    const double deadline = rs_deadline_after(o.time_limit);
    if (o.data_path) {
        RS_TRY(open_data(o.data_path, &set));
        RS_TRY(measure_set(&o, device, set, "data", deadline, fn, user));
        goto out;
    }
    RS_TRY(measure_drawn(&o, device, false, deadline, fn, user));
    RS_FAIL_IF(rs_deadline_passed(deadline), RESCL_ERR_INTERRUPTED,
               "the time limit is reached: no PNGs were loaded");
    RS_TRY(measure_drawn(&o, device, true, deadline, fn, user));
out:
    rescl_dataset_close(set);
    return st;
}
