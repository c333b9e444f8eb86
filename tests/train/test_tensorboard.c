#define _GNU_SOURCE /* memmem */
#include "testing.h"

#include "error.h"
#include "fixtures.h"
#include "golden.h"
#include "path.h"
#include "scoring.h"
#include "watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The records of the run's event file: what was found in how many of them. */
static size_t count_records(const char *with)
{
    char *data;
    size_t bytes, count = 0;
    assert_ok(rs_file_read(rs_test_path("%s/events.out.tfevents.rescl", rs_test_dir), 1 << 24,
                           &data, &bytes));
    for (size_t at = 0; at < bytes;) {
        uint64_t length;
        memcpy(&length, data + at, sizeof length);
        assert_true(length <= bytes - at - 16);
        count += memmem(data + at + 12, (size_t)length, with, strlen(with)) != NULL;
        at += 16 + (size_t)length;
    }
    free(data);
    return count;
}

static void do_run(uint64_t first, size_t epochs, bool wanted)
{
    rescl_model *model = rs_test_model();
    rescl_scores *scores = NULL;
    rescl_train_options options;
    uint8_t images[TEST_SIZE * TEST_SIZE * 3] = {0};
    static const float logits[6] = {0, 1};
    const rs_samples samples = {.training = true, .n = 1, .read = 1, .images = images};
    void *self = NULL;
    bool stop = false;
    rescl_train_options_default(&options);
    options.tensorboard = wanted;
    assert_ok(rescl_scores_create(6, &scores));
    assert_ok(rs_scores_reserve(scores, 1));
    rs_scores_add_logits(scores, 0, logits, 1, 0.5f);
    const rs_run_info run = {.folder = rs_test_dir,
                             .model = model,
                             .train_set = (const rescl_dataset *)&images, /* not looked into */
                             .options = &options,
                             .scores = scores,
                             .epoch = first};
    const rs_watcher *w = &rs_watcher_tensorboard;
    assert_ok(w->open(&run, &self));
    assert_true((self != NULL) == wanted);
    for (size_t i = 0; wanted && i < epochs; i++) {
        const rescl_epoch_event e = {
            .epoch = (size_t)first + i, .eval = {.samples = 1, .loss = 1}, .best = true};
        assert_ok(w->samples(self, &samples));
        assert_ok(w->epoch(self, &e, &stop));
    }
    if (wanted)
        assert_ok(w->close(self, RESCL_OK));
    rescl_scores_destroy(scores);
    rescl_model_destroy(model);
}

static void writes_each_kind(void **state)
{
    (void)state;
    do_run(0, 3, true);
    assert_int_equal(count_records("brain.Event:2"), 1);
    assert_int_equal(count_records("loss/eval"), 3);
    assert_int_equal(count_records("conv1.weight"), 3);
    assert_int_equal(count_records("pr_curve/0"), 3);
    assert_int_equal(count_records("augmentation"), 1);
    assert_int_equal(count_records("\x89PNG"), 1);
}

static void goes_on_from_its_epoch(void **state)
{
    (void)state;
    do_run(0, 3, true);
    do_run(1, 2, true);
    assert_int_equal(count_records("brain.Event:2"), 1);
    assert_int_equal(count_records("loss/eval"), 3);
    assert_int_equal(count_records("augmentation"), 1);
    do_run(0, 1, true);
    assert_int_equal(count_records("loss/eval"), 1);
}

static void is_an_option(void **state)
{
    (void)state;
    do_run(0, 1, false);
    assert_int_equal(rs_test_dir_count(rs_test_dir), 0);
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* Part of a file in the wire format of protocol buffers (src/file/protobuf.h). */
typedef struct part {
    const unsigned char *at, *end;
} part;

typedef struct field {
    unsigned number, wire;
    part bytes; /* of a fixed or length-delimited field; a varint's lie in front of `end` */
} field;

static uint64_t read_varint(part *p)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        assert_true(p->at < p->end);
        const unsigned char byte = *p->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    fail_msg("a varint of more than 64 bits");
    return 0;
}

/* The next field of a message; false at its end. */
static bool next_field(part *p, field *f)
{
    enum { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };
    if (p->at == p->end)
        return false;
    const uint64_t key = read_varint(p);
    f->number = (unsigned)(key >> 3);
    f->wire = (unsigned)(key & 7);
    f->bytes.at = p->at;
    uint64_t bytes = f->wire == FIXED64 ? 8 : f->wire == FIXED32 ? 4 : 0;
    if (f->wire == VARINT) {
        (void)read_varint(p);
        f->bytes.end = p->at;
        return true;
    }
    if (f->wire == DELIMITED) {
        bytes = read_varint(p);
        f->bytes.at = p->at;
    }
    assert_true(bytes > 0 || f->wire == DELIMITED);
    assert_true(bytes <= (uint64_t)(p->end - p->at));
    p->at = f->bytes.end = f->bytes.at + bytes;
    return true;
}

/* The content of the first field of that number. */
static bool find_field(part p, unsigned number, part *out)
{
    field f;
    while (next_field(&p, &f))
        if (f.number == number) {
            *out = f.bytes;
            return true;
        }
    return false;
}

/* The value of a tag in the events of a file: event.summary (5), its value (1), whose tag is 1. */
static part find_value(part file, const char *tag)
{
    part event, summary = {0}, name = {0};
    field f;
    while (file.at < file.end) {
        uint64_t length;
        memcpy(&length, file.at, sizeof length);
        event = (part){file.at + 12, file.at + 12 + length};
        file.at = event.end + 4;
        if (!find_field(event, 5, &summary))
            continue;
        while (next_field(&summary, &f))
            if (find_field(f.bytes, 1, &name) && (size_t)(name.end - name.at) == strlen(tag) &&
                memcmp(name.at, tag, strlen(tag)) == 0)
                return f.bytes;
    }
    fail_msg("no value is called %s", tag);
    return (part){0};
}

