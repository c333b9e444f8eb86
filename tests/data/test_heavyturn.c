#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "heavyturn.h"

/* RGB in planes of one strip each, which is unpacked to more than RS_HEAVY_BYTES. */
enum { WIDTH = 8192, HEIGHT = 8200, RUN = 128, STRIP = WIDTH / RUN * HEIGHT * 2, ENTRIES = 10 };
enum { BITS_AT = 8 + 2 + ENTRIES * 12 + 4, OFFSETS_AT = BITS_AT + 6, COUNTS_AT = OFFSETS_AT + 12 };
enum { STRIP_AT = COUNTS_AT + 12, BYTES = STRIP_AT + STRIP };

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, unsigned v)
{
    put16(p, v & 0xffff);
    put16(p + 2, v >> 16);
}

/* All planes lie in the same strip, of runs of PackBits. */
static uint8_t *make_file(void)
{
    static const unsigned entry[ENTRIES][4] = {
        {256, 4, 1, WIDTH},     {257, 4, 1, HEIGHT},     {258, 3, 3, BITS_AT}, {259, 3, 1, 32773},
        {262, 3, 1, 2},         {273, 4, 3, OFFSETS_AT}, {277, 3, 1, 3},       {278, 4, 1, HEIGHT},
        {279, 4, 3, COUNTS_AT}, {284, 3, 1, 2}};
    uint8_t *file = calloc(BYTES, 1);
    assert_non_null(file);
    file[0] = file[1] = 'I';
    put16(file + 2, 42);
    put32(file + 4, 8);
    put16(file + 8, ENTRIES);
    for (size_t i = 0; i < ENTRIES; i++) {
        uint8_t *p = file + 10 + 12 * i;
        put16(p, entry[i][0]);
        put16(p + 2, entry[i][1]);
        put32(p + 4, entry[i][2]);
        put32(p + 8, entry[i][3]);
    }
    for (size_t s = 0; s < 3; s++) {
        put16(file + BITS_AT + 2 * s, 8);
        put32(file + OFFSETS_AT + 4 * s, STRIP_AT);
        put32(file + COUNTS_AT + 4 * s, STRIP);
    }
    for (size_t i = 0; i < STRIP; i += 2) {
        file[STRIP_AT + i] = (uint8_t)(1 - RUN);
        file[STRIP_AT + i + 1] = 77;
    }
    return file;
}

typedef struct work {
    uint8_t *file;
    rescl_image image;
    rescl_status status;
    atomic_bool ended;
} work;

static void *decode(void *arg)
{
    work *w = arg;
    w->status = rescl_image_decode(w->file, BYTES, "heavy.tif", &w->image);
    atomic_store(&w->ended, true);
    return NULL;
}

/* Where decoders did not wait this one would end while the turn is another's. */
static void heavy_images_wait(void **state)
{
    work w = {.file = make_file()};
    pthread_t thread;
    (void)state;
    rs_heavy_turn_begin();
    assert_int_equal(pthread_create(&thread, NULL, decode, &w), 0);
    for (int i = 0; i < 15 && !atomic_load(&w.ended); i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    const bool waited = !atomic_load(&w.ended);
    rs_heavy_turn_end();
    pthread_join(thread, NULL);
    if (w.status == RESCL_ERR_UNSUPPORTED) { /* built without libtiff */
        free(w.file);
        skip();
    }
    assert_ok(w.status);
    assert_true(waited);
    assert_int_equal(w.image.pixels[0], 77);
    rescl_image_free(&w.image);
    free(w.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(heavy_images_wait)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
