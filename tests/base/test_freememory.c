#include "testing.h"

#include <stdint.h>
#include <string.h>

#include "freememory.h"
#include "path.h"

static void put(const char *name, const char *text)
{
    assert_ok(rs_file_write(rs_test_path("%s/%s", rs_test_dir, name), text, strlen(text)));
}

static void there_is_some(void **state)
{
    (void)state;
    assert_true(rs_free_memory() > 0);
}

/* Pages of files that were read fill a group's memory, and can be dropped. */
static void group_leaves_what_can_be_dropped(void **state)
{
    (void)state;
    assert_true(rs_free_memory_of_group(rs_test_dir) == SIZE_MAX);
    put("memory.max", "max\n");
    put("memory.current", "900\n");
    assert_true(rs_free_memory_of_group(rs_test_dir) == SIZE_MAX);
    put("memory.max", "1000\n");
    assert_int_equal(rs_free_memory_of_group(rs_test_dir), 100);
    put("memory.stat", "anon 200\nfile 700\ninactive_file 600\nactive_file 100\n");
    assert_int_equal(rs_free_memory_of_group(rs_test_dir), 700);
    put("memory.current", "1700\n");
    assert_int_equal(rs_free_memory_of_group(rs_test_dir), 0);
}

static void groups_of_version_1(void **state)
{
    (void)state;
    assert_ok(rs_mkdirs(rs_test_path("%s/memory", rs_test_dir)));
    put("memory/memory.limit_in_bytes", "5000\n");
    put("memory/memory.usage_in_bytes", "4000\n");
    put("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 2500\n");
    assert_int_equal(rs_free_memory_of_group(rs_test_dir), 3500);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_is_some),
                                       TEST(group_leaves_what_can_be_dropped),
                                       TEST(groups_of_version_1)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
