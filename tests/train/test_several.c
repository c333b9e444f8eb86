/* Devices that train one model: PoCL's two, which have different speeds and compute alike. */
#include "checkpoint.h"
#include "error.h"
#include "pace.h"
#include "path.h"
#include "str.h"
#include "team_internal.h"
#include "testing.h"
#include "train_support.h"
#include "trainer.h"

#include "netmodel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static rescl_runtime *runtime;
static rescl_device *pthread_device, *basic_device;

/* PoCL reads POCL_DEVICES when it is loaded. */
static int open_devices(void **state)
{
    size_t index;
    (void)state;
    if (rescl_runtime_create(&runtime) != RESCL_OK ||
        rescl_runtime_select(runtime, "pthread-", &index) != RESCL_OK ||
        rescl_runtime_select(runtime, "basic-", &index) != RESCL_OK) {
        print_message("skipped: no PoCL with the device types pthread and basic\n");
        return 0;
    }
    assert_ok(rescl_device_open(runtime, "pthread-", 0, &pthread_device));
    assert_ok(rescl_device_open(runtime, "basic-", 0, &basic_device));
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    rescl_device_close(basic_device);
    rescl_device_close(pthread_device);
    rescl_runtime_destroy(runtime);
    return 0;
}

static void need_devices(void)
{
    if (!basic_device)
        skip();
}

/* A run of resnet8 on some devices. */
typedef struct job {
    rescl_device *device[3];
    size_t devices;
    const char *shares, *dir, *resume, *teacher;
    size_t images, batch;             /* 0: those of the other tests */
    size_t shards, epochs, stop_step; /* stop_step: 0: never */
    bool norm_eval, stop_in_eval;     /* of the first epoch */
    const double (*speed)[2];         /* of the two devices, by epoch; NULL: what they do */
    size_t share[4];                  /* of the first device, by epoch */
    rescl_status status;
    float *weights; /* all of them, one after the other */
    size_t count;
    double loss; /* of the last step */
} job;

typedef struct follower {
    rescl_trainer *trainer;
    job *job;
} follower;

/* Behind the last step of an epoch: what the devices did is what the test says. */
static void pretend_speed(rs_team *team, const double *speed)
{
    rs_team_pace pace;
    assert_ok(rs_team_look(team, 0, &pace)); /* waits until all have written theirs */
    for (size_t i = 0; i < 2; i++) {
        team->several->member[i].images = (uint64_t)speed[i];
        team->several->member[i].busy = 1.0;
    }
}

static bool on_step(const rescl_step_event *e, void *user)
{
    follower *f = user;
    if (f->job->speed && e->training && e->batch == e->batches)
        pretend_speed(f->trainer->team, f->job->speed[e->epoch]);
    if (f->job->stop_in_eval && !e->training)
        return false;
    f->job->loss = e->training ? e->step_loss : f->job->loss;
    return !(e->training && f->job->stop_step > 0 && e->step == f->job->stop_step);
}

static bool on_epoch(const rescl_epoch_event *e, void *user)
{
    follower *f = user;
    const size_t members = rescl_trainer_members(f->trainer);
    for (size_t i = 0; members > 1 && i < members; i++) {
        rescl_team_member m;
        assert_ok(rescl_trainer_get_member(f->trainer, i, &m));
        /* a run that goes on with an evaluation has no steps before */
        assert_true((m.img_s > 0.0 || f->job->resume) && m.waits >= 0.0 && m.waits < 1.0);
        assert_true(m.share > 0 && m.share < m.whole);
        f->job->share[e->epoch % 4] = i == 0 ? m.share : f->job->share[e->epoch % 4];
    }
    return true;
}

static void keep_weights(job *j, const rescl_model *model)
{
    const rs_weights *w = &model->weights;
    size_t at = 0;
    j->count = 0;
    for (size_t i = 0; i < w->count; i++)
        j->count += w->elems[i];
    free(j->weights);
    j->weights = malloc(j->count * sizeof *j->weights);
    assert_non_null(j->weights);
    for (size_t i = 0; i < w->count; i++) {
        memcpy(j->weights + at, w->data[i], w->elems[i] * sizeof(float));
        at += w->elems[i];
    }
}

