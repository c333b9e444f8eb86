#include "pixelcache.h"

#include "dataset.h"
#include "error.h"
#include "freememory.h"
#include "image.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct kept {
    rescl_image image; /* pixels of NULL: it is not here */
    int32_t label;
} kept;

struct rs_pixel_cache {
    pthread_mutex_t lock; /* guards the rest; pixels stay as they are once they are here */
    kept *kept;
    size_t count, room; /* room: bytes that are left */
};

rescl_status rs_pixel_cache_create(size_t count, size_t room, rs_pixel_cache **out)
{
    rescl_status st = RESCL_OK;
    rs_pixel_cache *c = NULL;
    RS_OOM(c = calloc(1, sizeof *c));
    pthread_mutex_init(&c->lock, NULL);
    c->count = count;
    c->room = room;
    RS_OOM(c->kept = calloc(count + 1, sizeof *c->kept));
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
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static size_t bytes_of(const rescl_image *image)
{
    return image->width * image->height * 3;
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
    RS_OOM(image->pixels = malloc(bytes_of(image)));
    memcpy(image->pixels, k.image.pixels, bytes_of(image));
    *label = k.label;
out:
    return st;
}

void rs_pixel_cache_put(rs_pixel_cache *c, size_t index, const rescl_image *image, int32_t label)
{
    const size_t bytes = bytes_of(image);
    uint8_t *copy = NULL;
    pthread_mutex_lock(&c->lock);
    const bool wanted = !c->kept[index].image.pixels && bytes <= c->room;
    pthread_mutex_unlock(&c->lock);
    if (!wanted || !(copy = malloc(bytes)))
        return;
    memcpy(copy, image->pixels, bytes);
    pthread_mutex_lock(&c->lock);
    kept *k = &c->kept[index];
    if (!k->image.pixels && bytes <= c->room) {
        k->image.width = image->width;
        k->image.height = image->height;
        k->image.pixels = copy;
        k->label = label;
        c->room -= bytes;
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
        sum += bytes_of(&image);
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
    if (set->format->own_files)
        RS_TRY(rescl_dataset_check(set, NULL));
    *bytes = set->format->own_files ? set->pixel_bytes : guess_need(set);
out:
    return st;
}

rescl_status rescl_dataset_cache(rescl_dataset *const *sets, size_t count, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const size_t usable = rs_free_memory();
    const size_t room = bytes ? bytes : usable / 4 * 3;
    size_t need = 0, one;
    for (size_t i = 0; i < count; i++) {
        if (sets[i])
            RS_TRY(need_of(sets[i], &one));
        need += sets[i] ? one : 0;
    }
    RS_FAIL_IF(need > room, RESCL_ERR_MEMORY,
               "cache: the decoded images take %.1f GiB, and %.1f GiB may be used (%s); go without "
               "a cache, or make the images smaller first",
               (double)need / 0x1p30, (double)room / 0x1p30,
               bytes ? "the limit that was given" : "three quarters of the memory that is free");
    for (size_t i = 0; i < count; i++)
        if (sets[i] && !sets[i]->cache && !sets[i]->format->held)
            RS_TRY(rs_pixel_cache_create(sets[i]->count, room, &sets[i]->cache));
out:
    return st;
}
