/* Training in each precision: it learns as fp32 does, resumes with the same bits, and in fp16 recovers
 * from gradients that overflow. */
#include "checkpoint.h"
#include "error.h"
#include "path.h"
#include "testing.h"
#include "train_support.h"
#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_BYTES (TEST_SIZE * TEST_SIZE * 3)
#define FULL        65536.0 /* the loss scale of a new run */

static const char *const narrow[] = {"bf16", "fp16"};

/* ---- runs -------------------------------------------------------------------------------- */

static train_run run_in(const char *precision, const char *dir)
{
    train_run r = {.options = train_options(dir)};
    r.options.precision = precision;
    r.options.epochs = 2;
    return r;
}

static void path_in(char out[512], const char *folder, const char *file)
{
    snprintf(out, 512, "%s/%s", folder, file);
}

static void stays_close_to_fp32(void **state)
{
    (void)state;
    train_run wide = run_in("fp32", NULL);
    train_do(&wide);
    assert_ok(wide.status);
    assert_true(wide.last_epoch.loss_scale == 0.0 && wide.last_epoch.skipped == 0);
    for (size_t i = 0; i < RS_COUNT(narrow); i++) {
        train_run r = run_in(narrow[i], NULL);
        train_do(&r);
        assert_ok(r.status);
        assert_true(fabs(r.first_loss - wide.first_loss) < 0.03 * wide.first_loss);
        assert_true(fabs(r.last_epoch.train.loss - wide.last_epoch.train.loss) <
                    0.1 * wide.last_epoch.train.loss);
        assert_true(r.first_loss != wide.first_loss);
    }
}

static void resumes_with_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(narrow); i++) {
        char whole[512], part[512], a[512], b[512];
        path_in(whole, rs_test_dir, narrow[i]);
        snprintf(part, sizeof part, "%s/%s-part", rs_test_dir, narrow[i]);
        train_run r = run_in(narrow[i], whole);
        train_do(&r);
        assert_ok(r.status);
        train_run first = run_in(narrow[i], part);
        first.stop = STOP_AT_STEP;
        first.stop_step = 2;
        train_do(&first);
        assert_int_equal(first.status, RESCL_ERR_INTERRUPTED);
        train_run second = run_in(narrow[i], part);
        second.options.resume = part;
        train_do(&second);
        assert_ok(second.status);
        path_in(a, part, "weights/last.safetensors");
        path_in(b, whole, "weights/last.safetensors");
        train_same_tensors(a, b);
        path_in(a, part, "results.csv");
        path_in(b, whole, "results.csv");
        train_same_results(a, b);
    }
}

static void keeps_the_loss_scale(void **state)
{
    (void)state;
    char dir[512], file[512], *text = NULL;
    size_t bytes;
    rs_checkpoint *c = NULL;
    path_in(dir, rs_test_dir, "fp16");
    path_in(file, dir, "weights/last.safetensors");
    assert_ok(rs_checkpoint_open(file, &c));
    const rs_loss_scale s = rs_checkpoint_progress(c)->scale;
    rs_checkpoint_close(c);
    assert_true(s.scale > 0.0 && s.scale <= FULL);
    assert_int_equal(s.good + s.skipped, 6); /* all steps, unless one was left out in between */
    path_in(file, dir, "results.csv");
    assert_ok(rs_file_read(file, 65536, &text, &bytes));
    assert_non_null(strstr(text, "mem_mib,loss_scale,skipped\n"));
    free(text);
    path_in(dir, rs_test_dir, "bf16");
    path_in(file, dir, "weights/last.safetensors");
    assert_ok(rs_checkpoint_open(file, &c));
    assert_true(rs_checkpoint_progress(c)->scale.scale == 0.0);
    rs_checkpoint_close(c);
}

/* Writes a loss scale into a checkpoint's training metadata, JSON within that of the file's head. */
static void put_loss_scale(const char *file)
{
    static const char
        before[] = "\\\"plan\\\":",
        inserted[] =
            "\\\"loss_scale\\\":{\\\"scale\\\":1024.0,\\\"good\\\":0,\\\"skipped\\\":0},     ";
    char *data = NULL;
    size_t bytes = 0;
    uint64_t head = 0;
    assert_ok(rs_file_read(file, 64 << 20, &data, &bytes));
    memcpy(&head, data, sizeof head);
    const char *at = strstr(data + sizeof head, before);
    assert_non_null(at);
    const size_t begin = (size_t)(at - data), more = sizeof inserted - 1;
    assert_int_equal(more % 8, 0); /* the tensors behind it stay aligned */
    char *longer = malloc(bytes + more);
    assert_non_null(longer);
    memcpy(longer, data, begin);
    memcpy(longer + begin, inserted, more);
    memcpy(longer + begin + more, at, bytes - begin);
    head += more;
    memcpy(longer, &head, sizeof head);
    assert_ok(rs_file_write(file, longer, bytes + more));
    free(longer);
    free(data);
}

