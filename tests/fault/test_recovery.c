/* After an OpenCL call that fails, in whatever call: an object works again, and gives the bits that it
 * would have given, or it says that it is of no more use. */
#include "faultcl.h"
#include "fixtures.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#define BATCH   4
#define CLASSES 6

static uint8_t pixels[BATCH * TEST_SIZE * TEST_SIZE * 3];
static const int32_t labels[BATCH] = {0, 1, 2, 3};

static void draw_pixels(void)
{
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 11);
}

/* ---- prediction -------------------------------------------------------------------------- */

static rescl_status predict(rescl_predictor *p, float probs[BATCH * CLASSES])
{
    rescl_image image[BATCH];
    for (size_t i = 0; i < BATCH; i++)
        image[i] = (rescl_image){
            .width = TEST_SIZE, .height = TEST_SIZE, .pixels = pixels + i * sizeof pixels / BATCH};
    return rescl_predictor_run(p, image, BATCH, probs);
}

/* Each call of a prediction fails once, and the next prediction is the right one: of a predictor that
 * has predicted before, and of a new one, whose first prediction makes what later ones keep. */
static void predict_with_faults(const fault_plan *plan, bool new)
{
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    float right[BATCH * CLASSES], probs[BATCH * CLASSES];
    uint64_t calls, failed = 0;

    assert_ok(rescl_predictor_create(rs_test_device(), model, BATCH, &p));
    fault_arm(&(fault_plan){.function = plan->function});
    assert_ok(predict(p, right));
    calls = fault_calls();
    assert_true(calls > 0);
    for (uint64_t n = 1; n <= calls; n++) {
        fault_plan one = *plan;
        one.at = n;
        if (new) {
            rescl_predictor_destroy(p);
            assert_ok(rescl_predictor_create(rs_test_device(), model, BATCH, &p));
        }
        fault_arm(&one);
        memset(probs, 0, sizeof probs);
        const rescl_status st = predict(p, probs);
        failed += st != RESCL_OK;
        fault_arm(NULL);
        if (st == RESCL_OK)
            assert_memory_equal(probs, right, sizeof right);
        for (int again = 0; again < 2; again++) {
            memset(probs, 0, sizeof probs);
            assert_ok(predict(p, probs));
            assert_memory_equal(probs, right, sizeof right);
        }
    }
    assert_true(failed > 0);
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

static void a_prediction_after_a_failed_one_is_right(void **state)
{
    (void)state;
    predict_with_faults(&(fault_plan){0}, false);
    predict_with_faults(&(fault_plan){.function = "clEnqueueNDRangeKernel"}, true);
    predict_with_faults(&(fault_plan){.function = "clFlush"}, true);
}

/* A device's failure shows only where it is waited for. */
static void a_prediction_after_a_late_failure_is_right(void **state)
{
    (void)state;
    predict_with_faults(&(fault_plan){.function = "clEnqueueNDRangeKernel", .late = true}, false);
    predict_with_faults(&(fault_plan){.function = "clEnqueueNDRangeKernel", .late = true}, true);
}

static void a_program_that_failed_to_be_built_is_built_again(void **state)
{
    (void)state;
    static const char *const functions[] = {"clCreateProgramWithSource", "clBuildProgram",
                                            "clCreateKernel", "clGetKernelWorkGroupInfo"};
    rescl_model *model = rs_test_model();
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        rescl_runtime *runtime = NULL;
        rescl_device *device = NULL;
        rescl_predictor *p = NULL;
        float probs[BATCH * CLASSES];
        assert_ok(rescl_runtime_create(&runtime));
        assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device));
        /* More often than there are threads that try by themselves. */
        fault_arm(&(fault_plan){.at = 1, .times = 500, .function = functions[i]});
        const rescl_status st = rescl_predictor_create(device, model, BATCH, &p);
        if (i != 0) /* with a warm cache nothing is made from source */
            assert_int_not_equal(st, RESCL_OK);
        fault_arm(NULL);
        if (st != RESCL_OK)
            assert_ok(rescl_predictor_create(device, model, BATCH, &p));
        assert_ok(predict(p, probs));
        rescl_predictor_destroy(p);
        rescl_device_close(device);
        rescl_runtime_destroy(runtime);
    }
    rescl_model_destroy(model);
}

