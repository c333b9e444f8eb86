#include "testing.h"

#include "error.h"
#include "golden.h"
#include "scoring.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 1e-6

static void check_near(double found, double expected, const char *what)
{
    if (!(fabs(found - expected) <= NEAR) && !(isinf(found) && isinf(expected)))
        fail_msg("%s: %.9g, expected %.9g", what, found, expected);
}

typedef struct scored {
    rs_st_file *file;
    const char *name;
    size_t images, classes;
    rescl_scores *scores;
} scored;

static double *numbers(const scored *s, const char *key, size_t *count)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", s->name, key);
    return golden_numbers(s->file, name, count);
}

static void open_case(const char *name, scored *s)
{
    char path[512];
    size_t count;
    *s = (scored){.name = name};
    snprintf(path, sizeof path, "%s/tests/golden/scores.safetensors", RESCL_TEST_SOURCE_DIR);
    assert_ok(rs_st_open(path, &s->file));
    double *probs = numbers(s, "probs", &count), *labels = numbers(s, "labels", &s->images);
    s->classes = count / s->images;
    float *p = calloc(count, sizeof *p);
    int32_t *l = calloc(s->images, sizeof *l);
    assert_true(p && l);
    for (size_t i = 0; i < count; i++)
        p[i] = (float)probs[i];
    for (size_t i = 0; i < s->images; i++)
        l[i] = (int32_t)labels[i];
    assert_ok(rescl_scores_create(s->classes, &s->scores));
    const size_t half = s->images / 2;
    assert_ok(rescl_scores_add(s->scores, p, l, NULL, half));
    assert_ok(rescl_scores_add(s->scores, p + half * s->classes, l + half, NULL, s->images - half));
    assert_int_equal(rescl_scores_images(s->scores), s->images);
    free(p);
    free(l);
    free(probs);
    free(labels);
}

static void close_case(scored *s)
{
    rescl_scores_destroy(s->scores);
    rs_st_close(s->file);
}

static void check_classes(const scored *s)
{
    size_t count;
    double *want = numbers(s, "classes", &count);
    rescl_class_scores c;
    assert_int_equal(count, s->classes * 5);
    for (size_t i = 0; i < s->classes; i++) {
        assert_ok(rescl_scores_class(s->scores, i, &c));
        check_near(c.precision, want[5 * i], "precision");
        check_near(c.recall, want[5 * i + 1], "recall");
        check_near(c.f1, want[5 * i + 2], "F1");
        check_near((double)c.support, want[5 * i + 3], "support");
        check_near(c.average_precision, want[5 * i + 4], "average precision");
    }
    free(want);
}

static void check_means(const scored *s)
{
    size_t count;
    double *want = numbers(s, "means", &count), *summary = numbers(s, "summary", &count);
    rescl_scores_summary m;
    assert_ok(rescl_scores_summarise(s->scores, &m));
    const rescl_average_scores *const of[] = {&m.macro, &m.weighted};
    for (size_t i = 0; i < 2; i++) {
        check_near(of[i]->precision, want[4 * i], "mean precision");
        check_near(of[i]->recall, want[4 * i + 1], "mean recall");
        check_near(of[i]->f1, want[4 * i + 2], "mean F1");
        check_near(of[i]->average_precision, want[4 * i + 3], "mean average precision");
    }
    check_near(m.top1, summary[0], "accuracy");
    check_near(rescl_scores_topk(s->scores, 3), summary[1], "top-3 accuracy");
    check_near(m.ece, summary[2], "calibration error");
    free(want);
    free(summary);
}

static void check_confusion(const scored *s)
{
    size_t count;
    double *want = numbers(s, "confusion", &count);
    uint64_t *counts = calloc(count, sizeof *counts);
    assert_non_null(counts);
    rescl_scores_confusion(s->scores, counts);
    for (size_t i = 0; i < count; i++)
        check_near((double)counts[i], want[i], "confusion");
    free(counts);
    free(want);
}