static void same_doubles(part found, const double *want, size_t count, const char *what)
{
    assert_int_equal((size_t)(found.end - found.at), count * sizeof *want);
    for (size_t i = 0; i < count; i++) {
        double x;
        memcpy(&x, found.at + i * sizeof x, sizeof x);
        if (!(fabs(x - want[i]) <= 1e-9 * fmax(1, fabs(want[i]))))
            fail_msg("%s %zu: %.12g, TensorBoard reads %.12g", what, i, x, want[i]);
    }
}

static void same_floats(part found, const double *want, size_t count, const char *what)
{
    assert_int_equal((size_t)(found.end - found.at), count * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        float x;
        memcpy(&x, found.at + i * sizeof x, sizeof x);
        if (!(fabs((double)x - want[i]) <= 1e-6))
            fail_msg("%s %zu: %.9g, TensorBoard reads %.9g", what, i, (double)x, want[i]);
    }
}

static void check_histogram(part file, const rs_st_file *expected)
{
    part histogram = {0}, bytes = {0};
    size_t count;
    double *moments = golden_numbers(expected, "moments", &count);
    assert_true(find_field(find_value(file, "conv1.weight"), 5, &histogram));
    for (unsigned i = 0; i < count; i++) {
        assert_true(find_field(histogram, i + 1, &bytes));
        same_doubles(bytes, moments + i, 1, "moment");
    }
    free(moments);
    static const char *const arrays[] = {"limits", "counts"};
    for (unsigned i = 0; i < 2; i++) {
        double *want = golden_numbers(expected, arrays[i], &count);
        assert_true(find_field(histogram, 6 + i, &bytes));
        same_doubles(bytes, want, count, arrays[i]);
        free(want);
    }
}

static void check_curve(part file, const rs_st_file *expected, unsigned class_index)
{
    char name[32];
    size_t count;
    part tensor = {0}, bytes = {0};
    snprintf(name, sizeof name, "curve.%u", class_index);
    double *want = golden_numbers(expected, name, &count);
    snprintf(name, sizeof name, "pr_curve/%u", class_index);
    assert_true(find_field(find_value(file, name), 8, &tensor) && find_field(tensor, 5, &bytes));
    same_floats(bytes, want, count, name);
    free(want);
}

static rescl_scores *golden_scores(const rs_st_file *expected, size_t classes)
{
    rescl_scores *scores = NULL;
    size_t images, count;
    double *logits = golden_numbers(expected, "logits", &count),
           *labels = golden_numbers(expected, "labels", &images);
    float row[6];
    assert_int_equal(count, images * classes);
    assert_true(classes <= RS_COUNT(row));
    assert_ok(rescl_scores_create(classes, &scores));
    assert_ok(rs_scores_reserve(scores, images));
    for (size_t i = 0; i < images; i++) {
        for (size_t c = 0; c < classes; c++)
            row[c] = (float)logits[i * classes + c];
        rs_scores_add_logits(scores, i, row, (int32_t)labels[i], 0.5f);
    }
    free(logits);
    free(labels);
    return scores;
}

static void set_values(rescl_model *model, const rs_st_file *expected)
{
    size_t count;
    double *values = golden_numbers(expected, "values", &count);
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)values[i];
    assert_ok(rescl_model_set_parameter(model, "conv1.weight", x, count));
    free(values);
    free(x);
}

/* Histograms and curves hold the numbers that TensorBoard reads of the same parameter and the same
 * probabilities, written by PyTorch (tests/golden/make_tensorboard.py). */
static void writes_the_numbers_of_tensorboard(void **state)
{
    (void)state;
    rs_st_file *expected = NULL;
    rescl_model *model = rs_test_model();
    rescl_train_options options;
    void *self = NULL;
    bool stop = false;
    char *text;
    size_t bytes;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/tensorboard.safetensors", &expected));
    rescl_train_options_default(&options);
    set_values(model, expected);
    rescl_scores *scores = golden_scores(expected, 6);
    const rs_run_info run = {.folder = rs_test_dir,
                             .model = model,
                             .train_set = (const rescl_dataset *)&stop, /* not looked into */
                             .options = &options,
                             .scores = scores};
    const rescl_epoch_event e = {.eval = {.samples = 1, .loss = 1}, .best = true};
    const rs_watcher *w = &rs_watcher_tensorboard;
    assert_ok(w->open(&run, &self));
    assert_ok(w->epoch(self, &e, &stop));
    assert_ok(w->close(self, RESCL_OK));
    assert_ok(rs_file_read(rs_test_path("%s/events.out.tfevents.rescl", rs_test_dir), 1 << 24,
                           &text, &bytes));
    const part file = {(const unsigned char *)text, (const unsigned char *)text + bytes};
    check_histogram(file, expected);
    static const unsigned classes[] = {0, 3, 5};
    for (size_t i = 0; i < RS_COUNT(classes); i++)
        check_curve(file, expected, classes[i]);
    free(text);
    rescl_scores_destroy(scores);
    rescl_model_destroy(model);
    rs_st_close(expected);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_each_kind),
        TEST(goes_on_from_its_epoch),
        TEST(is_an_option),
        TEST(writes_the_numbers_of_tensorboard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
