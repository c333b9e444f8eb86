#include "testing.h"

#include "path.h"
#include "watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE1                                                                                      \
    "{\"epoch\":1,\"epochs\":3,\"time\":1.5,\"train\":{\"samples\":4,\"loss\":1.75,\"top1\":0.25," \
    "\"top5\":null,\"seconds\":2.0,\"img_s\":42.0,\"data_wait\":0.125},\"eval\":null,\"lr\":0.5,"  \
    "\"best\":true,\"peak_bytes\":1024}\n"

static const char *path_of(void)
{
    return rs_test_path("%s/results.jsonl", rs_test_dir);
}

static char *read_file(void)
{
    char *text;
    size_t bytes;
    assert_ok(rs_file_read(path_of(), 1 << 20, &text, &bytes));
    return text;
}

/* A run that does `epochs` epochs from `first` on. */
static void do_run(uint64_t first, size_t epochs, double loss_scale)
{
    const rescl_dataset *some_set = (const rescl_dataset *)&first; /* not looked into */
    const rs_run_info run = {.folder = rs_test_dir, .train_set = some_set, .epoch = first};
    const rs_watcher *w = &rs_watcher_results_jsonl;
    void *self = NULL;
    bool stop = false;
    assert_ok(w->open(&run, &self));
    for (size_t i = 0; i < epochs; i++) {
        const rescl_epoch_event e = {.epoch = (size_t)first + i,
                                     .epochs = 3,
                                     .seconds = 1.5,
                                     .train = {.samples = 4,
                                               .loss = 1.75,
                                               .top1 = 0.25,
                                               .top5 = NAN,
                                               .seconds = 2,
                                               .img_s = 42,
                                               .data_wait = 0.125},
                                     .lr = 0.5,
                                     .best = i == 0,
                                     .peak_bytes = 1024,
                                     .loss_scale = loss_scale};
        assert_ok(w->epoch(self, &e, &stop));
    }
    assert_ok(w->close(self, RESCL_OK));
    assert_false(stop);
}

static void writes_an_object_for_each_epoch(void **state)
{
    (void)state;
    do_run(0, 1, 0);
    char *text = read_file();
    assert_string_equal(text, LINE1);
    free(text);
    do_run(0, 1, 1024);
    text = read_file();
    assert_non_null(strstr(text, "\"loss_scale\":1024.0,\"skipped\":0}\n"));
    free(text);
}

static void goes_on_from_its_epoch(void **state)
{
    (void)state;
    do_run(0, 3, 0);
    char *whole = read_file();
    assert_ok(rs_file_append(path_of(), "{\"epoch\":4,\"ep", 14)); /* a crash cut it */
    do_run(1, 2, 0);
    char *text = read_file();
    assert_int_equal(strlen(text),
                     strlen(whole) - 1); /* the second epoch is a best one, and "false" longer */
    assert_int_equal(strncmp(text, LINE1, strlen(LINE1)), 0);
    free(text);
    free(whole);
}

static void writes_nothing_without_a_folder(void **state)
{
    (void)state;
    const rs_run_info nowhere = {.train_set = (const rescl_dataset *)&nowhere},
                      evaluation = {.folder = rs_test_dir};
    void *self = NULL;
    assert_ok(rs_watcher_results_jsonl.open(&nowhere, &self));
    assert_null(self);
    assert_ok(rs_watcher_results_jsonl.open(&evaluation, &self));
    assert_null(self);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_an_object_for_each_epoch),
        TEST(goes_on_from_its_epoch),
        TEST(writes_nothing_without_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
