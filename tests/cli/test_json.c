/* What --json prints is JSON and holds what the documentation promises. The program runs inside of
 * this one, with its stdout in a file. */
#include "cli.h"
#include "fixtures.h"
#include "testing.h"

#include <jansson.h>
#include <math.h>
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs "rescl <line>" in the test's folder and reads its stdout as JSON. The words of the line are cut
 * at blanks: paths are relative. */
static json_t *run(int want, const char *fmt, ...)
{
    char line[2048] = "rescl ", *argv[64] = {0};
    int argc = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + 6, sizeof line - 6, fmt, args);
    va_end(args);
    for (char *save = NULL, *word = strtok_r(line, " ", &save); word && argc < 63;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;

    FILE *out = tmpfile();
    assert_non_null(out);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(saved >= 0 && dup2(fileno(out), STDOUT_FILENO) >= 0);
    int code = cli_main(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_int_equal(code, want);
    rewind(out);
    json_error_t error;
    json_t *json = json_loadf(out, JSON_REJECT_DUPLICATES, &error);
    fclose(out);
    if (!json)
        fail_msg("rescl %s: line %d: %s", fmt, error.line, error.text);
    return json;
}

static json_int_t whole(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("expected an integer '%s'", key);
    return json_integer_value(value);
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("expected a number '%s'", key);
    return json_number_value(value);
}

static const char *text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        fail_msg("expected a string '%s'", key);
    return json_string_value(value);
}

static void summary(void **state)
{
    (void)state;
    static const struct {
        const char *flags;
        json_int_t params, trainable;
    } known[] = {{"--model resnet50_signs --classes 6", 23600006, 23546886},
                 {"--model resnet50_keras --classes 1000", 25636712, 25583592},
                 /* 25557032 as torch counts, which leaves the 53120 running statistics out. */
                 {"--model resnet50 --classes 1000", 25557032 + 53120, 25557032}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        json_t *s = run(0, "summary --json %s", known[i].flags);
        assert_int_equal(whole(s, "params"), known[i].params);
        assert_int_equal(whole(s, "trainable"), known[i].trainable);
        assert_int_equal(whole(s, "non_trainable"), known[i].params - known[i].trainable);
        const json_t *layers = json_object_get(s, "layers"), *layer;
        assert_true(json_array_size(layers) > 100);
        json_int_t params = 0;
        double macs = 0;
        size_t k;
        json_array_foreach(layers, k, layer)
        {
            params += whole(layer, "params");
            macs += number(layer, "macs");
            assert_true(strlen(text(layer, "name")) > 0);
            assert_int_equal(json_array_size(json_object_get(layer, "inputs")) == 0, k == 0);
        }
        assert_int_equal(params, known[i].params);
        assert_true(macs > 0.999 * number(s, "macs") && macs < 1.001 * number(s, "macs"));
        json_decref(s);
    }
}

static void devices(void **state)
{
    (void)state;
    json_t *list = run(0, "devices --json"), *device;
    size_t i, selected = 0;
    json_array_foreach(list, i, device)
    {
        selected += json_is_true(json_object_get(device, "selected"));
        assert_true(strchr(text(device, "selector"), ':') != NULL);
        assert_true(strlen(text(device, "name")) > 0);
        assert_true(whole(device, "compute_units") > 0);
        assert_true(json_is_boolean(json_object_get(device, "usable")));
        assert_true(whole(device, "cores") > 0);
        assert_non_null(json_object_get(device, "subgroup"));
    }
    assert_int_equal(selected, 1);
    json_decref(list);
}

static void training(void **state)
{
    (void)state;
    static const char data[] = "--data-path handsigns --quiet --json";
    json_t *run_json = run(0,
                           "train %s --model resnet8 --size 32 --samples 32 --eval-samples 16 "
                           "--batch-size 16 --epochs 2 --output-dir . --name r",
                           data);
    const json_t *best = json_object_get(run_json, "best");
    json_t *eval = run(0, "eval %s --weights r --samples 16 --batch-size 16", data);
    const double measured[] = {number(best, "loss"), number(best, "top1"), number(best, "top5")};
    const double repeated[] = {number(eval, "loss"), number(eval, "top1"), number(eval, "top5")};
    assert_memory_equal(measured, repeated, sizeof measured);
    assert_int_equal(whole(eval, "samples"), 16);
    assert_string_equal(text(eval, "model"), "resnet8");
    assert_string_equal(text(eval, "split"), "test");
    json_decref(eval);
    json_decref(run_json);

    /* A name that is no UTF-8 comes out as valid JSON all the same. */
    static const char path[] = "p\xff.png";
    uint8_t pixels[27] = {0, 255, 7};
    const rescl_image image = {.width = 3, .height = 3, .pixels = pixels};
    assert_int_equal(rescl_image_write(path, &image), RESCL_OK);
    json_t *list = run(0, "predict --json --quiet --topk 6 --weights r %s", path);
    assert_int_equal(json_array_size(list), 1);
    const json_t *one = json_array_get(list, 0), *p;
    assert_non_null(strstr(text(one, "file"), "p\xef\xbf\xbd.png"));
    double sum = 0, before = 2;
    size_t i;
    json_array_foreach(json_object_get(one, "predictions"), i, p)
    {
        assert_true(number(p, "probability") <= before);
        before = number(p, "probability");
        sum += before;
        assert_true(whole(p, "index") >= 0 && whole(p, "index") < 6);
        assert_true(strlen(text(p, "class")) > 0);
    }
    assert_int_equal(i, 6);
    assert_true(sum > 0.9999 && sum < 1.0001);
    json_decref(list);
}

