/* Accuracy, confusion, precision and recall, calibration. */
#include "scorestate.h"

#include "alloc.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

rescl_status rescl_scores_create(size_t classes, rescl_scores **out)
{
    rescl_status st = RESCL_OK;
    rescl_scores *s = NULL;

    RS_FAIL_IF(classes == 0, RESCL_ERR_ARG, "scores of 0 classes");
    RS_OOM(s = calloc(1, sizeof *s));
    s->classes = classes;
    RS_OOM(s->support = calloc(classes, sizeof *s->support));
    RS_OOM(s->predicted = calloc(classes, sizeof *s->predicted));
    RS_OOM(s->correct = calloc(classes, sizeof *s->correct));
    RS_OOM(s->area = calloc(classes, sizeof *s->area));
    *out = s, s = NULL;
out:
    rescl_scores_destroy(s);
    return st;
}

void rescl_scores_destroy(rescl_scores *s)
{
    if (!s)
        return;
    free(s->image);
    free(s->probs);
    free(s->truth);
    free(s->support);
    free(s->predicted);
    free(s->correct);
    free(s->area);
    free(s);
}

void rescl_scores_clear(rescl_scores *s)
{
    s->images = s->areas = 0;
    memset(s->support, 0, s->classes * sizeof *s->support);
    memset(s->predicted, 0, s->classes * sizeof *s->predicted);
    memset(s->correct, 0, s->classes * sizeof *s->correct);
    memset(s->area, 0, s->classes * sizeof *s->area);
}

/* Where nothing is to be kept, what was too wide before may fit: room is made anew then. */
rescl_status rs_scores_reserve(rescl_scores *s, size_t images)
{
    rescl_status st = RESCL_OK;
    if (s->several)
        return rs_scores_reserve_rows(s, images);
    const size_t most = RESCL_SCORES_BYTES / sizeof *s->probs / s->classes;
    const bool anew = s->wide && s->images == 0 && images <= most;
    size_t room = anew ? 0 : s->room;
    float *probs;

    if (images <= room)
        goto out;
    if (anew)
        s->room = 0;
    RS_TRY(rs_array_reserve(&s->image, &room, images, sizeof *s->image));
    s->wide = images > most || (s->wide && !anew);
    if (s->wide) {
        free(s->probs);
        s->probs = NULL;
    } else {
        room = room < most ? room : most;
        RS_OOM(probs = realloc(s->probs, room * s->classes * sizeof *probs));
        s->probs = probs;
    }
    s->room = room;
out:
    return st;
}

/* ---- adding ------------------------------------------------------------------------------- */

void rs_scores_set_task(rescl_scores *s, rescl_loss loss, bool multi_label)
{
    if (s->several != multi_label)
        rescl_scores_clear(s);
    s->loss = loss;
    s->several = multi_label;
}

static float sigmoid(float x)
{
    return (float)(1.0 / (1.0 + exp(-(double)x)));
}

void rs_class_probs(rescl_loss loss, const float *logits, size_t classes, float *probs)
{
    if (loss != RESCL_LOSS_CROSS_ENTROPY) {
        for (size_t k = 0; k < classes; k++)
            probs[k] = sigmoid(logits[k]);
        return;
    }
    double largest = (double)logits[0], sum = 0.0;

    for (size_t k = 1; k < classes; k++)
        largest = fmax(largest, (double)logits[k]);
    for (size_t k = 0; k < classes; k++)
        sum += exp((double)logits[k] - largest);
    for (size_t k = 0; k < classes; k++)
        probs[k] = (float)(exp((double)logits[k] - largest) / sum);
}

/* The same of one class alone. */
static float prob_at(rescl_loss loss, const float *logits, size_t classes, size_t k)
{
    double sum = 0.0;

    if (loss != RESCL_LOSS_CROSS_ENTROPY)
        return sigmoid(logits[k]);

    for (size_t j = 0; j < classes; j++)
        sum += exp((double)logits[j] - (double)logits[k]);
    return (float)(1.0 / sum);
}

/* `values` are logits or probabilities: they rank alike. */
static rs_score_record rank(const float *values, size_t classes, int32_t label)
{
    rs_score_record r = {.label = label};
    size_t before = 0;

    for (size_t k = 0; k < classes; k++) {
        if (values[k] > values[r.prediction])
            r.prediction = (int32_t)k;
        before += values[k] > values[label] || (k < (size_t)label && values[k] >= values[label]);
    }
    r.rank = before < RS_SCORE_FAR ? (uint8_t)before : RS_SCORE_FAR;
    return r;
}

