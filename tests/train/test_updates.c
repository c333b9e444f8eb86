/* What happens to gradients between backward and the weights: accumulation, clipping, groups of weight decay,
 * the moving average. Against PyTorch by numbers (tests/golden/make_training.py), then in runs. */
#include "average.h"
#include "checkpoint.h"
#include "clip.h"
#include "error.h"
#include "golden.h"
#include "gradients.h"
#include "graph_kit.h"
#include "groups.h"
#include "rng.h"
#include "testing.h"
#include "train_support.h"
#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- 100 updates of PyTorch -------------------------------------------------------------- */

enum { SEED = 77, UPDATES = 100, PARTS = 3 };

static void draw(float *x, uint64_t stream, size_t count, double most, double share)
{
    rs_rng r;
    rs_rng_init(&r, SEED, stream);
    for (size_t i = 0; i < count; i++) {
        const double number = -most + 2.0 * most * (double)rs_rng_uniform(&r);
        x[i] = (float)(share * (double)(float)number);
    }
}

static rescl_train_options update_options(const char *clip)
{
    rescl_train_options o = train_options(NULL);
    o.weight_decay = 0.01;
    o.norm_weight_decay = 0.0;
    o.bias_weight_decay = 0.002;
    o.clip_grad_norm = strcmp(clip, "norm") == 0 ? 1.5 : 0.0;
    o.clip_grad_value = strcmp(clip, "value") == 0 ? 0.02 : 0.0;
    return o;
}

static rs_store *open_store(rs_graph *g, const rescl_train_options *o)
{
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};
    rs_store *s = NULL;
    rs_weights w;
    assert_ok(rs_groups_assign(g, o));
    assert_ok(rs_store_create(rs_test_device(), g, &sgd, &s));
    assert_ok(rs_store_prepare_sum(s));
    assert_ok(rs_store_prepare_clip(s, o->clip_grad_norm, o->clip_grad_value));
    assert_ok(rs_store_prepare_average(s));
    assert_ok(rs_weights_create(g, &w));
    for (size_t i = 0; i < w.count; i++)
        draw(w.data[i], 100 + i, w.elems[i], 1.0, 1.0);
    assert_ok(rs_store_upload(s, &w));
    rs_weights_fini(&w);
    return s;
}

/* One update: the statistics of that step, the parts' gradients, and what is done with them. */
static void update(rs_store *s, const rs_graph *g, const rs_rates *rates, rs_weights *w,
                   uint64_t step)
{
    static const double share[PARTS] = {0.4, 0.4, 0.2};
    for (size_t i = 0; i < w->count; i++)
        if (!g->param[i].trainable) {
            draw(w->data[i], 20000 + 16 * step + i, w->elems[i], 1.0, 1.0);
            assert_ok(rs_store_write_param(s, i, false, w->data[i]));
        }
    for (size_t k = 0; k < PARTS; k++) {
        for (size_t i = 0; i < w->count; i++)
            draw(w->data[i], 30000 + 64 * step + 16 * k + i, w->elems[i],
                 0.02 * (double)(1 + step % 7), share[k]);
        assert_ok(rs_store_upload_grads(s, w));
        assert_ok(rs_store_add_up(s, k == 0, k + 1 == PARTS));
    }
    assert_ok(rs_store_clip(s));
    assert_ok(rs_store_update(s, rates, step + 1));
    if (step % 4 == 0)
        assert_ok(rs_store_update_average(s, step == 0 ? 1.0 : 0.1));
}

static void compare(const rs_st_file *f, const char *clip, const char *kind, const rs_graph *g,
                    const rs_weights *w)
{
    for (size_t i = 0; i < w->count; i++) {
        char name[96];
        size_t count, every = strcmp(g->param[i].name, "c1.weight") == 0 ? 16 : 1;
        snprintf(name, sizeof name, "update.%s.%s%s", clip, g->param[i].name, kind);
        double *want = golden_numbers(f, name, &count), largest = 0.0, gap = 0.0;
        assert_int_equal(count, (w->elems[i] + every - 1) / every);
        for (size_t k = 0; k < count; k++) {
            largest = fmax(largest, fabs(want[k]));
            gap = fmax(gap, fabs(want[k] - (double)w->data[i][every * k]));
        }
        if (!(gap <= 1e-6 * largest))
            fail_msg("%s: %.2e from PyTorch's", name, gap / largest);
        free(want);
    }
}

