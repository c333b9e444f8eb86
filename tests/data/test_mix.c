/* MixUp and CutMix: images as torchvision mixes them (tests/golden/make_augment.py), and what is drawn. */
#include "error.h"
#include "mix.h"
#include "safetensors.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4, HEIGHT = 20, WIDTH = 24, BYTES = N * HEIGHT * WIDTH * 3 };

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

static void is_as_in_torchvision(void **state)
{
    static const char *const names[] = {"mixup0.0",  "mixup0.27", "mixup0.5", "mixup0.81",
                                        "cutmix0.3", "cutmix0.6", "cutmix0.2"};
    uint8_t images[BYTES], want[BYTES], got[BYTES];
    rs_st_file *f = NULL;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/augment_mix.safetensors", &f));
    read_all(f, "images", "", images, BYTES);
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        const bool cut = names[i][0] == 'c';
        const rs_mix_batch batch = {got, N, HEIGHT, WIDTH, 3, 8};
        double number[3], targets[N][6];
        read_all(f, names[i], ".numbers", number, (cut ? 3 : 1) * sizeof *number);
        read_all(f, names[i], ".out", want, BYTES);
        read_all(f, names[i], ".targets", targets, sizeof targets);
        memcpy(got, images, BYTES);
        double share = number[0];
        if (cut) {
            const rs_rect box =
                rs_mix_box(HEIGHT, WIDTH, (size_t)number[2], (size_t)number[1], share);
            share = (double)(box.width * box.height) / (HEIGHT * WIDTH);
            assert_ok(rs_mix_paste(&batch, &box));
        } else {
            assert_ok(rs_mix_blend(&batch, share));
        }
        for (size_t k = 0; k < BYTES; k++)
            if (abs(got[k] - want[k]) > !cut)
                fail_msg("%s: byte %zu is %d, torchvision has %d", names[i], k, got[k], want[k]);
        assert_true(fabs(targets[0][2] - (1 - share)) < 1e-9); /* its own label, and the last's */
        assert_true(fabs(targets[0][1] - share) < 1e-9);
    }
    rs_st_close(f);
}

/* Mean 1/2 and variance 1 / (4 (2 alpha + 1)). */
static void shares_are_of_beta(void **state)
{
    static const double alphas[] = {0.1, 0.2, 1.0, 8.0};
    enum { DRAWS = 20000 };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(alphas); i++) {
        double sum = 0, squares = 0;
        rs_rng rng;
        rs_rng_init(&rng, 7, i);
        for (int k = 0; k < DRAWS; k++) {
            const double x = rs_mix_beta(&rng, alphas[i]);
            assert_true(x >= 0 && x <= 1);
            sum += x;
            squares += (x - 0.5) * (x - 0.5);
        }
        assert_true(fabs(sum / DRAWS - 0.5) < 0.015);
        const double variance = 0.25 / (2 * alphas[i] + 1);
        assert_true(fabs(squares / DRAWS / variance - 1) < 0.05);
    }
}

/* With both on each is drawn for about half of the batches, and what is drawn depends on seed, epoch and
 * batch. A batch of one is left alone. */
static void one_of_both_is_drawn(void **state)
{
    rs_augment a = {.number = {[RS_AUGMENT_mixup] = {0.4}, [RS_AUGMENT_cutmix] = {1}}};
    uint8_t pixels[2][12 * 12 * 3];
    const rs_mix_batch batch = {pixels[0], 2, 12, 12, 3, 8}, one = {pixels[0], 1, 12, 12, 3, 8};
    size_t pasted = 0;
    double share, first = -1;
    (void)state;
    for (uint64_t b = 0; b < 200; b++) {
        memset(pixels[0], 0, sizeof pixels[0]);
        memset(pixels[1], 255, sizeof pixels[1]);
        assert_ok(rs_mix_augment(&batch, &a, 1, 0, b, &share));
        assert_true(share >= 0 && share <= 1);
        bool pure = true;
        for (size_t k = 0; k < sizeof pixels[0]; k++)
            pure = pure && (pixels[0][k] == 0 || pixels[0][k] == 255);
        pasted += pure;
        if (b == 0)
            first = share;
    }
    assert_in_range(pasted, 70, 150);
    assert_ok(rs_mix_augment(&batch, &a, 1, 0, 0, &share));
    assert_true(share == first);
    assert_ok(rs_mix_augment(&batch, &a, 1, 1, 0, &share));
    assert_true(share != first);
    assert_ok(rs_mix_augment(&batch, &a, 2, 0, 0, &share));
    assert_true(share != first);
    assert_ok(rs_mix_augment(&one, &a, 1, 0, 0, &share));
    assert_true(share == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_as_in_torchvision),
        cmocka_unit_test(shares_are_of_beta),
        cmocka_unit_test(one_of_both_is_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
