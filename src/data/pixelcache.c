#include "pixelcache.h"

#include "dataset.h"
#include "error.h"
#include "freememory.h"
#include "image.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct kept {
    rescl_image image; /* pixels of NULL: it is not here */
    int32_t label;
} kept;

/* What caches share. */
typedef struct budget {
    atomic_size_t left; /* bytes */
    atomic_size_t users;
} budget;

struct rs_pixel_cache {
    pthread_mutex_t lock; /* guards `kept`; pixels stay as they are once they are here */
    kept *kept;
    size_t count;
    budget *budget;
};

static void leave(budget *b)
{
    if (b && atomic_fetch_sub(&b->users, 1) == 1)
        free(b);
}

/* For `count` samples. */
static rescl_status create(size_t count, budget *shared, rs_pixel_cache **out)
{
    rescl_status st = RESCL_OK;
    rs_pixel_cache *c = NULL;
    RS_OOM(c = calloc(1, sizeof *c));
    pthread_mutex_init(&c->lock, NULL);
    c->count = count;
    RS_OOM(c->kept = calloc(count + 1, sizeof *c->kept));
    c->budget = shared;
    atomic_fetch_add(&shared->users, 1);
    *out = c;
    c = NULL;
out:
    rs_pixel_cache_destroy(c);
    return st;
}

void rs_pixel_cache_destroy(rs_pixel_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->kept && i < c->count; i++)
        free(c->kept[i].image.pixels);
    free(c->kept);
    leave(c->budget);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

rescl_status rs_pixel_cache_get(rs_pixel_cache *c, size_t index, rescl_image *image, int32_t *label,
                                bool *found)
{
    rescl_status st = RESCL_OK;
    pthread_mutex_lock(&c->lock);
    const kept k = c->kept[index];
    pthread_mutex_unlock(&c->lock);
    *found = k.image.pixels != NULL;
    if (!*found)
        goto out;
    *image = k.image;
    RS_OOM(image->pixels = malloc(rs_image_bytes(image)));
    memcpy(image->pixels, k.image.pixels, rs_image_bytes(image));
    *label = k.label;
out:
    return st;
}

static bool take(budget *b, size_t bytes)
{
    size_t left = atomic_load(&b->left);
    while (bytes <= left)
        if (atomic_compare_exchange_weak(&b->left, &left, left - bytes))
            return true;
    return false;
}

void rs_pixel_cache_put(rs_pixel_cache *c, size_t index, const rescl_image *image, int32_t label)
{
    const size_t bytes = rs_image_bytes(image);
    uint8_t *copy = NULL;
    pthread_mutex_lock(&c->lock);
    const bool wanted = !c->kept[index].image.pixels && bytes <= atomic_load(&c->budget->left);
    pthread_mutex_unlock(&c->lock);
    if (!wanted || !(copy = malloc(bytes)))
        return;
    memcpy(copy, image->pixels, bytes);
    pthread_mutex_lock(&c->lock);
    kept *k = &c->kept[index];
    if (!k->image.pixels && take(c->budget, bytes)) {
        k->image = rs_image_like(image, image->width, image->height, copy);
        k->label = label;
        copy = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    free(copy);
}

/* ---- the public function ----------------------------------------------------------------- */

#define LOOKED_AT 8

/* Bytes of all images of a set, by the mean of some that are spread over it. One that cannot be read is for
 * whoever needs it. */
static size_t guess_need(const rescl_dataset *set)
{
    const size_t count = set->count < LOOKED_AT ? set->count : LOOKED_AT;
    size_t sum = 0, read = 0;
    for (size_t i = 0; i < count; i++) {
        rescl_image image;
        int32_t label;
        if (rescl_dataset_get(set, i * (set->count / count), &image, &label) != RESCL_OK)
            continue;
        sum += rs_image_bytes(&image);
        read++;
        rescl_image_free(&image);
    }
    return read ? sum / read * set->count : 0;
}

/* What files' headers say, which rescl_dataset_check looks at. */
static rescl_status need_of(rescl_dataset *set, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    *bytes = 0;
    if (set->format->held)
        goto out;
    if (rs_dataset_can_probe(set))
        RS_TRY(rescl_dataset_check(set, NULL));
    *bytes = rs_dataset_can_probe(set) ? set->pixel_bytes : guess_need(set);
out:
    return st;
}

rescl_status rescl_dataset_cache(rescl_dataset *const *sets, size_t count, size_t bytes,
                                 size_t sharers)
{
    rescl_status st = RESCL_OK;
    const size_t usable = rs_free_memory() / (sharers ? sharers : 1);
    const size_t most = bytes ? bytes : usable / 4 * 3;
    const char *whose = bytes ? "the limit that was given"
                        : sharers > 1
                            ? "three quarters of this process's part of the memory that is free"
                            : "three quarters of the memory that is free";
    budget *shared = NULL;
    size_t need = 0;
    for (size_t i = 0; i < count; i++) {
        size_t one = 0;
        if (sets[i])
            RS_TRY(need_of(sets[i], &one));
        need += one;
    }
    RS_FAIL_IF(need > most, RESCL_ERR_MEMORY,
               "cache: the decoded images take %.1f GiB, and %.1f GiB may be used (%s); go without "
               "a cache, or make the images smaller first",
               (double)need / 0x1p30, (double)most / 0x1p30, whose);
    RS_OOM(shared = calloc(1, sizeof *shared));
    atomic_init(&shared->left, most);
    atomic_init(&shared->users, 1);
    for (size_t i = 0; i < count; i++)
        if (sets[i] && !sets[i]->cache && !sets[i]->format->held)
            RS_TRY(create(sets[i]->count, shared, &sets[i]->cache));
out:
    leave(shared);
    return st;
}
