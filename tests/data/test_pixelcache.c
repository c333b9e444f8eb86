#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data_support.h"
#include "dataset.h"
#include "image.h"
#include "path.h"

enum { IMAGES = 5, BYTES = 6 * 4 * 3 };

static int make_set(void **state)
{
    rs_test_dir_setup(state);
    assert_ok(rs_mkdirs(rs_test_path("%s/a", rs_test_dir)));
    for (int i = 0; i < IMAGES; i++)
        put_image(rs_test_path("%s/a/%d.png", rs_test_dir, i), (uint8_t)(20 + i));
    return 0;
}

static rescl_dataset *open_set(void)
{
    rescl_data_options o;
    rescl_dataset *set = NULL;
    rescl_data_options_default(&o);
    o.path = rs_test_dir;
    o.split = "train";
    assert_ok(rescl_dataset_open(&o, &set));
    return set;
}

static void check_image(const rescl_dataset *set, size_t index)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    assert_int_equal(label, 0);
    assert_int_equal(image.width, 6);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(image.pixels[i], 20 + index);
    memset(image.pixels, 0, BYTES); /* the caller's own */
    rescl_image_free(&image);
}

/* What was read once needs no file. */
static void keeps_what_was_decoded(void **state)
{
    (void)state;
    rescl_dataset *set = open_set(), *const sets[] = {NULL, set};
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_cache(sets, 2, 0, 1));
    for (size_t i = 0; i + 1 < IMAGES; i++)
        check_image(set, i);
    for (size_t i = 0; i < IMAGES; i++)
        assert_int_equal(unlink(rs_test_path("%s/a/%zu.png", rs_test_dir, i)), 0);
    for (size_t i = 0; i + 1 < IMAGES; i++)
        check_image(set, i);
    assert_int_not_equal(rescl_dataset_get(set, IMAGES - 1, &image, &label), RESCL_OK);
    rescl_dataset_close(set);
}

static void refuses_what_has_no_room(void **state)
{
    (void)state;
    rescl_dataset *set = open_set();
    assert_fails(rescl_dataset_cache(&set, 1, IMAGES * BYTES - 1, 1), RESCL_ERR_MEMORY,
                 "the decoded images take", "the limit that was given");
    assert_null(set->cache);
    assert_ok(rescl_dataset_cache(&set, 1, IMAGES * BYTES, 1));
    assert_non_null(set->cache);
    rescl_dataset_close(set);
}

static size_t count_kept(const rescl_dataset *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        rescl_image image;
        int32_t label;
        kept += rescl_dataset_get(set, i, &image, &label) == RESCL_OK;
        rescl_image_free(&image);
    }
    return kept;
}

/* Room is that of all sets, also where images turn out larger than their files said. */
static void sets_share_the_room(void **state)
{
    enum { SIDE = 10, ROOM = 2 * IMAGES * BYTES };
    static uint8_t pixels[SIDE * SIDE * 3];
    const rescl_image larger = {.width = SIDE, .height = SIDE, .pixels = pixels};
    rescl_dataset *const sets[] = {open_set(), open_set()};
    uint8_t *png = NULL;
    size_t bytes;
    (void)state;
    for (size_t s = 0; s < 2; s++)
        assert_ok(rescl_dataset_check(sets[s], NULL));
    assert_ok(rs_png_encode("larger", &larger, &png, &bytes));
    for (int i = 0; i < IMAGES; i++)
        assert_ok(rs_file_write(rs_test_path("%s/a/%d.png", rs_test_dir, i), (char *)png, bytes));
    free(png);
    assert_ok(rescl_dataset_cache(sets, 2, ROOM, 1));
    assert_int_equal(count_kept(sets[0]), IMAGES);
    assert_int_equal(count_kept(sets[1]), IMAGES);
    for (int i = 0; i < IMAGES; i++)
        assert_int_equal(unlink(rs_test_path("%s/a/%d.png", rs_test_dir, i)), 0);
    assert_int_equal(count_kept(sets[0]), ROOM / sizeof pixels);
    assert_int_equal(count_kept(sets[1]), 0);
    for (size_t s = 0; s < 2; s++)
        rescl_dataset_close(sets[s]);
}

/* Images that are drawn are kept too; those of arrays lie in memory already. */
static void keeps_what_has_no_files(void **state)
{
    static const uint8_t pixels[3] = {1, 2, 3};
    static const int32_t label = 0;
    rescl_data_options o;
    rescl_data_arrays a;
    rescl_dataset *hands = NULL, *arrays = NULL;
    rescl_image first, again;
    int32_t got[2];
    (void)state;
    rescl_data_options_default(&o);
    o.path = "handsigns";
    o.split = "train";
    o.image_size = 16;
    o.samples = 12;
    assert_ok(rescl_dataset_open(&o, &hands));
    assert_fails(rescl_dataset_cache(&hands, 1, 12 * 16 * 16 * 3 - 1, 1), RESCL_ERR_MEMORY, "take");
    assert_ok(rescl_dataset_cache(&hands, 1, 12 * 16 * 16 * 3, 1));
    assert_ok(rescl_dataset_get(hands, 7, &first, &got[0]));
    assert_ok(rescl_dataset_get(hands, 7, &again, &got[1]));
    assert_int_equal(got[0], got[1]);
    assert_ptr_not_equal(first.pixels, again.pixels);
    assert_memory_equal(first.pixels, again.pixels, 16 * 16 * 3);
    rescl_image_free(&first);
    rescl_image_free(&again);
    rescl_dataset_close(hands);

    rescl_data_arrays_default(&a);
    a.images = pixels;
    a.labels = &label;
    a.count = a.height = a.width = a.classes = 1;
    assert_ok(rescl_dataset_from_arrays(&a, &arrays));
    assert_ok(rescl_dataset_cache(&arrays, 1, 1, 1));
    assert_null(arrays->cache);
    rescl_dataset_close(arrays);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_set, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {TEST(keeps_what_was_decoded), TEST(refuses_what_has_no_room),
                                       TEST(sets_share_the_room), TEST(keeps_what_has_no_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
