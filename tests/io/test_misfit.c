/* Files of other networks than the one that is asked for: refused, by what they hold. */
#include "testing.h"

#include "error.h"
#include "netmodel.h"
#include "safetensors.h"
#include "str.h"

#include <rescl/weights.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of torchvision's form: the tensors of a model, with names and shapes that a test changes. */
typedef struct file {
    rescl_model *model; /* owns names and values */
    rs_st_source *tensor;
    size_t count;
    char **made; /* names */
    const char *path;
} file;

enum { MOST_VALUES = 512 * 9 }; /* of a tensor that a test adds */

static file file_of(const char *model)
{
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = model, .classes = 10, .image_size = 32, .seed = 5};
    const rescl_export_options torch = {.struct_size = sizeof torch, .names = "torchvision"};
    file f = {.path = rs_test_path("%s/other.safetensors", rs_test_dir)};
    const char *plain = rs_test_path("%s/plain.safetensors", rs_test_dir);
    rs_st_file *st = NULL;
    assert_ok(rescl_model_create(&o, &f.model));
    assert_ok(rescl_model_export(f.model, plain, &torch));
    assert_ok(rs_st_open(plain, &st));
    f.count = rs_st_count(st);
    f.tensor = calloc(f.count + 8, sizeof *f.tensor);
    f.made = calloc(f.count + 8, sizeof *f.made);
    assert_true(f.tensor && f.made);
    for (size_t i = 0; i < f.count; i++) {
        const rs_st_tensor *t = rs_st_at(st, i);
        void *data = malloc(t->bytes);
        assert_true(data && (f.made[i] = strdup(t->name)));
        assert_ok(rs_st_read(st, t, data));
        f.tensor[i] =
            (rs_st_source){.name = f.made[i], .dtype = t->dtype, .ndim = t->ndim, .data = data};
        memcpy(f.tensor[i].dim, t->dim, sizeof t->dim);
    }
    rs_st_close(st);
    return f;
}

static rs_st_source *tensor_of(file *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->tensor[i].name, name) == 0)
            return &f->tensor[i];
    fail_msg("there is no '%s'", name);
    return NULL;
}

static void rename_tensor(file *f, const char *from, const char *to)
{
    rs_st_source *t = tensor_of(f, from);
    free(f->made[t - f->tensor]);
    assert_non_null(f->made[t - f->tensor] = strdup(to));
    t->name = f->made[t - f->tensor];
}

static void add_tensor(file *f, rs_st_source t)
{
    t.data = calloc(MOST_VALUES, sizeof(float));
    assert_true(t.data && (f->made[f->count] = strdup(t.name)));
    t.name = f->made[f->count];
    f->tensor[f->count++] = t;
}

/* Puts `prefix` before all names but the last layer's, and calls that one `head`. */
static void put_before(file *f, const char *prefix, const char *head)
{
    for (size_t i = 0; i < f->count; i++) {
        char *old = f->made[i];
        if (head && strncmp(old, "fc.", 3) == 0)
            f->made[i] = rs_strf("%s.%s", head, old + 3);
        else
            f->made[i] = rs_strf("%s%s", prefix, old);
        assert_non_null(f->tensor[i].name = f->made[i]);
        free(old);
    }
}

static void write_out(const file *f)
{
    assert_ok(rs_st_write(f->path, NULL, 0, f->tensor, f->count));
}

static void file_fini(file *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->made[i]);
        free((void *)(uintptr_t)f->tensor[i].data);
    }
    free(f->made);
    free(f->tensor);
    rescl_model_destroy(f->model);
}

/* Opens what was written, and loads it as `model`. */
static rescl_status load(const file *f, const char *model, rescl_load_mode mode, rescl_model **out)
{
    const rescl_model_options o = {.struct_size = sizeof o, .name = model, .image_size = 32};
    rescl_weights *w = NULL;
    *out = NULL;
    write_out(f);
    assert_ok(rescl_weights_open(f->path, &w));
    const rescl_status st = rescl_weights_create_model(w, &o, mode, NULL, out);
    rescl_weights_close(w);
    return st;
}

