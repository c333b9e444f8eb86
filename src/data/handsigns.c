/* The built-in sets of drawn hands: "handsigns", whose classes are 0 to 5 raised fingers, and "handsigns10",
 * whose classes say which ones.
 *
 * Image i of (set, seed, split) depends on nothing else: not on how many samples are asked for, and of
 * its size only as far as pixels go. As many images in a row as there are classes show each class once, in
 * an order of their own. */
#include "handsigns.h"

#include "alloc.h"
#include "dataset.h"
#include "error.h"
#include "rng.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

#define FINGERS       6 /* 0 to 5 */
#define WAYS_SET      "handsigns10"
#define DEFAULT_SIZE  64
#define MIN_SIZE      8
#define TRAIN_SAMPLES 1080
#define TEST_SAMPLES  120
#define MAX_SAMPLES   ((size_t)1 << 30)

/* Streams of rs_philox: "HS", then the split, then what for, then a number. */
#define STREAM(test, labels, i)                                                                    \
    ((uint64_t)0x4853 << 48 | (uint64_t)(test) << 41 | (uint64_t)(labels) << 40 | (uint64_t)(i))

typedef struct state {
    size_t size;
    uint64_t seed;
    int test;
    bool ways; /* the classes are ways to show fingers, not their number */
    uint32_t classes;
} state;

static bool recognises(const rescl_data_options *options)
{
    return strcmp(options->path, rs_dataset_handsigns.name) == 0 ||
           strcmp(options->path, WAYS_SET) == 0;
}

static void close_set(rescl_dataset *set)
{
    free(set->state);
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    state *s = NULL;
    const int test = strcmp(options->split, "test") == 0;
    const size_t size = options->image_size ? options->image_size : DEFAULT_SIZE;
    RS_FAIL_IF(!test && strcmp(options->split, "train") != 0, RESCL_ERR_NOT_FOUND,
               "handsigns has no split \"%s\"; it has \"train\" and \"test\"", options->split);
    RS_FAIL_IF(size < MIN_SIZE || size > RS_HAND_MAX_SIZE, RESCL_ERR_ARG,
               "handsigns: cannot draw images of %zux%zu; sizes from %d to %d can be drawn", size,
               size, MIN_SIZE, RS_HAND_MAX_SIZE);
    RS_FAIL_IF(options->samples > MAX_SAMPLES, RESCL_ERR_ARG,
               "handsigns: %zu samples are too many; the most are %zu", options->samples,
               MAX_SAMPLES);
    RS_OOM(s = calloc(1, sizeof *s));
    s->size = size;
    s->seed = options->seed;
    s->test = test;
    s->ways = strcmp(options->path, WAYS_SET) == 0;
    s->classes = s->ways ? RS_HAND_WAYS : FINGERS;
    RS_OOM(set->class_name = calloc(s->classes, sizeof *set->class_name));
    for (size_t i = 0; i < s->classes; i++) {
        RS_OOM(set->class_name[i] = s->ways ? strdup(rs_handsigns_way((int)i)) : rs_strf("%zu", i));
        set->classes = i + 1;
    }
    set->count = options->samples ? options->samples : test ? TEST_SAMPLES : TRAIN_SAMPLES;
    set->state = s;
    s = NULL;
out:
    free(s);
    return st;
}

static int label_of(const state *s, size_t index)
{
    rs_rng rng;
    uint32_t order[RS_HAND_WAYS];
    rs_rng_init(&rng, s->seed, STREAM(s->test, 1, index / s->classes));
    rs_rng_permutation(&rng, order, s->classes);
    return (int)order[index % s->classes];
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    const int class_index = label_of(s, index);
    const uint64_t stream = STREAM(s->test, 0, index);
    rs_scene scene;
    uint8_t *pixels = NULL;
    void *scratch = NULL;
    RS_OOM(pixels = malloc(s->size * s->size * 3));
    RS_OOM(scratch = malloc(rs_handsigns_scratch(s->size)));
    if (s->ways)
        rs_handsigns_pose_way(&scene, s->seed, stream, class_index);
    else
        rs_handsigns_pose(&scene, s->seed, stream, class_index);
    rs_handsigns_draw(&scene, s->size, pixels, scratch);
    *image = (rescl_image){.width = s->size, .height = s->size, .pixels = pixels};
    *label = class_index;
    pixels = NULL;
out:
    free(pixels);
    free(scratch);
    return st;
}

static int32_t label_at(const rescl_dataset *set, size_t index)
{
    return label_of(set->state, index);
}

const rs_dataset_format rs_dataset_handsigns = {
    .name = "handsigns",
    .recognises = recognises,
    .open = open_set,
    .get = get,
    .label = label_at,
    .close = close_set,
};
