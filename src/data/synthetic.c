/* Images that are made up, for measuring what is not about data: "synthetic". Nothing is read, decoded or
 * drawn: each is a stretch of one block of noise, and its label its number. Nothing can be learned from
 * them. */
#include "dataset.h"
#include "error.h"
#include "rng.h"
#include "splits.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

#define CLASSES 10
#define SIDE    224
#define TRAIN   1280
#define TEST    128
#define STEP    257 /* bytes by which the stretch of the next image lies further on */
#define SHIFTS  4096
#define STREAM  ((uint64_t)0x5359 << 48) /* "SY" */

typedef struct state {
    size_t side;
    uint8_t *noise;
} state;

static bool recognises(const rescl_data_options *options)
{
    return strcmp(options->path, "synthetic") == 0;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *split = rs_split_of(options->split);
    const bool test = split && strcmp(split, "test") == 0;
    state *s = NULL;
    RS_FAIL_IF(!test && (!split || strcmp(split, "train") != 0), RESCL_ERR_NOT_FOUND,
               "data \"%s\": has no split \"%s\", only train and test", options->path,
               options->split);
    RS_OOM(set->state = s = calloc(1, sizeof *s));
    s->side = options->image_size ? options->image_size : SIDE;
    RS_FAIL_IF(s->side > 8192, RESCL_ERR_ARG, "data \"%s\": image_size %zu; expected 1 to 8192",
               options->path, s->side);
    const size_t words = (s->side * s->side * 3 + SHIFTS + STEP) / 16 + 1;
    RS_OOM(s->noise = calloc(words, 16));
    for (size_t i = 0; i < words; i++) {
        uint32_t word[4];
        rs_philox(options->seed, STREAM | test, i, word);
        memcpy(s->noise + 16 * i, word, sizeof word);
    }
    RS_OOM(set->class_name = calloc(CLASSES, sizeof *set->class_name));
    for (size_t i = 0; i < CLASSES; i++) {
        RS_OOM(set->class_name[i] = rs_strf("%zu", i));
        set->classes = i + 1;
    }
    set->count = options->samples ? options->samples : test ? TEST : TRAIN;
out:
    return st;
}

static int32_t label_at(const rescl_dataset *set, size_t index)
{
    (void)set;
    return (int32_t)(index % CLASSES);
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    const size_t bytes = s->side * s->side * 3;
    uint8_t *pixels;
    RS_OOM(pixels = malloc(bytes));
    memcpy(pixels, s->noise + index * STEP % SHIFTS, bytes);
    *image = (rescl_image){.width = s->side, .height = s->side, .pixels = pixels};
    *label = label_at(set, index);
out:
    return st;
}

static void close_set(rescl_dataset *set)
{
    state *s = set->state;
    if (!s)
        return;
    free(s->noise);
    free(s);
}

const rs_dataset_format rs_dataset_synthetic = {
    .name = "synthetic",
    .recognises = recognises,
    .open = open_set,
    .get = get,
    .label = label_at,
    .close = close_set,
};
