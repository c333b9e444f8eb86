/* What `rescl profile` prints and writes: parts add up, and the time line is in the trace event format. */
#include "cli.h"
#include "fixtures.h"
#include "testing.h"
#include "trace.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path; /* of the time line */

static json_t *read_json(const char *file)
{
    json_error_t error;
    json_t *j = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (!j)
        fail_msg("%s, line %d: %s", file, error.line, error.text);
    return j;
}

static const char *text_of(const json_t *j, const char *key)
{
    const json_t *value = json_object_get(j, key);
    if (!json_is_string(value))
        fail_msg("expected a string '%s'", key);
    return json_string_value(value);
}

static double number_of(const json_t *j, const char *key)
{
    const json_t *value = json_object_get(j, key);
    if (!json_is_number(value))
        fail_msg("expected a number '%s'", key);
    return json_number_value(value);
}

/* ---- the time line ----------------------------------------------------------------------- */

/* Events of a thread have to nest: one that begins within another ends there. */
static void check_nesting(const json_t *events, int thread)
{
    double ends[16];
    size_t depth = 0, i;
    json_t *e;
    json_array_foreach(events, i, e)
    {
        if (strcmp(text_of(e, "ph"), "X") != 0 || (int)number_of(e, "tid") != thread)
            continue;
        const double begin = number_of(e, "ts"), end = begin + number_of(e, "dur");
        while (depth > 0 && begin >= ends[depth - 1] - 1e-3)
            depth--;
        assert_true(depth == 0 || end <= ends[depth - 1] + 1e-3);
        assert_true(depth < sizeof ends / sizeof *ends);
        ends[depth++] = end;
    }
}

/* By the description of the format: events are complete (X) or metadata (M), and each has what its kind
 * needs, of the right type. Returns how many are complete. */
static size_t check_trace(const json_t *trace)
{
    const json_t *events = json_object_get(trace, "traceEvents");
    size_t i, complete = 0, named = 0;
    json_t *e;
    assert_true(json_is_array(events));
    assert_string_equal(text_of(trace, "displayTimeUnit"), "ms");
    json_array_foreach(events, i, e)
    {
        const char *phase = text_of(e, "ph");
        assert_true(strlen(text_of(e, "name")) > 0);
        assert_true(json_is_integer(json_object_get(e, "pid")));
        assert_true(json_is_integer(json_object_get(e, "tid")));
        assert_true(json_is_object(json_object_get(e, "args")));
        if (strcmp(phase, "M") == 0) {
            const json_t *args = json_object_get(e, "args");
            const bool order = strcmp(text_of(e, "name"), "thread_sort_index") == 0;
            assert_true(order ? json_is_integer(json_object_get(args, "sort_index"))
                              : strlen(text_of(args, "name")) > 0);
            named += strcmp(text_of(e, "name"), "thread_name") == 0;
            continue;
        }
        assert_string_equal(phase, "X");
        assert_true(isfinite(number_of(e, "ts")) && number_of(e, "dur") >= 0.0);
        assert_true(strlen(text_of(e, "cat")) > 0);
        complete++;
    }
    assert_int_equal(named, 3);
    for (int thread = 1; thread <= 3; thread++)
        check_nesting(events, thread);
    return complete;
}