static void append(rescl_scores *s, const rs_score_record *r)
{
    s->image[s->images++] = *r;
    s->support[r->label]++;
    s->predicted[r->prediction]++;
    s->correct[r->label] += r->prediction == r->label;
}

void rs_scores_add_logits(rescl_scores *s, size_t sample, const float *logits, int32_t label,
                          float loss)
{
    rs_score_record r = rank(logits, s->classes, label);

    r.sample = sample;
    r.loss = loss;
    if (s->probs) {
        float *probs = s->probs + s->images * s->classes;
        rs_class_probs(s->loss, logits, s->classes, probs);
        r.probability = probs[r.prediction];
        r.label_probability = probs[label];
    } else {
        r.probability = prob_at(s->loss, logits, s->classes, (size_t)r.prediction);
        r.label_probability = prob_at(s->loss, logits, s->classes, (size_t)label);
    }
    append(s, &r);
}

rescl_status rescl_scores_add(rescl_scores *s, const float *probs, const int32_t *labels,
                              const float *losses, size_t n)
{
    rescl_status st = RESCL_OK;
    size_t count;

    RS_FAIL_IF(s->several, RESCL_ERR_ARG,
               "images of one label among scores of images of several: "
               "rescl_scores_add_multi_label");
    RS_FAIL_IF(!rs_add_size(s->images, n, &count) || !rs_mul_size(n, s->classes, &count),
               RESCL_ERR_ARG, "%zu images of %zu classes are too many", n, s->classes);
    for (size_t i = 0; i < n; i++)
        RS_FAIL_IF(labels[i] < 0 || (size_t)labels[i] >= s->classes, RESCL_ERR_ARG,
                   "image %zu: the label %d is none of the %zu classes", i, labels[i], s->classes);
    for (size_t i = 0; i < count; i++)
        RS_FAIL_IF(isnan(probs[i]), RESCL_ERR_ARG, "image %zu: a probability is not a number",
                   i / s->classes);
    RS_TRY(rs_scores_reserve(s, s->images + n));
    if (s->probs && n > 0)
        memcpy(s->probs + s->images * s->classes, probs, count * sizeof *probs);
    for (size_t i = 0; i < n; i++) {
        const float *of = probs + i * s->classes;
        rs_score_record r = rank(of, s->classes, labels[i]);
        r.sample = s->images;
        r.probability = of[r.prediction];
        r.label_probability = of[labels[i]];
        r.loss = losses ? losses[i] : -logf(r.label_probability);
        append(s, &r);
    }
out:
    return st;
}

/* ---- images ------------------------------------------------------------------------------- */

size_t rescl_scores_images(const rescl_scores *s)
{
    return s->images;
}

size_t rescl_scores_classes(const rescl_scores *s)
{
    return s->classes;
}

const float *rs_scores_probs(const rescl_scores *s)
{
    return s->probs;
}

bool rescl_scores_image(const rescl_scores *s, size_t index, rescl_image_scores *out)
{
    if (index >= s->images)
        return false;
    const rs_score_record *r = &s->image[index];
    *out = (rescl_image_scores){.sample = r->sample,
                                .label = r->label,
                                .prediction = r->prediction,
                                .probability = (double)r->probability,
                                .label_probability = (double)r->label_probability,
                                .loss = (double)r->loss};
    return true;
}

double rescl_scores_topk(const rescl_scores *s, size_t k)
{
    size_t hits = 0;

    for (size_t i = 0; i < s->images; i++)
        hits += s->image[i].rank < k;
    return s->images ? (double)hits / (double)s->images : (double)NAN;
}

void rescl_scores_confusion(const rescl_scores *s, uint64_t *counts)
{
    memset(counts, 0, s->classes * s->classes * sizeof *counts);
    for (size_t i = 0; !s->several && i < s->images; i++)
        counts[(size_t)s->image[i].label * s->classes + (size_t)s->image[i].prediction]++;
}

static int by_pair(const void *a, const void *b)
{
    const rescl_confused_pair *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return (x->prediction > y->prediction) - (x->prediction < y->prediction);
}

static int by_images(const void *a, const void *b)
{
    const rescl_confused_pair *x = a, *y = b;

    if (x->images != y->images)
        return x->images > y->images ? -1 : 1;
    return by_pair(a, b);
}

