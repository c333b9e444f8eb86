/* What tells one dataset from another: every label, every image's content, the names of classes. */
#include "dataset.h"
#include "error.h"
#include "image.h"
#include "imagefiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLD_SAMPLES 8
#define VERSION     "2:"
#define CHUNK       512 /* samples hashed at once */
#define SKETCH_BITS 48

/* Label, size and pixels of up to 8 samples spread over the set. */
static rescl_status hash_pixels(const rescl_dataset *set, rs_hash *out)
{
    rescl_status st = RESCL_OK;
    const size_t samples = set->count < OLD_SAMPLES ? set->count : OLD_SAMPLES;
    uint64_t words[2 + 5 * OLD_SAMPLES] = {set->count, set->classes};
    rescl_image image = {0};
    int32_t label;

    for (size_t i = 0; i < samples; i++) {
        uint64_t *w = words + 2 + 5 * i;
        rescl_image_free(&image);
        RS_TRY(rescl_dataset_get(set, i * (set->count / samples), &image, &label));
        const rs_hash h = rs_hash_bytes(image.pixels, rs_image_bytes(&image));
        w[0] = (uint64_t)(int64_t)label;
        w[1] = image.width;
        w[2] = image.height;
        w[3] = h.lo;
        w[4] = h.hi;
    }
    *out = rs_hash_bytes(words, sizeof words);
out:
    rescl_image_free(&image);
    return st;
}

rescl_status rs_dataset_old_fingerprint(const rescl_dataset *set, char out[RESCL_FINGERPRINT_BYTES])
{
    rescl_status st = RESCL_OK;
    rs_hash h;
    RS_TRY(hash_pixels(set, &h));
    rs_hash_hex(h, out);
out:
    return st;
}

bool rs_fingerprint_is_old(const char *fingerprint)
{
    return strncmp(fingerprint, VERSION, strlen(VERSION)) != 0;
}

/* The label, or a hash of several. */
static uint64_t labels_of(const rescl_dataset *set, size_t index)
{
    int32_t own;
    const int32_t *label = NULL;
    if (!set->multi_label)
        return (uint64_t)set->format->label(set, index);
    const size_t n = rs_dataset_labels(set, index, &own, &label);
    return rs_hash_bytes(label, n * sizeof *label).lo;
}

/* Adds the samples one after another: label and content. */
static rescl_status hash_samples(const rescl_dataset *set, rs_hash *h)
{
    rescl_status st = RESCL_OK;
    uint64_t words[2 + 3 * CHUNK];
    size_t used = 2;
    for (size_t i = 0; i < set->total; i++) {
        const size_t index = set->index ? set->index[i] : i;
        rs_hash content = {0};
        RS_TRY(set->format->identify(set, index, &content));
        words[used++] = labels_of(set, index);
        words[used++] = content.lo;
        words[used++] = content.hi;
        if (used == RS_COUNT(words) || i + 1 == set->total) {
            words[0] = h->lo;
            words[1] = h->hi;
            *h = rs_hash_bytes(words, used * sizeof *words);
            used = 2;
        }
    }
out:
    return st;
}

rescl_status rescl_dataset_fingerprint(const rescl_dataset *set, char out[RESCL_FINGERPRINT_BYTES])
{
    rescl_status st = RESCL_OK;
    rs_hash h = rs_hash_strings((const char *const *)set->class_name, set->classes);
    rs_hash pixels;
    char hex[33];
    if (set->format->identify) {
        RS_TRY(hash_samples(set, &h));
    } else {
        RS_TRY(hash_pixels(set, &pixels));
        const uint64_t words[] = {h.lo, h.hi, pixels.lo, pixels.hi};
        h = rs_hash_bytes(words, sizeof words);
    }
    if (set->validation_split > 0.0) {
        uint64_t words[] = {h.lo, h.hi, 0, set->seed};
        memcpy(&words[2], &set->validation_split, sizeof words[2]);
        h = rs_hash_bytes(words, sizeof words);
    }
    rs_hash_hex(h, hex);
    snprintf(out, RESCL_FINGERPRINT_BYTES, VERSION "%s", hex);
out:
    return st;
}

/* ---- the images of one set among those of another ---------------------------------------- */

typedef struct least {
    uint64_t hash[2 * RESCL_SKETCH_HASHES];
    size_t count;
} least;

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Leaves the least, each once. */
static void reduce(least *l)
{
    size_t kept = 0;
    qsort(l->hash, l->count, sizeof *l->hash, by_value);
    for (size_t i = 0; i < l->count && kept < RESCL_SKETCH_HASHES; i++)
        if (kept == 0 || l->hash[i] != l->hash[kept - 1])
            l->hash[kept++] = l->hash[i];
    l->count = kept;
}

/* *known is false for what is empty or cannot be read: it is no copy of another image. */
static rescl_status hash_image(const rescl_dataset *set, size_t sample, uint64_t *out, bool *known)
{
    rescl_status st = RESCL_OK;
    rs_hash content = {0};
    RS_TRY(set->format->identify(set, rs_dataset_index(set, sample), &content));
    *known = !rs_image_hash_is_empty(content);
    *out = content.lo >> (64 - SKETCH_BITS);
out:
    return st;
}

rescl_status rescl_dataset_sketch(const rescl_dataset *set, rescl_sketch *out)
{
    rescl_status st = RESCL_OK;
    least l = {.count = 0};
    bool known;
    *out = (rescl_sketch){0};
    for (size_t i = 0; set->format->identify && i < set->count; i++) {
        if (l.count == RS_COUNT(l.hash))
            reduce(&l);
        RS_TRY(hash_image(set, i, &l.hash[l.count], &known));
        l.count += known;
    }
    reduce(&l);
    out->count = l.count;
    memcpy(out->hash, l.hash, l.count * sizeof *l.hash);
out:
    return st;
}

rescl_status rescl_dataset_overlap(const rescl_dataset *set, const rescl_sketch *sketch,
                                   rescl_overlap *out)
{
    rescl_status st = RESCL_OK;
    const bool whole = sketch->count < RESCL_SKETCH_HASHES;
    size_t images = 0, compared = 0, found = 0;
    uint64_t hash;
    bool known;
    *out = (rescl_overlap){0};
    if (!set->format->identify || sketch->count == 0)
        goto out;
    for (size_t i = 0; i < set->count; i++) {
        RS_TRY(hash_image(set, i, &hash, &known));
        images += known;
        if (!known)
            continue;
        if (!whole && hash > sketch->hash[sketch->count - 1])
            continue;
        compared++;
        found += bsearch(&hash, sketch->hash, sketch->count, sizeof hash, by_value) != NULL;
    }
    out->compared = compared;
    if (found == compared)
        out->images = found > 0 ? images : 0;
    else
        out->images = (size_t)((double)found / (double)compared * (double)images + 0.5);
out:
    return st;
}
