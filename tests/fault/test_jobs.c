/* Every OpenCL call of small jobs fails once: nothing crashes, leaks or hangs, the error says what
 * failed, and whoever tries again in the same process gets the bits of a job in which nothing failed.
 *
 *     test_jobs        the first, the middle and the last call of each function
 *     test_jobs all    every call, some with other codes too; prints how many were reported.
 *                      What follows names the jobs: test_jobs all predict tune */
#include "cldevice.h"
#include "faultcl.h"
#include "fixtures.h"
#include "testing.h"
#include "tunefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 2, STEPS = 2, CLASSES = 6, PIXELS = TEST_SIZE * TEST_SIZE * 3, MAX_VALUES = 200000 };

/* What a job made. */
typedef struct result {
    size_t count;
    float value[MAX_VALUES];
} result;

static bool all; /* test_jobs all */
static result expected, got;
static size_t failures; /* of public calls in the job that runs */
static jmp_buf give_up; /* the job that runs */

static float *take(result *r, size_t count)
{
    float *at = r->value + r->count;
    assert_true(count <= MAX_VALUES - r->count);
    r->count += count;
    return at;
}

/* ---- trying again ------------------------------------------------------------------------ */

/* Leaves the job that runs, and what it holds. */
#define GIVE_UP(...) (print_error(__VA_ARGS__), longjmp(give_up, 1))

/* A public call may fail once, in a job in which an OpenCL call did. */
static bool failed(rescl_status st, const char *call)
{
    const rescl_error *e = rescl_last_error();
    int code = 0;
    if (st == RESCL_OK)
        return false;
    const char *function = fault_fired(&code);
    if (!function || ++failures > 1)
        GIVE_UP("%s fails, after %s failed in the call before: %s\n", call,
                function ? function : "nothing", e->message);
    /* CLBlast has codes of its own. */
    const bool named = e->cl_code == code || (e->cl_code == 0 && strstr(e->message, "CLBlast"));
    if ((st != RESCL_ERR_DEVICE && st != RESCL_ERR_MEMORY) || !named)
        GIVE_UP("%s, after %s failed with %d: status '%s', code %d: %s\n", call, function, code,
                rescl_status_name(st), e->cl_code, e->message);
    return true;
}

