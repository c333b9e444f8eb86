/* A look at every image of a data set. */
#include "looks.h"

#include "alloc.h"
#include "error.h"
#include "image.h"
#include "optionvalue.h"
#include "str.h"
#include "threadpool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TAKE 16 /* images that a thread takes at once */

/* ---- opening ----------------------------------------------------------------------------- */

/* A split that the data may lack. What stands in for another split is that one. */
static rescl_status open_part(rescl_survey *s, const rescl_data_options *data, const char *split)
{
    rescl_status st = RESCL_OK;
    rescl_dataset *set = NULL;
    rescl_data_options o = {0};
    RS_TRY(rs_options_take(&o, sizeof o, data, "rescl_data_options"));
    o.split = split;
    o.validation_split = 0.0;
    o.strict_data = false;
    st = rescl_dataset_open(&o, &set);
    const bool lacks = st == RESCL_ERR_NOT_FOUND && s->parts > 0;
    if (lacks || (st == RESCL_OK && strcmp(set->split, split) != 0)) {
        st = RESCL_OK;
        goto out;
    }
    RS_TRY(st);
    RS_FAIL_IF(!set->format->label, RESCL_ERR_UNSUPPORTED,
               "%s: data of the format %s do not tell the classes of their images", set->origin,
               set->format->name);
    s->part[s->parts++] = (rs_survey_part){.set = set, .first = s->images};
    s->images += set->count;
    set = NULL;
out:
    rescl_dataset_close(set);
    return st;
}

typedef struct name {
    const char *text;
    uint32_t index;
} name;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const name *)a)->text, ((const name *)b)->text);
}

/* The names of a set among those that are known, which those that are new join. */
static rescl_status join_names(rescl_survey *s, rs_survey_part *p, name *known)
{
    rescl_status st = RESCL_OK;
    const size_t sorted = s->classes;
    RS_OOM(p->class_of = calloc(p->set->classes + 1, sizeof *p->class_of));
    for (size_t i = 0; i < p->set->classes; i++) {
        const name wanted = {p->set->class_name[i], (uint32_t)s->classes};
        const name *found = bsearch(&wanted, known, sorted, sizeof *known, by_text);
        p->class_of[i] = found ? found->index : wanted.index;
        if (found)
            continue;
        known[s->classes] = wanted;
        s->class_name[s->classes++] = wanted.text;
    }
    qsort(known, s->classes, sizeof *known, by_text);
out:
    return st;
}

static rescl_status name_classes(rescl_survey *s)
{
    rescl_status st = RESCL_OK;
    size_t most = 1;
    name *known = NULL;
    for (size_t i = 0; i < s->parts; i++)
        most += s->part[i].set->classes;
    RS_OOM(known = calloc(most, sizeof *known));
    RS_OOM(s->class_name = calloc(most, sizeof *s->class_name));
    for (size_t i = 0; i < s->parts; i++)
        RS_TRY(join_names(s, &s->part[i], known));
out:
    free(known);
    return st;
}

