/* events.out.tfevents.rescl of the run folder, for TensorBoard: scalars and histograms of the parameters
 * after each epoch, the first images as the network got them, and after each best evaluation a curve of
 * precision and recall for each class. The step is the epoch, from 1. */
#include "error.h"
#include "eventfile.h"
#include "imagesheet.h"
#include "netmodel.h"
#include "scoring.h"
#include "str.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BINS       30
#define THRESHOLDS 127 /* as TensorBoard's own writers have it */
#define CURVES     20  /* classes with a curve: the first */

typedef struct tensorboard {
    const rs_run_info *run;
    char *path;
    bool begun;
    rs_image_sheet sheet; /* count 0: written already */
} tensorboard;

static void free_tensorboard(tensorboard *t)
{
    if (!t)
        return;
    rs_image_sheet_fini(&t->sheet);
    free(t->path);
    free(t);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static rescl_status open_tensorboard(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    tensorboard *t = NULL;

    if (!run->folder || !run->train_set || !run->options->tensorboard)
        goto out;
    RS_OOM(t = calloc(1, sizeof *t));
    t->run = run;
    RS_OOM(t->path = rs_path_join(run->folder, "events.out.tfevents.rescl"));
    if (run->epoch == 0)
        RS_TRY(rs_image_sheet_init(run, &t->sheet));
    *self = t, t = NULL;
out:
    free_tensorboard(t);
    return st;
}

static rescl_status take_images(void *self, const rs_samples *s)
{
    tensorboard *t = self;

    if (t->sheet.pixels)
        rs_image_sheet_take(&t->sheet, s);
    return RESCL_OK;
}

/* ---- scalars ------------------------------------------------------------------------------ */

static void put_scalars(rs_pb *pb, const void *about)
{
    const rescl_epoch_event *e = about;

    rs_event_scalar(pb, "loss/train", e->train.loss);
    rs_event_scalar(pb, "accuracy/train", e->train.top1);
    if (e->eval.samples > 0) {
        rs_event_scalar(pb, "loss/eval", e->eval.loss);
        rs_event_scalar(pb, "accuracy/eval", e->eval.top1);
        if (e->eval.multi_label)
            rs_event_scalar(pb, "map/eval", e->eval.map);
    }
    rs_event_scalar(pb, "lr", e->lr);
    rs_event_scalar(pb, "speed/images_per_second", e->train.img_s);
    rs_event_scalar(pb, "speed/data_wait", e->train.data_wait);
    rs_event_scalar(pb, "memory/peak_mib", (double)e->peak_bytes / 1048576.0);
}

/* ---- images ------------------------------------------------------------------------------- */

static void put_image(rs_pb *pb, const void *about)
{
    rs_event_image_value(pb, "augmentation", about);
}

static rescl_status write_sheet(tensorboard *t, int64_t step)
{
    rescl_status st = RESCL_OK;
    rs_event_image image = {0};
    uint8_t *png = NULL;

    if (t->sheet.count == 0)
        goto out;
    RS_TRY(rs_tiles_png(t->run->model, t->sheet.pixels, t->sheet.count, 4, &png, &image.bytes,
                        &image.width, &image.height));
    image.png = png;
    RS_TRY(rs_events_append(t->path, step, now(), put_image, &image));
    rs_image_sheet_fini(&t->sheet);
out:
    free(png);
    return st;
}

/* ---- histograms --------------------------------------------------------------------------- */

typedef struct histogram {
    rs_event_histogram h;
    double limit[BINS], in_bin[BINS];
} histogram;

/* Bins of equal width. A parameter whose values are all the same has one bin. */
static void count_values(const float *x, size_t count, histogram *out)
{
    rs_event_histogram *h = &out->h;
    float least = count ? x[0] : 0, most = least;

    *out = (histogram){.h.count = (double)count};
    for (size_t i = 0; i < count; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        h->sum += (double)x[i];
        h->squares += (double)x[i] * (double)x[i];
    }
    h->least = (double)least;
    h->most = (double)most;
    h->bins = most > least ? BINS : 1;
    const double width = (h->most - h->least) / (double)h->bins, scale = width > 0 ? 1 / width : 0;
    size_t in_bin[BINS] = {0};
    for (size_t i = 0; i < count; i++) {
        const double at = ((double)x[i] - h->least) * scale;
        in_bin[(size_t)fmin(at, (double)(h->bins - 1))]++;
    }
    for (size_t b = 0; b < h->bins; b++) {
        out->limit[b] = b + 1 < h->bins ? h->least + (double)(b + 1) * width : h->most;
        out->in_bin[b] = (double)in_bin[b];
    }
    h->limit = out->limit;
    h->in_bin = out->in_bin;
}

typedef struct histograms {
    const rs_graph *graph;
    const histogram *of; /* by parameter */
} histograms;

static void put_histograms(rs_pb *pb, const void *about)
{
    const histograms *all = about;

    for (size_t i = 0; i < all->graph->nparams; i++)
        rs_event_histogram_value(pb, all->graph->param[i].name, &all->of[i].h);
}

/* The model has the weights of the epoch's end. */
static rescl_status write_histograms(const tensorboard *t, int64_t step)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = t->run->model;
    histogram *of = NULL;

    RS_OOM(of = calloc(m->graph->nparams + 1, sizeof *of));
    for (size_t i = 0; i < m->graph->nparams; i++)
        count_values(m->weights.data[i], m->weights.elems[i], &of[i]);
    RS_TRY(rs_events_append(t->path, step, now(), put_histograms, &(histograms){m->graph, of}));
out:
    free(of);
    return st;
}