static void updates_as_pytorch(const char *clip)
{
    const rescl_train_options o = update_options(clip);
    const rs_rates rates = rs_groups_rates(&o, 0.05, 0.05, 0.0);
    rs_st_file *f = NULL;
    rs_value x;
    rs_graph *g = kit_graph(8, 8, 3, &x);
    rs_weights w;

    kit_finish(g, kit_bn(g, "b1", kit_conv(g, "c1", x, 200, 3, 1)), 7);
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/training.safetensors", &f));
    assert_ok(rs_weights_create(g, &w));
    rs_store *s = open_store(g, &o);
    for (uint64_t step = 0; step < UPDATES; step++)
        update(s, g, &rates, &w, step);
    assert_ok(rs_store_download(s, &w));
    compare(f, clip, "", g, &w);
    assert_ok(
        rs_store_swap_average(s)); /* the average takes the weights' place, and gives it back */
    assert_ok(rs_store_download(s, &w));
    compare(f, clip, ".average", g, &w);
    assert_ok(rs_store_download_average(s, &w));
    compare(f, clip, "", g, &w);
    assert_ok(rs_store_swap_average(s));
    assert_ok(rs_store_download(s, &w));
    compare(f, clip, "", g, &w);
    rs_weights_fini(&w);
    rs_store_destroy(s);
    rs_graph_destroy(g);
    rs_st_close(f);
}

static void clipped_by_norm_as_pytorch(void **state)
{
    (void)state;
    updates_as_pytorch("norm");
}

static void clipped_by_value_as_pytorch(void **state)
{
    (void)state;
    updates_as_pytorch("value");
}

/* What torch.nn.utils.clip_grad_norm_ and clip_grad_value_ make of what is not finite. */
static void clipping_hides_nothing(void **state)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    const size_t count = 16;
    rescl_device *dev = rs_test_device();
    rs_buffer *grad = NULL;
    (void)state;
    assert_ok(rs_buffer_create(dev, count * sizeof(float), &grad));
    for (size_t b = 0; b < RS_COUNT(bad); b++)
        for (int by_norm = 0; by_norm < 2; by_norm++) {
            rs_clip *clip = NULL;
            float g[16] = {0.5f, bad[b], -8.0f};
            assert_ok(rs_write(dev, grad, 0, g, sizeof g));
            assert_ok(rs_clip_create(dev, by_norm, !by_norm, &count, 1, &clip));
            assert_ok(rs_clip_enqueue(clip, &grad));
            assert_ok(rs_read(dev, grad, 0, g, sizeof g));
            if (by_norm) {
                assert_true(isnan(g[1]));
                assert_true(isnan(bad[b]) ? isnan(g[0]) && isnan(g[2]) : g[0] == 0.0f);
            } else {
                assert_true(g[0] == 0.5f && g[2] == -1.0f);
                assert_true(isnan(bad[b]) ? isnan(g[1]) : g[1] == (bad[b] > 0.0f ? 1.0f : -1.0f));
            }
            rs_clip_destroy(clip);
        }
    rs_buffer_release(grad);
}

/* ---- runs -------------------------------------------------------------------------------- */

/* The largest distance of two checkpoints' weights, over their largest number; states are left out. */
static double distance(const char *a, const char *b)
{
    rs_st_file *f = NULL, *g = NULL;
    double gap = 0.0, largest = 0.0;
    assert_ok(rs_st_open(a, &f));
    assert_ok(rs_st_open(b, &g));
    for (size_t i = 0; i < rs_st_count(f); i++) {
        const rs_st_tensor *t = rs_st_at(f, i);
        if (rs_checkpoint_is_state(t->name))
            continue;
        size_t count, other;
        double *x = golden_numbers(f, t->name, &count), *y = golden_numbers(g, t->name, &other);
        assert_int_equal(count, other);
        for (size_t k = 0; k < count; k++) {
            gap = fmax(gap, fabs(x[k] - y[k]));
            largest = fmax(largest, fabs(x[k]));
        }
        free(x);
        free(y);
    }
    rs_st_close(f);
    rs_st_close(g);
    return gap / largest;
}

static char folders[2][512];

static const char *folder(int i, const char *name)
{
    snprintf(folders[i], sizeof folders[i], "%s/%s-%d", rs_test_dir, name, i);
    return folders[i];
}

static const char *last(int i, char out[600])
{
    snprintf(out, 600, "%s/weights/last.safetensors", folders[i]);
    return out;
}