rescl_status rescl_scores_confused(const rescl_scores *s, size_t most, rescl_confused_pair *out,
                                   size_t *count)
{
    rescl_status st = RESCL_OK;
    rescl_confused_pair *pair = NULL;
    size_t wrong = 0, pairs = 0;

    *count = 0;
    RS_OOM(pair = calloc(s->images + 1, sizeof *pair));
    for (size_t i = 0; !s->several && i < s->images; i++)
        if (s->image[i].label != s->image[i].prediction)
            pair[wrong++] = (rescl_confused_pair){s->image[i].label, s->image[i].prediction, 1};
    qsort(pair, wrong, sizeof *pair, by_pair);
    for (size_t i = 0; i < wrong; i++) {
        if (pairs > 0 && by_pair(&pair[pairs - 1], &pair[i]) == 0)
            pair[pairs - 1].images++;
        else
            pair[pairs++] = pair[i];
    }
    qsort(pair, pairs, sizeof *pair, by_images);
    *count = pairs < most ? pairs : most;
    memcpy(out, pair, *count * sizeof *out);
out:
    free(pair);
    return st;
}

/* ---- precision and recall ----------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* How many of the sorted values are at most `x`. */
static size_t count_up_to(const float *value, size_t count, float x)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (value[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The sum of (R_n - R_n-1) P_n over the distinct ones of a class' `n` own probabilities, ascending: at
 * others recall does not change. hits[k] images have a probability from own[k] to below own[k + 1]. */
static double sum_area(const float *own, const size_t *hits, size_t n)
{
    double area = 0;
    size_t above = 0;

    for (size_t k = n; k > 0;) {
        size_t from = k;
        do
            above += hits[--from];
        while (from > 0 && own[from - 1] >= own[from]);
        area += (double)(k - from) / (double)n * ((double)(n - from) / (double)above);
        k = from;
    }
    return area;
}

/* Sorts the probabilities that the images of each class have of it, and goes once over all others. */
static rescl_status find_areas(rescl_scores *s)
{
    rescl_status st = RESCL_OK;
    float *own = NULL;
    size_t *hits = NULL, *first = NULL, *filled = NULL;

    if (!s->probs || s->areas == s->images)
        goto out;
    RS_OOM(first = calloc(s->classes + 1, sizeof *first));
    RS_OOM(filled = calloc(s->classes, sizeof *filled));
    for (size_t c = 0; c < s->classes; c++)
        first[c + 1] = first[c] + s->support[c];
    RS_OOM(own = calloc(first[s->classes] + 1, sizeof *own));
    RS_OOM(hits = calloc(first[s->classes] + 1, sizeof *hits));
    for (size_t i = 0; i < s->images; i++)
        for (size_t c = 0; c < s->classes; c++)
            if (rs_score_is_of(s, i, c))
                own[first[c] + filled[c]++] = s->probs[i * s->classes + c];
    for (size_t c = 0; c < s->classes; c++)
        qsort(own + first[c], s->support[c], sizeof *own, by_value);
    for (size_t i = 0; i < s->images; i++) {
        for (size_t c = 0; c < s->classes; c++) {
            const float p = s->probs[i * s->classes + c];
            if (s->support[c] > 0 && p >= own[first[c]])
                hits[first[c] + count_up_to(own + first[c], s->support[c], p) - 1]++;
        }
    }
    for (size_t c = 0; c < s->classes; c++)
        s->area[c] = sum_area(own + first[c], hits + first[c], s->support[c]);
    s->areas = s->images;
out:
    free(own);
    free(hits);
    free(first);
    free(filled);
    return st;
}

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static void class_scores(const rescl_scores *s, size_t c, rescl_class_scores *out)
{
    *out = (rescl_class_scores){.support = s->support[c],
                                .predicted = s->predicted[c],
                                .correct = s->correct[c],
                                .precision = ratio(s->correct[c], s->predicted[c]),
                                .recall = ratio(s->correct[c], s->support[c]),
                                .f1 = ratio(2 * s->correct[c], s->support[c] + s->predicted[c]),
                                .average_precision = s->wide ? (double)NAN : s->area[c]};
}

rescl_status rescl_scores_class(rescl_scores *s, size_t class_index, rescl_class_scores *out)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(class_index >= s->classes, RESCL_ERR_ARG, "there is no class %zu among %zu",
               class_index, s->classes);
    RS_TRY(find_areas(s));
    class_scores(s, class_index, out);
out:
    return st;
}

typedef struct curve_image {
    float probability;
    bool own;
} curve_image;

static int by_probability(const void *a, const void *b)
{
    return by_value(&((const curve_image *)a)->probability, &((const curve_image *)b)->probability);
}

rescl_status rescl_scores_curve(const rescl_scores *s, size_t class_index, rescl_curve_point *out,
                                size_t *count)
{
    rescl_status st = RESCL_OK;
    curve_image *image = NULL;
    size_t points = 0;

    RS_FAIL_IF(class_index >= s->classes, RESCL_ERR_ARG, "there is no class %zu among %zu",
               class_index, s->classes);
    RS_FAIL_IF(s->wide, RESCL_ERR_UNSUPPORTED,
               "the probabilities of %zu images and %zu classes take more than %zu MiB", s->images,
               s->classes, RESCL_SCORES_BYTES >> 20);
    RS_OOM(image = calloc(s->images + 1, sizeof *image));
    for (size_t i = 0; i < s->images; i++)
        image[i] = (curve_image){s->probs[i * s->classes + class_index],
                                 rs_score_is_of(s, i, class_index)};
    qsort(image, s->images, sizeof *image, by_probability);
    const size_t all = s->support[class_index];
    size_t own = all;
    for (size_t i = 0; i < s->images; i++) {
        if (i == 0 || image[i].probability > image[i - 1].probability)
            out[points++] = (rescl_curve_point){(double)image[i].probability,
                                                (double)own / (double)(s->images - i),
                                                all ? (double)own / (double)all : 1.0};
        own -= image[i].own;
    }
    out[points++] = (rescl_curve_point){INFINITY, 1.0, 0.0};
    *count = points;
out:
    free(image);
    return st;
}

/* ---- means -------------------------------------------------------------------------------- */

/* NumPy's linspace(0, 1, bins + 1). */
static double edge(size_t index)
{
    return index < RESCL_CALIBRATION_BINS ? (double)index * (1.0 / RESCL_CALIBRATION_BINS) : 1.0;
}

void rescl_scores_calibration(const rescl_scores *s,
                              rescl_calibration_bin out[RESCL_CALIBRATION_BINS])
{
    for (size_t b = 0; b < RESCL_CALIBRATION_BINS; b++)
        out[b] = (rescl_calibration_bin){.low = edge(b), .high = edge(b + 1)};
    for (size_t i = 0; !s->several && i < s->images; i++) {
        const rs_score_record *r = &s->image[i];
        size_t b = 0;
        while (b + 1 < RESCL_CALIBRATION_BINS && (double)r->probability > out[b].high)
            b++;
        out[b].images++;
        out[b].accuracy += r->prediction == r->label;
        out[b].certainty += (double)r->probability;
    }
    for (size_t b = 0; b < RESCL_CALIBRATION_BINS; b++) {
        const double n = out[b].images ? (double)out[b].images : (double)NAN;
        out[b].accuracy /= n;
        out[b].certainty /= n;
    }
}

static double calibration_error(const rescl_scores *s)
{
    rescl_calibration_bin bin[RESCL_CALIBRATION_BINS];
    double sum = 0;

    rescl_scores_calibration(s, bin);
    for (size_t b = 0; b < RESCL_CALIBRATION_BINS; b++)
        if (bin[b].images)
            sum += fabs(bin[b].accuracy - bin[b].certainty) * (double)bin[b].images;
    return sum / (double)s->images;
}

static void add_share(rescl_average_scores *to, const rescl_class_scores *c, double share)
{
    to->precision += share * c->precision;
    to->recall += share * c->recall;
    to->f1 += share * c->f1;
    to->average_precision += share * c->average_precision;
}

rescl_status rescl_scores_summarise(rescl_scores *s, rescl_scores_summary *out)
{
    static const rescl_average_scores none = {NAN, NAN, NAN, NAN};
    rescl_status st = RESCL_OK;
    rescl_class_scores c;
    size_t support = 0, predicted = 0, correct = 0, labels = 0;

    *out = (rescl_scores_summary){.images = s->images,
                                  .loss = NAN,
                                  .top1 = rescl_scores_topk(s, 1),
                                  .top5 = s->classes > 5 && !s->several ? rescl_scores_topk(s, 5)
                                                                        : (double)NAN,
                                  .micro = none,
                                  .macro = none,
                                  .weighted = none,
                                  .ece = NAN};
    if (s->images == 0)
        goto out;
    RS_TRY(find_areas(s));
    out->loss = 0;
    out->macro = out->weighted = (rescl_average_scores){0};
    for (size_t i = 0; i < s->classes; i++)
        labels += s->support[i];
    for (size_t i = 0; i < s->images; i++)
        out->loss += (double)s->image[i].loss / (double)s->images;
    for (size_t i = 0; i < s->classes; i++) {
        class_scores(s, i, &c);
        add_share(&out->macro, &c, 1.0 / (double)s->classes);
        add_share(&out->weighted, &c, ratio(c.support, labels));
        support += c.support;
        predicted += c.predicted;
        correct += c.correct;
    }
    out->micro.precision = ratio(correct, predicted);
    out->micro.recall = ratio(correct, support);
    out->micro.f1 = ratio(2 * correct, support + predicted);
    out->ece = s->several ? (double)NAN : calibration_error(s);
out:
    return st;
}
