/* Prediction of many images by threads. */
#include "testing.h"

#include "fixtures.h"
#include "train_support.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT = 11, BATCH = 4, CLASSES = 6 };

typedef struct run {
    size_t next, unread;
    bool stop;
    float probs[COUNT][CLASSES];
} run;

/* Image 6 cannot be had; image 9 fails without a word. */
static rescl_status give(size_t index, rescl_image *out, void *user)
{
    (void)user;
    if (index == 6)
        return rescl_image_read("absent.png", out);
    if (index == 9)
        return RESCL_ERR_IO;
    const size_t width = TEST_SIZE + index, bytes = width * TEST_SIZE * 3;
    *out = (rescl_image){.width = width, .height = TEST_SIZE, .pixels = malloc(bytes)};
    assert_non_null(out->pixels);
    for (size_t i = 0; i < bytes; i++)
        out->pixels[i] = (uint8_t)(i * (index + 3) + i / 7);
    return RESCL_OK;
}

static bool take(const rescl_prediction *p, void *user)
{
    run *r = user;
    assert_int_equal(p->index, r->next++);
    assert_int_equal(p->slot, p->index % BATCH);
    if (p->index == 6) {
        assert_int_equal(p->status, RESCL_ERR_NOT_FOUND);
        assert_non_null(strstr(rescl_last_error()->message, "absent.png"));
    } else if (p->index == 9) {
        assert_int_equal(p->status, RESCL_ERR_IO);
        assert_int_equal(rescl_last_error()->status, RESCL_ERR_IO);
        assert_string_equal(rescl_last_error()->message, "");
    }
    if (!p->probs) {
        r->unread++;
        return true;
    }
    assert_int_equal(p->status, RESCL_OK);
    memcpy(r->probs[p->index], p->probs, sizeof r->probs[0]);
    return !(r->stop && p->index == 5);
}

static void equals_one_after_another(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    run serial = {0}, threads = {0};
    float want[CLASSES];
    assert_ok(rescl_predictor_create(rs_test_device(), model, BATCH, &p));
    assert_ok(rescl_predictor_stream(p, COUNT, 0, give, take, &serial));
    assert_ok(rescl_predictor_stream(p, COUNT, 1000, give, take, &threads));
    assert_true(serial.next == COUNT && threads.next == COUNT);
    assert_true(serial.unread == 2 && threads.unread == 2);
    assert_memory_equal(serial.probs, threads.probs, sizeof serial.probs);
    for (size_t i = 0; i < COUNT; i++) {
        rescl_image image = {0};
        if (i == 6 || i == 9)
            continue;
        assert_ok(give(i, &image, NULL));
        assert_ok(rescl_predictor_run(p, &image, 1, want));
        assert_memory_equal(serial.probs[i], want, sizeof want);
        rescl_image_free(&image);
    }
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

static void stops_when_it_is_told(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    run r = {.stop = true};
    assert_ok(rescl_predictor_create(rs_test_device(), model, BATCH, &p));
    assert_fails(rescl_predictor_stream(p, COUNT, 2, give, take, &r), RESCL_ERR_INTERRUPTED,
                 "stopped");
    assert_int_equal(r.next, 6);
    assert_ok(rescl_predictor_stream(p, 0, 2, give, take, &r));
    assert_fails(rescl_predictor_stream(p, 1, 2, NULL, take, &r), RESCL_ERR_ARG, "source");
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_one_after_another),
        cmocka_unit_test(stops_when_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
