/* Rows of devices, of a team that never trains. */
#include "path.h"
#include "str.h"
#include "team_internal.h"
#include "testing.h"
#include "train_support.h"
#include "watch.h"

#include <stdlib.h>

static void has_a_row_for_each_device_and_epoch(void **state)
{
    (void)state;
    rs_replica replica = {.dev = rs_test_device()};
    const rescl_device_info *info = rescl_device_get_info(replica.dev);
    rs_several two = {.members = 2, .division = {.members = 2, .weight = {12, 4}}};
    rs_team team = {.several = &two};
    rescl_dataset *set = rs_test_hands("train", 4, 0);
    const rs_run_info run = {.train_set = set, .team = &team, .folder = rs_test_dir};
    const rs_watcher *w = &rs_watcher_team_csv;
    char *text = NULL;
    size_t bytes;
    void *self = NULL;
    bool stop = false;

    for (size_t i = 0; i < 2; i++) {
        two.member[i].place = i;
        two.member[i].replica = &replica;
        two.member[i].images = i ? 40 : 120;
        two.member[i].busy = 4.0;
        two.member[i].waited = i ? 0.5 : 0.0;
    }
    assert_ok(w->open(&run, &self));
    assert_non_null(self);
    for (size_t epoch = 0; epoch < 2; epoch++)
        assert_ok(w->epoch(self, &(rescl_epoch_event){.epoch = epoch}, &stop));
    assert_ok(w->close(self, RESCL_OK));
    assert_ok(rs_file_read(rs_test_path("%s/team.csv", rs_test_dir), 1 << 16, &text, &bytes));
    char *wanted = rs_strf("epoch,device,share,img_s,busy,waited\n"
                           "1,%zu:%zu,12,30.00,4.000,0.000\n1,%zu:%zu,4,10.00,4.000,0.500\n"
                           "2,%zu:%zu,12,30.00,4.000,0.000\n2,%zu:%zu,4,10.00,4.000,0.500\n",
                           info->platform, info->device, info->platform, info->device,
                           info->platform, info->device, info->platform, info->device);
    assert_string_equal(text, wanted);
    free(wanted);
    free(text);
    rescl_dataset_close(set);
}

static void has_none_for_one_device(void **state)
{
    (void)state;
    rs_replica replica = {.dev = rs_test_device()};
    rs_team team = {.replica = &replica};
    rescl_dataset *set = rs_test_hands("train", 4, 0);
    const rs_run_info run = {.train_set = set, .team = &team, .folder = rs_test_dir};
    void *self = NULL;

    assert_ok(rs_watcher_team_csv.open(&run, &self));
    assert_null(self);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 0);
    rescl_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_a_row_for_each_device_and_epoch, rs_test_dir_setup,
                                        rs_test_dir_teardown),
        cmocka_unit_test_setup_teardown(has_none_for_one_device, rs_test_dir_setup,
                                        rs_test_dir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