/* A step of 40 images is two of 16 and one of 8. Without dropout, and without a batch's own statistics. */
static void accumulation_is_a_larger_batch(void **state)
{
    char a[600], b[600];
    (void)state;
    for (int i = 0; i < 2; i++) {
        train_run r = {
            .options = train_options(folder(i, "larger")), .norm_eval = true, .plain = true};
        r.options.opt = "sgd";
        r.options.lr = 0.05;
        r.options.batch_size = i ? TEST_BATCH : TEST_SAMPLES;
        r.options.grad_accum_steps = i ? 3 : 1;
        train_do(&r);
        assert_ok(r.status);
        assert_int_equal(r.steps, i ? 9 : 3);
    }
    const double gap = distance(last(0, a), last(1, b));
    print_message("three batches are %.1e from one\n", gap);
    assert_true(gap <= 2e-6);
}

/* A run at once and in parts, which end with the same bits in all that they keep. */
static void parts_equal_the_whole(const train_run *like, const uint64_t *stop, size_t stops,
                                  const char *name)
{
    char a[600], b[600];
    train_run whole = *like, part = *like;
    whole.options.output_dir = folder(0, name);
    train_do(&whole);
    assert_ok(whole.status);
    part.options.output_dir = folder(1, name);
    for (size_t i = 0; i <= stops; i++) {
        part.stop = i < stops ? STOP_AT_STEP : STOP_NEVER;
        part.stop_step = i < stops ? stop[i] : 0;
        train_do(&part);
        assert_int_equal(part.status, i < stops ? RESCL_ERR_INTERRUPTED : RESCL_OK);
        part.options.resume = folders[1];
    }
    train_same_tensors(last(0, a), last(1, b));
    snprintf(a, sizeof a, "%s/weights/best.safetensors", folders[0]);
    snprintf(b, sizeof b, "%s/weights/best.safetensors", folders[1]);
    train_same_tensors(a, b);
    snprintf(a, sizeof a, "%s/results.csv", folders[0]);
    snprintf(b, sizeof b, "%s/results.csv", folders[1]);
    train_same_results(a, b);
}

/* Five batches an epoch, two to an update and one alone: stopped between two, at an update, after an epoch. */
static train_run everything(const char *precision)
{
    train_run r = {.options = train_options(NULL)};
    r.options.batch_size = 8;
    r.options.epochs = 2;
    r.options.precision = precision;
    r.options.opt = "sgd";
    r.options.lr = 0.02;
    r.options.weight_decay = 1e-3;
    r.options.norm_weight_decay = r.options.bias_weight_decay = 0.0;
    r.options.clip_grad_norm = 0.5;
    r.options.grad_accum_steps = 2;
    r.options.lr_scheduler = "onecyclelr";
    r.options.lr_warmup_steps = 2;
    r.options.model_ema = true;
    r.options.model_ema_decay = 0.9;
    r.options.model_ema_steps = 2;
    return r;
}

static void all_of_it_goes_on(void **state)
{
    static const uint64_t stops[] = {1, 2, 5, 8};
    (void)state;
    const train_run r = everything("fp32");
    parts_equal_the_whole(&r, stops, RS_COUNT(stops), "everything");
}

/* The scale of the loss stays within an update; what is added up is scaled. */
static void all_of_it_goes_on_in_fp16(void **state)
{
    static const uint64_t stops[] = {3, 9};
    (void)state;
    const train_run r = everything("fp16");
    parts_equal_the_whole(&r, stops, RS_COUNT(stops), "fp16");
}

static void by_layer_optimisers_go_on(void **state)
{
    static const uint64_t stops[] = {2};
    static const char *const names[] = {"lamb", "lars", "rmsprop_centered"};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        train_run r = {.options = train_options(NULL)};
        r.options.epochs = 1;
        r.options.opt = names[i];
        r.options.weight_decay = 0.01;
        parts_equal_the_whole(&r, stops, 1, names[i]);
    }
}

/* ---- the moving average in a run --------------------------------------------------------- */