static void check_curve(const scored *s)
{
    size_t count, points;
    double *of = numbers(s, "curve_class", &count), *want = numbers(s, "curve", &count);
    rescl_curve_point *point = calloc(s->images + 1, sizeof *point);
    assert_non_null(point);
    assert_ok(rescl_scores_curve(s->scores, (size_t)of[0], point, &points));
    assert_int_equal(points, count / 3);
    for (size_t i = 0; i < points; i++) {
        check_near(point[i].threshold, want[3 * i], "threshold");
        check_near(point[i].precision, want[3 * i + 1], "precision of the curve");
        check_near(point[i].recall, want[3 * i + 2], "recall of the curve");
    }
    free(point);
    free(of);
    free(want);
}

static void equals_scikit_learn(void **state)
{
    (void)state;
    static const char *const names[] = {"absent", "absent_curve", "two", "ties", "many"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        scored s;
        open_case(names[i], &s);
        check_classes(&s);
        check_means(&s);
        check_confusion(&s);
        check_curve(&s);
        close_case(&s);
    }
}

/* Two classes: images 0 and 1 are of the first, 2 of the second. */
static const float probs[] = {0.9f, 0.1f, 0.2f, 0.8f, 0.3f, 0.7f};
static const int32_t labels[] = {0, 0, 1};

static void tells_of_images(void **state)
{
    (void)state;
    rescl_scores *s = NULL;
    rescl_image_scores image;
    rescl_confused_pair pair[4];
    size_t pairs;
    assert_ok(rescl_scores_create(2, &s));
    assert_ok(rescl_scores_add(s, probs, labels, NULL, 3));
    assert_true(rescl_scores_image(s, 1, &image));
    assert_int_equal(image.sample, 1);
    assert_int_equal(image.label, 0);
    assert_int_equal(image.prediction, 1);
    check_near(image.probability, (double)0.8f, "probability");
    check_near(image.label_probability, (double)0.2f, "probability of the label");
    check_near(image.loss, -log((double)0.2f), "loss");
    assert_false(rescl_scores_image(s, 3, &image));
    assert_ok(rescl_scores_confused(s, 4, pair, &pairs));
    assert_int_equal(pairs, 1);
    assert_int_equal(pair[0].label, 0);
    assert_int_equal(pair[0].prediction, 1);
    assert_int_equal(pair[0].images, 1);
    rescl_scores_clear(s);
    assert_int_equal(rescl_scores_images(s), 0);
    rescl_scores_destroy(s);
}

static void sorts_confused_pairs(void **state)
{
    (void)state;
    enum { N = 6 };
    static const int32_t of[N] = {0, 1, 2, 2, 2, 0};
    static const int32_t taken_for[N] = {1, 0, 1, 0, 1, 0};
    float p[N * 3] = {0};
    rescl_scores *s = NULL;
    rescl_confused_pair pair[2];
    size_t pairs;
    for (size_t i = 0; i < N; i++)
        p[3 * i + (size_t)taken_for[i]] = 1;
    assert_ok(rescl_scores_create(3, &s));
    assert_ok(rescl_scores_add(s, p, of, NULL, N));
    assert_ok(rescl_scores_confused(s, 2, pair, &pairs));
    assert_int_equal(pairs, 2);
    assert_true(pair[0].label == 2 && pair[0].prediction == 1 && pair[0].images == 2);
    assert_true(pair[1].label == 0 && pair[1].prediction == 1 && pair[1].images == 1);
    rescl_scores_destroy(s);
}

static void has_none_without_images(void **state)
{
    (void)state;
    rescl_scores *s = NULL;
    rescl_scores_summary m;
    rescl_class_scores c;
    rescl_curve_point point;
    size_t points;
    assert_ok(rescl_scores_create(2, &s));
    assert_ok(rescl_scores_summarise(s, &m));
    assert_true(isnan(m.top1) && isnan(m.loss) && isnan(m.ece) && isnan(m.macro.f1));
    assert_ok(rescl_scores_class(s, 1, &c));
    assert_true(c.support == 0 && c.f1 <= 0);
    assert_ok(rescl_scores_curve(s, 0, &point, &points));
    assert_int_equal(points, 1);
    rescl_scores_destroy(s);
}