static void names_are_escaped(void **state)
{
    (void)state;
    const rescl_profile_event events[] = {
        {RESCL_TRACK_HOST, "step", "", "", "", 0.0, 10.0, 0, 0},
        {RESCL_TRACK_HOST, "\"quoted\"\n", "", "", "", 1.0, 2.0, 0, 0},
        {RESCL_TRACK_QUEUE, "k", "conv2d", "fwd", "layer \xff", 2.0, 3.0, 0, 0},
        {RESCL_TRACK_UPLOADS, "upload", "", "", "", 2.5, 1.0, 4096, 0}};
    const rescl_profile p = {.steps = 1, .event = events, .events = 4};
    assert_int_equal(cli_trace_write(&p, "a \\ model", "a \"device\"", path), CLI_OK);
    json_t *trace = read_json(path), *list = json_object_get(trace, "traceEvents");
    assert_int_equal(check_trace(trace), 4);
    const size_t last = json_array_size(list) - 1;
    assert_string_equal(text_of(json_array_get(list, last - 2), "name"), "\"quoted\"\n");
    assert_string_equal(text_of(json_array_get(list, last - 1), "cat"), "kernel");
    assert_int_equal(number_of(json_object_get(json_array_get(list, last), "args"), "bytes"), 4096);
    assert_string_equal(text_of(json_object_get(trace, "otherData"), "device"), "a \"device\"");
    json_decref(trace);
    assert_int_equal(cli_trace_write(&p, "a", "b", "/missing/trace.json"), CLI_FILE);
}

/* ---- the verb ---------------------------------------------------------------------------- */

static double sum_of(const json_t *list, const char *key)
{
    size_t i;
    json_t *row;
    double sum = 0.0;
    json_array_foreach(list, i, row) sum += number_of(row, key);
    return sum;
}

static void a_step_is_the_sum_of_its_parts(void **state)
{
    (void)state;
    const char *result = rs_test_path("%s/profile.json", rs_test_dir);
    char *argv[] = {"rescl",     "profile",
                    "--model",   "resnet8",
                    "--size",    "16",
                    "-b",        "4",
                    "--warmup",  "0",
                    "--repeats", "2",
                    "--no-peak", "--json",
                    "--top",     "0",
                    "--trace",   (char *)(uintptr_t)path,
                    "-o",        (char *)(uintptr_t)result,
                    "--quiet"};
    const int code = cli_main((int)(sizeof argv / sizeof *argv), argv);
    if (code == CLI_DEVICE)
        skip(); /* the driver measures no kernels */
    assert_int_equal(code, CLI_OK);
    json_t *j = read_json(result), *step = json_object_get(j, "step");
    static const char *const parts[] = {"data_wait_ms", "lead_ms", "kernel_ms",
                                        "transfer_ms",  "gap_ms",  "tail_ms"};
    double sum = 0.0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sum += number_of(step, parts[i]);
    const double kernels = number_of(step, "kernel_ms");
    assert_true(fabs(sum / number_of(step, "ms") - 1.0) < 1e-6);
    assert_true(kernels > 0.0 && number_of(step, "unprofiled_ms") > 0.0);
    assert_true(fabs(sum_of(json_object_get(j, "ops"), "ms") / kernels - 1.0) < 1e-6);
    assert_true(fabs(sum_of(json_object_get(j, "kernels"), "ms") / kernels - 1.0) < 1e-6);
    assert_true(strlen(text_of(j, "advice")) > 20);
    json_t *first = json_array_get(json_object_get(j, "kernels"), 0);
    assert_true(json_is_null(json_object_get(first, "of_limit")));

    /* The time line has the same kernels. */
    json_t *trace = read_json(path), *e;
    size_t i;
    double us = 0.0, begin = 0.0;
    assert_true(check_trace(trace) > 2 * json_array_size(json_object_get(j, "kernels")));
    json_array_foreach(json_object_get(trace, "traceEvents"), i, e)
    {
        if (strcmp(text_of(e, "ph"), "X") != 0)
            continue;
        if (strcmp(text_of(e, "cat"), "kernel") == 0)
            us += number_of(e, "dur");
        begin = fmin(begin, number_of(e, "ts"));
    }
    assert_true(fabs(us * 1e-3 / 2 / kernels - 1.0) < 1e-6);
    assert_true(begin >= -1000.0); /* what clocks differ by is taken out */
    json_decref(trace);
    json_decref(j);
}

static int set_up(void **state)
{
    rs_test_dir_setup(state);
    path = strdup(rs_test_path("%s/trace.json", rs_test_dir));
    return 0;
}

static int tear_down(void **state)
{
    free((char *)(uintptr_t)path);
    return rs_test_dir_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(a_step_is_the_sum_of_its_parts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