static rescl_status count_classes(rescl_survey *s)
{
    rescl_status st = RESCL_OK;
    for (size_t k = 0; k < s->parts; k++) {
        rs_survey_part *p = &s->part[k];
        RS_OOM(p->class_count = calloc(s->classes + 1, sizeof *p->class_count));
        for (size_t i = 0; i < p->set->count; i++) {
            rs_survey_look *look = &s->look[p->first + i];
            look->split = (uint8_t)k;
            int32_t own;
            const int32_t *label = NULL;
            const size_t n = rs_dataset_labels(p->set, rs_dataset_index(p->set, i), &own, &label);
            look->class_index = (uint32_t)(n > 0 ? p->class_of[label[0]] : s->classes);
            for (size_t c = 0; c < n; c++)
                p->class_count[p->class_of[label[c]]]++;
        }
    }
out:
    return st;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* What the threads share. */
typedef struct round {
    rescl_survey *s;
    const rescl_survey_options *options;
    atomic_size_t next;
    atomic_bool ended; /* by a failure or on request */
    pthread_mutex_t lock;
    size_t done;
    rescl_error error; /* of the first failure */
} round;

static rs_hash hash_pixels(const rescl_image *image)
{
    const rs_hash h = rs_hash_bytes(image->pixels, rs_image_bytes(image));
    const uint64_t words[] = {image->width, image->height, h.lo, h.hi};
    return rs_hash_bytes(words, sizeof words);
}

/* What a file says of itself; of other images what they become. */
static rescl_status look_at_header(const rescl_dataset *set, size_t sample, rs_survey_look *look)
{
    rescl_status st = RESCL_OK;
    rescl_image_info info;
    look->kind = set->format->name;
    look->colour = "RGB";
    look->bits = 8;
    if (!rs_dataset_can_probe(set))
        goto out;
    RS_TRY(rs_dataset_probe(set, sample, &info));
    look->kind = info.kind;
    look->colour = info.colour ? info.colour : "";
    look->bits = (uint8_t)info.bits;
out:
    return st;
}

static rescl_status look_at(const rescl_dataset *set, size_t sample, rs_survey_look *look)
{
    rescl_status st = RESCL_OK;
    rescl_image image = {0};
    int32_t label;
    RS_TRY(look_at_header(set, sample, look));
    RS_TRY(rescl_dataset_get(set, sample, &image, &label));
    look->width = (uint32_t)image.width;
    look->height = (uint32_t)image.height;
    look->pixels = hash_pixels(&image);
out:
    rescl_image_free(&image);
    return st;
}

/* An image that cannot be read has a reason; only this machine's faults are failures. */
static rescl_status judge(rescl_survey *s, size_t index)
{
    rescl_status st = RESCL_OK;
    rs_survey_look *look = &s->look[index];
    const rs_survey_part *p = &s->part[look->split];
    const rescl_dataset *set = p->set;
    const size_t sample = index - p->first;
    st = look_at(set, sample, look);
    if (st == RESCL_OK || rs_is_machines_fault(st))
        goto out;
    const char *why = rescl_last_error()->message;
    if (set->format->path)
        why = rs_dataset_reason(set->format->path(set, rs_dataset_index(set, sample)), why);
    RS_OOM(look->reason = rs_strf("%s", why));
    st = RESCL_OK;
out:
    return st;
}

static void end_round(round *r)
{
    pthread_mutex_lock(&r->lock);
    if (!atomic_exchange(&r->ended, true))
        r->error = *rescl_last_error();
    pthread_mutex_unlock(&r->lock);
}

static rescl_status tell_progress(round *r, size_t looked)
{
    rescl_status st = RESCL_OK;
    const rescl_survey_options *o = r->options;
    pthread_mutex_lock(&r->lock);
    const size_t done = r->done += looked;
    const bool goes_on =
        !o->on_progress || atomic_load(&r->ended) || o->on_progress(done, r->s->images, o->user);
    pthread_mutex_unlock(&r->lock);
    RS_FAIL_IF(!goes_on, RESCL_ERR_INTERRUPTED, "stopped on request after %zu of %zu images", done,
               r->s->images);
out:
    return st;
}

static void look_at_some(void *arg)
{
    round *r = *(round *const *)arg;
    const size_t images = r->s->images;
    size_t first;
    while (!atomic_load(&r->ended) && (first = atomic_fetch_add(&r->next, TAKE)) < images) {
        const size_t end = first + TAKE < images ? first + TAKE : images;
        rescl_status st = RESCL_OK;
        for (size_t i = first; i < end && st == RESCL_OK; i++)
            st = judge(r->s, i);
        if (st == RESCL_OK)
            st = tell_progress(r, end - first);
        if (st != RESCL_OK)
            end_round(r);
    }
}

static rescl_status look_at_all(rescl_survey *s, const rescl_survey_options *o)
{
    rescl_status st = RESCL_OK;
    const size_t threads = rs_data_threads(o->workers ? o->workers : rs_cpu_count());
    round r = {.s = s, .options = o, .lock = PTHREAD_MUTEX_INITIALIZER};
    round **args = NULL;
    rs_pool *pool = NULL;
    RS_OOM(args = calloc(threads, sizeof *args));
    for (size_t i = 0; i < threads; i++)
        args[i] = &r;
    if (threads > 1 && s->images > TAKE)
        RS_TRY(rs_pool_create(threads - 1, &pool));
    RS_TRY(rs_pool_map(pool, look_at_some, args, pool ? threads : 1, sizeof *args));
    if (atomic_load(&r.ended)) {
        st = r.error.status;
        rs_error_restore(&r.error);
    }
    s->looked = true;
out:
    rs_pool_destroy(pool);
    free(args);
    return st;
}

/* ---- sums -------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const rescl_size_count *x = a, *y = b;
    if (x->width != y->width)
        return x->width < y->width ? -1 : 1;
    return (x->height > y->height) - (x->height < y->height);
}

static int by_frequency(const void *a, const void *b)
{
    const rescl_size_count *x = a, *y = b;
    if (x->images != y->images)
        return x->images > y->images ? -1 : 1;
    return by_size(a, b);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static rescl_status measure(const rescl_survey *s, bool width, size_t readable,
                            rescl_size_range *out)
{
    rescl_status st = RESCL_OK;
    uint32_t *value = NULL;
    size_t n = 0;
    RS_OOM(value = calloc(readable + 1, sizeof *value));
    for (size_t i = 0; i < s->images; i++)
        if (s->look[i].width > 0)
            value[n++] = width ? s->look[i].width : s->look[i].height;
    qsort(value, n, sizeof *value, by_value);
    if (n > 0)
        *out = (rescl_size_range){value[0], value[n / 2], value[n - 1]};
out:
    free(value);
    return st;
}

static rescl_status count_sizes(rescl_survey *s)
{
    rescl_status st = RESCL_OK;
    size_t n = 0, distinct = 0;
    RS_OOM(s->size = calloc(s->images + 1, sizeof *s->size));
    for (size_t i = 0; i < s->images; i++)
        if (s->look[i].width > 0)
            s->size[n++] = (rescl_size_count){s->look[i].width, s->look[i].height, 1};
    qsort(s->size, n, sizeof *s->size, by_size);
    for (size_t i = 0; i < n; i++) {
        if (distinct > 0 && by_size(&s->size[distinct - 1], &s->size[i]) == 0)
            s->size[distinct - 1].images++;
        else
            s->size[distinct++] = s->size[i];
    }
    s->sizes = distinct;
    qsort(s->size, distinct, sizeof *s->size, by_frequency);
    RS_TRY(measure(s, true, n, &s->width));
    RS_TRY(measure(s, false, n, &s->height));
out:
    return st;
}

static bool is_kind(const rescl_kind_count *k, const rs_survey_look *look)
{
    return k->bits == look->bits && strcmp(k->kind, look->kind) == 0 &&
           strcmp(k->colour, look->colour) == 0;
}

static int by_images(const void *a, const void *b)
{
    const rescl_kind_count *x = a, *y = b;
    if (x->images != y->images)
        return x->images > y->images ? -1 : 1;
    return strcmp(x->kind, y->kind) ? strcmp(x->kind, y->kind) : strcmp(x->colour, y->colour);
}

static rescl_status count_kinds(rescl_survey *s)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < s->images; i++) {
        const rs_survey_look *look = &s->look[i];
        size_t k = 0;
        if (look->width == 0)
            continue;
        while (k < s->kinds && !is_kind(&s->kind[k], look))
            k++;
        if (k == s->kinds) {
            RS_TRY(rs_array_reserve(&s->kind, &s->kinds_cap, k + 1, sizeof *s->kind));
            s->kind[s->kinds++] = (rescl_kind_count){look->kind, look->colour, look->bits, 0};
        }
        s->kind[k].images++;
    }
    if (s->kinds > 1)
        qsort(s->kind, s->kinds, sizeof *s->kind, by_images);
out:
    return st;
}

/* ---- the public functions ---------------------------------------------------------------- */

void rescl_survey_options_init(rescl_survey_options *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_survey_options){0}, sizeof *out);
}