static void run(job *j)
{
    /* with shards of 4 images, and of 2 in the last batch: few sizes are compiled */
    const size_t images = j->shards ? 48 : TEST_SAMPLES, batch = j->shards ? 32 : TEST_BATCH;
    rescl_dataset *train = rs_test_hands("train", j->images ? j->images : images, 0);
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *model = rs_test_model();
    rescl_train_options o = train_options(j->dir);
    follower f = {.job = j};
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .on_epoch = on_epoch, .user = &f};
    o.epochs = j->epochs ? j->epochs : 1;
    o.shards = j->shards ? j->shards : 1;
    o.batch_size = j->batch ? j->batch : batch;
    o.shares = j->shares;
    o.teacher = j->teacher;
    o.resume = j->resume;
    o.report = o.tensorboard = false;
    assert_ok(rescl_model_freeze(model, NULL, j->norm_eval));
    j->status =
        rescl_trainer_create_team(j->device, j->devices, NULL, model, train, eval, &o, &f.trainer);
    if (j->status == RESCL_OK)
        j->status = rescl_trainer_run(f.trainer, &callbacks);
    if (j->status == RESCL_OK)
        keep_weights(j, model);
    rescl_trainer_destroy(f.trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
}

static void assert_same(const job *a, const job *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->weights, b->weights, a->count * sizeof(float));
}

/* Dropout and batch normalisation included; the last batch, of 16, is half a whole one. */
static void shards_have_the_same_bits_on_any_devices(void **state)
{
    (void)state;
    need_devices();
    job one = {.device = {pthread_device}, .devices = 1, .shards = 8};
    job even = {
        .device = {pthread_device, basic_device}, .devices = 2, .shards = 8, .shares = "1,1"};
    job uneven = {
        .device = {pthread_device, basic_device}, .devices = 2, .shards = 8, .shares = "6,2"};
    run(&one);
    assert_ok(one.status);
    run(&even);
    assert_ok(even.status);
    assert_same(&one, &even);
    run(&uneven);
    assert_ok(uneven.status);
    assert_same(&one, &uneven);
    free(one.weights);
    free(even.weights);
    free(uneven.weights);
}

/* Each device has a teacher of its own. */
static void teachers_have_the_same_bits_on_any_devices(void **state)
{
    char *dir = rs_test_dir_make();
    const char *path = rs_test_path("%s/teacher.safetensors", dir);
    rescl_model *teacher = rs_test_model();
    job one = {.device = {pthread_device}, .devices = 1, .shards = 8, .teacher = path};
    (void)state;
    need_devices();
    job two = one, plain = one;
    assert_ok(rescl_model_save(teacher, path));
    rescl_model_destroy(teacher);
    run(&one);
    assert_ok(one.status);
    two.device[1] = basic_device;
    two.devices = 2;
    two.shares = "6,2";
    run(&two);
    assert_ok(two.status);
    assert_same(&one, &two);
    plain.teacher = NULL;
    run(&plain);
    assert_memory_not_equal(one.weights, plain.weights, one.count * sizeof(float));
    free(one.weights);
    free(two.weights);
    free(plain.weights);
    rs_test_dir_remove(dir);
}

/* The last batch has 2 images for 5 shards: the running statistics, too, are those of the first. */
static void fewer_images_than_shards_have_the_same_bits(void **state)
{
    const char *const shares[] = {"1,4", "2,3", "4,1"};
    job one = {.device = {pthread_device}, .devices = 1, .shards = 5, .images = 12, .batch = 10};
    (void)state;
    need_devices();
    job two = one;
    run(&one);
    assert_ok(one.status);
    two.device[1] = basic_device;
    two.devices = 2;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        two.shares = shares[i];
        run(&two);
        assert_ok(two.status);
        assert_same(&one, &two);
    }
    free(one.weights);
    free(two.weights);
}

