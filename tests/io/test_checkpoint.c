#include "testing.h"

#include "attr.h"
#include "checkpoint.h"
#include "path.h"
#include "safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A graph of two dense layers is all that a checkpoint needs. */
typedef struct fixture {
    char *dir, *path;
    rs_graph *graph;
    rs_weights weights, state[2];
} fixture;

static rs_graph *make_graph(size_t units)
{
    const rs_dense_attr hidden = {.units = units, .bias = true}, head = {.units = 3, .bias = true};
    rs_graph *g = NULL;
    rs_value x, y, z;
    assert_ok(rs_graph_create(&g));
    assert_ok(rs_graph_input(g, 2, 2, 3, &x));
    assert_ok(rs_graph_add(g, "hidden", &rs_op_dense, &hidden, sizeof hidden,
                           RS_SCHEME_GLOROT_UNIFORM, &x, 1, &y));
    assert_ok(rs_graph_add(g, "fc", &rs_op_dense, &head, sizeof head, RS_SCHEME_GLOROT_UNIFORM, &y,
                           1, &z));
    assert_ok(rs_graph_finish(g, z, &(rs_loss){0}));
    return g;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->dir = rs_test_dir_make();
    f->path = rs_path_join(f->dir, "c.safetensors");
    f->graph = make_graph(5);
    assert_ok(rs_weights_create(f->graph, &f->weights));
    rs_weights_init(f->graph, &f->weights, 1);
    for (int i = 0; i < 2; i++) {
        assert_ok(rs_weights_create(f->graph, &f->state[i]));
        rs_weights_init(f->graph, &f->state[i], 2 + (uint64_t)i);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    rs_weights_fini(&f->weights);
    rs_weights_fini(&f->state[0]);
    rs_weights_fini(&f->state[1]);
    rs_graph_destroy(f->graph);
    free(f->path);
    rs_test_dir_remove(f->dir);
    free(f);
    return 0;
}

static const char *const class_names[] = {"null", "eins", "zw\xc3\xb6lf"};
static const char *const state_names[] = {"m", "v"};

static const rs_ckpt_model about = {.name = "resnet8",
                                    .classes = 3,
                                    .image_size = 24,
                                    .hidden = 48,
                                    .dropout = 0.3,
                                    .label_smoothing = 0.1,
                                    .seed = UINT64_MAX,
                                    .preprocess = RESCL_PREPROCESS_CAFFE,
                                    .class_name = class_names,
                                    .frozen = "stem,stage1",
                                    .norm_eval = true};

static const rs_ckpt_progress progress = {.epoch = 3,
                                          .batch = 7,
                                          .step = 1234567890123,
                                          .samples = 224,
                                          .top1 = 100,
                                          .top5 = 200,
                                          .loss_sum = 1.0 / 3.0,
                                          .seconds = 12.25,
                                          .data_wait = 1e-300,
                                          .time = 99.5,
                                          .has_best = true,
                                          .best_by_eval = true,
                                          .best_epoch = 2,
                                          .best_top1 = 0.1 + 0.2,
                                          .best_loss = 1e300,
                                          .schedule = {1.0, 0.1 + 0.2, 0.0, 7.0}};

static void write_progress(fixture *f, const rs_ckpt_progress *p, const json_t *options)
{
    const rs_ckpt_training training = {
        .progress = *p,
        .data = {.name = "handsigns", .count = 1080, .fingerprint = "0123456789abcdef"},
        .nstates = 2,
        .state_name = state_names,
        .state = f->state,
        .options = options};
    assert_ok(rs_checkpoint_write(f->path, f->graph, &f->weights, &about, &training));
}

static void write_training(fixture *f, const json_t *options)
{
    write_progress(f, &progress, options);
}

static void check_same(const rs_weights *a, const rs_weights *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_memory_equal(a->data[i], b->data[i], a->elems[i] * sizeof(float));
}

static void reads_what_it_wrote(void **state)
{
    fixture *f = *state;
    json_t *options = json_pack("{s:s, s:f, s:i}", "opt", "sgd", "lr", 0.1 + 0.2, "batch_size", 8);
    rs_checkpoint *c = NULL;
    rs_weights back;
    write_training(f, options);
    assert_ok(rs_checkpoint_open(f->path, &c));
    const rs_ckpt_model *m = rs_checkpoint_model(c);
    assert_string_equal(m->name, "resnet8");
    assert_int_equal(m->classes, 3);
    assert_int_equal(m->image_size, 24);
    assert_int_equal(m->hidden, 48);
    assert_string_equal(m->frozen, "stem,stage1");
    assert_true(m->norm_eval);
    assert_true(m->dropout == about.dropout && m->label_smoothing == about.label_smoothing);
    assert_true(m->seed == UINT64_MAX);
    assert_int_equal(m->preprocess, RESCL_PREPROCESS_CAFFE);
    assert_string_equal(m->class_name[2], class_names[2]);
    const rs_ckpt_progress *p = rs_checkpoint_progress(c);
    assert_int_equal(p->epoch, 3);
    assert_int_equal(p->batch, 7);
    assert_true(p->step == progress.step);
    assert_int_equal(p->samples, 224);
    assert_int_equal(p->top1, 100);
    assert_int_equal(p->top5, 200);
    assert_true(p->loss_sum == progress.loss_sum && p->seconds == progress.seconds);
    assert_true(p->data_wait == progress.data_wait && p->time == progress.time);
    assert_true(p->has_best && p->best_by_eval);
    assert_int_equal(p->best_epoch, 2);
    assert_true(p->best_top1 == progress.best_top1 && p->best_loss == progress.best_loss);
    assert_memory_equal(p->schedule, progress.schedule, sizeof p->schedule);
    assert_string_equal(rs_checkpoint_data(c)->name, "handsigns");
    assert_int_equal(rs_checkpoint_data(c)->count, 1080);
    assert_ok(rs_weights_create(f->graph, &back));
    assert_ok(rs_checkpoint_read_weights(c, f->graph, &back));
    check_same(&back, &f->weights);
    assert_true(json_equal(rs_checkpoint_options(c), options));
    json_decref(options);
    assert_ok(rs_checkpoint_read_state(c, f->graph, "v", &back));
    check_same(&back, &f->state[1]);
    assert_fails(rs_checkpoint_read_state(c, f->graph, "momentum", &back), RESCL_ERR_NOT_FOUND,
                 "optimizer.momentum.hidden.weight");
    rs_weights_fini(&back);
    rs_checkpoint_close(c);
}

static void writes_weights_only(void **state)
{
    fixture *f = *state;
    rs_checkpoint *c = NULL;
    assert_ok(rs_checkpoint_write(f->path, f->graph, &f->weights, &about, NULL));
    assert_ok(rs_checkpoint_open(f->path, &c));
    assert_non_null(rs_checkpoint_model(c));
    assert_null(rs_checkpoint_progress(c));
    assert_null(rs_checkpoint_data(c));
    rs_checkpoint_close(c);
}

static void refuses_another_graph(void **state)
{
    fixture *f = *state;
    rs_graph *wider = make_graph(6);
    rs_checkpoint *c = NULL;
    assert_ok(rs_checkpoint_write(f->path, f->graph, &f->weights, &about, NULL));
    assert_ok(rs_checkpoint_open(f->path, &c));
    assert_ok(rs_checkpoint_fits(c, f->graph));
    assert_fails(rs_checkpoint_fits(c, wider), RESCL_ERR_SHAPE, "hidden.weight", "(12, 5)",
                 "(12, 6)");
    rs_checkpoint_close(c);
    rs_graph_destroy(wider);
}

/* Rewrites the file with one piece of metadata replaced (or, by NULL, left out). */
static void with_meta(fixture *f, const char *key, const char *value)
{
    rs_st_meta meta[] = {
        {"format", "rescl"}, {"format_version", "1"}, {"filter_layout", "RSCK"}, {"model", NULL}};
    rs_st_file *old = NULL;
    size_t n = 0;
    assert_ok(rs_checkpoint_write(f->path, f->graph, &f->weights, &about, NULL));
    assert_ok(rs_st_open(f->path, &old));
    meta[3].value = rs_st_meta_get(old, "model");
    for (size_t i = 0; i < 4; i++) {
        rs_st_meta m = meta[i];
        if (strcmp(m.key, key) == 0)
            m.value = value;
        if (m.value)
            meta[n++] = m;
    }
    const rs_st_source one = {
        .name = "x", .dtype = RS_ST_F32, .ndim = 1, .dim = {1}, .data = f->weights.data[0]};
    assert_ok(rs_st_write(f->path, meta, n, &one, 1));
    rs_st_close(old);
}

#define MODEL(classes, size, names) MODEL_WITH(classes, size, names, "")
#define SKETCH(hashes)                                                                             \
    MODEL_WITH("1", "24", "[\"a\"]",                                                               \
               ",\"trained_on\":{\"fingerprint\":\"2:0\",\"validation_split\":0,\"seed\":\"0\","   \
               "\"sketch\":" hashes "}")
#define MODEL_WITH(classes, size, names, rest)                                                     \
    "{\"name\":\"resnet8\",\"classes\":" classes ",\"image_size\":" size                           \
    ",\"dropout\":0,\"label_smoothing\":0,\"seed\":\"1\",\"preprocess\":\"unit\","                 \
    "\"class_names\":" names rest "}"

static void refuses_damaged_metadata(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *key, *value;
        rescl_status status;
        const char *word;
    } cases[] = {
        {"filter_layout", NULL, RESCL_ERR_FORMAT, "not given"},
        {"filter_layout", "KCRS", RESCL_ERR_FORMAT, "KCRS"},
        {"format_version", "2", RESCL_ERR_UNSUPPORTED, "version 2"},
        {"format_version", NULL, RESCL_ERR_UNSUPPORTED, "missing"},
        {"model", "{", RESCL_ERR_FORMAT, "'model' is damaged"},
        {"model", "[]", RESCL_ERR_FORMAT, "not an object"},
        {"model", "{}", RESCL_ERR_FORMAT, "lacks one of"},
        {"model", MODEL("3", "24", "[\"a\"]"), RESCL_ERR_FORMAT, "1 class names for 3"},
        {"model", MODEL("0", "24", "[]"), RESCL_ERR_FORMAT, "0 class names for 0"},
        {"model", MODEL("1", "24", "[1]"), RESCL_ERR_FORMAT, "class name 0"},
        {"model", MODEL("1", "24", "[\"a\\u001b[2J\"]"), RESCL_ERR_FORMAT, "control character"},
        {"model", MODEL("1", "0", "[\"a\"]"), RESCL_ERR_FORMAT, "image_size of 0"},
        {"model", MODEL("1", "1000000", "[\"a\"]"), RESCL_ERR_FORMAT, "image_size of 1000000"},
        {"model", SKETCH("7"), RESCL_ERR_FORMAT, "seed or sketch"},
        {"model", SKETCH("\"00000000000\""), RESCL_ERR_FORMAT, "seed or sketch"},
        {"model", SKETCH("\"00000000000g\""), RESCL_ERR_FORMAT, "seed or sketch"},
        {"model", SKETCH("\"000000000002000000000002\""), RESCL_ERR_FORMAT, "seed or sketch"},
        {"model", MODEL("-1", "24", "[\"a\"]"), RESCL_ERR_FORMAT, "lacks one of"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rs_checkpoint *c = NULL;
        with_meta(f, cases[i].key, cases[i].value);
        assert_fails(rs_checkpoint_open(f->path, &c), cases[i].status, f->path, cases[i].word);
        assert_null(c);
    }
}

/* Only those that a run in fp16 comes to. */
static void refuses_other_loss_scales(void **state)
{
    fixture *f = *state;
    static const struct {
        double scale;
        uint64_t good;
        rescl_status status;
    } cases[] = {{1.0, 1999, RESCL_OK},          {0x1p100, 0, RESCL_OK},
                 {0.5, 0, RESCL_ERR_FORMAT},     {1e-300, 0, RESCL_ERR_FORMAT},
                 {0x1p101, 0, RESCL_ERR_FORMAT}, {65536.0, 2000, RESCL_ERR_FORMAT}};
    json_t *options = json_object();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rs_ckpt_progress p = progress;
        rs_checkpoint *c = NULL;
        p.scale = (rs_loss_scale){.scale = cases[i].scale, .good = cases[i].good, .skipped = 3};
        write_progress(f, &p, options);
        const rescl_status st = rs_checkpoint_open(f->path, &c);
        assert_int_equal(st, cases[i].status);
        if (c)
            assert_memory_equal(&rs_checkpoint_progress(c)->scale, &p.scale, sizeof p.scale);
        rs_checkpoint_close(c);
    }
    json_decref(options);
}