static void refuses_what_is_no_class(void **state)
{
    (void)state;
    static const int32_t wrong[] = {0, 2, 1};
    static const float nan_probs[] = {0.9f, 0.1f, NAN, 0.8f};
    rescl_scores *s = NULL;
    rescl_class_scores c;
    assert_fails(rescl_scores_create(0, &s), RESCL_ERR_ARG, "0 classes");
    assert_ok(rescl_scores_create(2, &s));
    assert_fails(rescl_scores_add(s, probs, wrong, NULL, 3), RESCL_ERR_ARG, "image 1", "label 2");
    assert_fails(rescl_scores_add(s, nan_probs, labels, NULL, 2), RESCL_ERR_ARG, "image 1");
    assert_int_equal(rescl_scores_images(s), 0);
    assert_fails(rescl_scores_class(s, 2, &c), RESCL_ERR_ARG, "class 2");
    rescl_scores_destroy(s);
}

/* By logits they are the same as by probabilities, also where these are not kept. */
static void does_without_probabilities(void **state)
{
    (void)state;
    enum { WIDE = 1000000, IMAGES = 100 };
    float *logits = calloc(WIDE, sizeof *logits);
    rescl_scores *s = NULL;
    rescl_image_scores image;
    rescl_class_scores c;
    rescl_curve_point point[IMAGES + 1];
    size_t points;
    assert_non_null(logits);
    assert_ok(rescl_scores_create(WIDE, &s));
    assert_ok(rs_scores_reserve(s, IMAGES));
    assert_null(rs_scores_probs(s));
    logits[7] = 20;
    rs_scores_add_logits(s, 5, logits, 3, 1.5f);
    assert_true(rescl_scores_image(s, 0, &image));
    assert_int_equal(image.sample, 5);
    assert_int_equal(image.prediction, 7);
    check_near(image.probability, 1 / (1 + (WIDE - 1) * exp(-20.0)), "probability");
    check_near(image.loss, 1.5, "loss");
    assert_ok(rescl_scores_class(s, 3, &c));
    assert_int_equal(c.support, 1);
    assert_true(isnan(c.average_precision));
    assert_fails(rescl_scores_curve(s, 3, point, &points), RESCL_ERR_UNSUPPORTED, "256 MiB");
    rescl_scores_destroy(s);
    free(logits);
}

/* What was too wide is forgotten with the images, and so are areas. */
static void keeps_probabilities_after_a_clear(void **state)
{
    (void)state;
    enum { CLASSES = 1 << 20, FITS = 64 };
    float *sure = calloc(CLASSES, sizeof *sure);
    rescl_scores *s = NULL;
    rescl_class_scores c;
    assert_non_null(sure);
    sure[1] = 1;
    assert_ok(rescl_scores_create(CLASSES, &s));
    assert_ok(rs_scores_reserve(s, FITS + 1));
    assert_null(rs_scores_probs(s));
    rescl_scores_clear(s);
    assert_ok(rescl_scores_add(s, sure, &(int32_t){1}, NULL, 1));
    assert_non_null(rs_scores_probs(s));
    assert_ok(rescl_scores_class(s, 1, &c));
    check_near(c.average_precision, 1, "average precision");
    rescl_scores_clear(s);
    assert_ok(rescl_scores_class(s, 1, &c));
    assert_true(c.average_precision <= 0);
    free(sure);
    rescl_scores_destroy(s);
}

