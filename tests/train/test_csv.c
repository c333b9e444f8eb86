#include "testing.h"

#include "csv.h"
#include "error.h"
#include "path.h"

#include <stdlib.h>
#include <string.h>

#define HEADER "epoch,step,loss\n"

/* Several rows of an epoch go or stay together; a row has the columns of its header. */
static void keeps_the_rows_of_earlier_epochs(void **state)
{
    static const struct {
        const char *before;
        uint64_t epochs;
        const char *after;
    } rows[] = {
        {NULL, 0, HEADER},
        {NULL, 2, HEADER},
        {HEADER "1,0,2\n1,1,1\n2,0,1\n", 1, HEADER "1,0,2\n1,1,1\n"},
        {HEADER "1,0,2\n1,1,1\n2,0,1\n", 2, HEADER "1,0,2\n1,1,1\n2,0,1\n"},
        {HEADER "1,0,2\n1,1\n2,0,1\n", 2, HEADER "1,0,2\n"},
        {HEADER "1,0,2\n1,1,1,1\n", 2, HEADER "1,0,2\n"},
        {HEADER "1,0,2\n", 0, HEADER},
        /* older files count from 0 */
        {HEADER "0,0,2\n0,1,1\n1,0,1\n", 2, HEADER "1,0,2\n1,1,1\n2,0,1\n"},
        {HEADER "0,0,2\n0,1,1\n1,0,1\n", 1, HEADER "1,0,2\n1,1,1\n"},
    };
    char *path = rs_path_join(rs_test_dir, "table.csv");
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        char *text;
        size_t bytes;
        if (rows[i].before)
            assert_ok(rs_file_write(path, rows[i].before, strlen(rows[i].before)));
        assert_ok(rs_csv_begin(path, HEADER, rows[i].epochs));
        assert_ok(rs_file_read(path, 1 << 20, &text, &bytes));
        assert_string_equal(text, rows[i].after);
        free(text);
    }
    free(path);
}

static void keeps_files_of_other_columns(void **state)
{
    static const char *const texts[] = {"epoch,loss\n0,2\n", "a,b\n"};
    char *path = rs_path_join(rs_test_dir, "table.csv");
    (void)state;
    for (size_t i = 0; i < RS_COUNT(texts); i++) {
        char *text;
        size_t bytes;
        assert_ok(rs_file_write(path, texts[i], strlen(texts[i])));
        assert_ok(rs_csv_begin(path, HEADER, 1));
        assert_ok(rs_file_read(path, 1 << 20, &text, &bytes));
        assert_string_equal(text, HEADER);
        free(text);
        assert_ok(rs_file_read(rs_test_path("%s.%zu", path, i + 1), 1 << 20, &text, &bytes));
        assert_string_equal(text, texts[i]);
        free(text);
    }
    free(path);
}

static void appends_numbers(void **state)
{
    rs_str row = {0};
    (void)state;
    assert_ok(rs_str_append(&row, "7"));
    assert_ok(rs_csv_append(&row, 0.125, "%.9g"));
    assert_ok(rs_csv_append(&row, 2.0, "%.3f"));
    assert_string_equal(row.text, "7,0.125,2.000");
    rs_str_fini(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_the_rows_of_earlier_epochs, rs_test_dir_setup,
                                        rs_test_dir_teardown),
        cmocka_unit_test_setup_teardown(keeps_files_of_other_columns, rs_test_dir_setup,
                                        rs_test_dir_teardown),
        cmocka_unit_test(appends_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