rescl_status rescl_survey_create(const rescl_data_options *data,
                                 const rescl_survey_options *options, rescl_survey **out)
{
    static const char *const splits[RS_SURVEY_SPLITS] = {"train", "val", "test"};
    rescl_status st = RESCL_OK;
    rescl_survey_options o = {0};
    rescl_survey *s = NULL;
    *out = NULL;
    if (options)
        RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_survey_options"));
    RS_OOM(s = calloc(1, sizeof *s));
    for (size_t i = 0; i < RS_SURVEY_SPLITS; i++)
        RS_TRY(open_part(s, data, splits[i]));
    RS_TRY(name_classes(s));
    RS_OOM(s->look = calloc(s->images + 1, sizeof *s->look));
    RS_TRY(count_classes(s));
    if (!o.labels_only) {
        RS_TRY(look_at_all(s, &o));
        RS_TRY(count_sizes(s));
        RS_TRY(count_kinds(s));
        RS_TRY(rs_survey_find_copies(s));
    }
    *out = s;
    s = NULL;
out:
    rescl_survey_destroy(s);
    return st;
}

void rescl_survey_destroy(rescl_survey *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->parts; i++) {
        rescl_dataset_close(s->part[i].set);
        free(s->part[i].class_of);
        free(s->part[i].class_count);
    }
    for (size_t i = 0; s->look && i < s->images; i++)
        free(s->look[i].reason);
    free(s->look);
    free(s->class_name);
    free(s->copy);
    free(s->group);
    free(s->size);
    free(s->kind);
    free(s);
}