static void assert_near(const float *a, const float *b, size_t count, double tolerance)
{
    double most = 1e-6;
    for (size_t e = 0; e < count; e++)
        most = fabs((double)a[e]) > most ? fabs((double)a[e]) : most;
    for (size_t e = 0; e < count; e++)
        assert_true(fabs((double)a[e] - (double)b[e]) < tolerance * most);
}

/* The parts of a batch have the gradients of the whole, and running statistics, but for rounding. */
static void compare_parts(bool synced)
{
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd};
    rescl_device *device[] = {pthread_device, basic_device};
    const double share[] = {3, 1};
    rescl_model_options options = {
        .struct_size = sizeof options, .name = "resnet8", .classes = 6, .image_size = TEST_SIZE};
    rescl_model *model = NULL;
    const rs_loader_options load = {.batch = 8, .height = TEST_SIZE, .width = TEST_SIZE};
    rs_team_plan plan = {.hyper = &sgd, .batch = 8, .train_images = TEST_SAMPLES};
    rs_team *team[2] = {NULL};
    rs_loader *loader = NULL;
    const rs_batch *batch = NULL;
    rs_outputs out[2];
    need_devices();
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    assert_ok(rescl_model_create(&options, &model));
    assert_ok(rescl_model_freeze(model, NULL, !synced));
    assert_ok(rs_loader_create(set, &load, &loader));
    assert_ok(rs_team_create(device, 1, model->graph, &model->weights, &plan, &team[0]));
    plan.share = share;
    plan.synced = synced;
    rs_graph_set_synced(model->graph, synced);
    assert_ok(rs_team_create(device, 2, model->graph, &model->weights, &plan, &team[1]));
    assert_int_equal(rs_team_size(team[1]), 2);
    assert_ptr_equal(rs_team_device(team[1], 1), basic_device);
    assert_ok(rs_loader_start(loader, 0, 0));
    assert_ok(rs_loader_next(loader, &batch));
    for (int k = 0; k < 2; k++)
        assert_ok(rs_team_gradients(team[k], batch, NULL, 1, 0, &out[k]));
    for (size_t i = 0; i < batch->n; i++)
        assert_true(fabsf(out[0].losses[i] - out[1].losses[i]) < 1e-5f);
    for (size_t i = 0; i < model->graph->nparams; i++) {
        const size_t count = model->weights.elems[i];
        float *g[2] = {malloc(count * sizeof(float)), malloc(count * sizeof(float))};
        float *other = malloc(count * sizeof(float));
        assert_true(g[0] && g[1] && other);
        const bool gradient = model->graph->param[i].trainable;
        for (int k = 0; k < 2; k++)
            assert_ok(rs_team_read_param(team[k], i, gradient, g[k]));
        assert_near(g[0], g[1], count, 1e-4);
        rs_store *store = rs_team_replica(team[1], 1)->store;
        assert_ok(rs_store_read_param(store, i, gradient, other)); /* all have the same bits */
        assert_memory_equal(other, g[1], count * sizeof(float));
        free(g[0]);
        free(g[1]);
        free(other);
    }
    rs_loader_release(loader, batch);
    for (int k = 0; k < 2; k++)
        rs_team_destroy(team[k]);
    rs_loader_destroy(loader);
    rescl_model_destroy(model);
    rescl_dataset_close(set);
}

static void parts_add_up_to_the_batch(void **state)
{
    (void)state;
    compare_parts(false);
}

static void synced_parts_are_normalised_as_the_batch(void **state)
{
    (void)state;
    compare_parts(true);
}

/* A team of both devices, and a batch of 8. */
typedef struct pair {
    rescl_dataset *set;
    rescl_model *model;
    rs_loader *loader;
    const rs_batch *batch;
    rs_team *team;
} pair;

