/* Times a training to an accuracy, as rescl_trainer_run trains. */
#include "clock.h"
#include "error.h"
#include "measure.h"
#include "optionvalue.h"

#include <math.h>
#include <rescl/train.h>
#include <stdio.h>
#include <stdlib.h>

#define DATA        "handsigns"
#define MOST_EPOCHS ((size_t)1000)
#define LR          0.005 /* reaches 90 % soon, and the schedule lets it stay there */

typedef struct training {
    double target;
    double epoch_ms[MOST_EPOCHS];
    size_t epochs;
    double last;     /* when the epoch began */
    double seconds;  /* of all epochs */
    double accuracy; /* the best one so far */
    size_t images;   /* of an epoch */
    bool reached;
} training;

static bool on_epoch(const rescl_epoch_event *event, void *user)
{
    training *t = user;
    const double now = rs_clock_seconds();

    t->epoch_ms[t->epochs++] = (now - t->last) * 1e3;
    t->seconds += now - t->last;
    t->images = event->train.samples;
    if (event->eval.samples)
        t->accuracy = fmax(t->accuracy, event->eval.top1);
    t->reached = t->accuracy >= t->target;
    t->last = rs_clock_seconds();
    return !t->reached && t->epochs < MOST_EPOCHS;
}

static rescl_status open_split(const rescl_bench_options *o, const char *split, rescl_dataset **out)
{
    rescl_data_options data;
    rescl_data_options_default(&data);
    data.path = DATA;
    data.split = split;
    data.image_size = o->size;
    return rescl_dataset_open(&data, out);
}

typedef struct sets {
    rescl_dataset *train, *test;
} sets;

/* A training of the model from its first weights; max_steps: 0 for all. */
static rescl_status train(rescl_device *dev, const rescl_bench_options *o, const sets *data,
                          size_t max_steps, training *t)
{
    rescl_status st = RESCL_OK;
    const rescl_model_options about = {.struct_size = sizeof about,
                                       .name = o->model,
                                       .classes = rescl_dataset_classes(data->train),
                                       .image_size = o->size};
    rescl_train_options options;
    rescl_train_callbacks callbacks;
    rescl_model *model = NULL;
    rescl_trainer *trainer = NULL;

    RS_TRY(rescl_model_create(&about, &model));
    rescl_train_options_default(&options);
    options.epochs = o->epochs;
    options.batch_size = o->batch;
    options.precision = o->precision;
    options.lr = LR;
    options.lr_scheduler = "cosineannealinglr";
    options.seed = 1;
    options.max_steps = max_steps;
    RS_TRY(rescl_trainer_create(dev, model, data->train, data->test, &options, &trainer));
    rescl_train_callbacks_default(&callbacks);
    callbacks.on_epoch = on_epoch;
    callbacks.user = t;
    t->last = rs_clock_seconds();
    st = rescl_trainer_run(trainer, &callbacks);
    if (st == RESCL_ERR_INTERRUPTED && t->reached)
        st = RESCL_OK; /* on_epoch ended it */
out:
    rescl_trainer_destroy(trainer);
    rescl_model_destroy(model);
    return st;
}

static void tell(const rescl_bench_options *o, rs_measurement *m, const training *t,
                 size_t test_images, double first_ms, rescl_bench_fn fn, void *user)
{
    char what[96] = "", checked[96], reason[160];
    rescl_bench_row row = rs_row_empty("train", what);
    rescl_device_stats stats;

    snprintf(what, sizeof what, "%s:" DATA ",%g%%", o->model, 100.0 * t->target);
    snprintf(checked, sizeof checked, "accuracy on %zu images that it was not trained on",
             test_images);
    rescl_device_get_stats(m->dev, &stats);
    row.model = o->model;
    row.precision = o->precision;
    row.mode = "train";
    row.opt = "adam";
    row.size = o->size;
    row.batch = o->batch;
    row.images = t->images;
    row.first_ms = first_ms;
    row.peak_bytes = stats.peak_bytes;
    row.checked = checked;
    row.accuracy = t->accuracy;
    row.error = 1.0 - t->accuracy;
    row.tolerance = 1.0 - t->target;
    if (t->reached) {
        row.epochs = t->epochs;
        row.seconds = t->seconds;
        rs_measurement_tell(m, 0, &row);
        rs_row_rate(&row, (double)t->images, "img/s");
    } else {
        snprintf(reason, sizeof reason,
                 "it names %.1f %% of the test images after %zu epochs, not %g %% (--epochs, "
                 "--target-accuracy)",
                 100.0 * t->accuracy, t->epochs, 100.0 * t->target);
        row.status = rs_error_set(RESCL_ERR_NOT_FOUND, 0, __FILE__, __LINE__, "%s", reason);
        row.reason = reason;
    }
    fn(&row, user);
}

rescl_status rescl_bench_train(rescl_device *device, const rescl_bench_options *options,
                               rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    rs_measurement m = {0};
    sets data = {0};
    training *t = NULL;
    const double start = rs_clock_seconds();

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_FAIL_IF(o.epochs == 0 || o.epochs > MOST_EPOCHS, RESCL_ERR_ARG,
               "bench: epochs %zu: expected 1 to %zu", o.epochs, MOST_EPOCHS);
    RS_FAIL_IF(!(o.target_accuracy > 0.0 && o.target_accuracy <= 1.0), RESCL_ERR_ARG,
               "bench: target_accuracy %g: expected above 0, at most 1", o.target_accuracy);
    m = rs_measurement_of(device, &o);
    RS_OOM(t = calloc(1, sizeof *t));
    RS_TRY(open_split(&o, "train", &data.train));
    RS_TRY(open_split(&o, "test", &data.test));
    t->target = 2.0; /* out of reach: a step, and an evaluation, to compile what they take */
    RS_TRY(train(device, &o, &data, 1, t));
    const double first_ms = (rs_clock_seconds() - start) * 1e3;
    *t = (training){.target = o.target_accuracy};
    rs_measurement_begin(&m);
    RS_TRY(train(device, &o, &data, 0, t));
    RS_TRY(rs_measurement_end(&m, t->epoch_ms, t->epochs));
    tell(&o, &m, t, rescl_dataset_count(data.test), first_ms, fn, user);
out:
    rescl_dataset_close(data.train);
    rescl_dataset_close(data.test);
    rs_measurement_fini(&m);
    free(t);
    return st;
}
