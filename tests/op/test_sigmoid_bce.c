#include "torch_losses.h"

#include "attr.h"
#include "mixed.h"
#include "normalize.h"

#include <math.h>

enum { N = TORCH_ROWS, CLASSES = TORCH_CLASSES };

/* Targets of a case: each label, with a quarter of the one before it where it is mixed, and its weight, which is
 * scaled to a mean of 1 where nothing is mixed. */
static void pack(const int32_t *labels, bool mix, const double *weights, double *targets)
{
    const double share = mix ? 0.25 : 0;
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += weights ? weights[labels[i]] : 1;
    for (size_t i = 0; i < N; i++) {
        const int32_t label = labels[i > 0 ? i - 1 : N - 1];
        const double own = (1 - share) * (weights ? weights[labels[i]] : 1);
        const double other = share * (weights ? weights[label] : 1);
        const rs_mixed mixed = {label, (int32_t)lrint(other / (own + other) * RS_MIXED_ONE),
                                (float)(mix ? own + other : own * N / sum)};
        int32_t words[RS_TARGET_WORDS];
        rs_targets_pack(&labels[i], &mixed, 1, words);
        for (size_t k = 0; k < RS_TARGET_WORDS; k++)
            targets[i * RS_TARGET_WORDS + k] = words[k];
    }
}

/* The same for a loss that takes the weights itself: rows only divide by the sum of theirs. */
static void pack_scaled(const int32_t *labels, bool mix, const double *weights, double *targets)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += weights[labels[i]];
    for (size_t i = 0; i < N; i++) {
        const rs_mixed mixed = {labels[i > 0 ? i - 1 : N - 1], mix ? RS_MIXED_ONE / 4 : 0,
                                (float)(mix ? 1 : N / sum)};
        int32_t words[RS_TARGET_WORDS];
        rs_targets_pack(&labels[i], &mixed, 1, words);
        for (size_t k = 0; k < RS_TARGET_WORDS; k++)
            targets[i * RS_TARGET_WORDS + k] = words[k];
    }
}

/* `weights`: what the loss itself has for each class, or NULL. */
static void check(const rs_st_file *f, const char *name, const rs_op *op, const void *attr,
                  const double *targets, size_t words, const double *weights)
{
    const rs_shape src[] = {rs_shape_2(N, CLASSES), rs_shape_2(N, words), rs_shape_1(CLASSES)};
    double logits[N * CLASSES], loss[N], gradient[N * CLASSES];
    double dst[N], ws[N * CLASSES], diff[N * CLASSES], mean[N];
    rs_problem p;
    torch_losses_read(f, "logits", "", logits, sizeof logits);
    torch_losses_read(f, name, ".loss", loss, sizeof loss);
    torch_losses_read(f, name, ".gradient", gradient, sizeof gradient);
    assert_ok(rs_problem_init(&p, op, attr, true, src, weights ? 3 : 2));
    p.want_diff[0] = true;
    for (size_t i = 0; i < N; i++)
        mean[i] = 1.0 / N;
    const rs_ref ref = {.src = {logits, targets, weights},
                        .dst = dst,
                        .ws = {ws},
                        .diff_dst = mean,
                        .diff_src = {diff}};
    op->reference(&p, RS_FWD, &ref);
    op->reference(&p, RS_BWD_DATA, &ref);
    for (size_t i = 0; i < N; i++)
        assert_true(fabs(dst[i] - loss[i]) < 1e-6);
    for (size_t i = 0; i < N * CLASSES; i++)
        assert_true(fabs(diff[i] - gradient[i]) < 1e-6);
}

static double row_target(size_t i, size_t k)
{
    return i > 0 && (i + 2 * k) % 3 == 0;
}

