/* Images of four channels and of 16 bits, against Pillow, tifffile and torchvision (tests/golden/make_forms.py). */
#include "alloc.h"
#include "colour.h"
#include "error.h"
#include "image.h"
#include "loader.h"
#include "mix.h"
#include "path.h"
#include "safetensors.h"
#include "testing.h"
#include "warp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 20, HEIGHT = 16, SIDE = 12 };

/* A tensor as an image; of 16 bits two bytes are a sample. */
static rescl_image golden(const char *name, bool deep)
{
    rs_st_file *f = NULL;
    rescl_image image = {.bit_depth = deep ? 16 : 8};
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/forms.safetensors", &f));
    const rs_st_tensor *t = rs_st_find(f, name);
    if (!t)
        fail_msg("no tensor %s", name);
    image.height = (size_t)t->dim[0];
    image.width = (size_t)t->dim[1];
    image.channels = (size_t)t->dim[2] / (deep ? 2 : 1);
    uint8_t *bytes = malloc(t->bytes);
    assert_non_null(bytes);
    assert_ok(rs_st_read(f, t, bytes));
    for (size_t i = 0; deep && i + 1 < t->bytes; i += 2) {
        const uint16_t sample = (uint16_t)(bytes[i] | bytes[i + 1] << 8);
        memcpy(bytes + i, &sample, sizeof sample);
    }
    image.pixels = bytes;
    rs_st_close(f);
    return image;
}

static unsigned sample_at(const rescl_image *image, size_t i)
{
    uint16_t wide;
    if (!rs_image_is_deep(image))
        return image->pixels[i];
    memcpy(&wide, image->pixels + 2 * i, sizeof wide);
    return wide;
}

static void compare(const char *name, const rescl_image *got, const rescl_image *want,
                    unsigned most)
{
    const size_t channels = rs_image_channels(want);
    assert_int_equal(got->width, want->width);
    assert_int_equal(got->height, want->height);
    assert_int_equal(rs_image_channels(got), channels);
    assert_int_equal(rs_image_is_deep(got), rs_image_is_deep(want));
    for (size_t i = 0; i < want->width * want->height * channels; i++) {
        const unsigned a = sample_at(got, i), b = sample_at(want, i);
        if ((a > b ? a - b : b - a) > most)
            fail_msg("%s: pixel %zu, channel %zu: %u, expected %u", name, i / channels,
                     i % channels, a, b);
    }
}

/* ---- files ------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    return rs_test_path("%s/tests/data/images/%s", RESCL_TEST_SOURCE_DIR, name);
}

static rescl_image read_as(const char *name, size_t channels, size_t bit_depth)
{
    rescl_image_options o;
    rescl_image image;
    rescl_image_options_default(&o);
    o.channels = channels;
    o.bit_depth = bit_depth;
    assert_ok(rescl_image_read_with(path_of(name), &o, &image, NULL));
    assert_int_equal(image.channels, channels);
    assert_int_equal(image.bit_depth, bit_depth);
    return image;
}

/* What they are files of. */
static void need_formats(void)
{
#if !defined RS_HAVE_TIFF || !defined RS_HAVE_WEBP
    skip();
#endif
}

static void reads_four_channels_and_sixteen_bits(void **state)
{
    need_formats();
    static const struct {
        const char *name;
        bool deep;
    } files[] = {{"alpha.webp", false},
                 {"alpha_lossless.webp", false},
                 {"alpha.tif", false},
                 {"alpha.bmp", false},
                 {"bands.tif", false},
                 {"grey_alpha.tif", false},
                 {"rgba16.tif", true},
                 {"bands16.tif", true},
                 {"rgba16.png", true},
                 {"rgb16.png", true},
                 {"rgb16.tif", true},
                 {"grey16.tif", true},
                 {"grey16_big_endian.tif", true}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        rescl_image want = golden(rs_test_path("file.%s", files[i].name), files[i].deep);
        rescl_image got = read_as(files[i].name, want.channels, files[i].deep ? 16 : 8);
        compare(files[i].name, &got, &want, 0);
        rescl_image_free(&got);
        got = read_as(files[i].name, 4, 16); /* whatever it has */
        assert_ok(rs_image_convert(&want, 4, 16));
        compare(files[i].name, &got, &want, 0);
        rescl_image_free(&got);
        rescl_image_free(&want);
    }
    rescl_image grey = read_as("grey16.pgm", 3, 16), want = golden("file.grey16.tif", true);
    compare("grey16.pgm", &grey, &want, 0);
    rescl_image_free(&grey);
    rescl_image_free(&want);
}