/* A damaged or foreign file may name one: only fp16 scales the loss. */
static void only_fp16_takes_a_loss_scale(void **state)
{
    (void)state;
    char dir[512], file[512];
    rs_checkpoint *c = NULL;
    path_in(dir, rs_test_dir, "bf16-part");
    path_in(file, dir, "weights/last.safetensors");
    put_loss_scale(file);
    assert_ok(rs_checkpoint_open(file, &c));
    assert_true(rs_checkpoint_progress(c)->scale.scale == 1024.0);
    rs_checkpoint_close(c);
    train_run r = run_in("bf16", dir);
    r.options.resume = dir;
    r.options.epochs = 3;
    train_do(&r);
    assert_ok(r.status);
    assert_true(r.last_epoch.loss_scale == 0.0);
}

static void other_precisions_do_not_resume(void **state)
{
    (void)state;
    char dir[512];
    path_in(dir, rs_test_dir, "bf16");
    train_run r = run_in("fp32", dir);
    r.options.resume = dir;
    r.options.epochs = 3;
    train_do(&r);
    assert_int_equal(r.status, RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "precision \"bf16\""));
    train_run bad = run_in("fp8", NULL);
    train_do(&bad);
    assert_int_equal(bad.status, RESCL_ERR_ARG);
}

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)level;
    *(size_t *)user += strstr(message, "tf32: ") != NULL;
}

/* On a device without such an engine, which is said once, it is fp32 with the same bits. */
static void tf32_is_told_of(void **state)
{
    (void)state;
    size_t told = 0;
    train_run wide = run_in("fp32", NULL), r = run_in("tf32", NULL);
    train_do(&wide);
    rescl_log_set(hear, &told);
    train_do(&r);
    rescl_log_set(NULL, NULL);
    assert_ok(wide.status);
    assert_ok(r.status);
    assert_true(told <= 1);
    if (told == 1)
        assert_true(r.last_loss == wide.last_loss);
}

/* ---- overflow ---------------------------------------------------------------------------- */

typedef struct fixture {
    rescl_model *model;
    rescl_trainer *trainer;
    uint8_t images[TEST_BATCH * IMAGE_BYTES];
    int32_t labels[TEST_BATCH];
    const char *weight; /* of the dense layer, whose gradient goes to the body */
    float *before, *now;
    size_t count;
} fixture;

/* A trainer whose dense layer's weights are `factor` times what they were: so are the gradients of
 * the body. */
static fixture *make(const char *precision, float factor)
{
    rescl_train_options o = train_options(NULL);
    fixture *f = calloc(1, sizeof *f);
    rescl_parameter_info info;
    assert_non_null(f);
    o.opt = "sgd";
    o.lr = 1e-9;
    o.precision = precision;
    f->model = rs_test_model();
    for (size_t i = 0; i < sizeof f->images; i++)
        f->images[i] = (uint8_t)(i * 37 % 251);
    for (size_t i = 0; i < TEST_BATCH; i++)
        f->labels[i] = (int32_t)(i % 6);
    assert_true(
        rescl_model_get_parameter_info(f->model, rescl_model_parameter_count(f->model) - 2, &info));
    f->weight = info.name;
    f->count = info.count;
    f->before = calloc(info.count, sizeof *f->before);
    f->now = calloc(info.count, sizeof *f->now);
    assert_true(f->before && f->now);
    assert_ok(rescl_model_get_parameter(f->model, f->weight, f->before, f->count));
    for (size_t i = 0; i < f->count; i++)
        f->before[i] *= factor;
    assert_ok(rescl_model_set_parameter(f->model, f->weight, f->before, f->count));
    assert_ok(rescl_trainer_create(rs_test_device(), f->model, NULL, NULL, &o, &f->trainer));
    return f;
}

static void destroy(fixture *f)
{
    rescl_trainer_destroy(f->trainer);
    rescl_model_destroy(f->model);
    free(f->before);
    free(f->now);
    free(f);
}

static rescl_status step(fixture *f, rescl_train_progress *p)
{
    const rescl_status st = rescl_trainer_step(f->trainer, f->images, f->labels, TEST_BATCH, NULL);
    rescl_trainer_get_progress(f->trainer, p);
    return st;
}