static void open_pair(pair *p, size_t shards)
{
    static const rs_optim_hyper adam = {.def = &rs_optim_adam};
    rescl_device *device[] = {pthread_device, basic_device};
    const rs_loader_options load = {.batch = 8, .height = TEST_SIZE, .width = TEST_SIZE};
    const rs_team_plan plan = {
        .hyper = &adam, .batch = 8, .train_images = TEST_SAMPLES, .shards = shards};
    *p = (pair){.set = rs_test_hands("train", TEST_SAMPLES, 0), .model = rs_test_model()};
    assert_ok(rs_loader_create(p->set, &load, &p->loader));
    assert_ok(rs_team_create(device, 2, p->model->graph, &p->model->weights, &plan, &p->team));
    assert_ok(rs_loader_start(p->loader, 0, 0));
    assert_ok(rs_loader_next(p->loader, &p->batch));
}

static void close_pair(pair *p)
{
    rs_loader_release(p->loader, p->batch);
    rs_team_destroy(p->team);
    rs_loader_destroy(p->loader);
    rescl_model_destroy(p->model);
    rescl_dataset_close(p->set);
}

static void assert_second_has(const pair *p, bool same)
{
    const size_t count = p->model->weights.elems[0];
    float *first = malloc(count * sizeof(float)), *second = malloc(count * sizeof(float));
    assert_true(first && second);
    assert_ok(rs_team_read_param(p->team, 0, false, first));
    assert_ok(rs_store_read_param(rs_team_replica(p->team, 1)->store, 0, false, second));
    assert_int_equal(memcmp(first, second, count * sizeof(float)) == 0, same);
    free(first);
    free(second);
}

/* Saving changes nothing. */
static void levels_devices_that_drift_apart(void **state)
{
    rs_weights moment[RS_OPTIM_STATES] = {{0}};
    pair p;
    (void)state;
    need_devices();
    open_pair(&p, 0);
    for (int i = 0; i < rs_team_states(p.team); i++)
        assert_ok(rs_weights_create(p.model->graph, &moment[i]));
    float *drifted = calloc(p.model->weights.elems[0], sizeof *drifted);
    assert_non_null(drifted);
    assert_ok(rs_store_write_param(rs_team_replica(p.team, 1)->store, 0, false, drifted));
    assert_ok(rs_team_download(p.team, &p.model->weights));
    assert_second_has(&p, false);
    assert_true(p.team->several->alike);
    assert_ok(rs_team_level(p.team, &p.model->weights, moment));
    assert_second_has(&p, false);
    p.team->several->alike = false;
    assert_ok(rs_team_download(p.team, &p.model->weights));
    assert_second_has(&p, false);
    assert_ok(rs_team_level(p.team, &p.model->weights, moment));
    assert_second_has(&p, true);
    for (int i = 0; i < rs_team_states(p.team); i++)
        rs_weights_fini(&moment[i]);
    free(drifted);
    close_pair(&p);
}

/* Of a member's two parts the first has it, and is not the one that ran last. */
static void finds_what_is_not_finite_in_any_part(void **state)
{
    const char *layer = NULL;
    rs_outputs out;
    float table[4][256];
    pair p;
    (void)state;
    need_devices();
    open_pair(&p, 4);
    rs_batch batch = *p.batch;
    const size_t values = (size_t)3 * TEST_SIZE * TEST_SIZE;
    uint8_t *pixels = calloc(batch.n, values);
    assert_non_null(pixels);
    memcpy(table, batch.table, sizeof table);
    table[0][255] = NAN;
    pixels[4 * values] = 255; /* an image of the third part */
    batch.table = (const float(*)[256])table;
    batch.pixels = pixels;
    assert_ok(rs_team_gradients(p.team, &batch, NULL, 1, 0, &out));
    assert_true(isnan(out.losses[4]) && isfinite(out.losses[7]));
    assert_ok(rs_team_find_nonfinite(p.team, &layer));
    assert_string_equal(layer, p.model->graph->node[0].name);
    free(pixels);
    close_pair(&p);
}