static void check_same(const rescl_model *a, const rescl_model *b)
{
    assert_int_equal(a->weights.count, b->weights.count);
    for (size_t i = 0; i < a->weights.count; i++)
        assert_memory_equal(a->weights.data[i], b->weights.data[i],
                            a->weights.elems[i] * sizeof(float));
}

static void names_the_model_that_a_file_is_of(void **state)
{
    static const struct {
        const char *of, *as;
        rescl_status st;
        const char *holds, *fits;
    } rows[] = {
        {"resnet32", "resnet20", RESCL_ERR_FORMAT, "'layer1.3.conv1.weight' (16, 16, 3, 3) and",
         "its tensors fit resnet32"},
        {"resnet20", "resnet32", RESCL_ERR_NOT_FOUND, "'layer1.3.conv1.weight' and",
         "its tensors fit resnet20"},
        {"resnet8", "resnet20", RESCL_ERR_NOT_FOUND,
         "'layer2.0.downsample.0.weight' (32, 16, 1, 1) and", "its tensors fit resnet8"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        file f = file_of(rows[i].of);
        rescl_model *m = NULL;
        for (rescl_load_mode mode = RESCL_LOAD_STRICT; mode <= RESCL_LOAD_BODY; mode += 2)
            assert_fails(load(&f, rows[i].as, mode, &m), rows[i].st, f.path,
                         "these are no weights of", rows[i].as, rows[i].holds, rows[i].fits);
        assert_ok(load(&f, rows[i].of, RESCL_LOAD_STRICT, &m));
        check_same(m, f.model);
        rescl_model_destroy(m);
        if (rows[i].st == RESCL_ERR_FORMAT) {
            assert_ok(load(&f, rows[i].as, RESCL_LOAD_COMPLETE, &m));
            rescl_model_destroy(m);
        }
        file_fini(&f);
    }
}

static void names_the_type_that_is_not_read(void **state)
{
    static const struct {
        rs_st_dtype dtype;
        const char *found, *cure;
    } rows[] = {{RS_ST_F8_E4M3, "of type F8_E4M3", "value.float()"},
                {RS_ST_I8, "of type I8", "before they were quantised"}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        file f = file_of("resnet8");
        rescl_model *m = NULL;
        tensor_of(&f, "conv1.weight")->dtype = rows[i].dtype;
        assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_NOT_FOUND,
                     "'conv1.weight' is of type", rows[i].found, "F32", rows[i].cure);
        file_fini(&f);
    }
}

static void reports_what_is_refused_and_no_damage(void **state)
{
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet8", .classes = 10, .image_size = 32};
    file f = file_of("resnet8");
    rescl_weights *w = NULL;
    rescl_model *m = NULL;
    rescl_match_list *report = NULL;
    (void)state;
    rename_tensor(&f, "fc.bias", "other.bias");
    write_out(&f);
    assert_ok(rescl_weights_open(f.path, &w));
    assert_fails(rescl_weights_create_model(w, &o, RESCL_LOAD_STRICT, &report, &m),
                 RESCL_ERR_NOT_FOUND, f.path);
    assert_int_equal(rescl_match_list_count(report, RESCL_MISSING), 1);
    rescl_match_list_destroy(report);
    rescl_weights_close(w);

    rename_tensor(&f, "other.bias", "fc.bias");
    write_out(&f);
    assert_ok(rescl_weights_open(f.path, &w));
    assert_int_equal(truncate(f.path, 20000), 0);
    assert_fails(rescl_weights_create_model(w, &o, RESCL_LOAD_STRICT, &report, &m),
                 RESCL_ERR_FORMAT, f.path, "became shorter");
    assert_null(report);
    assert_fails(rescl_weights_load(w, f.model, RESCL_LOAD_STRICT, &report), RESCL_ERR_FORMAT,
                 "became shorter");
    assert_null(report);
    rescl_weights_close(w);
    file_fini(&f);
}

