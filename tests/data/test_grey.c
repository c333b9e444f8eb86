/* What networks of one channel see, against Pillow and torchvision (tests/golden/make_grey.py). */
#include "alloc.h"
#include "colour.h"
#include "error.h"
#include "loader.h"
#include "safetensors.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 12, PIXELS = SIDE * SIDE };

static const rescl_normalize normalize = {{0.4, 0.4, 0.4}, {0.3, 0.3, 0.3}};

typedef struct golden {
    uint8_t image[PIXELS * 3], grey[PIXELS], jittered[PIXELS];
    float input[PIXELS];
} golden;

static void read_tensor(rs_st_file *f, const char *name, void *out, size_t bytes)
{
    const rs_st_tensor *t = rs_st_find(f, name);
    assert_non_null(t);
    assert_int_equal(t->bytes, bytes);
    assert_ok(rs_st_read(f, t, out));
}

static golden read_golden(void)
{
    rs_st_file *f = NULL;
    golden g;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/grey.safetensors", &f));
    read_tensor(f, "image", g.image, sizeof g.image);
    read_tensor(f, "grey", g.grey, sizeof g.grey);
    read_tensor(f, "jittered", g.jittered, sizeof g.jittered);
    read_tensor(f, "input", g.input, sizeof g.input);
    rs_st_close(f);
    return g;
}

/* Of a set of that one image, in colour. */
static const rs_batch *load(const golden *g, const rs_loader_options *o, rescl_dataset **set,
                            rs_loader **l)
{
    static const int32_t label = 0;
    const rs_batch *batch = NULL;
    rescl_data_arrays a;
    rescl_data_arrays_default(&a);
    a.images = g->image;
    a.labels = &label;
    a.count = a.classes = 1;
    a.height = a.width = SIDE;
    assert_ok(rescl_dataset_from_arrays(&a, set));
    assert_ok(rs_loader_create(*set, o, l));
    assert_ok(rs_loader_start(*l, 0, 0));
    assert_ok(rs_loader_next(*l, &batch));
    return batch;
}

/* The luma of convert('L') to the bit, and its numbers; the caller's image stays in colour. */
static void loads_images_as_pillow_and_torchvision(void **state)
{
    (void)state;
    const golden g = read_golden(), before = g;
    const rs_loader_options o = {.batch = 1,
                                 .height = SIDE,
                                 .width = SIDE,
                                 .channels = 1,
                                 .preprocess = RESCL_PREPROCESS_NORMALIZE,
                                 .normalize = normalize};
    rescl_dataset *set = NULL;
    rs_loader *l = NULL;
    const rs_batch *b = load(&g, &o, &set, &l);
    for (size_t i = 0; i < PIXELS; i++)
        for (size_t c = 0; c < 3; c++) {
            assert_int_equal(b->pixels[3 * i + c], g.grey[i]);
            assert_true(fabsf(b->table[c][g.grey[i]] - g.input[i]) < 1e-6f);
        }
    rs_loader_release(l, b);
    rs_loader_destroy(l);
    rescl_dataset_close(set);
    assert_memory_equal(&g.image, &before.image, sizeof g.image);
}

/* Colours that are all alike stay so, whatever is done to them. */
static void changes_grey_images_as_torchvision(void **state)
{
    (void)state;
    golden g = read_golden();
    rescl_image image = {.width = SIDE, .height = SIDE, .pixels = g.image};
    rs_image_grey(&image);
    assert_ok(rs_image_enhance(&image, RS_ENHANCE_BRIGHTNESS, 1.25));
    assert_ok(rs_image_enhance(&image, RS_ENHANCE_CONTRAST, 0.75));
    assert_ok(rs_image_enhance(&image, RS_ENHANCE_COLOR, 1.5));
    rs_image_shift_hue(&image, 0.125);
    for (size_t i = 0; i < PIXELS; i++) {
        assert_true(abs(image.pixels[3 * i] - g.jittered[i]) <= 1);
        assert_int_equal(image.pixels[3 * i + 1], image.pixels[3 * i]);
        assert_int_equal(image.pixels[3 * i + 2], image.pixels[3 * i]);
    }
}

/* Those of each colour in the mean, the same for all three. */
static void numbers_are_the_mean_of_the_colours(void **state)
{
    (void)state;
    static const struct {
        rescl_preprocess how;
        double less, by;
    } rows[] = {{RESCL_PREPROCESS_UNIT, 0, 255},
                {RESCL_PREPROCESS_TORCH, 0.449 * 255, 0.226 * 255},
                {RESCL_PREPROCESS_CAFFE, (103.939 + 116.779 + 123.68) / 3, 1}};
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        float table[4][256];
        assert_ok(rs_preprocess_table(rows[i].how, NULL, 1, table));
        for (size_t v = 0; v < 256; v++) {
            assert_true(fabs((double)table[0][v] - ((double)v - rows[i].less) / rows[i].by) < 1e-4);
            assert_true(table[1][v] == table[0][v] && table[2][v] == table[0][v]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_images_as_pillow_and_torchvision),
        cmocka_unit_test(changes_grey_images_as_torchvision),
        cmocka_unit_test(numbers_are_the_mean_of_the_colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