/* Running statistics do not enter the loss. */
static void finds_what_is_not_finite_behind_finite_losses(void **state)
{
    const char *layer = NULL;
    rs_outputs out;
    size_t i = 0;
    pair p;
    (void)state;
    need_devices();
    open_pair(&p, 0);
    while (p.model->graph->param[i].trainable)
        i++;
    const size_t count = p.model->weights.elems[i];
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t k = 0; k < count; k++)
        values[k] = INFINITY;
    assert_ok(rs_team_write_param(p.team, i, false, values));
    assert_ok(rs_team_gradients(p.team, p.batch, NULL, 1, 0, &out));
    assert_true(isfinite(out.losses[0]) && isfinite(out.losses[7]));
    assert_ok(rs_team_find_nonfinite(p.team, &layer));
    assert_non_null(layer);
    assert_string_equal(layer, p.model->graph->param[i].name);
    free(values);
    close_pair(&p);
}

/* Stopped within an epoch: the shares come from the checkpoint. */
static void goes_on_as_if_never_stopped(void **state)
{
    job whole = {
        .device = {pthread_device, basic_device}, .devices = 2, .shares = "3,1", .epochs = 2};
    (void)state;
    need_devices();
    char *dir[2] = {rs_test_dir_make(), rs_test_dir_make()};
    job part = whole;
    whole.dir = dir[0];
    run(&whole);
    assert_ok(whole.status);
    part.dir = dir[1];
    part.stop_step = 4;
    run(&part);
    assert_int_equal(part.status, RESCL_ERR_INTERRUPTED);
    part.resume = dir[1];
    part.shares = NULL;
    part.stop_step = 0;
    run(&part);
    assert_ok(part.status);
    assert_same(&whole, &part);
    train_same_tensors(rs_test_path("%s/weights/last.safetensors", dir[0]),
                       rs_test_path("%s/weights/last.safetensors", dir[1]));
    rs_checkpoint *last = NULL;
    assert_ok(rs_checkpoint_open(rs_test_path("%s/weights/last.safetensors", dir[1]), &last));
    assert_int_equal(rs_checkpoint_progress(last)->team.share[0], 12);
    assert_int_equal(strlen(rs_checkpoint_progress(last)->team.devices), 32);
    rs_checkpoint_close(last);
    char *text;
    size_t bytes, rows = 0;
    assert_ok(rs_file_read(rs_test_path("%s/team.csv", dir[1]), 1 << 16, &text, &bytes));
    for (const char *c = text; *c; c++)
        rows += *c == '\n';
    assert_int_equal(rows, 5); /* a head, and two devices in each of two epochs */
    free(text);
    free(whole.weights);
    free(part.weights);
    rs_test_dir_remove(dir[0]);
    rs_test_dir_remove(dir[1]);
}

/* A run whose shares follow the devices, from equal ones on: without these it would time them first. */
static void begin_following(job *j, char *dir)
{
    j->dir = dir;
    j->shares = "1,1";
    j->stop_step = 1;
    run(j);
    assert_int_equal(j->status, RESCL_ERR_INTERRUPTED);
    j->resume = dir;
    j->shares = "epoch";
    j->stop_step = 0;
}

/* Stopped between an epoch's steps and its end, and within one whose shares are not those of the one before. The
 * last epoch's are those of a run that has more of them. */
static void shares_follow_from_epoch_to_epoch(void **state)
{
    const double speed[][2] = {{300, 100}, {310, 100}, {100, 300}};
    job whole = {
        .device = {pthread_device, basic_device}, .devices = 2, .speed = speed, .epochs = 3};
    (void)state;
    need_devices();
    char *dir[2] = {rs_test_dir_make(), rs_test_dir_make()};
    job part = whole;
    begin_following(&whole, dir[0]);
    run(&whole);
    assert_ok(whole.status);
    assert_int_equal(whole.share[0], 8);
    assert_int_equal(whole.share[1], 12);
    assert_int_equal(whole.share[2], 12);
    begin_following(&part, dir[1]);
    part.stop_in_eval = true;
    run(&part);
    assert_int_equal(part.status, RESCL_ERR_INTERRUPTED);
    part.stop_in_eval = false;
    part.stop_step = 5;
    run(&part);
    assert_int_equal(part.status, RESCL_ERR_INTERRUPTED);
    part.stop_step = 0;
    run(&part);
    assert_ok(part.status);
    assert_int_equal(part.share[1], 12);
    assert_same(&whole, &part);
    train_same_tensors(rs_test_path("%s/weights/last.safetensors", dir[0]),
                       rs_test_path("%s/weights/last.safetensors", dir[1]));
    rs_checkpoint *last = NULL;
    assert_ok(rs_checkpoint_open(rs_test_path("%s/weights/last.safetensors", dir[1]), &last));
    assert_int_equal(rs_checkpoint_progress(last)->team.share[0], 4);
    assert_int_equal(rs_checkpoint_progress(last)->team.share[1], 12);
    rs_checkpoint_close(last);
    free(whole.weights);
    free(part.weights);
    rs_test_dir_remove(dir[0]);
    rs_test_dir_remove(dir[1]);
}