/* While the scale is too large, nothing is trained and it is halved; then training goes on. */
static void recovers_from_overflow(void **state)
{
    (void)state;
    fixture *f = make("fp16", 2e4f);
    rescl_train_progress p;
    uint64_t skipped = 0, good = 0;

    for (int i = 0; i < 14 && good < 2; i++) {
        assert_ok(rescl_trainer_set_lr(f->trainer, 0.5, 1e-12)); /* the head alone */
        assert_ok(step(f, &p));
        assert_int_equal(p.steps, i + 1);
        assert_ok(rescl_trainer_get_parameter(f->trainer, f->weight, f->now, f->count));
        const bool same = memcmp(f->now, f->before, f->count * sizeof *f->now) == 0;
        if (p.skipped > skipped) {
            assert_true(good > 0 || same);
            skipped = p.skipped;
        } else {
            assert_false(same);
            good++;
        }
        assert_true(p.loss_scale == FULL / (double)(1u << skipped));
    }
    assert_true(skipped > 0);
    assert_int_equal(good, 2);
    for (size_t i = 0; i < f->count; i++)
        assert_true(isfinite(f->now[i]));
    destroy(f);
}

/* A skipped step is none for the optimiser: the first that counts has its velocity v = g alone. Adam's
 * first step is lr for each number, whatever came before it. */
static void skipped_steps_leave_the_optimiser(void **state)
{
    (void)state;
    rescl_train_options o = train_options(NULL);
    fixture *f = make("fp16", 2e4f);
    rescl_train_progress p;
    double largest = 0.0;

    rescl_trainer_destroy(f->trainer);
    o.lr = 0.125;
    o.precision = "fp16";
    assert_ok(rescl_trainer_create(rs_test_device(), f->model, NULL, NULL, &o, &f->trainer));
    for (int i = 0; i < 14; i++) {
        assert_ok(step(f, &p));
        if (p.skipped < p.steps)
            break;
    }
    assert_true(p.skipped > 0 && p.steps == p.skipped + 1);
    assert_ok(rescl_trainer_get_parameter(f->trainer, f->weight, f->now, f->count));
    for (size_t i = 0; i < f->count; i++)
        largest = fmax(largest, fabs((double)(f->now[i] - f->before[i])));
    assert_true(fabs(largest - 0.125) < 0.01); /* not of a later step's bias correction */
    destroy(f);
}

/* Gradients that no scale makes finite end it, with a name. */
static void says_when_no_scale_helps(void **state)
{
    (void)state;
    fixture *f = make("fp16", 1e12f);
    rescl_train_progress p;
    rescl_status st = RESCL_OK;

    for (int i = 0; i < 20 && st == RESCL_OK; i++)
        st = step(f, &p);
    assert_int_equal(st, RESCL_ERR_NUMERIC);
    assert_non_null(strstr(rescl_last_error()->message, "loss scale of 1"));
    assert_non_null(strstr(rescl_last_error()->message, "first seen in '"));
    assert_true(p.loss_scale == 1.0);
    assert_int_equal(p.skipped, 16);
    assert_ok(rescl_trainer_get_parameter(f->trainer, f->weight, f->now, f->count));
    assert_memory_equal(f->now, f->before, f->count * sizeof *f->now);
    destroy(f);
}

/* Gradients that the caller sees are those of the loss, not of the scaled one. */
static void gradients_are_not_scaled(void **state)
{
    (void)state;
    static const char *const both[] = {"fp32", "fp16"};
    double size[2] = {0.0, 0.0};
    for (int k = 0; k < 2; k++) {
        fixture *f = make(both[k], 1.0f);
        assert_ok(rescl_trainer_backward(f->trainer, f->images, f->labels, TEST_BATCH, NULL));
        assert_ok(rescl_trainer_get_gradient(f->trainer, f->weight, f->now, f->count));
        for (size_t i = 0; i < f->count; i++)
            size[k] += (double)f->now[i] * (double)f->now[i];
        destroy(f);
    }
    assert_true(fabs(sqrt(size[1] / size[0]) - 1.0) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_close_to_fp32),
        cmocka_unit_test(resumes_with_the_same_bits),
        cmocka_unit_test(keeps_the_loss_scale),
        cmocka_unit_test(only_fp16_takes_a_loss_scale),
        cmocka_unit_test(other_precisions_do_not_resume),
        cmocka_unit_test(tf32_is_told_of),
        cmocka_unit_test(recovers_from_overflow),
        cmocka_unit_test(skipped_steps_leave_the_optimiser),
        cmocka_unit_test(says_when_no_scale_helps),
        cmocka_unit_test(gradients_are_not_scaled),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