static void names_what_a_foreign_network_has(void **state)
{
    static const struct {
        rs_st_source extra;
        const char *tells;
    } rows[] = {
        {{.name = "layer1.0.se.fc1.weight", .ndim = 4, .dim = {4, 16, 1, 1}}, "squeeze and excit"},
        {{.name = "layer1.0.se.conv.weight", .ndim = 3, .dim = {1, 1, 3}}, "channel attention"},
        {{.name = "layer1.0.attn.q.weight", .ndim = 2, .dim = {16, 16}}, "it has attention"},
        {{.name = "conv1.0.weight", .ndim = 4, .dim = {16, 3, 3, 3}}, "a deep stem"},
        {{.name = "features.0.weight", .ndim = 4, .dim = {16, 3, 3, 3}}, "VGG"},
        {{.name = "cls_token", .ndim = 3, .dim = {1, 1, 16}}, "vision transformer"},
        {{.name = "anything.weight", .ndim = 3, .dim = {1, 1, 16}}, "fit no model"},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        file f = file_of("resnet8");
        rescl_model *m = NULL;
        rs_st_source t = rows[i].extra;
        t.dtype = RS_ST_F32;
        add_tensor(&f, t);
        assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_FORMAT, t.name,
                     rows[i].tells);
        assert_fails(load(&f, "resnet8", RESCL_LOAD_BODY, &m), RESCL_ERR_FORMAT, t.name);
        file_fini(&f);
    }
}

/* Counters are no part of the network; another head is none of the body's. */
static void passes_over_counters_and_other_heads(void **state)
{
    file f = file_of("resnet8");
    rescl_model *m = NULL;
    (void)state;
    add_tensor(&f, (rs_st_source){.name = "n_averaged", .dtype = RS_ST_I64});
    add_tensor(&f, (rs_st_source){.name = "bn1.num_batches_tracked", .dtype = RS_ST_I64});
    add_tensor(
        &f, (rs_st_source){.name = "conv1.total_ops", .dtype = RS_ST_F64, .ndim = 1, .dim = {1}});
    assert_ok(load(&f, "resnet8", RESCL_LOAD_STRICT, &m));
    check_same(m, f.model);
    rescl_model_destroy(m);
    add_tensor(
        &f, (rs_st_source){.name = "aux.0.weight", .dtype = RS_ST_F32, .ndim = 2, .dim = {3, 64}});
    add_tensor(&f, (rs_st_source){.name = "aux.0.bias", .dtype = RS_ST_F32, .ndim = 1, .dim = {3}});
    assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_FORMAT, "aux.0.weight");
    assert_ok(load(&f, "resnet8", RESCL_LOAD_BODY, &m));
    check_same(m, f.model);
    rescl_model_destroy(m);
    file_fini(&f);
}

/* Beside one network under a prefix. */
static void passes_over_what_is_of_the_training(void **state)
{
    static const rs_st_source extra[] = {
        {.name = "loss_fn.weight", .dtype = RS_ST_F32, .ndim = 1, .dim = {10}},
        {.name = "criterion.centers", .dtype = RS_ST_F32, .ndim = 2, .dim = {10, 64}},
        {.name = "val_confmat.confmat", .dtype = RS_ST_I64, .ndim = 2, .dim = {10, 10}},
        {.name = "mean", .dtype = RS_ST_F32, .ndim = 4, .dim = {1, 3, 1, 1}},
    };
    static const rs_st_source layer[] = {
        {.name = "projection.weight", .dtype = RS_ST_F32, .ndim = 2, .dim = {10, 10}},
        {.name = "logit_scale", .dtype = RS_ST_F32, .ndim = 0},
        {.name = "neck.running_mean", .dtype = RS_ST_F32, .ndim = 1, .dim = {10}},
    };
    rescl_model *m = NULL;
    file f = file_of("resnet8");
    (void)state;
    for (size_t i = 0; i < RS_COUNT(extra); i++)
        add_tensor(&f, extra[i]);
    assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_FORMAT, "and 3 more");
    file_fini(&f);
    f = file_of("resnet8");
    put_before(&f, "model.", NULL);
    for (size_t i = 0; i < RS_COUNT(extra); i++)
        add_tensor(&f, extra[i]);
    assert_ok(load(&f, "resnet8", RESCL_LOAD_STRICT, &m));
    check_same(m, f.model);
    rescl_model_destroy(m);
    for (size_t i = 0; i < RS_COUNT(layer); i++) {
        add_tensor(&f, layer[i]);
        assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_FORMAT, layer[i].name);
        free((void *)(uintptr_t)f.tensor[--f.count].data);
        free(f.made[f.count]);
    }
    file_fini(&f);
}