/* Without updates of its own behind the first it would lag: what is saved as the best is the average. */
static void the_average_is_evaluated_and_saved(void **state)
{
    char a[600], b[600];
    rs_st_file *f = NULL, *g = NULL;
    (void)state;
    train_run r = {.options = train_options(folder(0, "average"))};
    r.options.epochs = 1;
    r.options.save_period = 1;
    r.options.model_ema = true;
    r.options.model_ema_decay = 0.99;
    r.options.model_ema_steps = 1;
    train_do(&r);
    assert_ok(r.status);
    assert_ok(rs_st_open(last(0, a), &f));
    static const char *const files[] = {"best", "epoch1"};
    for (size_t k = 0; k < RS_COUNT(files); k++) {
        snprintf(b, sizeof b, "%s/weights/%s.safetensors", folders[0], files[k]);
        assert_ok(rs_st_open(b, &g));
        size_t differ = 0;
        for (size_t i = 0; i < rs_st_count(g); i++) {
            const char *name = rs_st_at(g, i)->name;
            char state_name[256];
            size_t count;
            snprintf(state_name, sizeof state_name, "optimizer.average.%s", name);
            double *best = golden_numbers(g, name, &count);
            double *mean = golden_numbers(f, state_name, &count);
            double *now = golden_numbers(f, name, &count);
            assert_memory_equal(best, mean, count * sizeof *mean);
            differ += memcmp(best, now, count * sizeof *now) != 0;
            free(best);
            free(mean);
            free(now);
        }
        assert_true(differ > 10);
        rs_st_close(g);
    }
    rs_st_close(f);
    /* What was measured is what that file gives. */
    rescl_model *m = NULL;
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_metrics metrics;
    assert_ok(rescl_model_load(b, &m));
    assert_ok(rescl_evaluate(rs_test_device(), m, eval, TEST_BATCH, 1, NULL, &metrics));
    assert_true(metrics.loss == r.last_epoch.eval.loss);
    rescl_model_destroy(m);
    rescl_dataset_close(eval);
}

enum { HEAD_BIAS = 6 };

typedef struct averaging {
    rescl_trainer *trainer;
    const char *name;
    float value[HEAD_BIAS];
    double mean[HEAD_BIAS];
    double loss; /* of the last evaluation */
} averaging;

/* torchvision's train_one_epoch with a step of 2, an epoch of warm-up, and 3 epochs of batches of 16. */
static bool average_as_torchvision(const rescl_step_event *e, void *user)
{
    averaging *a = user;
    const double alpha = (1.0 - 0.99) * 16.0 * 2.0 / 3.0;
    const size_t i = e->batch - 1; /* of the batch that is done */
    if (!e->training || i % 2 != 0)
        return true;
    const bool copy = e->epoch < 1 || (e->epoch == 1 && i == 0);
    assert_ok(rescl_trainer_get_parameter(a->trainer, a->name, a->value, HEAD_BIAS));
    for (size_t k = 0; k < HEAD_BIAS; k++)
        a->mean[k] =
            copy ? (double)a->value[k] : (1.0 - alpha) * a->mean[k] + alpha * (double)a->value[k];
    return true;
}

static bool keep_loss(const rescl_epoch_event *e, void *user)
{
    averaging *a = user;
    a->loss = e->eval.loss;
    return true;
}

static void ends_with_the_average(const averaging *a, const rescl_model *model)
{
    float value[HEAD_BIAS];
    assert_ok(rescl_model_get_parameter(model, a->name, value, HEAD_BIAS));
    for (size_t k = 0; k < HEAD_BIAS; k++)
        assert_true(fabs((double)value[k] - a->mean[k]) <= 1e-6 * fmax(1.0, fabs(a->mean[k])));
}

/* The model ends with the average, which is also what is measured and taken from the trainer behind a run. */
static void averages_as_torchvision(void **state)
{
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *model = rs_test_model();
    rescl_train_options o = train_options(NULL);
    rescl_train_callbacks callbacks;
    rescl_parameter_info info;
    rescl_metrics measured;
    averaging a = {0};
    (void)state;
    o.lr = 0.05;
    o.lr_warmup_epochs = 1;
    o.model_ema = true;
    o.model_ema_decay = 0.99;
    o.model_ema_steps = 2;
    assert_true(
        rescl_model_get_parameter_info(model, rescl_model_parameter_count(model) - 1, &info));
    assert_int_equal(info.count, HEAD_BIAS);
    a.name = info.name;
    rescl_train_callbacks_default(&callbacks);
    callbacks.on_step = average_as_torchvision;
    callbacks.on_epoch = keep_loss;
    callbacks.user = &a;
    assert_ok(rescl_trainer_create(rs_test_device(), model, train, eval, &o, &a.trainer));
    assert_ok(rescl_trainer_run(a.trainer, &callbacks));
    ends_with_the_average(&a, model);
    assert_ok(rescl_trainer_evaluate(a.trainer, &measured));
    assert_true(measured.loss == a.loss);
    assert_ok(rescl_trainer_sync_model(a.trainer));
    ends_with_the_average(&a, model);
    assert_ok(rescl_trainer_get_parameter(a.trainer, a.name, a.value, HEAD_BIAS));
    assert_true(fabs((double)a.value[0] - a.mean[0]) > 1e-4); /* which the weights are not */
    rescl_trainer_destroy(a.trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void refuses_what_does_not_go_together(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL)};
    r.options.clip_grad_norm = r.options.clip_grad_value = 1.0;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "clip_grad_norm is 1 and clip_grad_value 1",
                 "one of them");
    r.options = train_options(NULL);
    r.options.norm_weight_decay = -0.5;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "norm_weight_decay: found -0.5", "or -1");
    r.options = train_options(NULL);
    r.options.lr_warmup_steps = r.options.lr_warmup_epochs = 1;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "lr_warmup_epochs is 1 and lr_warmup_steps 1");
    r.options = train_options(NULL);
    r.options.lr_scheduler = "multisteplr";
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "lr_steps, such as 30,60,80");
    r.options = train_options(NULL);
    r.options.lr_scheduler = "onecyclelr";
    assert_ok(rescl_train_options_set(&r.options, "lr_max_momentum", "0"));
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "lr_max_momentum is 0 and lr_base_momentum 0.85");
}

