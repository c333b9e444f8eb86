#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "sampler.h"

enum { IMAGES = 31, CLASSES = 4, EACH = 10 };

/* 21 images of class 0, 7 of 1, none of 2, 3 of 3. */
static rescl_dataset *make_set(void)
{
    static uint8_t pixels[IMAGES * 3];
    static int32_t labels[IMAGES];
    rescl_data_arrays a;
    rescl_dataset *set = NULL;
    for (int i = 0; i < IMAGES; i++)
        labels[i] = i % 3 != 2 ? 0 : i % 9 == 8 ? 3 : 1;
    rescl_data_arrays_default(&a);
    a.images = pixels;
    a.labels = labels;
    a.count = IMAGES;
    a.height = a.width = 1;
    a.classes = CLASSES;
    assert_ok(rescl_dataset_from_arrays(&a, &set));
    return set;
}

static void takes_each_image_once(void **state)
{
    (void)state;
    rescl_dataset *set = make_set();
    rs_sampler s;
    uint32_t first[IMAGES];
    bool seen[IMAGES] = {false};
    assert_ok(rs_sampler_init(&s, set, false, 3, NULL));
    assert_ok(rs_sampler_draw(&s, 0));
    memcpy(first, s.order, sizeof first);
    for (size_t i = 0; i < IMAGES; i++)
        seen[s.order[i]] = true;
    for (size_t i = 0; i < IMAGES; i++)
        assert_true(seen[i]);
    assert_ok(rs_sampler_draw(&s, 1));
    assert_memory_not_equal(s.order, first, sizeof first);
    assert_ok(rs_sampler_draw(&s, 0));
    assert_memory_equal(s.order, first, sizeof first);
    rs_sampler_fini(&s);
    rescl_dataset_close(set);
}

/* A third of each epoch is of each class that has images, and none comes twice more often than another. The
 * image that is left over goes round among the classes. */
static void balances_classes(void **state)
{
    (void)state;
    rescl_dataset *set = make_set();
    rs_sampler s, again;
    size_t had_more[CLASSES] = {0};
    assert_ok(rs_sampler_init(&s, set, true, 3, NULL));
    assert_ok(rs_sampler_init(&again, set, true, 3, NULL));
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        size_t of_class[CLASSES] = {0}, of_image[IMAGES] = {0}, least[CLASSES], most[CLASSES] = {0};
        assert_ok(rs_sampler_draw(&s, epoch));
        for (size_t i = 0; i < IMAGES; i++) {
            of_class[rs_dataset_label(set, s.order[i])]++;
            of_image[s.order[i]]++;
        }
        for (size_t c = 0; c < CLASSES; c++) {
            assert_true(c == 2 ? of_class[c] == 0 : of_class[c] == EACH || of_class[c] == EACH + 1);
            had_more[c] += of_class[c] == EACH + 1;
        }
        for (size_t c = 0; c < CLASSES; c++)
            least[c] = IMAGES;
        for (size_t i = 0; i < IMAGES; i++) {
            const int32_t c = rs_dataset_label(set, i);
            least[c] = of_image[i] < least[c] ? of_image[i] : least[c];
            most[c] = of_image[i] > most[c] ? of_image[i] : most[c];
        }
        for (size_t c = 0; c < CLASSES; c++)
            assert_true(c == 2 || most[c] - least[c] <= 1);
    }
    for (size_t c = 0; c < CLASSES; c++)
        assert_int_equal(had_more[c], c != 2);
    assert_ok(rs_sampler_draw(&again, 2)); /* a run that goes on */
    assert_memory_equal(again.order, s.order, IMAGES * sizeof *s.order);
    rs_sampler_fini(&s);
    rs_sampler_fini(&again);
    rescl_dataset_close(set);
}

static void stops_when_asked(void **state)
{
    (void)state;
    rescl_dataset *set = make_set();
    atomic_int stop = 1;
    rs_sampler s;
    assert_ok(rs_sampler_init(&s, set, true, 3, &stop));
    assert_fails(rs_sampler_draw(&s, 0), RESCL_ERR_INTERRUPTED, "epoch 1");
    rs_sampler_fini(&s);
    rescl_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_each_image_once),
                                       cmocka_unit_test(balances_classes),
                                       cmocka_unit_test(stops_when_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
