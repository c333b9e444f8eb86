#define _GNU_SOURCE /* memmem */
#include "testing.h"

#include "fixtures.h"
#include "path.h"
#include "scoring.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

/* The records of the run's event file: what was found in how many of them. */
static size_t count_records(const char *with)
{
    char *data;
    size_t bytes, count = 0;
    assert_ok(rs_file_read(rs_test_path("%s/events.out.tfevents.rescl", rs_test_dir), 1 << 24,
                           &data, &bytes));
    for (size_t at = 0; at < bytes;) {
        uint64_t length;
        memcpy(&length, data + at, sizeof length);
        assert_true(length <= bytes - at - 16);
        count += memmem(data + at + 12, (size_t)length, with, strlen(with)) != NULL;
        at += 16 + (size_t)length;
    }
    free(data);
    return count;
}

static void do_run(uint64_t first, size_t epochs, bool wanted)
{
    rescl_model *model = rs_test_model();
    rescl_scores *scores = NULL;
    rescl_train_options options;
    uint8_t images[TEST_SIZE * TEST_SIZE * 3] = {0};
    static const float logits[6] = {0, 1};
    const rs_samples samples = {.training = true, .n = 1, .images = images};
    void *self = NULL;
    bool stop = false;
    rescl_train_options_default(&options);
    options.tensorboard = wanted;
    assert_ok(rescl_scores_create(6, &scores));
    assert_ok(rs_scores_reserve(scores, 1));
    rs_scores_add_logits(scores, 0, logits, 1, 0.5f);
    const rs_run_info run = {.folder = rs_test_dir,
                             .model = model,
                             .train_set = (const rescl_dataset *)&images, /* not looked into */
                             .options = &options,
                             .scores = scores,
                             .epoch = first};
    const rs_watcher *w = &rs_watcher_tensorboard;
    assert_ok(w->open(&run, &self));
    assert_true((self != NULL) == wanted);
    for (size_t i = 0; wanted && i < epochs; i++) {
        const rescl_epoch_event e = {
            .epoch = (size_t)first + i, .eval = {.samples = 1, .loss = 1}, .best = true};
        assert_ok(w->samples(self, &samples));
        assert_ok(w->epoch(self, &e, &stop));
    }
    if (wanted)
        assert_ok(w->close(self, RESCL_OK));
    rescl_scores_destroy(scores);
    rescl_model_destroy(model);
}

static void writes_each_kind(void **state)
{
    (void)state;
    do_run(0, 3, true);
    assert_int_equal(count_records("brain.Event:2"), 1);
    assert_int_equal(count_records("loss/eval"), 3);
    assert_int_equal(count_records("conv1.weight"), 3);
    assert_int_equal(count_records("pr_curve/0"), 3);
    assert_int_equal(count_records("augmentation"), 1);
    assert_int_equal(count_records("\x89PNG"), 1);
}

static void goes_on_from_its_epoch(void **state)
{
    (void)state;
    do_run(0, 3, true);
    do_run(1, 2, true);
    assert_int_equal(count_records("brain.Event:2"), 1);
    assert_int_equal(count_records("loss/eval"), 3);
    assert_int_equal(count_records("augmentation"), 1);
    do_run(0, 1, true);
    assert_int_equal(count_records("loss/eval"), 1);
}

static void is_an_option(void **state)
{
    (void)state;
    do_run(0, 1, false);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_each_kind),
        TEST(goes_on_from_its_epoch),
        TEST(is_an_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