static void several_labels_are_as_in_torch(void **state)
{
    static const struct {
        const char *name;
        double share;
        rs_sigmoid_bce_attr attr;
    } cases[] = {{"rows", 0, {.alpha = -1, .rows = true}},
                 {"rows_mixed", 0.25, {.alpha = -1, .rows = true}},
                 {"rows_focal", 0, {.gamma = 2, .alpha = 0.25f, .rows = true}}};
    double targets[N * CLASSES];
    rs_st_file *f = NULL;
    (void)state;
    f = torch_losses_open();
    for (size_t c = 0; c < RS_COUNT(cases); c++) {
        const double share = cases[c].share;
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < CLASSES; k++)
                targets[i * CLASSES + k] = ((1 - share) * row_target(i, k) +
                                            share * row_target(i > 0 ? i - 1 : N - 1, k)) *
                                           RS_MIXED_ONE;
        check(f, cases[c].name, &rs_op_sigmoid_bce, &cases[c].attr, targets, CLASSES, NULL);
    }
    rs_st_close(f);
}

/* By tests/golden/make_losses.py. */
static void is_as_in_torch(void **state)
{
    static const rs_softmax_xent_attr xent = {0}, smooth = {.label_smoothing = 0.1f};
    static const struct {
        const char *name;
        bool mix;
        rs_sigmoid_bce_attr attr;
    } cases[] = {
        {"bce", false, {.alpha = -1}},
        {"bce_smooth", false, {.label_smoothing = 0.1f, .alpha = -1}},
        {"bce_mixed", true, {.alpha = -1}},
        {"bce_threshold", true, {.threshold = 0.2f, .alpha = -1}},
        {"focal", false, {.gamma = 2, .alpha = 0.25f}},
        {"focal3", false, {.gamma = 3, .alpha = -1}},
    };
    double targets[N * RS_TARGET_WORDS], weights[CLASSES];
    int32_t labels[N];
    rs_st_file *f = NULL;
    (void)state;
    f = torch_losses_open();
    torch_losses_read(f, "labels", "", labels, sizeof labels);
    torch_losses_read(f, "weights", "", weights, sizeof weights);
    for (size_t i = 0; i < RS_COUNT(cases); i++) {
        pack(labels, cases[i].mix, NULL, targets);
        check(f, cases[i].name, &rs_op_sigmoid_bce, &cases[i].attr, targets, RS_TARGET_WORDS, NULL);
    }
    pack(labels, false, weights, targets);
    check(f, "weighted", &rs_op_softmax_xent, &xent, targets, RS_TARGET_WORDS, NULL);
    pack(labels, true, weights, targets);
    check(f, "weighted_mixed", &rs_op_softmax_xent, &xent, targets, RS_TARGET_WORDS, NULL);
    for (int mix = 0; mix < 2; mix++) {
        pack_scaled(labels, mix, weights, targets);
        check(f, mix ? "weighted_smooth_mixed" : "weighted_smooth", &rs_op_softmax_xent, &smooth,
              targets, RS_TARGET_WORDS, weights);
    }
    rs_st_close(f);
}

static void shapes_are_checked(void **state)
{
    static const rs_sigmoid_bce_attr plain = {.alpha = -1}, negative = {.gamma = -1};
    const rs_shape src[] = {rs_shape_2(2, 3), rs_shape_1(3)};
    const rs_shape good[] = {rs_shape_2(2, 3), rs_shape_1(2)};
    static const rs_sigmoid_bce_attr rows = {.alpha = -1, .rows = true};
    const rs_shape narrow[] = {rs_shape_2(2, 3), rs_shape_2(2, 4)};
    rs_problem p;
    (void)state;
    assert_fails(rs_problem_init(&p, &rs_op_sigmoid_bce, &rows, true, narrow, 2), RESCL_ERR_SHAPE,
                 "those of the logits");
    assert_fails(rs_problem_init(&p, &rs_op_sigmoid_bce, &plain, true, src, 2), RESCL_ERR_SHAPE,
                 "one for each row");
    assert_fails(rs_problem_init(&p, &rs_op_sigmoid_bce, &negative, true, good, 2), RESCL_ERR_ARG,
                 "gamma");
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(is_as_in_torch),
                                       cmocka_unit_test(several_labels_are_as_in_torch),
                                       cmocka_unit_test(shapes_are_checked)};
    return op_suite_main(&rs_op_sigmoid_bce, extra, RS_COUNT(extra));
}