/* Turned upright and read at less than 16 used bits, as of 8. */
static void goes_with_other_options(void **state)
{
    need_formats();
    rescl_image_options o;
    rescl_image image, want = golden("file.rgb16.tif", true);
    unsigned notices = 0;
    (void)state;
    rescl_image_options_default(&o);
    o.bit_depth = 16;
    o.sample_bits = 12;
    assert_ok(rescl_image_read_with(path_of("rgb16.tif"), &o, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_EXCEEDS_SAMPLE_BITS);
    for (size_t i = 0; i < want.width * want.height * 3; i++) {
        const unsigned full = sample_at(&want, i) << 4;
        assert_int_equal(sample_at(&image, i), full > 65535 ? 65535 : full);
    }
    rescl_image_free(&image);
    for (unsigned turn = 1; turn <= 8; turn++) { /* as each half of its samples is turned */
        rescl_image deep = golden("deep", true), cut;
        assert_ok(rs_image_converted(&deep, 4, 8, &cut));
        assert_ok(rs_image_orient(&deep, turn));
        assert_ok(rs_image_orient(&cut, turn));
        assert_ok(rs_image_convert(&deep, 4, 8));
        compare("turned", &deep, &cut, 0);
        rescl_image_free(&deep);
        rescl_image_free(&cut);
    }
    o.bit_depth = 12;
    assert_fails(rescl_image_read_with(path_of("rgb16.tif"), &o, &image, NULL), RESCL_ERR_ARG,
                 "bit_depth 12: expected 8, 16 or 0");
    o.bit_depth = 16;
    o.channels = 2;
    assert_fails(rescl_image_read_with(path_of("rgb16.tif"), &o, &image, NULL), RESCL_ERR_ARG,
                 "channels 2 of images: expected 3, 4");
    rescl_image_free(&want);
}

/* Cut anywhere they are refused, or whole. */
static void refuses_what_is_damaged(void **state)
{
    need_formats();
    static const char *const names[] = {"rgba16.tif", "rgba16.png"};
    rescl_image_options o;
    (void)state;
    rescl_image_options_default(&o);
    o.channels = 4;
    o.bit_depth = 16;
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        rescl_image want = golden(rs_test_path("file.%s", names[i]), true);
        char *data = NULL;
        size_t bytes;
        assert_ok(rs_file_read(path_of(names[i]), (size_t)1 << 20, &data, &bytes));
        for (size_t n = 0; n < bytes; n += 7) {
            rescl_image image;
            const rescl_status st = rescl_image_decode_with(data, n, "cut", &o, &image, NULL);
            if (st == RESCL_OK)
                compare(names[i], &image, &want, 0);
            else
                assert_int_equal(st, RESCL_ERR_FORMAT);
            rescl_image_free(&image);
        }
        free(data);
        rescl_image_free(&want);
    }
}

static void writes_what_it_reads(void **state)
{
    const char *path = rs_test_path("%s/form.png", rs_test_dir);
    rescl_image_options o;
    (void)state;
    rescl_image_options_default(&o);
    for (o.channels = 3; o.channels <= 4; o.channels++)
        for (o.bit_depth = 8; o.bit_depth <= 16; o.bit_depth += 8) {
            rescl_image image = golden("rgba", false), back;
            assert_ok(rs_image_convert(&image, o.channels, o.bit_depth));
            image.pixels[0] ^= 1; /* no multiple of 257 */
            assert_ok(rescl_image_write(path, &image));
            assert_ok(rescl_image_read_with(path, &o, &back, NULL));
            compare("written", &back, &image, 0);
            rescl_image_free(&back);
            rescl_image_free(&image);
        }
}

/* ---- changes ----------------------------------------------------------------------------- */

static rescl_status enhance(rescl_image *image, const char *what)
{
    const bool deep = rs_image_is_deep(image);
    if (strcmp(what, "hue") == 0) {
        rs_image_shift_hue(image, 0.15);
        return RESCL_OK;
    }
    if (strcmp(what, "brightness") == 0)
        return rs_image_enhance(image, RS_ENHANCE_BRIGHTNESS, 1.3);
    if (strcmp(what, "contrast") == 0)
        return rs_image_enhance(image, RS_ENHANCE_CONTRAST, 1.3);
    return rs_image_enhance(image, RS_ENHANCE_COLOR, deep ? 0.6 : 1.3);
}