/* ---- training ---------------------------------------------------------------------------- */

static rescl_trainer *stepper(rescl_model *model, const rescl_dataset *eval_set)
{
    rescl_train_options o;
    rescl_trainer *t = NULL;
    rescl_train_options_default(&o);
    o.batch_size = BATCH;
    assert_ok(rescl_trainer_create(rs_test_device(), model, NULL, eval_set, &o, &t));
    return t;
}

static void check_useless(rescl_trainer *t, rescl_model *model)
{
    static float before[64], after[64];
    rescl_metrics m;
    rescl_parameter_info info;
    assert_true(rescl_model_get_parameter_info(model, 1, &info) && info.count <= 64);
    assert_ok(rescl_model_get_parameter(model, info.name, before, info.count));
    assert_fails(rescl_trainer_step(t, pixels, labels, BATCH, NULL), RESCL_ERR_DEVICE,
                 "a training step failed half-way");
    assert_fails(rescl_trainer_update(t), RESCL_ERR_ARG, "no gradients");
    assert_int_not_equal(rescl_trainer_evaluate(t, &m), RESCL_OK);
    assert_int_not_equal(rescl_trainer_get_parameter(t, info.name, after, info.count), RESCL_OK);
    assert_int_not_equal(rescl_trainer_sync_model(t), RESCL_OK);
    assert_ok(rescl_model_get_parameter(model, info.name, after, info.count));
    assert_memory_equal(before, after, info.count * sizeof *before);
}

/* Steps with a fault at call n of the first one. A step that fails leaves a trainer that says so. */
static void step_with_fault(const fault_plan *plan, uint64_t n, double right, uint64_t *failed)
{
    rescl_model *model = rs_test_model();
    rescl_trainer *t = stepper(model, NULL);
    fault_plan one = *plan;
    rescl_metrics m;
    one.at = n;
    fault_arm(&one);
    rescl_status st = rescl_trainer_step(t, pixels, labels, BATCH, NULL);
    if (st == RESCL_OK) /* a late failure may be that of the update */
        st = rescl_trainer_step(t, pixels, labels, BATCH, &m);
    fault_arm(NULL);
    if (st == RESCL_OK) {
        assert_true(m.loss == right);
    } else {
        ++*failed;
        check_useless(t, model);
    }
    rescl_trainer_destroy(t);
    rescl_model_destroy(model);
}

static void a_failed_step_is_the_last(void **state)
{
    (void)state;
    const fault_plan plans[] = {{0}, {.function = "clEnqueueNDRangeKernel", .late = true}};
    rescl_model *model = rs_test_model();
    rescl_trainer *t = stepper(model, NULL);
    rescl_metrics m;
    uint64_t calls[2];
    for (int i = 0; i < 2; i++) {
        fault_arm(&(fault_plan){.function = plans[i].function});
        assert_ok(rescl_trainer_step(t, pixels, labels, BATCH, i == 1 ? &m : NULL));
        calls[i] = fault_calls();
    }
    rescl_trainer_destroy(t);
    rescl_model_destroy(model);
    for (int i = 0; i < 2; i++) {
        const uint64_t stride = calls[i] / 24 + 1;
        uint64_t failed = 0;
        for (uint64_t n = 1; n <= calls[i]; n += stride)
            step_with_fault(&plans[i], n, m.loss, &failed);
        assert_true(failed > 0);
    }
}

static void an_evaluation_after_a_failed_one_is_right(void **state)
{
    (void)state;
    const fault_plan plans[] = {{0}, {.function = "clEnqueueNDRangeKernel", .late = true}};
    rescl_model *model = rs_test_model();
    rescl_dataset *set = rs_test_hands("test", BATCH, 1);
    rescl_trainer *t = stepper(model, set);
    rescl_metrics right, m;
    assert_ok(rescl_trainer_step(t, pixels, labels, BATCH, NULL));
    assert_ok(rescl_trainer_evaluate(t, &right));
    for (int i = 0; i < 2; i++) {
        fault_arm(&(fault_plan){.function = plans[i].function});
        assert_ok(rescl_trainer_evaluate(t, &m));
        for (uint64_t n = fault_calls(), at = 1; at <= n; at += n / 40 + 1) {
            fault_plan one = plans[i];
            one.at = at;
            fault_arm(&one);
            (void)!rescl_trainer_evaluate(t, &m);
            fault_arm(NULL);
            assert_ok(rescl_trainer_evaluate(t, &m));
            assert_true(m.loss == right.loss);
        }
    }
    rescl_trainer_destroy(t);
    rescl_dataset_close(set);
    rescl_model_destroy(model);
}