/* By tests/golden/make_multi_label.py. */
static void check_several(const char *name)
{
    scored s = {.name = name};
    size_t count, n;
    rescl_scores_summary m;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/multi_label.safetensors", &s.file));
    double *wanted = numbers(&s, "probs", &count), *targets = numbers(&s, "targets", &count);
    double *means = numbers(&s, "means", &n), *summary = numbers(&s, "summary", &n);
    free(numbers(&s, "classes", &n));
    s.classes = n / 5;
    s.images = count / s.classes;
    float *p = calloc(count, sizeof *p);
    uint8_t *t = calloc(count, sizeof *t);
    assert_true(p && t);
    for (size_t i = 0; i < count; i++) {
        p[i] = (float)wanted[i];
        t[i] = (uint8_t)targets[i];
    }
    assert_ok(rescl_scores_create(s.classes, &s.scores));
    const size_t half = s.images / 2, at = half * s.classes;
    assert_ok(rescl_scores_add_multi_label(s.scores, p, t, NULL, half));
    assert_ok(rescl_scores_add_multi_label(s.scores, p + at, t + at, NULL, s.images - half));
    assert_true(rescl_scores_multi_label(s.scores));
    check_classes(&s);
    assert_ok(rescl_scores_summarise(s.scores, &m));
    const rescl_average_scores *const of[] = {&m.macro, &m.weighted, &m.micro};
    for (size_t i = 0; i < RS_COUNT(of); i++) {
        check_near(of[i]->precision, means[4 * i], "mean precision");
        check_near(of[i]->recall, means[4 * i + 1], "mean recall");
        check_near(of[i]->f1, means[4 * i + 2], "mean F1");
        if (of[i] != &m.micro)
            check_near(of[i]->average_precision, means[4 * i + 3], "mean average precision");
    }
    assert_true(isnan(m.micro.average_precision));
    check_near(m.top1, summary[0], "subset accuracy");
    check_near(m.loss, summary[1], "loss");
    assert_true(isnan(m.top5) && isnan(m.ece));
    free(wanted);
    free(targets);
    free(means);
    free(summary);
    free(p);
    free(t);
    close_case(&s);
}

static void several_labels_are_scored_as_by_scikit_learn(void **state)
{
    static const char *const names[] = {"rare", "ties", "one_each", "many"};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(names); i++)
        check_several(names[i]);
}

static void one_and_several_labels_do_not_mix(void **state)
{
    const float two[] = {0.9f, 0.2f};
    const uint8_t targets[] = {1, 1}, bad[] = {1, 2};
    const int32_t label = 0;
    rescl_scores *s = NULL;
    rescl_image_scores image;
    uint64_t counts[4];
    (void)state;
    assert_ok(rescl_scores_create(2, &s));
    assert_ok(rescl_scores_add(s, two, &label, NULL, 1));
    assert_fails(rescl_scores_add_multi_label(s, two, targets, NULL, 1), RESCL_ERR_ARG, "of one");
    rescl_scores_clear(s);
    assert_fails(rescl_scores_add_multi_label(s, two, bad, NULL, 1), RESCL_ERR_ARG,
                 "targets of 0 and 1");
    assert_ok(rescl_scores_add_multi_label(s, two, targets, NULL, 1));
    assert_fails(rescl_scores_add(s, two, &label, NULL, 1), RESCL_ERR_ARG, "of several");
    assert_true(rescl_scores_image(s, 0, &image));
    assert_int_equal(image.label, 0);
    assert_int_equal(image.prediction, 0);
    rescl_scores_confusion(s, counts);
    assert_int_equal(counts[0] + counts[1] + counts[2] + counts[3], 0);
    assert_true(rescl_scores_topk(s, 1) < 0.5);
    rescl_scores_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_labels_are_scored_as_by_scikit_learn),
        cmocka_unit_test(one_and_several_labels_do_not_mix),
        cmocka_unit_test(equals_scikit_learn),
        cmocka_unit_test(tells_of_images),
        cmocka_unit_test(sorts_confused_pairs),
        cmocka_unit_test(has_none_without_images),
        cmocka_unit_test(refuses_what_is_no_class),
        cmocka_unit_test(does_without_probabilities),
        cmocka_unit_test(keeps_probabilities_after_a_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