/* Alpha stays. Of 16 bits the means of floats differ by some of 65535. */
static void changes_colours(void **state)
{
    static const char *const names[] = {"brightness", "contrast", "color", "hue"};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        rescl_image deep = golden("deep", true), want;
        assert_ok(enhance(&deep, names[i]));
        want = golden(rs_test_path("deep.%s", names[i]), true);
        compare(names[i], &deep, &want, 24);
        rescl_image_free(&want);
        rescl_image_free(&deep);
        if (strcmp(names[i], "hue") == 0)
            continue;
        rescl_image rgba = golden("rgba", false);
        assert_ok(enhance(&rgba, names[i]));
        want = golden(rs_test_path("rgba.%s", names[i]), false);
        compare(names[i], &rgba, &want, 1);
        rescl_image_free(&want);
        rescl_image_free(&rgba);
    }
}

/* What goes by three channels does to the first three of four what it does to those alone. */
static void leaves_the_fourth_channel(void **state)
{
    (void)state;
    for (int what = 0; what < 8; what++) {
        rescl_image four = golden("rgba", false), three = golden("rgba", false);
        const rescl_image before = golden("rgba", false);
        for (size_t i = 0; i < WIDTH * HEIGHT; i++)
            memmove(three.pixels + 3 * i, three.pixels + 4 * i, 3);
        three.channels = 3;
        rescl_image *const both[] = {&four, &three};
        for (size_t k = 0; k < 2; k++) {
            if (what == 0)
                rs_image_grey(both[k]);
            if (what == 1)
                rs_image_shift_hue(both[k], 0.3);
            if (what == 2)
                assert_ok(rs_image_enhance(both[k], RS_ENHANCE_SHARPNESS, 1.7));
            if (what == 3)
                rs_image_posterize(both[k], 3);
            if (what == 4)
                rs_image_solarize(both[k], 100);
            if (what == 5)
                rs_image_autocontrast(both[k]);
            if (what == 6)
                rs_image_equalize(both[k]);
            if (what == 7)
                rs_image_invert(both[k]);
        }
        for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
            assert_memory_equal(four.pixels + 4 * i, three.pixels + 3 * i, 3);
            assert_int_equal(four.pixels[4 * i + 3], before.pixels[4 * i + 3]);
        }
        free(before.pixels);
        rescl_image_free(&four);
        rescl_image_free(&three);
    }
}

static void resizes_and_bends(void **state)
{
    static const struct {
        const char *name;
        rescl_interpolation how;
    } ways[] = {{"bilinear", RESCL_INTERPOLATION_BILINEAR},
                {"nearest", RESCL_INTERPOLATION_NEAREST}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(ways); i++)
        for (int deep = 0; deep < 2; deep++) {
            const char *form = deep ? "deep" : "rgba";
            if (deep && i > 0) /* which Pillow takes half a pixel elsewhere */
                continue;
            rescl_image image = golden(form, deep);
            rescl_image want = golden(rs_test_path("%s.%s", form, ways[i].name), deep);
            const rescl_resize resize = {.interpolation = ways[i].how};
            assert_ok(rs_image_fit(&image, SIDE, SIDE, &resize, true));
            compare(ways[i].name, &image, &want, deep ? 1 : 0);
            rescl_image_free(&image);
            rescl_image_free(&want);
        }
    for (int deep = 0; deep < 2; deep++) {
        const char *form = deep ? "deep" : "rgba";
        const rs_affine a = {.angle = 30 * 3.14159265358979323846 / 180,
                             .scale = 1,
                             .center_x = WIDTH / 2.0,
                             .center_y = HEIGHT / 2.0};
        rescl_image image = golden(form, deep);
        rescl_image want = golden(rs_test_path("%s.affine", form), deep);
        double m[8];
        size_t far = 0;
        rs_affine_inverse(&a, m);
        assert_ok(rs_image_warp(&image, m, (rs_fill){RS_FILL_CONSTANT, 0}));
        for (size_t i = 0; deep && i < WIDTH * HEIGHT * 3;
             i++) /* torch blends with what is outside */
            far += abs((int)sample_at(&image, i) - (int)sample_at(&want, i)) > 64;
        if (deep)
            assert_true(far < WIDTH * HEIGHT * 3 / 5);
        else
            compare("affine", &image, &want, 1);
        rescl_image_free(&image);
        rescl_image_free(&want);
    }
}

/* ---- batches ----------------------------------------------------------------------------- */

/* A set of one image. */
static rescl_dataset *set_of(const rescl_image *image)
{
    static const int32_t label[2] = {0};
    rescl_dataset *set = NULL;
    rescl_data_arrays a;
    rescl_data_arrays_default(&a);
    a.images = image->pixels;
    a.labels = label;
    a.count = a.classes = 1;
    a.height = image->height;
    a.width = image->width;
    a.channels = image->channels;
    a.bit_depth = image->bit_depth;
    assert_ok(rescl_dataset_from_arrays(&a, &set));
    return set;
}