/* What is told of a run that was resumed is what a run in one go would tell: the best epoch may lie
 * before the interruption, and nothing may be left to do. */
static void resumed(void **state)
{
    (void)state;
    static const char make[] = "train --data-path handsigns --quiet --json --model resnet8 "
                               "--size 32 --samples 32 --eval-samples 16 --batch-size 16 "
                               "--opt sgd --lr 1";
    static const char *const parts[] = {"--epochs 1", "--epochs 2 --max-steps 1"};
    for (size_t i = 0; i < 2; i++) {
        json_t *first = run(0, "%s %s --output-dir . --name p%zu", make, parts[i], i);
        json_t *again = run(0, "train --json --quiet --resume p%zu", i);
        const json_t *best = json_object_get(first, "best"), *b = json_object_get(again, "best");
        assert_int_equal(whole(again, "epochs"), i + 1);
        assert_int_equal(whole(again, "steps"), whole(first, "steps"));
        assert_int_equal(whole(b, "epoch"), 1);
        assert_string_equal(text(b, "split"), "test");
        assert_true(fabs(number(b, "loss") / number(best, "loss") - 1) < 1e-8);
        assert_true(fabs(number(b, "top1") - number(best, "top1")) < 1e-8);
        assert_true(json_is_null(json_object_get(b, "top5")));
        assert_true(fabs(number(again, "train_loss") / number(first, "train_loss") - 1) < 1e-8);
        assert_true(fabs(number(again, "train_top1") - number(first, "train_top1")) < 1e-8);
        json_decref(again);
        again = run(0, "train --json --quiet --resume p%zu --epochs 2 --max-steps 0", i);
        b = json_object_get(again, "best");
        assert_int_equal(whole(again, "steps"), 4);
        json_t *eval = run(0,
                           "eval --json --quiet --data-path handsigns --weights p%zu "
                           "--samples 16 --batch-size 16",
                           i);
        assert_true(number(b, "loss") == number(eval, "loss"));
        assert_true(number(b, "top1") == number(eval, "top1"));
        json_decref(eval);
        json_decref(again);
        json_decref(first);
    }
}

static void bench(void **state)
{
    (void)state;
    static const char quick[] = "--quiet --size 8 --batch-size 2 --warmup 0 --repeats 2 "
                                "--min-seconds 0 --model resnet8";
    json_t *rows = run(0, "bench model --output-format json --mode infer,train %s", quick);
    assert_int_equal(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        assert_string_equal(text(row, "model"), "resnet8");
        assert_string_equal(text(row, "mode"), i ? "train" : "infer");
        assert_int_equal(whole(row, "size"), 8);
        assert_int_equal(whole(row, "batch"), 2);
        assert_true(strlen(text(row, "device")) > 0);
        assert_true(number(row, "median_ms") > 0 && number(row, "gflops") > 0);
        assert_true(number(row, "peak_mem_mib") > 0);
        const double img_s = 2000 / number(row, "median_ms"), rate = number(row, "rate");
        assert_string_equal(text(row, "rate_unit"), "img/s");
        assert_true(rate > 0.999 * img_s && rate < 1.001 * img_s);
        assert_int_equal(whole(row, "schema"), 1);
        assert_int_equal(json_array_size(json_object_get(row, "samples_ms")), 2);
    }
    json_decref(rows);
    rows = run(0, "bench op --json --no-peak --mode infer %s", quick);
    assert_true(json_array_size(rows) > 0);
    size_t i, preferred = 0;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        preferred += json_is_true(json_object_get(row, "preferred"));
        assert_true(strlen(text(row, "impl")) > 0 && strlen(text(row, "what")) > 0);
        assert_true(json_is_null(json_object_get(row, "peak_share")));
        assert_true(number(row, "error") < 1e-3);
    }
    assert_true(preferred > 0);
    json_decref(rows);
    rows =
        run(0, "bench product --json --m 8 --n 16 --k 24 --impl preferred --mode infer %s", quick);
    assert_int_equal(json_array_size(rows), 1);
    row = json_array_get(rows, 0);
    assert_string_equal(text(row, "what"), "dense:8x24->16");
    assert_true(json_is_null(json_object_get(row, "model")));
    assert_string_equal(text(row, "op"), "dense");
    assert_true(number(row, "peak_share") > 0);
    json_decref(rows);
}

/* A folder to work in, and the device under test for every command. */
static int setup(void **state)
{
    rescl_runtime *all;
    assert_ok(rescl_runtime_create(&all));
    const int failed = setenv("RESCL_DEVICE", rs_test_selector(all), 1);
    rescl_runtime_destroy(all);
    return failed ? failed : (rs_test_dir_setup(state) || chdir(rs_test_dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summary), cmocka_unit_test(devices), cmocka_unit_test(training),
        cmocka_unit_test(resumed), cmocka_unit_test(bench),
    };
    return cmocka_run_group_tests(tests, setup, rs_test_dir_teardown);
}