static void passes_over_what_stands_before_all_names(void **state)
{
    static const char *const prefixes[] = {
        "module.",   "_orig_mod.", "module._orig_mod.", "model.",
        "backbone.", "encoder.",   "net.trunk.",        "state_dict.model.module."};
    static const char *const heads[] = {NULL,   "linear",      "classifier", "classifier.1",
                                        "head", "head.fc",     "fc.1",       "dense",
                                        "fc10", "predictions", "last_linear"};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(prefixes) + RS_COUNT(heads); i++) {
        const char *prefix = i < RS_COUNT(prefixes) ? prefixes[i] : "";
        const char *head = i < RS_COUNT(prefixes) ? NULL : heads[i - RS_COUNT(prefixes)];
        file f = file_of("resnet8");
        rescl_model *m = NULL;
        rescl_weights *w = NULL;
        rescl_weights_info info;
        put_before(&f, prefix, head);
        assert_ok(load(&f, "resnet8", RESCL_LOAD_STRICT, &m));
        check_same(m, f.model);
        rescl_model_destroy(m);
        assert_ok(rescl_weights_open(f.path, &w));
        rescl_weights_get_info(w, &info);
        assert_string_equal(info.names, "torchvision");
        assert_int_equal(info.classes, 10);
        assert_string_equal(info.prefix ? info.prefix : "", prefix);
        rescl_weights_close(w);
        file_fini(&f);
    }
}

/* The head may stand beside the body. */
static void a_prefix_need_not_be_the_heads(void **state)
{
    file f = file_of("resnet8");
    rescl_model *m = NULL;
    (void)state;
    put_before(&f, "backbone.", "head.fc");
    assert_ok(load(&f, "resnet8", RESCL_LOAD_STRICT, &m));
    check_same(m, f.model);
    rescl_model_destroy(m);
    file_fini(&f);
}

static void refuses_two_networks_in_one_file(void **state)
{
    file f = file_of("resnet8"), both = {.path = f.path};
    rescl_weights *w = NULL;
    (void)state;
    both.tensor = calloc(2 * f.count, sizeof *both.tensor);
    both.made = calloc(2 * f.count, sizeof *both.made);
    assert_true(both.tensor && both.made);
    for (size_t i = 0; i < 2 * f.count; i++) {
        both.tensor[i] = f.tensor[i % f.count];
        both.made[i] = rs_strf("encoder_%c.%s", i < f.count ? 'q' : 'k', f.made[i % f.count]);
        assert_non_null(both.tensor[i].name = both.made[i]);
    }
    assert_ok(rs_st_write(f.path, NULL, 0, both.tensor, 2 * f.count));
    assert_fails(rescl_weights_open(f.path, &w), RESCL_ERR_FORMAT, f.path, "two networks",
                 "'encoder_k.'", "'encoder_q.'");
    for (size_t i = 0; i < 2 * f.count; i++)
        free(both.made[i]);
    free(both.made);
    free(both.tensor);
    file_fini(&f);
}

/* Two matrices are not one head, which the error tells by showing them. */
static void shows_a_head_of_two_layers(void **state)
{
    file f = file_of("resnet8");
    rescl_model *m = NULL;
    (void)state;
    rename_tensor(&f, "fc.weight", "fc.2.weight");
    rename_tensor(&f, "fc.bias", "fc.2.bias");
    add_tensor(
        &f, (rs_st_source){.name = "fc.0.weight", .dtype = RS_ST_F32, .ndim = 2, .dim = {64, 64}});
    assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_NOT_FOUND,
                 "it holds 'fc.2.weight' (10, 64) and 2 more", "no tensor 'fc.weight'");
    assert_ok(load(&f, "resnet8", RESCL_LOAD_BODY, &m));
    rescl_model_destroy(m);
    file_fini(&f);
}