static void reads_other_programs_files(void **state)
{
    fixture *f = *state;
    rs_checkpoint *c = NULL;
    with_meta(f, "format", "pt");
    assert_ok(rs_checkpoint_open(f->path, &c));
    assert_null(rs_checkpoint_model(c));
    assert_fails(rs_checkpoint_fits(c, f->graph), RESCL_ERR_NOT_FOUND, "hidden.weight");
    rs_checkpoint_close(c);
}

static void refuses_numbers_it_cannot_store(void **state)
{
    fixture *f = *state;
    json_t *options = json_object();
    const rs_ckpt_training training = {.progress = {.loss_sum = (double)NAN},
                                       .data = {.name = "x", .count = 1, .fingerprint = "0"},
                                       .options = options};
    assert_fails(rs_checkpoint_write(f->path, f->graph, &f->weights, &about, &training),
                 RESCL_ERR_ARG, f->path, "not finite");
    assert_int_equal(rs_test_dir_count(f->dir), 0);
    json_decref(options);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_what_it_wrote),
        TEST(writes_weights_only),
        TEST(refuses_another_graph),
        TEST(refuses_damaged_metadata),
        TEST(refuses_other_loss_scales),
        TEST(reads_other_programs_files),
        TEST(refuses_numbers_it_cannot_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
