#include "testing.h"
#include "tunetable.h"

#include <stdio.h>

static void tables_add_and_replace(void **state)
{
    (void)state;
    rs_tune_table t = {0};
    char key[16];
    assert_null(rs_tune_table_get(&t, "x"));
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i * 37 % 100);
        assert_ok(rs_tune_table_set(&t, key, key, NULL));
    }
    assert_ok(rs_tune_table_set(&t, "k5", "other", "why"));
    assert_int_equal(t.count, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_string_equal(rs_tune_table_get(&t, key), i == 5 ? "other" : key);
    }
    assert_null(rs_tune_table_get(&t, "k"));
    assert_null(rs_tune_table_get(&t, "k100"));
    rs_tune_table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_add_and_replace),
    };
    return cmocka_run_group_tests_name("tunetable", tests, NULL, NULL);
}