enum { FILTERS = 16, PLACES = 9 }; /* of resnet8's stem */

/* A grey image, three times over, gives the same sums. */
static void spreads_a_stem_of_one_channel(void **state)
{
    file f = file_of("resnet8");
    rescl_model *m = NULL;
    rescl_weights *w = NULL;
    rescl_match_list *report = NULL;
    rescl_match first;
    (void)state;
    rs_st_source *stem = tensor_of(&f, "conv1.weight");
    stem->dim[1] = 1;
    const float *grey = stem->data;
    assert_ok(load(&f, "resnet8", RESCL_LOAD_STRICT, &m));
    for (size_t place = 0; place < PLACES; place++)
        for (size_t channel = 0; channel < 3; channel++)
            for (size_t k = 0; k < FILTERS; k++)
                assert_true(m->weights.data[0][(place * 3 + channel) * FILTERS + k] ==
                            grey[k * PLACES + place] / 3);
    assert_ok(rescl_weights_open(f.path, &w));
    assert_ok(rescl_weights_match(w, m, &report));
    assert_true(rescl_match_list_get(report, 0, &first) && first.spread);
    assert_int_equal(first.tensor.shape[1], 1);
    assert_int_equal(first.param_shape[1], 3); /* in the file's order */
    rescl_match_list_destroy(report);
    rescl_weights_close(w);
    rescl_model_destroy(m);
    stem->dim[1] = 2; /* of a network for two channels, or another */
    assert_fails(load(&f, "resnet8", RESCL_LOAD_STRICT, &m), RESCL_ERR_SHAPE,
                 "'conv1.weight' (16, 2, 3, 3), which has to be (16, 3, 3, 3)");
    file_fini(&f);
}

/* A model by `o` of `f`, whose stem has the filters of a golden file; `adapted` gets those that timm makes of them. */
static rescl_model *adapt(const char *golden_name, file *f, const rescl_model_options *o,
                          float *adapted, rescl_weights **w, rescl_match_list **report)
{
    static float filters[FILTERS * 3 * PLACES];
    rs_st_file *golden = NULL;
    rescl_model *m = NULL;
    assert_ok(rs_st_open(rs_test_path("%s/tests/golden/%s", RESCL_TEST_SOURCE_DIR, golden_name),
                         &golden));
    assert_ok(rs_st_read(golden, rs_st_find(golden, "filters"), filters));
    assert_ok(rs_st_read(golden, rs_st_find(golden, "adapted"), adapted));
    rs_st_close(golden);
    memcpy((void *)(uintptr_t)tensor_of(f, "conv1.weight")->data, filters, sizeof filters);
    write_out(f);
    assert_ok(rescl_weights_open(f->path, w));
    assert_ok(rescl_weights_create_model(*w, o, RESCL_LOAD_STRICT, report, &m));
    return m;
}

/* timm's adapt_input_conv (tests/golden/make_forms.py), and saved and read again, with 16 bits. */
static void repeats_a_stem_of_three_channels(void **state)
{
    static float adapted[FILTERS * 4 * PLACES];
    file f = file_of("resnet8");
    rescl_model_options o = {.struct_size = sizeof o,
                             .name = "resnet8",
                             .image_size = 32,
                             .channels = 4,
                             .bit_depth = 16};
    const char *path = rs_test_path("%s/four.safetensors", rs_test_dir);
    rescl_model *m, *again = NULL;
    rescl_weights *w = NULL;
    rescl_match_list *report = NULL;
    rescl_match first;
    rescl_model_info info;
    (void)state;
    m = adapt("forms.safetensors", &f, &o, adapted, &w, &report);
    assert_true(rescl_match_list_get(report, 0, &first) && first.repeated && !first.summed);
    for (size_t place = 0; place < PLACES; place++)
        for (size_t c = 0; c < 4; c++)
            for (size_t k = 0; k < FILTERS; k++)
                assert_true(m->weights.data[0][(place * 4 + c) * FILTERS + k] ==
                            adapted[(k * 4 + c) * PLACES + place]);
    assert_ok(rescl_model_set_normalize(
        m, &(rescl_normalize){{0.1, 0.2, 0.3, 0.4}, {0.5, 0.6, 0.7, 0.8}}));
    assert_ok(rescl_model_save(m, path));
    assert_ok(rescl_model_load(path, &again));
    rescl_model_get_info(again, &info);
    assert_int_equal(info.channels, 4);
    assert_int_equal(info.bit_depth, 16);
    assert_true(info.normalize.mean[3] == 0.4 && info.normalize.std[3] == 0.8);
    rescl_model_destroy(again);
    rescl_match_list_destroy(report);
    rescl_weights_close(w);
    assert_ok(rescl_weights_open(path, &w)); /* and not back */
    o.channels = 3;
    rescl_model_destroy(m);
    assert_fails(rescl_weights_create_model(w, &o, RESCL_LOAD_STRICT, NULL, &m), RESCL_ERR_SHAPE,
                 "'conv1.weight'");
    rescl_weights_close(w);
    file_fini(&f);
}