size_t rescl_survey_splits(const rescl_survey *s)
{
    return s->parts;
}

const rescl_dataset *rescl_survey_set(const rescl_survey *s, size_t index)
{
    return index < s->parts ? s->part[index].set : NULL;
}

size_t rescl_survey_classes(const rescl_survey *s)
{
    return s->classes;
}

const char *rescl_survey_class_name(const rescl_survey *s, size_t index)
{
    return index < s->classes ? s->class_name[index] : NULL;
}

size_t rescl_survey_class_count(const rescl_survey *s, size_t split, size_t class_index)
{
    return split < s->parts && class_index < s->classes ? s->part[split].class_count[class_index]
                                                        : 0;
}

bool rescl_survey_image(const rescl_survey *s, size_t index, rescl_survey_image_info *out)
{
    if (index >= s->images)
        return false;
    const rs_survey_look *look = &s->look[index];
    const rs_survey_part *p = &s->part[look->split];
    const rescl_dataset *set = p->set;
    *out = (rescl_survey_image_info){.split = look->split,
                                     .sample = index - p->first,
                                     .class_index = look->class_index,
                                     .reason = look->reason,
                                     .width = look->width,
                                     .height = look->height,
                                     .kind = look->kind,
                                     .colour = look->colour,
                                     .bits = look->bits};
    if (set->format->own_files)
        out->path = set->format->path(set, rs_dataset_index(set, out->sample));
    return true;
}

const char *rescl_survey_image_name(const rescl_survey *s, size_t index)
{
    if (index >= s->images)
        return NULL;
    const rs_survey_part *p = &s->part[s->look[index].split];
    const rescl_dataset *set = p->set;
    return set->format->path ? set->format->path(set, rs_dataset_index(set, index - p->first))
                             : NULL;
}

bool rescl_survey_size(const rescl_survey *s, size_t index, rescl_size_count *out)
{
    if (index >= s->sizes)
        return false;
    *out = s->size[index];
    return true;
}

bool rescl_survey_kind(const rescl_survey *s, size_t index, rescl_kind_count *out)
{
    if (index >= s->kinds)
        return false;
    *out = s->kind[index];
    return true;
}

void rescl_survey_get_summary(const rescl_survey *s, rescl_survey_summary *out)
{
    const size_t *count = s->part[0].class_count;
    *out = (rescl_survey_summary){
        .images = s->images, .groups = s->groups, .width = s->width, .height = s->height};
    for (size_t i = 0; i < s->images; i++)
        out->unreadable += s->look[i].reason != NULL;
    for (size_t g = 0; g < s->groups; g++) {
        out->copies += s->group[g].count - 1;
        out->shared += s->group[g].shared;
        out->contradictions += s->group[g].contradict;
    }
    for (size_t c = 1; c < s->classes; c++) {
        out->largest = count[c] > count[out->largest] ? c : out->largest;
        out->smallest = count[c] < count[out->smallest] ? c : out->smallest;
    }
}
