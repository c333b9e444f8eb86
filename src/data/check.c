/* Images that cannot be read: found before they are needed, and left out. */
#include "alloc.h"
#include "dataset.h"
#include "error.h"
#include "pixel.h"
#include "str.h"
#include "threadpool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TAKE 32 /* files that a thread takes at once */

/* One check of a set, shared by its threads. */
typedef struct check {
    const rescl_dataset *set;
    char **reason; /* of each sample; NULL: it can be read */
    atomic_size_t next;
    atomic_size_t bytes; /* of the good ones when they are decoded */
    atomic_bool failed;  /* by this machine's fault; `error` is its */
    rescl_error error;
} check;

bool rs_is_machines_fault(rescl_status st)
{
    const int why = rescl_last_error()->sys_errno;
    return st == RESCL_ERR_MEMORY ||
           (st == RESCL_ERR_IO && (why == EMFILE || why == ENFILE || why == ENOMEM));
}

const char *rs_dataset_reason(const char *path, const char *message)
{
    const char *at = strstr(message, path);
    const size_t n = strlen(path);
    return at && strncmp(at + n, ": ", 2) == 0 ? at + n + 2 : message;
}

static const char *path_of(const rescl_dataset *set, size_t sample)
{
    return set->format->path(set, rs_dataset_index(set, sample));
}

bool rs_dataset_can_probe(const rescl_dataset *set)
{
    return set->format->own_files || set->format->probe;
}

rescl_status rs_dataset_probe(const rescl_dataset *set, size_t sample, rescl_image_info *out)
{
    return set->format->probe ? set->format->probe(set, rs_dataset_index(set, sample), out)
                              : rescl_image_probe_with(path_of(set, sample), &set->images, out);
}

/* False when the check cannot go on. */
static bool check_one(check *c, size_t sample)
{
    rescl_image_info info;
    const char *path = path_of(c->set, sample);
    const rescl_status st = rs_dataset_probe(c->set, sample, &info);
    if (st == RESCL_OK) {
        const size_t most = RESCL_IMAGE_WHOLE_PIXELS; /* larger ones are made smaller */
        const size_t pixels = info.width > most / info.height ? most : info.width * info.height;
        const rescl_image_options *o = &c->set->images;
        atomic_fetch_add(&c->bytes, rs_pixel_bytes(o->channels, o->bit_depth) * pixels);
        return true;
    }
    if (!rs_is_machines_fault(st))
        c->reason[sample] = rs_strf("%s", rs_dataset_reason(path, rescl_last_error()->message));
    if (c->reason[sample])
        return true;
    if (!atomic_exchange(&c->failed, true))
        c->error = *rescl_last_error();
    return false;
}

static void check_some(void *arg)
{
    check *c = *(check *const *)arg;
    size_t first;
    while ((first = atomic_fetch_add(&c->next, TAKE)) < c->set->count)
        for (size_t i = first; i < first + TAKE && i < c->set->count; i++)
            if (!check_one(c, i))
                return;
}

static rescl_status check_all(check *c)
{
    rescl_status st = RESCL_OK;
    const size_t threads = rs_data_threads(SIZE_MAX);
    check **args = NULL;
    rs_pool *pool = NULL;
    RS_OOM(args = calloc(threads, sizeof *args));
    for (size_t i = 0; i < threads; i++)
        args[i] = c;
    if (c->set->count > TAKE)
        RS_TRY(rs_pool_create(threads - 1, &pool));
    RS_TRY(rs_pool_map(pool, check_some, args, pool ? threads : 1, sizeof *args));
    if (atomic_load(&c->failed)) {
        st = c->error.status == RESCL_ERR_IO ? RESCL_ERR_IO : RESCL_ERR_MEMORY;
        c->error.status = st;
        rs_error_restore(&c->error);
    }
out:
    rs_pool_destroy(pool);
    free(args);
    return st;
}

/* The good ones become the set, the bad ones its list. */
static rescl_status leave_out(rescl_dataset *set, char **reason, size_t bad)
{
    rescl_status st = RESCL_OK;
    size_t *index = NULL, kept = 0;
    RS_OOM(index = calloc(set->count, sizeof *index));
    RS_OOM(set->bad = calloc(bad, sizeof *set->bad));
    for (size_t i = 0; i < set->count; i++) {
        if (!reason[i]) {
            index[kept++] = rs_dataset_index(set, i);
            continue;
        }
        set->bad[set->nbad++] = (rs_bad_sample){rs_dataset_index(set, i), reason[i]};
        reason[i] = NULL;
    }
    free(set->index);
    set->index = index;
    set->count = set->total = kept;
    index = NULL;
out:
    free(index);
    return st;
}

