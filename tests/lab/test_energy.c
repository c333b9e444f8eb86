#include "testing.h"

#include "energy.h"
#include "error.h"
#include "path.h"
#include "rounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *root;

static int make_root(void **state)
{
    (void)state;
    root = rs_test_dir_make();
    return setenv("RESCL_MACHINE_ROOT", root, 1);
}

static int end_root(void **state)
{
    (void)state;
    rs_test_dir_remove(root);
    return unsetenv("RESCL_MACHINE_ROOT");
}

/* A file of the system in the folder. */
static void tell(const char *file, const char *text)
{
    char path[RS_MACHINE_PATH], folder[RS_MACHINE_PATH];
    snprintf(path, sizeof path, "%s%s", root, file);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_ok(rs_mkdirs(folder));
    assert_ok(rs_file_write(path, text, strlen(text)));
}

static void tell_package(int i, const char *name, const char *energy)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/name", i);
    tell(path, name);
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/max_energy_range_uj", i);
    tell(path, "262143328850\n");
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", i);
    tell(path, energy);
}

static void adds_the_packages_up(void **state)
{
    (void)state;
    rs_energy e;
    const char *why = NULL;
    tell_package(0, "package-0\n", "262143000000\n");
    tell_package(1, "package-1\n", "5000000\n");
    tell_package(2, "psys\n", "77\n");
    rs_energy_find(&e, RESCL_DEVICE_CPU);
    assert_int_equal(e.zones, 2);
    assert_string_equal(e.text, "package-0, package-1 (RAPL)");
    const rs_energy_reading before = rs_energy_read(&e);
    tell_package(0, "package-0\n", "671150\n"); /* it wrapped: 328850 + 671150 */
    tell_package(1, "package-1\n", "7500000\n");
    const rs_energy_reading after = rs_energy_read(&e);
    assert_true(fabs(rs_energy_between(&e, &before, &after, &why) - 3.5) < 1e-9);
}

static void says_why_it_cannot_read(void **state)
{
    (void)state;
    rs_energy e;
    const char *why = NULL;
    char path[RS_MACHINE_PATH];
    rs_energy_find(&e, RESCL_DEVICE_CPU);
    assert_int_equal(e.zones, 0);
    assert_non_null(strstr(e.text, "intel_rapl_msr"));
    const rs_energy_reading none = rs_energy_read(&e);
    assert_true(isnan(rs_energy_between(&e, &none, &none, &why)));

    tell_package(0, "package-0\n", "");
    rs_energy_find(&e, RESCL_DEVICE_CPU);
    assert_true(e.zones == 0 && strstr(e.text, "intel-rapl:0/energy_uj: it is empty"));
    /* One that cannot be read says so alone: the others are not all that the device takes. */
    tell_package(0, "package-0\n", "1\n");
    tell_package(1, "package-1\n", "");
    tell_package(2, "package-2\n", "2\n");
    rs_energy_find(&e, RESCL_DEVICE_CPU);
    assert_int_equal(e.zones, 0);
    assert_non_null(strstr(e.text, "intel-rapl:1/energy_uj: it is empty"));
    assert_null(strstr(e.text, "package"));
    tell_package(0, "package-0\n", "");
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0/energy_uj", root);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) == 0)
        return; /* root reads it all the same */
    rs_energy_find(&e, RESCL_DEVICE_CPU);
    assert_true(e.zones == 0 && strstr(e.text, "sudo chmod a+r"));
}

static void no_joules_without_a_counter_that_counts(void **state)
{
    static const struct {
        const char *first, *last, *range, *why;
    } cases[] = {
        {"1000", "1000", "262143328850", "did not move"},
        {"-5", "1000", "262143328850", "no number"},
        {"1000", "x1", "262143328850", "no number"},
        {"12345678901234567890123", "12345678901234567891123", "262143328850", "no number"},
        {"1000", "900", "0", "backwards"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(cases); i++) {
        rs_energy e;
        const char *why = NULL;
        tell_package(0, "package-0\n", cases[i].first);
        tell("/sys/class/powercap/intel-rapl:0/max_energy_range_uj", cases[i].range);
        rs_energy_find(&e, RESCL_DEVICE_CPU);
        const rs_energy_reading before = rs_energy_read(&e);
        tell_package(0, "package-0\n", cases[i].last);
        const rs_energy_reading after = rs_energy_read(&e);
        assert_true(isnan(rs_energy_between(&e, &before, &after, &why)));
        assert_non_null(strstr(why, cases[i].why));
    }
}

static void reads_the_counters_of_a_card(void **state)
{
    (void)state;
    rs_energy e;
    const char *why = NULL;
    rs_energy_find(&e, RESCL_DEVICE_GPU);
    assert_true(e.zones == 0 && strstr(e.text, "amdgpu"));
    tell("/sys/class/hwmon/hwmon0/name", "coretemp\n");
    tell("/sys/class/hwmon/hwmon3/name", "xe\n");
    tell("/sys/class/hwmon/hwmon3/energy1_input", "1000000\n");
    rs_energy_find(&e, RESCL_DEVICE_GPU);
    assert_true(e.zones == 1 && !e.power);
    const rs_energy_reading before = rs_energy_read(&e);
    tell("/sys/class/hwmon/hwmon3/energy1_input", "4000000\n");
    const rs_energy_reading after = rs_energy_read(&e);
    assert_true(fabs(rs_energy_between(&e, &before, &after, &why) - 3.0) < 1e-9);

    tell("/sys/class/hwmon/hwmon4/name", "amdgpu\n");
    tell("/sys/class/hwmon/hwmon4/power1_average", "50000000\n");
    rs_energy_find(&e, RESCL_DEVICE_GPU);
    assert_true(e.zones == 0 && strstr(e.text, "2 cards"));
}

static void takes_power_over_time(void **state)
{
    (void)state;
    rs_energy e;
    const char *why = NULL;
    tell("/sys/class/hwmon/hwmon4/name", "amdgpu\n");
    tell("/sys/class/hwmon/hwmon4/power1_average", "50000000\n");
    rs_energy_find(&e, RESCL_DEVICE_GPU);
    assert_true(e.zones == 1 && e.power);
    rs_energy_reading before = rs_energy_read(&e), after = before;
    after.value[0] = 150e6; /* 50 W, then 150 W: 100 W for 2 seconds */
    after.seconds = before.seconds + 2.0;
    assert_true(fabs(rs_energy_between(&e, &before, &after, &why) - 200.0) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adds_the_packages_up, make_root, end_root),
        cmocka_unit_test_setup_teardown(says_why_it_cannot_read, make_root, end_root),
        cmocka_unit_test_setup_teardown(no_joules_without_a_counter_that_counts, make_root,
                                        end_root),
        cmocka_unit_test_setup_teardown(reads_the_counters_of_a_card, make_root, end_root),
        cmocka_unit_test_setup_teardown(takes_power_over_time, make_root, end_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