static void shards_have_the_same_bits_whatever_shares_do(void **state)
{
    const double speed[][2] = {{300, 100}, {100, 100}};
    job one = {.device = {pthread_device}, .devices = 1, .shards = 8, .epochs = 2};
    job two = {.device = {pthread_device, basic_device},
               .devices = 2,
               .shards = 8,
               .speed = speed,
               .epochs = 2};
    (void)state;
    need_devices();
    char *dir = rs_test_dir_make();
    run(&one);
    assert_ok(one.status);
    begin_following(&two, dir);
    run(&two);
    assert_ok(two.status);
    assert_int_equal(two.share[0], 4);
    assert_int_equal(two.share[1], 6);
    assert_same(&one, &two);
    free(one.weights);
    free(two.weights);
    rs_test_dir_remove(dir);
}

static void measures_what_devices_do(void **state)
{
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd};
    const rs_team_plan plan = {.hyper = &sgd, .batch = 8};
    rescl_device *device[] = {pthread_device, basic_device};
    rs_pace pace[2];
    (void)state;
    need_devices();
    rescl_model *model = rs_test_model();
    assert_ok(rs_pace_measure(device, 2, model->graph, &model->weights, &plan, pace));
    for (size_t i = 0; i < 2; i++)
        assert_true(pace[i].alone > 0.0 && pace[i].together > 0.0 && pace[i].exchange > 0.0);
    rescl_model_destroy(model);
}

static void refuses_what_cannot_be_shared(void **state)
{
    job j = {.device = {pthread_device, basic_device}, .devices = 2, .shares = "1,1,1"};
    (void)state;
    need_devices();
    run(&j);
    assert_int_equal(j.status, RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "found 3"));
    j.shares = "100,1";
    run(&j);
    assert_int_equal(j.status, RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "none of the 16 images"));
    j.device[1] = pthread_device;
    j.shares = NULL;
    run(&j);
    assert_int_equal(j.status, RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "are the same one"));
    j.devices = 1;
    j.shards = 64;
    run(&j);
    assert_int_equal(j.status, RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "shards: 64 of a batch of 32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_have_the_same_bits_on_any_devices),
        cmocka_unit_test(teachers_have_the_same_bits_on_any_devices),
        cmocka_unit_test(fewer_images_than_shards_have_the_same_bits),
        cmocka_unit_test(parts_add_up_to_the_batch),
        cmocka_unit_test(synced_parts_are_normalised_as_the_batch),
        cmocka_unit_test(levels_devices_that_drift_apart),
        cmocka_unit_test(finds_what_is_not_finite_in_any_part),
        cmocka_unit_test(finds_what_is_not_finite_behind_finite_losses),
        cmocka_unit_test(goes_on_as_if_never_stopped),
        cmocka_unit_test(shares_follow_from_epoch_to_epoch),
        cmocka_unit_test(shards_have_the_same_bits_whatever_shares_do),
        cmocka_unit_test(measures_what_devices_do),
        cmocka_unit_test(refuses_what_cannot_be_shared),
    };
    setenv("POCL_DEVICES", "pthread basic", 1);
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