/* Looks at all files, once. */
static rescl_status find_bad(rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const size_t count = set->count;
    check c = {.set = set};
    size_t bad = 0;
    RS_OOM(c.reason = calloc(count + 1, sizeof *c.reason));
    RS_TRY(check_all(&c));
    for (size_t i = 0; i < count; i++)
        bad += c.reason[i] != NULL;
    if (bad > 0)
        RS_TRY(leave_out(set, c.reason, bad));
    set->checked = true;
    set->pixel_bytes = atomic_load(&c.bytes);
out:
    for (size_t i = 0; c.reason && i < count; i++)
        free(c.reason[i]);
    free(c.reason);
    return st;
}

rescl_status rescl_dataset_check(rescl_dataset *set, size_t *checked)
{
    rescl_status st = RESCL_OK;
    const size_t count = set->count + set->nbad;
    rescl_bad_image first;
    if (checked)
        *checked = rs_dataset_can_probe(set) ? count : 0;
    if (!rs_dataset_can_probe(set))
        goto out;
    const bool again = set->checked;
    if (!again)
        RS_TRY(find_bad(set));
    if (!rescl_dataset_bad(set, 0, &first))
        goto out;
    RS_FAIL_IF(set->count == 0, RESCL_ERR_FORMAT,
               "data \"%s\": none of its %zu images can be read; the first is %s: %s", set->origin,
               count, first.path, first.reason);
    RS_FAIL_IF(set->strict, RESCL_ERR_FORMAT,
               "data \"%s\": %zu of %zu images cannot be read; the first is %s: %s; mend or remove "
               "them, or leave them out (no strict_data)",
               set->origin, set->nbad, count, first.path, first.reason);
    const char *lost = again ? NULL : rs_dataset_lost_class(set, &first);
    if (lost && strcmp(set->split, "train") != 0)
        RS_TRY(
            rs_dataset_note(set, RESCL_LOG_WARN,
                            "no image of the class '%s' in \"%s\" can be read: it is not measured",
                            lost, set->split));
out:
    return st;
}

static const char *class_of(const rescl_dataset *set, int32_t label)
{
    if (label < 0)
        return "";
    if (set->label_map)
        label = set->label_map[label];
    return rescl_dataset_class_name(set, (size_t)label);
}

rescl_status rs_dataset_append_classes(const rescl_dataset *set, size_t index, rs_str *out)
{
    rescl_status st = RESCL_OK;
    int32_t own;
    const int32_t *label = NULL;
    const size_t n = rs_dataset_labels(set, index, &own, &label);
    RS_TRY(rs_str_append(out, ""));
    for (size_t k = 0; k < n; k++)
        RS_TRY(rs_str_appendf(out, "%s%s", k ? ";" : "", class_of(set, label[k])));
out:
    return st;
}

bool rescl_dataset_bad(const rescl_dataset *set, size_t index, rescl_bad_image *out)
{
    if (index >= set->nbad)
        return false;
    const rs_bad_sample *b = &set->bad[index];
    *out = (rescl_bad_image){set->format->path(set, b->index), b->reason,
                             class_of(set, set->format->label(set, b->index))};
    return true;
}

rescl_bad_image rs_dataset_bad_image(const rescl_dataset *set, size_t sample, const char *reason)
{
    return (rescl_bad_image){path_of(set, sample), reason,
                             class_of(set, set->format->label(set, rs_dataset_index(set, sample)))};
}

bool rs_dataset_passes_over(const rescl_dataset *set, rescl_status st)
{
    return !set->strict && set->format->path && st != RESCL_OK && st != RESCL_ERR_ARG &&
           !rs_is_machines_fault(st);
}

const char *rs_dataset_lost_class(const rescl_dataset *set, rescl_bad_image *first)
{
    const size_t labels = set->label_map ? set->labels : set->classes;
    bool *left = set->nbad > 0 ? calloc(labels, sizeof *left) : NULL;
    const char *lost = NULL;
    int32_t own;
    const int32_t *label = NULL;
    for (size_t i = 0; left && i < set->count; i++)
        for (size_t n = rs_dataset_labels(set, rs_dataset_index(set, i), &own, &label); n-- > 0;)
            left[label[n]] = true;
    for (size_t b = 0; left && !lost && rescl_dataset_bad(set, b, first); b++)
        for (size_t n = rs_dataset_labels(set, set->bad[b].index, &own, &label); n-- > 0;)
            if (!left[label[n]])
                lost = class_of(set, label[n]);
    free(left);
    return lost;
}
