/* The loss of mixed images, and its gradient, as PyTorch has them (tests/golden/make_augment.py). */
#include "attr.h"
#include "error.h"
#include "mixed.h"
#include "normalize.h"
#include "op.h"
#include "safetensors.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>

enum { N = 4, CLASSES = 6 };

static void read_all(const rs_st_file *f, const char *name, const char *suffix, void *out,
                     size_t bytes)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    const rs_st_tensor *t = rs_st_find(f, full);
    assert_non_null(t);
    assert_int_equal(t->bytes, bytes);
    assert_ok(rs_st_read(f, t, out));
}

/* The golden's rows of probabilities as targets. */
static void pack(double rows[N][CLASSES], const int32_t *labels, double *targets)
{
    for (size_t i = 0; i < N; i++) {
        const int32_t own = labels[i], other = labels[i > 0 ? i - 1 : N - 1];
        const rs_mixed mixed = {other, (int32_t)lrint(rows[i][other] * RS_MIXED_ONE), 1.0f};
        int32_t words[RS_TARGET_WORDS];
        rs_targets_pack(&own, &mixed, 1, words);
        for (size_t k = 0; k < RS_TARGET_WORDS; k++)
            targets[i * RS_TARGET_WORDS + k] = words[k];
    }
}

static void check(const rs_st_file *f, const char *name, const double *logits,
                  const int32_t *labels)
{
    const rs_shape src[] = {rs_shape_2(N, CLASSES), rs_shape_2(N, RS_TARGET_WORDS)};
    double rows[N][CLASSES], targets[N * RS_TARGET_WORDS], want[2][N], wanted[N * CLASSES];
    read_all(f, name, ".targets", rows, sizeof rows);
    read_all(f, name, ".loss", want, sizeof want);
    read_all(f, name, ".gradient", wanted, sizeof wanted);
    pack(rows, labels, targets);
    for (int k = 0; k < 2; k++) {
        const rs_softmax_xent_attr attr = {.label_smoothing = k ? 0.1f : 0.0f};
        double dst[N], probs[N * CLASSES], diff[N * CLASSES], mean[N];
        rs_problem p;
        assert_ok(rs_problem_init(&p, &rs_op_softmax_xent, &attr, true, src, 2));
        p.want_diff[0] = true;
        for (size_t i = 0; i < N; i++)
            mean[i] = 1.0 / N;
        const rs_ref ref = {.src = {logits, targets},
                            .dst = dst,
                            .ws = {probs},
                            .diff_dst = mean,
                            .diff_src = {diff}};
        p.op->reference(&p, RS_FWD, &ref);
        p.op->reference(&p, RS_BWD_DATA, &ref);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs(dst[i] - want[k][i]) < 1e-6);
        for (size_t i = 0; k && i < N * CLASSES; i++)
            assert_true(fabs(diff[i] - wanted[i]) < 1e-6);
    }
}

static void is_as_in_torch(void **state)
{
    static const char *const names[] = {"mixup0.0",  "mixup0.27", "mixup0.5", "mixup0.81",
                                        "cutmix0.3", "cutmix0.6", "cutmix0.2"};
    double logits[N * CLASSES];
    int32_t labels[N];
    rs_st_file *f = NULL;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/augment_mix.safetensors", &f));
    read_all(f, "logits", "", logits, sizeof logits);
    read_all(f, "labels", "", labels, sizeof labels);
    for (size_t i = 0; i < RS_COUNT(names); i++)
        check(f, names[i], logits, labels);
    rs_st_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_as_in_torch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
