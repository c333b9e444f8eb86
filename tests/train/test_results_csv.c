#include "testing.h"

#include "netmodel.h"
#include "path.h"
#include "watch.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib\n"
#define ROW1   "1,1.500,1.75,0.25,1.5,0.5,0.001,42.00,0.125,10.0\n"
#define ROW2   "2,3.000,1.75,0.25,,,0.001,42.00,0.125,10.0\n"

static char *path;

static int make_dir(void **state)
{
    rs_test_dir_setup(state);
    path = rs_path_join(rs_test_dir, "results.csv");
    return 0;
}

static int remove_dir(void **state)
{
    free(path);
    return rs_test_dir_teardown(state);
}

static void check_file(const char *expected)
{
    char *text;
    size_t bytes;
    assert_ok(rs_file_read(path, 1 << 20, &text, &bytes));
    assert_string_equal(text, expected);
    free(text);
}

static const rescl_epoch_event row0 = {
    .seconds = 1.5,
    .train = {.loss = 1.75, .top1 = 0.25, .img_s = 42, .data_wait = 0.125},
    .eval = {.samples = 1, .loss = 1.5, .top1 = 0.5},
    .lr = 1e-3,
    .peak_bytes = 10 << 20};

/* A run in `rs_test_dir` that does `rows` epochs from `epoch` on. */
static void do_run(uint64_t epoch, const rescl_epoch_event *row, size_t rows)
{
    const rescl_dataset *some_set = (const rescl_dataset *)&row0; /* not looked into */
    const rescl_model model = {.multi_label = row && row->train.multi_label};
    const rs_run_info run = {.model = &model,
                             .folder = rs_test_dir,
                             .train_set = some_set,
                             .epoch = epoch,
                             .scaled = row && row->loss_scale > 0.0};
    const rs_watcher *w = &rs_watcher_results_csv;
    void *self = NULL;
    bool stop = false;
    assert_ok(w->open(&run, &self));
    assert_non_null(self);
    for (size_t i = 0; i < rows; i++)
        assert_ok(w->epoch(self, &row[i], &stop));
    assert_ok(w->close(self, RESCL_OK));
    assert_false(stop);
}

static void begin(uint64_t epoch)
{
    do_run(epoch, NULL, 0);
}

static void appends_rows(void **state)
{
    (void)state;
    rescl_epoch_event rows[2] = {row0, row0};
    rows[1].epoch = 1;
    rows[1].seconds = 3;
    rows[1].eval.samples = 0;
    begin(0);
    check_file(HEADER);
    do_run(0, rows, 2);
    check_file(HEADER ROW1 ROW2);
    begin(2);
    check_file(HEADER ROW1 ROW2);
    begin(1);
    check_file(HEADER ROW1);
    begin(0);
    check_file(HEADER);
}

static void tells_of_scaled_losses(void **state)
{
    (void)state;
    static const char *const scaled[] = {"loss_scale,skipped\n", ",32768,1\n"};
    rescl_epoch_event row = row0;
    char text[512];
    row.loss_scale = 32768;
    row.skipped = 1;
    assert_ok(rs_file_write(path, HEADER, sizeof HEADER - 1)); /* of a run that did not scale it */
    do_run(0, &row, 1);
    snprintf(text, sizeof text, "%.*s,%s%.*s%s", (int)sizeof HEADER - 2, HEADER, scaled[0],
             (int)sizeof ROW1 - 2, ROW1, scaled[1]);
    check_file(text);
}

static void drops_what_a_crash_left(void **state)
{
    (void)state;
    static const char *const tails[] = {"3", "3,1.0", "x,1,1,1,1,1,1,1,1,1\n",
                                        "2,3.000,1.75,0.25,,,0.001,42.00,0.125,10.0", "\n\n"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, HEADER ROW1 "%s", tails[i]);
        assert_ok(rs_file_write(path, text, strlen(text)));
        begin(5);
        check_file(HEADER ROW1);
    }
    assert_ok(rs_file_write(path, "something else\n", 15));
    begin(5);
    check_file(HEADER);
}

static void starts_anew_where_no_file_is(void **state)
{
    (void)state;
    begin(3);
    check_file(HEADER);
}

static void keeps_the_decimal_point(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    do_run(0, &row0, 1);
    setlocale(LC_NUMERIC, "C");
    check_file(HEADER ROW1);
}

static void writes_nothing_without_a_folder(void **state)
{
    const rescl_dataset *some_set = (const rescl_dataset *)&row0;
    const rs_run_info nowhere = {.train_set = some_set}, evaluation = {.folder = rs_test_dir};
    void *self = NULL;
    (void)state;
    assert_ok(rs_watcher_results_csv.open(&nowhere, &self));
    assert_null(self);
    assert_ok(rs_watcher_results_csv.open(&evaluation, &self));
    assert_null(self);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(appends_rows),
        TEST(tells_of_scaled_losses),
        TEST(drops_what_a_crash_left),
        TEST(starts_anew_where_no_file_is),
        TEST(keeps_the_decimal_point),
        TEST(writes_nothing_without_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
