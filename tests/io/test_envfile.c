#include "testing.h"

#include "envfile.h"
#include "path.h"

#include <jansson.h>
#include <stdlib.h>

static void describes_the_environment(void **state)
{
    (void)state;
    const rescl_device_info device = {
        .name = "A \"device\"", .driver = "\xff 1", .compute_units = 2};
    const rescl_tuning_info tuning = {.problems = 3, .source = "x.tune", .fingerprint = "abc"};
    json_t *given = json_pack("{s:s, s:i}", "seed", "18446744073709551615", "batch_size", 32);
    json_error_t why;
    char *dir = rs_test_dir_make(), *env = rs_path_join(dir, "env.json");
    assert_ok(rs_env_write(env, &device, &tuning, "resnet8", given, given));
    json_decref(given);
    json_t *j = json_load_file(env, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "rescl")), rescl_version());
    assert_string_equal(json_string_value(json_object_get(j, "model")), "resnet8");
    json_t *d = json_object_get(j, "device"), *options = json_object_get(j, "options");
    assert_string_equal(json_string_value(json_object_get(d, "name")), "A \"device\"");
    assert_string_equal(json_string_value(json_object_get(d, "driver")), "? 1");
    d = json_object_get(j, "tuning");
    assert_int_equal(json_integer_value(json_object_get(d, "problems")), 3);
    assert_string_equal(json_string_value(json_object_get(d, "source")), "x.tune");
    assert_string_equal(json_string_value(json_object_get(d, "fingerprint")), "abc");
    assert_string_equal(json_string_value(json_object_get(options, "seed")),
                        "18446744073709551615");
    assert_int_equal(json_integer_value(json_object_get(options, "batch_size")), 32);
    assert_true(json_integer_value(json_object_get(json_object_get(j, "system"), "cpus")) > 0);
    json_decref(j);
    free(env);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(describes_the_environment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