/* Calls once more what failed. */
#define AGAIN(call)                                                                                \
    do {                                                                                           \
        if (failed((call), #call))                                                                 \
            (void)failed((call), #call);                                                           \
    } while (0)

/* ---- jobs -------------------------------------------------------------------------------- */

static rescl_model *model;
static rescl_dataset *train_set, *eval_set;
static rescl_runtime *runtime;
static rescl_device *profiled, *tuned; /* the first NULL where the driver measures no kernels */
static uint8_t images[STEPS][BATCH * PIXELS];
static const int32_t labels[STEPS][BATCH] = {{0, 3}, {5, 1}};

static void predict_on(rescl_device *device, result *out)
{
    rescl_predictor *p = NULL;
    size_t height = 0, width = 0;
    AGAIN(rescl_predictor_create(device, model, BATCH, &p));
    for (size_t i = 0; i < STEPS; i++) {
        const rescl_image two[BATCH] = {
            {.width = TEST_SIZE, .height = TEST_SIZE, .pixels = images[i]},
            {.width = TEST_SIZE, .height = TEST_SIZE, .pixels = images[i] + PIXELS}};
        float *probs = take(out, BATCH * CLASSES);
        AGAIN(rescl_predictor_run(p, two, BATCH, probs));
    }
    AGAIN(rescl_predictor_saliency_size(p, &height, &width));
    float *map = take(out, height * width);
    AGAIN(rescl_predictor_saliency(p, 1, 2, map));
    rescl_predictor_destroy(p);
}

static void predict(result *out)
{
    predict_on(rs_test_device(), out);
}

static rescl_status give_image(size_t index, rescl_image *out, void *user)
{
    (void)user;
    *out = (rescl_image){.width = TEST_SIZE, .height = TEST_SIZE, .pixels = malloc(PIXELS)};
    if (!out->pixels)
        return RESCL_ERR_MEMORY;
    memcpy(out->pixels, images[index % STEPS] + index / STEPS % BATCH * PIXELS, PIXELS);
    return RESCL_OK;
}

static bool keep_prediction(const rescl_prediction *p, void *user)
{
    if (p->status == RESCL_OK)
        memcpy(take(user, CLASSES), p->probs, CLASSES * sizeof *p->probs);
    return true;
}

/* Threads read the images of the next batch meanwhile. */
static void predict_stream(result *out)
{
    enum { IMAGES = 5, WORKERS = 2 };
    rescl_predictor *p = NULL;
    const size_t before = out->count;
    AGAIN(rescl_predictor_create(rs_test_device(), model, BATCH, &p));
    if (failed(rescl_predictor_stream(p, IMAGES, WORKERS, give_image, keep_prediction, out),
               "rescl_predictor_stream")) {
        out->count = before;
        AGAIN(rescl_predictor_stream(p, IMAGES, WORKERS, give_image, keep_prediction, out));
    }
    rescl_predictor_destroy(p);
}

/* What a device does not say of itself is asked again by the next runtime. */
static bool does_not_answer(rescl_status st)
{
    return (st == RESCL_ERR_NOT_FOUND || st == RESCL_ERR_UNSUPPORTED) && failures++ == 0 &&
           fault_fired(NULL) && strstr(rescl_last_error()->message, "does not answer");
}

/* From the first call of a process to the last. */
static void open_and_predict(result *out)
{
    rescl_runtime *own = NULL;
    rescl_device *device = NULL;
    while (!device) {
        rescl_runtime_destroy(own);
        own = NULL;
        AGAIN(rescl_runtime_create(&own));
        const rescl_status st = rescl_device_open(own, rs_test_selector(own), 0, &device);
        if (!does_not_answer(st))
            (void)failed(st, "rescl_device_open");
    }
    predict_on(device, out);
    rescl_device_close(device);
    rescl_runtime_destroy(own);
}

static void keep_weights(const rescl_model *m, result *out)
{
    rescl_parameter_info p;
    for (size_t i = 0; rescl_model_get_parameter_info(m, i, &p); i++)
        assert_ok(rescl_model_get_parameter(m, p.name, take(out, p.count), p.count));
}

static rescl_train_options options_of(const char *folder)
{
    rescl_train_options o;
    rescl_train_options_default(&o);
    o.epochs = STEPS;
    o.batch_size = BATCH;
    o.opt = "adam";
    o.workers = 1;
    o.output_dir = folder;
    return o;
}

/* What failed half-way says so when it is tried again. */
static bool is_spoiled(rescl_status st)
{
    if (st != RESCL_OK && !strstr(rescl_last_error()->message, "half-way"))
        GIVE_UP("tried again: %s\n", rescl_last_error()->message);
    return st != RESCL_OK;
}

/* False if the trainer is spoiled: by a step that failed, or, as waiting for the evaluation tells of it,
 * by the last update. */
static bool step_all(rescl_trainer *t, rescl_metrics *metrics)
{
    float bias[CLASSES];
    for (size_t i = 0; i < STEPS; i++) {
        if (failed(rescl_trainer_backward(t, images[i], labels[i], BATCH, NULL), "backward") &&
            is_spoiled(rescl_trainer_backward(t, images[i], labels[i], BATCH, NULL)))
            return false;
        AGAIN(rescl_trainer_get_gradient(t, "fc.bias", bias, CLASSES));
        AGAIN(rescl_trainer_set_gradient(t, "fc.bias", bias, CLASSES));
        if (failed(rescl_trainer_update(t), "update") && is_spoiled(rescl_trainer_update(t)))
            return false;
    }
    return !failed(rescl_trainer_evaluate(t, metrics), "an evaluation") ||
           !is_spoiled(rescl_trainer_evaluate(t, metrics));
}

static void train_steps(result *out)
{
    const rescl_train_options o = options_of(NULL);
    rescl_trainer *t = NULL;
    rescl_model *m = NULL;
    rescl_metrics metrics;
    float bias[CLASSES];
    for (bool done = false; !done;) {
        rescl_trainer_destroy(t);
        rescl_model_destroy(m);
        t = NULL;
        m = rs_test_model();
        AGAIN(rescl_trainer_create(rs_test_device(), m, NULL, eval_set, &o, &t));
        AGAIN(rescl_trainer_get_parameter(t, "fc.bias", bias, CLASSES));
        AGAIN(rescl_trainer_set_parameter(t, "fc.bias", bias, CLASSES));
        done = step_all(t, &metrics);
    }
    *take(out, 1) = (float)metrics.loss;
    AGAIN(rescl_trainer_sync_model(t));
    keep_weights(m, out);
    rescl_trainer_destroy(t);
    rescl_model_destroy(m);
}

/* A run that failed goes on from its last checkpoint, or begins anew. */
static void train_run(result *out)
{
    char *folder = rs_test_dir_make();
    char *last = strdup(rs_test_path("%s/weights/last.safetensors", folder));
    rescl_train_options o = options_of(folder);
    rescl_trainer *t = NULL;
    rescl_model *m = rs_test_model();
    AGAIN(rescl_trainer_create(rs_test_device(), m, train_set, eval_set, &o, &t));
    if (failed(rescl_trainer_run(t, NULL), "rescl_trainer_run")) {
        if (!is_spoiled(rescl_trainer_run(t, NULL)))
            GIVE_UP("rescl_trainer_run runs again after a failure\n");
        rescl_trainer_destroy(t);
        rescl_model_destroy(m);
        m = rs_test_model();
        o.resume = access(last, F_OK) == 0 ? last : NULL;
        AGAIN(rescl_trainer_create(rs_test_device(), m, train_set, eval_set, &o, &t));
        AGAIN(rescl_trainer_run(t, NULL));
    }
    keep_weights(m, out);
    rescl_trainer_destroy(t);
    rescl_model_destroy(m);
    free(last);
    rs_test_dir_remove(folder);
}

static void evaluate(result *out)
{
    rescl_metrics metrics = {0};
    AGAIN(rescl_evaluate(rs_test_device(), model, eval_set, BATCH, 1, NULL, &metrics));
    *take(out, 1) = (float)metrics.loss;
}

static const rescl_bench_options short_bench = {.struct_size = sizeof short_bench,
                                                .model = "resnet8",
                                                .size = TEST_SIZE,
                                                .batch = BATCH,
                                                .classes = CLASSES,
                                                .train = true,
                                                .repeats = 1};

enum { UNCHECKED = -1 };

static void keep_repeats(const rescl_bench_row *row, void *user)
{
    const bool unchecked =
        row->status == RESCL_ERR_UNSUPPORTED && strstr(row->reason, "it cannot be checked");
    *(float *)user = unchecked ? (float)UNCHECKED : (float)row->samples;
}

/* Where memory is short for the check of its network, a row has its reason and no times. */
static void bench_model(result *out)
{
    rescl_bench_options o = short_bench;
    float *repeats = take(out, 1);
    o.train = false;
    AGAIN(rescl_bench_model(rs_test_device(), &o, keep_repeats, repeats));
    if (*repeats == (float)UNCHECKED && fault_fired(NULL) && failures++ == 0)
        AGAIN(rescl_bench_model(rs_test_device(), &o, keep_repeats, repeats));
}

static void profile(result *out)
{
    float *launches = take(out, 1);
    rescl_profile *p = NULL;
    *launches = 0;
    if (!profiled) /* the driver measures no kernels */
        return;
    AGAIN(rescl_profile_create(rs_test_device(), &short_bench, NULL, 0, NULL, &p));
    *launches = (float)p->calls;
    rescl_profile_destroy(p);
}

typedef struct errors {
    result *out;
    char reason[512]; /* of the first that failed */
} errors;

/* Where the data that a problem's implementations share fail, all of them do, for one reason. */
static void keep_error(const rescl_bench_row *row, void *user)
{
    errors *e = user;
    const char *reason = row->status == RESCL_OK ? "" : row->reason;
    const char *name = strstr(reason, row->impl);
    if (name)
        reason = name + strlen(row->impl);
    const bool known = reason[0] && strncmp(e->reason, reason, sizeof e->reason - 1) == 0;
    if (!known && failed(row->status, row->impl))
        snprintf(e->reason, sizeof e->reason, "%s", reason);
    *take(e->out, 1) = (float)row->error;
}

/* An implementation that fails does not stop the others. */
static void bench_product(result *out)
{
    const size_t before = out->count;
    for (bool done = false; !done;) {
        errors e = {.out = out};
        out->count = before;
        done = !failed(rescl_bench_product(rs_test_device(), 5, 7, 6, &short_bench, NULL,
                                           keep_error, &e),
                       "rescl_bench_product") &&
               e.reason[0] == '\0';
    }
}

static bool go_on(const rescl_tune_row *row, void *user)
{
    (void)row, (void)user;
    return true;
}

/* Makes a tuning file choose "direct" for all its problems, as if that had been faster. */
static void choose_direct(const char *path)
{
    const rescl_device_info *info = rescl_device_get_info(tuned);
    rs_tune_table t = {0};
    AGAIN(rs_tune_table_read(&t, path, info, RS_TUNE_DEVICE));
    for (size_t i = 0; i < t.count; i++)
        AGAIN(rs_tune_table_set(&t, t.entry[i].key, "direct", "1 ms; 2 ms: winograd"));
    AGAIN(rs_tune_table_write(&t, path, info));
    rs_tune_table_fini(&t);
}

/* What it chooses depends on the time, so that what is to be proven is chosen here. */
static void tune(result *out)
{
    char *folder = rs_test_dir_make();
    rescl_tune_options o;
    rescl_tuning_info info;
    rescl_tune_options_default(&o);
    o.model = "resnet8";
    o.size = TEST_SIZE;
    o.batch = BATCH;
    o.classes = CLASSES;
    o.train = false;
    o.params = false;
    o.impl = "direct";
    o.repeats = 1;
    o.min_seconds = 0;
    o.output = rs_test_path("%s/x.tune", folder);
    o.prove = false;
    AGAIN(rescl_tune(tuned, &o, go_on, NULL));
    choose_direct(o.output);
    o.prove = true;
    o.impl = NULL;
    AGAIN(rescl_tune(tuned, &o, go_on, NULL));
    rescl_device_get_tuning(tuned, &info);
    *take(out, 1) = (float)info.problems;
    rs_test_dir_remove(folder);
}

/* ---- every call of a job ------------------------------------------------------------------ */

typedef struct job {
    const char *name;
    void (*run)(result *out);
    bool others; /* only the functions that no job before it calls */
} job;

/* Opening a device takes the most time. */
static const job jobs[] = {
    {"predict", predict, false},
    {"predict_stream", predict_stream, false},
    {"train_steps", train_steps, false},
    {"train_run", train_run, false},
    {"evaluate", evaluate, false},
    {"bench_model", bench_model, false},
    {"profile", profile, false},
    {"bench_product", bench_product, false},
    {"tune", tune, false},
    {"open_and_predict", open_and_predict, true},
};

enum { MOST_FUNCTIONS = 64 };
static bool covered[MOST_FUNCTIONS];

/* False if it gave up. */
static bool run_job(const job *j, const fault_plan *plan, result *out)
{
    out->count = 0;
    failures = 0;
    fault_arm(plan);
    if (setjmp(give_up) != 0)
        return false;
    j->run(out);
    return true;
}

/* Objects, but for buffers that devices keep for reuse. */
static void count_objects(char *text, size_t bytes)
{
    rs_device_trim(rs_test_device());
    rs_device_trim(tuned);
    if (profiled)
        rs_device_trim(profiled);
    snprintf(text, bytes, "%s", fault_live());
}

static bool check(const job *j, const fault_plan *plan)
{
    char before[256], after[256];
    count_objects(before, sizeof before);
    if (!run_job(j, plan, &got))
        return false;
    const bool same = got.count == expected.count &&
                      memcmp(got.value, expected.value, got.count * sizeof *got.value) == 0;
    count_objects(after, sizeof after);
    const bool leaks = strcmp(before, after) != 0;
    if (!same)
        print_error("another result after %zu failures\n", failures);
    if (leaks)
        print_error("leaks: '%s' before, '%s' after\n", before, after);
    return same && !leaks;
}

typedef struct tally {
    size_t calls, reported, wrong;
} tally;

/* The n-th call of a function. */
static void fail_once(const job *j, const char *function, uint64_t n, int code, tally *sum)
{
    if (!check(j, &(fault_plan){.at = n, .function = function, .code = code})) {
        (void)fault_fired(&code);
        print_error("... %s, %s, call %zu, code %d\n", j->name, function, (size_t)n, code);
        sum->wrong++;
    }
    sum->calls++;
    sum->reported += failures > 0;
}

static void fail_some(const job *j, const char *function, uint64_t calls, int code, tally *sum)
{
    fail_once(j, function, 1, code, sum);
    if (calls > 2)
        fail_once(j, function, (calls + 1) / 2, code, sum);
    if (calls > 1)
        fail_once(j, function, calls, code, sum);
}

static tally fail_function(const job *j, const char *function, uint64_t calls)
{
    /* CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY, CL_INVALID_COMMAND_QUEUE. */
    static const int others[] = {-5, -6, -36};
    tally sum = {0};
    for (uint64_t n = 1; all && n <= calls; n++)
        fail_once(j, function, n, 0, &sum);
    for (size_t i = 0; all && i < sizeof others / sizeof *others; i++)
        fail_some(j, function, calls, others[i], &sum);
    if (!all)
        fail_some(j, function, calls, 0, &sum);
    return sum;
}

static void each_call_fails_once(void **state)
{
    const job *j = *state;
    const char *function[MOST_FUNCTIONS];
    uint64_t calls[MOST_FUNCTIONS];
    size_t count = 0, wrong = 0, tried = 0;
    assert_true(run_job(j, NULL, &expected)); /* compiles */
    assert_true(check(j, NULL));
    while (count < MOST_FUNCTIONS && (function[count] = fault_function(count, &calls[count])))
        count++;
    for (size_t f = 0; f < count; f++) {
        if (calls[f] == 0 || (j->others && covered[f]))
            continue;
        covered[f] = true;
        const tally sum = fail_function(j, function[f], calls[f]);
        if (all)
            print_message("%s: %s: %zu failed, %zu reported\n", j->name, function[f], sum.calls,
                          sum.reported);
        tried += sum.calls;
        wrong += sum.wrong;
    }
    fault_arm(NULL);
    print_message("%s: %zu calls failed, %zu of them wrongly\n", j->name, tried, wrong);
    assert_int_equal(wrong, 0);
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof images; i++)
        images[i / sizeof images[0]][i % sizeof images[0]] = (uint8_t)(i * 131 >> 3);
    model = rs_test_model();
    train_set = rs_test_hands("train", BATCH, 0);
    eval_set = rs_test_hands("test", BATCH, 0);
    (void)rs_test_device();
    assert_ok(rescl_runtime_create(&runtime));
    const char *selector = rs_test_selector(runtime);
    assert_ok(rescl_device_open(runtime, selector, 0, &tuned));
    if (rescl_device_open(runtime, selector, RESCL_DEVICE_PROFILE, &profiled) != RESCL_OK)
        assert_int_equal(rescl_last_error()->status, RESCL_ERR_UNSUPPORTED);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rescl_model_destroy(model);
    rescl_dataset_close(train_set);
    rescl_dataset_close(eval_set);
    rescl_device_close(profiled);
    rescl_device_close(tuned);
    rescl_runtime_destroy(runtime);
    return 0;
}

static bool is_asked_for(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 2;
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[sizeof jobs / sizeof *jobs] = {0};
    size_t count = 0;
    all = argc > 1 && strcmp(argv[1], "all") == 0;
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        if (is_asked_for(jobs[i].name, argc, argv))
            tests[count++] = (struct CMUnitTest){.name = jobs[i].name,
                                                 .test_func = each_call_fails_once,
                                                 .initial_state = (void *)(uintptr_t)&jobs[i]};
    return rs_test_group("jobs", tests, count, set_up, tear_down);
}
