/* Keras' ImageNet weights on real photos, against logits that PyTorch computed from them. */
#include "fixtures.h"
#include "testing.h"

#include "error.h"
#include "loader.h"
#include "netmodel.h"
#include "path.h"
#include "replica.h"
#include "str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 1000, SIZE = 224, BATCH = 5, IMAGES = 125 };

/* "<data>/resnet50-imagenet/<name>" on the heap. */
static char *file_of(const char *data, const char *name)
{
    char *path = rs_strf("%s/resnet50-imagenet/%s", data, name);
    assert_non_null(path);
    return path;
}

/* Images are named by their class: 0003.png. */
typedef struct images {
    size_t count;
    int32_t label[IMAGES];
    rescl_image image[IMAGES];
} images;

static void read_images(const char *data, images *p)
{
    p->count = 0;
    for (int32_t c = 0; c < CLASSES; c++) {
        char *name = rs_strf("images/%04d.png", (int)c), *path = file_of(data, name);
        if (access(path, R_OK) == 0) {
            assert_true(p->count < IMAGES);
            assert_ok(rescl_image_read(path, &p->image[p->count]));
            p->label[p->count++] = c;
        }
        free(name);
        free(path);
    }
    assert_int_equal(p->count, IMAGES);
}

static void forward(const rescl_model *m, const images *p, float *logits)
{
    const rs_replica_options plan = {.eval_batch = BATCH};
    const size_t values = (size_t)SIZE * SIZE * 3;
    float table[4][256];
    const int32_t labels[BATCH] = {0};
    rs_replica *r = NULL;
    uint8_t *pixels = malloc(BATCH * values);
    assert_non_null(pixels);
    assert_ok(rs_preprocess_table(m->preprocess, &m->normalize, m->channels, table));
    assert_ok(rs_replica_create(rs_test_device(), m->graph, &m->weights, &plan, &r));
    for (size_t i = 0; i < IMAGES; i += BATCH) {
        for (size_t k = 0; k < BATCH; k++)
            assert_ok(rs_image_to_input(&p->image[i + k], SIZE, SIZE, &m->resize, m->preprocess,
                                        pixels + k * values));
        rs_net *net = rs_replica_net(r, RS_MODE_EVAL, BATCH);
        assert_ok(rs_replica_send(
            r, &(rs_images){BATCH, pixels, (const float(*)[256])table, labels, NULL, NULL}));
        assert_ok(rs_replica_receive(r, net));
        assert_ok(rs_replica_forward(r, net, 0, 0));
        assert_ok(rs_replica_settle(r));
        memcpy(logits + i * CLASSES, r->logits, sizeof(float) * BATCH * CLASSES);
    }
    rs_replica_destroy(r);
    free(pixels);
}

/* How many logits are above that of the label. */
static size_t rank_of(const float *logits, int32_t label)
{
    size_t above = 0;
    for (size_t c = 0; c < CLASSES; c++)
        above += logits[c] > logits[label];
    return above;
}

static double distance(const float *a, const float *b)
{
    double diff = 0.0, norm = 0.0;
    for (size_t c = 0; c < CLASSES; c++) {
        diff += pow((double)a[c] - (double)b[c], 2.0);
        norm += pow((double)b[c], 2.0);
    }
    return sqrt(diff / norm);
}

static void knows_real_photos(void **state)
{
    (void)state;
    const char *data = rs_test_data_dir("ImageNet weights of Keras");
    char *weights = data ? file_of(data, "resnet50_weights_tf_dim_ordering_tf_kernels.h5") : NULL;
    if (!weights || access(weights, R_OK) != 0) {
        if (weights)
            print_message("skipped: ImageNet weights of Keras (%s is absent)\n", weights);
        free(weights);
        skip();
        return;
    }
    static images p;
    const rescl_model_options options = {.struct_size = sizeof options, .name = "resnet50_keras"};
    const size_t count = (size_t)IMAGES * CLASSES;
    char *ref_path = file_of(data, "images/ref_logits.f32"), *ref = NULL;
    float *logits = malloc(count * sizeof *logits);
    size_t bytes = 0, top1 = 0, top5 = 0;
    double worst = 0.0;
    rescl_weights *w = NULL;
    rescl_model *m = NULL;
    assert_non_null(logits);
    assert_ok(rs_file_read(ref_path, count * sizeof *logits, &ref, &bytes));
    assert_int_equal(bytes, count * sizeof *logits);
    assert_ok(rescl_weights_open(weights, &w));
    assert_ok(rescl_weights_create_model(w, &options, RESCL_LOAD_STRICT, NULL, &m));
    assert_int_equal(m->preprocess, RESCL_PREPROCESS_CAFFE);
    read_images(data, &p);
    forward(m, &p, logits);
    for (size_t i = 0; i < IMAGES; i++) {
        const double d = distance(logits + i * CLASSES, (const float *)(void *)ref + i * CLASSES);
        const size_t rank = rank_of(logits + i * CLASSES, p.label[i]);
        worst = fmax(worst, d);
        top1 += rank == 0;
        top5 += rank < 5;
        rescl_image_free(&p.image[i]);
    }
    print_message("top-1 %zu, top-5 %zu of %d; logits at most %.1e from PyTorch's\n", top1, top5,
                  IMAGES, worst);
    assert_int_equal(top1, 111);
    assert_int_equal(top5, 123);
    assert_true(worst < 1e-3);
    rescl_model_destroy(m);
    rescl_weights_close(w);
    free(logits);
    free(ref);
    free(ref_path);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(knows_real_photos)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