static void refuses_options_without_effect(void **state)
{
    static const struct {
        const char *name, *text, *with, *usual;
    } idle[] = {
        {"lr_steps", "30,60", "lr_scheduler multisteplr", "leave lr_steps unset"},
        {"lr_table", "1:0.1", "lr_scheduler table", "leave lr_table unset"},
        {"lr_warmup_prefix", "false", "lr_warmup_epochs", "leave lr_warmup_prefix at true"},
        {"model_ema_decay", "0.9", "model_ema", "leave model_ema_decay at 0.99998"},
        {"model_ema_steps", "1", "model_ema", "leave model_ema_steps at 32"},
        {"min_delta", "0.5", "patience", "leave min_delta at 0"},
        {"baseline", "0.9", "patience", "leave baseline at 0"},
        {"wire", "bf16", "several processes", "leave wire at fp32"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(idle); i++) {
        train_run r = {.options = train_options(NULL)};
        char found[96], acts[96];
        assert_ok(rescl_train_options_set(&r.options, idle[i].name, idle[i].text));
        train_do(&r);
        snprintf(found, sizeof found, "%s is %s,", idle[i].name, idle[i].text);
        snprintf(acts, sizeof acts, "acts only with %s", idle[i].with);
        assert_fails(r.status, RESCL_ERR_ARG, found, acts, idle[i].usual);
    }
}

static void count_warnings(rescl_log_level level, const char *message, void *user)
{
    if (level == RESCL_LOG_WARN && strstr(message, "without weight decay"))
        ++*(int *)user;
}

/* Rates of layers that are none, as no weights decay. */
static void tells_of_optimisers_without_effect(void **state)
{
    static const struct {
        const char *opt;
        double decay, bias_decay;
        int warnings;
    } runs[] = {
        {"lars", 0.0, -1.0, 1}, {"lamb", 0.0, 0.0, 1},  {"lars", 1e-4, 0.0, 0},
        {"lamb", 0.0, 1e-4, 0}, {"adam", 0.0, -1.0, 0},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(runs); i++) {
        train_run r = {.options = train_options(NULL)};
        int warnings = 0;
        r.options.max_steps = 1;
        r.no_eval = true;
        r.options.opt = runs[i].opt;
        r.options.weight_decay = runs[i].decay;
        r.options.bias_weight_decay = runs[i].bias_decay;
        rescl_log_set(count_warnings, &warnings);
        train_do(&r);
        rescl_log_set(NULL, NULL);
        assert_ok(r.status);
        assert_int_equal(warnings, runs[i].warnings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clipped_by_norm_as_pytorch),
        cmocka_unit_test(clipped_by_value_as_pytorch),
        cmocka_unit_test(clipping_hides_nothing),
        cmocka_unit_test(accumulation_is_a_larger_batch),
        cmocka_unit_test(all_of_it_goes_on),
        cmocka_unit_test(all_of_it_goes_on_in_fp16),
        cmocka_unit_test(by_layer_optimisers_go_on),
        cmocka_unit_test(the_average_is_evaluated_and_saved),
        cmocka_unit_test(averages_as_torchvision),
        cmocka_unit_test(refuses_what_does_not_go_together),
        cmocka_unit_test(refuses_options_without_effect),
        cmocka_unit_test(tells_of_optimisers_without_effect),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
