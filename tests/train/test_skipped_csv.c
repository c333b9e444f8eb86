/* Images that turn out to be bad only when they are decoded. */
#include "testing.h"
#include "train_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

#define CLASSES 6
#define IMAGES  5 /* of a class */

/* A noisy image, whose data fill more than the header. */
static void put_noise(const char *path, uint64_t seed)
{
    enum { SIDE = 24 };
    static uint8_t pixels[SIDE * SIDE * 3];
    const rescl_image image = {.width = SIDE, .height = SIDE, .pixels = pixels};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 56);
    assert_ok(rescl_image_write(path, &image));
}

/* Damages the middle of a file: its header and its end stay. */
static void damage(const char *path)
{
    char *data;
    size_t bytes;
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    data[bytes / 2] ^= 0x55;
    assert_ok(rs_file_write(path, data, bytes));
    free(data);
}

static const char *image_path(const char *split, size_t c, size_t i)
{
    return rs_test_path("%s/data/%s/%zu/%zu.png", rs_test_dir, split, c, i);
}

static int make_data(void **state)
{
    rs_test_dir_setup(state);
    for (size_t s = 0; s < 2; s++)
        for (size_t c = 0; c < CLASSES; c++) {
            const char *split = s ? "test" : "train";
            assert_ok(rs_mkdirs(rs_test_path("%s/data/%s/%zu", rs_test_dir, split, c)));
            for (size_t i = 0; i < IMAGES; i++)
                put_noise(image_path(split, c, i), 1000 * s + 100 * c + i);
        }
    damage(image_path("train", 2, 3));
    damage(image_path("train", 2, 4));
    damage(image_path("test", 1, 0));
    return 0;
}

static rescl_dataset *open_split(const char *split, bool strict)
{
    rescl_dataset *set = NULL;
    const char *path = rs_test_path("%s/data", rs_test_dir);
    const rescl_data_options o = {
        .struct_size = sizeof o, .path = path, .split = split, .strict_data = strict};
    assert_ok(rescl_dataset_open(&o, &set));
    assert_ok(rescl_dataset_check(set, NULL));
    assert_int_equal(rescl_dataset_count(set), CLASSES * IMAGES);
    return set;
}

typedef struct stopper {
    rescl_trainer *trainer;
    uint64_t at;
    rescl_metrics eval;
    size_t train_samples;
} stopper;

static bool stop_at(const rescl_step_event *e, void *user)
{
    const stopper *s = user;
    if (e->training && e->step == s->at)
        rescl_trainer_stop(s->trainer);
    return true;
}

static bool keep_metrics(const rescl_epoch_event *e, void *user)
{
    stopper *s = user;
    s->eval = e->eval;
    s->train_samples = e->train.samples;
    return true;
}

/* Two epochs into a folder, up to a step. */
static rescl_status do_run(const char *folder, bool resume, bool strict, size_t workers, stopper *s)
{
    rescl_dataset *train = open_split("train", strict), *test = open_split("test", strict);
    rescl_model *m = rs_test_model();
    rescl_train_options o = train_options(folder);
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = stop_at, .on_epoch = keep_metrics, .user = s};
    o.epochs = 2;
    o.workers = workers;
    o.hflip = 0.5;
    o.resume = resume ? folder : NULL;
    rescl_status st = rescl_trainer_create(rs_test_device(), m, train, test, &o, &s->trainer);
    if (st == RESCL_OK)
        st = rescl_trainer_run(s->trainer, &callbacks);
    rescl_trainer_destroy(s->trainer);
    rescl_model_destroy(m);
    rescl_dataset_close(train);
    rescl_dataset_close(test);
    return st;
}

static char *list_of(const char *folder)
{
    char *text;
    size_t bytes;
    assert_ok(rs_file_read(rs_test_path("%s/skipped.csv", folder), 1 << 20, &text, &bytes));
    return text;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Another image of the class stands in, the same one however the run goes; an evaluation counts what
 * it has seen. */
static void goes_on_and_resumes_alike(void **state)
{
    (void)state;
    char whole[512], parts[512], a[512], b[512];
    stopper s = {.at = UINT64_MAX};
    snprintf(whole, sizeof whole, "%s/whole", rs_test_dir);
    snprintf(parts, sizeof parts, "%s/parts", rs_test_dir);
    assert_ok(do_run(whole, false, false, 3, &s));
    assert_int_equal(s.train_samples, CLASSES * IMAGES);
    assert_int_equal(s.eval.samples, CLASSES * IMAGES - 1);
    char *text = list_of(whole);
    assert_int_equal(lines_of(text), 4);
    assert_int_equal(strncmp(text, "split,class,file,reason\n", 24), 0);
    assert_non_null(strstr(text, "train,2,"));
    assert_non_null(strstr(text, "test,1,"));
    assert_non_null(strstr(text, "corrupted PNG"));
    free(text);
    s = (stopper){.at = 3};
    assert_int_equal(do_run(parts, false, false, 0, &s), RESCL_ERR_INTERRUPTED);
    s.at = UINT64_MAX;
    assert_ok(do_run(parts, true, false, 2, &s));
    text = list_of(parts);
    assert_int_equal(lines_of(text), 4); /* each once, though both parts met some */
    free(text);
    snprintf(a, sizeof a, "%s/weights/last.safetensors", whole);
    snprintf(b, sizeof b, "%s/weights/last.safetensors", parts);
    train_same_tensors(a, b);
    snprintf(a, sizeof a, "%s/results.csv", whole);
    snprintf(b, sizeof b, "%s/results.csv", parts);
    train_same_results(a, b);
}

/* The steps before the image are saved, and the run goes on from there. */
static void ends_when_strict_and_can_be_resumed(void **state)
{
    (void)state;
    char folder[512];
    stopper s = {.at = UINT64_MAX};
    snprintf(folder, sizeof folder, "%s/strict", rs_test_dir);
    assert_fails(do_run(folder, false, true, 1, &s), RESCL_ERR_FORMAT, "/data/train/2/",
                 "corrupted PNG");
    assert_ok(do_run(folder, true, false, 1, &s));
}

static void names_a_class_without_images(void **state)
{
    (void)state;
    stopper s = {.at = UINT64_MAX};
    for (size_t i = 0; i < 3; i++)
        damage(image_path("train", 2, i));
    char folder[512];
    snprintf(folder, sizeof folder, "%s/lost", rs_test_dir);
    assert_fails(do_run(folder, false, false, 1, &s), RESCL_ERR_FORMAT, "no image of the class '2'",
                 "corrupted PNG");
    char *text = list_of(folder);
    assert_int_equal(lines_of(text), 1 + IMAGES);
    for (size_t i = 0; i < IMAGES; i++)
        assert_non_null(strstr(text, image_path("train", 2, i)));
    free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_data, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(goes_on_and_resumes_alike),
        TEST(ends_when_strict_and_can_be_resumed),
        TEST(names_a_class_without_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
