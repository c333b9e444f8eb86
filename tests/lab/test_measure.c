#include "testing.h"

#include "fixtures.h"
#include "measure.h"
#include "path.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double noise_of(const double *values, size_t n)
{
    double copy[64];
    memcpy(copy, values, n * sizeof *values);
    const rs_stats s = rs_stats_of(copy, n);
    const rs_noise noise = rs_noise_of(values, &s);
    return rs_noise_share(&noise);
}

static void tells_how_noisy_samples_are(void **state)
{
    (void)state;
    const double steady[8] = {100, 101, 100, 101, 100, 101, 100, 101};
    const double drifts[8] = {100, 100, 105, 105, 110, 110, 120, 120};
    const double wild[8] = {60, 140, 60, 140, 60, 140, 60, 140};
    const double few[3] = {1, 2, 3};
    assert_true(noise_of(steady, 8) < 0.01);
    assert_true(fabs(noise_of(drifts, 8) - 20.0 / 107.5) < 1e-12);
    /* 1.4826 x 1.2533 x sqrt(2) x 1.96 x 40 / sqrt(8) of 100; the quarters agree */
    assert_true(fabs(noise_of(wild, 8) - 0.7284) < 1e-3);
    assert_true(isnan(noise_of(few, 3)));
}

/* A machine in a folder, which the test changes. */
static void write_machine(const char *root, const char *file, const char *text)
{
    char path[RS_MACHINE_PATH];
    snprintf(path, sizeof path, "%s%s", root, file);
    assert_ok(rs_file_write(path, text, strlen(text)));
}

/* Every processor that there may be: `idle` and `busy` ticks each. */
static void write_stat(const char *root, int busy, int idle)
{
    char *text = calloc(1024, 64), *end = text;
    assert_non_null(text);
    end += sprintf(end, "cpu  1 2 3 4 5 6 7 8 9 10\n");
    for (int i = 0; i < 1024; i++)
        end += sprintf(end, "cpu%d %d 0 0 %d 0 0 0 0 0 0\n", i, busy, idle);
    write_machine(root, "/proc/stat", text);
    free(text);
}

static char *make_machine(void)
{
    char path[RS_MACHINE_PATH];
    char *root = rs_test_dir_make();
    snprintf(path, sizeof path, "%s/proc", root);
    assert_ok(rs_mkdirs(path));
    setenv("RESCL_MACHINE_ROOT", root, 1);
    write_machine(root, "/proc/loadavg", "1.25 0.50 0.10 1/200 3000\n");
    return root;
}

static void end_machine(char *root)
{
    unsetenv("RESCL_MACHINE_ROOT");
    rs_test_dir_remove(root);
}

static void reads_what_the_machine_does(void **state)
{
    (void)state;
    char *root = make_machine();
    assert_true(rs_machine_load() == 1.25);
    assert_true(isnan(rs_machine_clock()));
    char info[8192] = "";
    for (int i = 0; i < 64; i++)
        sprintf(info + strlen(info), "processor\t: %d\ncpu MHz\t\t: 2500.5\n", i);
    write_machine(root, "/proc/cpuinfo", info);
    assert_true(rs_machine_clock() == 2500.5);

    write_stat(root, 1000, 1000);
    const rs_machine_time before = rs_machine_time_now();
    write_stat(root, 101000, 101000); /* much more than this process can have used */
    const rs_machine_time after = rs_machine_time_now();
    const double others = rs_machine_others(&before, &after);
    assert_true(others > 0.49 && others <= 0.5);
    assert_true(isnan(rs_machine_others(&before, &before)));
    end_machine(root);
    assert_true(isnan(rs_machine_number("/proc/no/such/file")));
}

/* Milliseconds that a contender takes, one after another, again from the first behind the last. */
typedef struct script {
    const double *ms;
    size_t count, at;
} script;

static rescl_status play(void *user, size_t i, double *ms)
{
    script *s = user;
    (void)i;
    *ms = s->ms[s->at++ % s->count];
    return RESCL_OK;
}

static void measures_again_what_is_noisy(void **state)
{
    (void)state;
    static const double ms[] = {10, 20, 30, 40, 10, 11, 12, 13, 10, 10, 10.1, 10};
    char *root = make_machine(); /* no /proc/stat: nothing is known of others */
    script s = {ms, 12, 0};
    const rs_rounds rounds = {.repeats = 4, .time = play, .user = &s};
    rs_measurement m = {.dev = rs_test_device(), .max_noise = 0.05};
    rescl_bench_row row = rs_row_empty("model", "resnet8");

    assert_ok(rs_measure(&m, &rounds, 1));
    rs_measurement_tell(&m, 0, &row);
    assert_true(row.attempts == 3 && row.median_ms == 10 && row.samples == 4 && !row.noisy);
    assert_true(row.samples_ms[2] == 10.1 && row.load_before == 1.25 && isnan(row.others));
    assert_string_equal(row.noise_cure, "");
    rs_measurement_fini(&m);

    s.count = 8; /* it never gets quiet: the least noisy is told, and what it takes */
    s.at = 0;
    m = (rs_measurement){.dev = rs_test_device(), .max_noise = 0.05};
    assert_ok(rs_measure(&m, &rounds, 1));
    rs_measurement_tell(&m, 0, &row);
    assert_true(row.attempts == 3 && row.median_ms == 11.5 && row.noisy);
    assert_non_null(strstr(row.noise_cure, "--min-seconds"));
    rs_measurement_fini(&m);

    s.at = 0; /* 0: neither */
    m = (rs_measurement){.dev = rs_test_device(), .max_noise = 0.0};
    assert_ok(rs_measure(&m, &rounds, 1));
    rs_measurement_tell(&m, 0, &row);
    assert_true(row.attempts == 1 && row.median_ms == 25 && !row.noisy);
    rs_measurement_fini(&m);
    end_machine(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_how_noisy_samples_are),
        cmocka_unit_test(reads_what_the_machine_does),
        cmocka_unit_test(measures_again_what_is_noisy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