/* ---- precision and recall ----------------------------------------------------------------- */

typedef struct curve {
    char *tag;
    float value[6 * THRESHOLDS]; /* see rs_event_curve */
} curve;

/* Threshold i is i / (THRESHOLDS - 1); what is at least that is positive. */
static void count_curve(const rescl_scores *s, size_t class_index, float *value)
{
    double own[THRESHOLDS] = {0}, other[THRESHOLDS] = {0}, all_own = 0, all_other = 0;
    rescl_image_scores image;

    for (size_t i = 0; rescl_scores_image(s, i, &image); i++) {
        const double p = (double)rs_scores_probs(s)[i * rescl_scores_classes(s) + class_index];
        const size_t bin = (size_t)floor(fmin(fmax(p, 0), 1) * (THRESHOLDS - 1));
        const uint8_t *targets = rescl_scores_targets(s, i);
        const bool is_own =
            targets ? targets[class_index] != 0 : image.label == (int32_t)class_index;
        (is_own ? own : other)[bin]++;
        all_own += is_own;
        all_other += !is_own;
    }
    double tp = 0, fp = 0;
    for (size_t i = THRESHOLDS; i-- > 0;) {
        tp += own[i];
        fp += other[i];
        const double of[6] = {tp,
                              fp,
                              all_other - fp,
                              all_own - tp,
                              tp + fp > 0 ? tp / (tp + fp) : 0,
                              all_own > 0 ? tp / all_own : 0};
        for (size_t row = 0; row < 6; row++)
            value[row * THRESHOLDS + i] = (float)of[row];
    }
}

typedef struct curves {
    const curve *of;
    size_t count;
} curves;

static void put_curves(rs_pb *pb, const void *about)
{
    const curves *all = about;

    for (size_t i = 0; i < all->count; i++) {
        const rs_event_curve c = {.value = all->of[i].value, .thresholds = THRESHOLDS};
        rs_event_curve_value(pb, all->of[i].tag, &c);
    }
}

static rescl_status write_curves(const tensorboard *t, int64_t step)
{
    rescl_status st = RESCL_OK;
    const rescl_scores *s = t->run->scores;
    const size_t classes = rescl_scores_classes(s), count = classes < CURVES ? classes : CURVES;
    curve *of = NULL;

    if (!rs_scores_probs(s))
        goto out;
    RS_OOM(of = calloc(count, sizeof *of));
    for (size_t i = 0; i < count; i++) {
        RS_OOM(of[i].tag = rs_strf("pr_curve/%s", t->run->model->class_name[i]));
        rs_make_utf8(of[i].tag);
        count_curve(s, i, of[i].value);
    }
    RS_TRY(rs_events_append(t->path, step, now(), put_curves, &(curves){of, count}));
out:
    for (size_t i = 0; of && i < count; i++)
        free(of[i].tag);
    free(of);
    return st;
}

/* ------------------------------------------------------------------------------------------- */

static rescl_status write_epoch(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    tensorboard *t = self;
    const int64_t step = (int64_t)e->epoch + 1;

    (void)stop;
    if (!t->begun)
        RS_TRY(rs_events_begin(t->path, (int64_t)t->run->epoch, now()));
    t->begun = true;
    RS_TRY(rs_events_append(t->path, step, now(), put_scalars, e));
    RS_TRY(write_sheet(t, step));
    RS_TRY(write_histograms(t, step));
    if (e->best && e->eval.samples > 0)
        RS_TRY(write_curves(t, step));
out:
    return st;
}

static rescl_status close_tensorboard(void *self, rescl_status st)
{
    (void)st;
    free_tensorboard(self);
    return RESCL_OK;
}

const rs_watcher rs_watcher_tensorboard = {.name = "tensorboard",
                                           .open = open_tensorboard,
                                           .samples = take_images,
                                           .epoch = write_epoch,
                                           .close = close_tensorboard};