/* What a network of a form gets of an image of another: a copy in memory, too. */
static void loads_each_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        rescl_image image = golden(i % 2 ? "deep" : "rgba", i % 2 == 1), want;
        const rs_loader_options o = {.batch = 1,
                                     .height = HEIGHT,
                                     .width = WIDTH,
                                     .channels = i / 2 % 2 ? 4 : 3,
                                     .bit_depth = i / 4 ? 16 : 8,
                                     .preprocess = RESCL_PREPROCESS_CAFFE};
        rescl_dataset *set = set_of(&image);
        rs_loader *l = NULL;
        const rs_batch *batch = NULL;
        assert_ok(rs_image_converted(&image, o.channels, o.bit_depth, &want));
        rs_image_to_network(RESCL_PREPROCESS_CAFFE, &want);
        assert_ok(rs_loader_create(set, &o, &l));
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            assert_ok(rs_loader_start(l, epoch, 0));
            assert_ok(rs_loader_next(l, &batch));
            assert_memory_equal(batch->pixels, want.pixels, rs_image_bytes(&want));
            rs_loader_release(l, batch);
        }
        rs_loader_destroy(l);
        rescl_dataset_close(set);
        rescl_image_free(&image);
        rescl_image_free(&want);
    }
}

static void refuses_what_is_lost_or_not_made_for_it(void **state)
{
    char *folder = rs_path_join(rs_test_dir, "set");
    rescl_data_options d = {.struct_size = sizeof d, .path = folder, .split = "train"};
    rs_loader_options o = {.batch = 1, .height = SIDE, .width = SIDE, .channels = 4};
    rescl_image image = golden("rgba", false);
    rescl_dataset *set = NULL;
    rs_loader *l = NULL;
    (void)state;
    assert_ok(rs_mkdirs(rs_test_path("%s/a", folder)));
    assert_ok(rs_mkdirs(rs_test_path("%s/b", folder)));
    assert_ok(rescl_image_write(rs_test_path("%s/a/1.png", folder), &image));
    assert_ok(rescl_image_write(rs_test_path("%s/b/1.png", folder), &image));
    assert_ok(rescl_dataset_open(&d, &set));
    assert_fails(rs_loader_create(set, &o, &l), RESCL_ERR_ARG, "open the set with channels 4");
    o.channels = 3;
    o.bit_depth = 16;
    assert_fails(rs_loader_create(set, &o, &l), RESCL_ERR_ARG, "open the set with bit_depth 16");
    rescl_dataset_close(set);
    d.channels = 4;
    d.bit_depth = 16;
    assert_ok(rescl_dataset_open(&d, &set));
    o.channels = 4;
    assert_ok(rs_loader_create(set, &o, &l));
    rs_loader_destroy(l);
    o.augment.number[RS_AUGMENT_auto][0] = 1;
    assert_fails(rs_loader_create(set, &o, &l), RESCL_ERR_ARG,
                 "auto_augment takes images of 8 bits, and bit_depth is 16");
    rescl_dataset_close(set);
    d.channels = 2;
    assert_fails(rescl_dataset_open(&d, &set), RESCL_ERR_ARG, "channels 2");
    d.channels = 4;
    d.bit_depth = 10;
    assert_fails(rescl_dataset_open(&d, &set), RESCL_ERR_ARG, "bit_depth 10");
    rescl_image_free(&image);
    free(folder);
}

/* Of 16 bits as of 8 at the same share. */
static void mixes_sixteen_bits(void **state)
{
    enum { N = 2 };
    rescl_image image = golden("deep", true);
    const size_t samples = WIDTH * HEIGHT / N * 3;
    uint16_t *pixels = (uint16_t *)(void *)image.pixels, *before = malloc(2 * N * samples);
    const rs_mix_batch b = {image.pixels, N, HEIGHT / N, WIDTH, 3, 16};
    (void)state;
    assert_non_null(before);
    memcpy(before, pixels, 2 * N * samples);
    assert_ok(rs_mix_blend(&b, 0.3));
    for (size_t i = 0; i < N * samples; i++) {
        const double other = before[(i + samples) % (N * samples)];
        assert_true(fabs(pixels[i] - (0.7 * before[i] + 0.3 * other)) < 1.0);
    }
    free(before);
    rescl_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_four_channels_and_sixteen_bits),
        cmocka_unit_test(goes_with_other_options),
        cmocka_unit_test(refuses_what_is_damaged),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(changes_colours),
        cmocka_unit_test(leaves_the_fourth_channel),
        cmocka_unit_test(resizes_and_bends),
        cmocka_unit_test(loads_each_form),
        cmocka_unit_test(refuses_what_is_lost_or_not_made_for_it),
        cmocka_unit_test(mixes_sixteen_bits),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