/* A trainer that cannot be made leaves its model as it was. */
static void a_trainer_that_fails_to_be_made_changes_nothing(void **state)
{
    (void)state;
    rescl_model_options about;
    rescl_model *model = NULL;
    rescl_dataset *set = rs_test_hands("train", BATCH, 1);
    rescl_train_options o;
    rescl_trainer *t = NULL;
    rescl_model_info info;
    rescl_model_options_default(&about);
    about.name = "resnet8";
    about.classes = CLASSES;
    about.image_size = TEST_SIZE;
    assert_ok(rescl_model_create(&about, &model));
    rescl_train_options_default(&o);
    o.batch_size = BATCH;
    fault_arm(&(fault_plan){.at = 1, .times = 1000}); /* all: buffers may lie ready for reuse */
    assert_int_not_equal(rescl_trainer_create(rs_test_device(), model, set, NULL, &o, &t),
                         RESCL_OK);
    fault_arm(NULL);
    rescl_model_get_info(model, &info);
    assert_string_equal(info.trained_on.fingerprint, "");
    assert_int_equal(info.sample_bits, 0);
    assert_ok(rescl_trainer_create(rs_test_device(), model, set, NULL, &o, &t));
    rescl_model_get_info(model, &info);
    assert_string_not_equal(info.trained_on.fingerprint, "");
    rescl_trainer_destroy(t);
    rescl_dataset_close(set);
    rescl_model_destroy(model);
}

/* ---- measuring --------------------------------------------------------------------------- */

/* What is measured after a measurement that failed is whole. */
static void a_profile_after_a_failed_one_is_whole(void **state)
{
    (void)state;
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    rescl_bench_options o;
    rescl_profile *p = NULL;
    rescl_bench_options_default(&o);
    o.model = "resnet8";
    o.size = TEST_SIZE;
    o.batch = BATCH;
    o.classes = CLASSES;
    o.repeats = o.warmup = 1;
    assert_ok(rescl_runtime_create(&runtime));
    assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device));
    const rescl_status st = rescl_profile_create(device, &o, NULL, 0, NULL, &p);
    if (st == RESCL_ERR_UNSUPPORTED) {
        print_message("skipped: profiling (%s)\n", rescl_last_error()->message);
        rescl_device_close(device);
        rescl_runtime_destroy(runtime);
        skip();
    }
    assert_ok(st);
    const double right = p->calls;
    assert_true(right > 8);
    rescl_profile_destroy(p);
    for (uint64_t n = 1; n < 2 * (uint64_t)right; n += 5) {
        fault_arm(&(fault_plan){.at = n, .function = "clGetEventProfilingInfo"});
        assert_fails(rescl_profile_create(device, &o, NULL, 0, NULL, &p), RESCL_ERR_DEVICE);
        fault_arm(NULL);
        assert_ok(rescl_profile_create(device, &o, NULL, 0, NULL, &p));
        assert_true(p->calls >= right && p->calls <= right);
        rescl_profile_destroy(p);
    }
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prediction_after_a_failed_one_is_right),
        cmocka_unit_test(a_prediction_after_a_late_failure_is_right),
        cmocka_unit_test(a_program_that_failed_to_be_built_is_built_again),
        cmocka_unit_test(a_failed_step_is_the_last),
        cmocka_unit_test(an_evaluation_after_a_failed_one_is_right),
        cmocka_unit_test(a_trainer_that_fails_to_be_made_changes_nothing),
        cmocka_unit_test(a_profile_after_a_failed_one_is_whole),
    };
    draw_pixels();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