/* timm's adapt_input_conv (tests/golden/make_grey.py), and saved and read again. */
static void sums_a_stem_of_three_channels(void **state)
{
    static float adapted[FILTERS * PLACES];
    file f = file_of("resnet8");
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet8", .image_size = 32, .channels = 1};
    const char *path = rs_test_path("%s/grey.safetensors", rs_test_dir);
    rescl_model *m, *again = NULL;
    rescl_weights *w = NULL;
    rescl_match_list *report = NULL;
    rescl_match first;
    rescl_model_info info;
    (void)state;
    m = adapt("grey.safetensors", &f, &o, adapted, &w, &report);
    assert_true(rescl_match_list_get(report, 0, &first) && first.summed && !first.spread);
    for (size_t place = 0; place < PLACES; place++)
        for (size_t k = 0; k < FILTERS; k++) {
            const float want = adapted[k * PLACES + place];
            assert_true(fabsf(m->weights.data[0][place * FILTERS + k] - want) < 1e-6f);
        }
    assert_ok(rescl_model_save(m, path));
    assert_ok(rescl_model_load(path, &again));
    rescl_model_get_info(again, &info);
    assert_int_equal(info.channels, 1);
    check_same(m, again);
    rescl_model_destroy(again);
    rescl_match_list_destroy(report);
    rescl_weights_close(w);
    rescl_model_destroy(m);
    file_fini(&f);
}

/* Two and five channels are refused by name. */
static void refuses_other_numbers_of_channels(void **state)
{
    static const size_t channels[] = {2, 5};
    rescl_model *m = NULL;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(channels); i++) {
        const rescl_model_options o = {
            .struct_size = sizeof o, .name = "resnet8", .channels = channels[i]};
        assert_fails(rescl_model_create(&o, &m), RESCL_ERR_ARG, "channels", "expected 3");
    }
}

/* Of a network for small images too, whose usual preprocessing is another. */
static void names_of_torchvision_imply_its_preprocessing(void **state)
{
    file f = file_of("resnet20");
    rescl_model *m = NULL;
    (void)state;
    assert_int_equal(f.model->preprocess, RESCL_PREPROCESS_UNIT);
    assert_ok(load(&f, "resnet20", RESCL_LOAD_STRICT, &m));
    assert_int_equal(m->preprocess, RESCL_PREPROCESS_TORCH);
    rescl_model_destroy(m);
    file_fini(&f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_the_model_that_a_file_is_of),
        TEST(names_the_type_that_is_not_read),
        TEST(reports_what_is_refused_and_no_damage),
        TEST(names_what_a_foreign_network_has),
        TEST(passes_over_counters_and_other_heads),
        TEST(passes_over_what_is_of_the_training),
        TEST(passes_over_what_stands_before_all_names),
        TEST(a_prefix_need_not_be_the_heads),
        TEST(refuses_two_networks_in_one_file),
        TEST(shows_a_head_of_two_layers),
        TEST(spreads_a_stem_of_one_channel),
        TEST(repeats_a_stem_of_three_channels),
        TEST(sums_a_stem_of_three_channels),
        TEST(refuses_other_numbers_of_channels),
        TEST(names_of_torchvision_imply_its_preprocessing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
