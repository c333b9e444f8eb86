/* Tar archives as WebDataset names them: "webdataset". Files whose names are the same up to the first dot
 * are a sample: an image, and its class in .cls (a number or a name) or .json ("label", "class", ...). A list
 * there, or a semicolon as tables have it, makes it a set of several labels.
 *
 * `path` is an archive (a.tar), a pattern of several (a-{000..009}.tar), or a folder of them. {split} in it
 * stands for train, val or test; of a folder's archives those whose names hold a split's name as a word are
 * of that split. Otherwise all is train. Archives are read in place: where images lie in them is found when the
 * set is opened, and images are decoded when they are asked for. */
#include "alloc.h"
#include "error.h"
#include "folderlayout.h"
#include "folderwalk.h"
#include "image.h"
#include "imagefiles.h"
#include "jsonlabels.h"
#include "labellists.h"
#include "labeltexts.h"
#include "path.h"
#include "shardnames.h"
#include "splits.h"
#include "str.h"
#include "tarfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SAMPLES ((size_t)50000000)
#define MAX_LABEL   ((size_t)1 << 20) /* bytes of a .cls or .json */

typedef struct sample {
    size_t shard;
    uint64_t at, bytes; /* of the image */
    char *name;         /* of the image, for messages */
} sample;

typedef struct state {
    rs_shard_names shards;
    sample *sample;
    size_t count, cap;
    int32_t *label;       /* of several the first; -1: none */
    rs_label_lists lists; /* of a set of several labels; {0} where each sample has one */
    rs_notices *notices;
} state;

/* ---- which archives ---------------------------------------------------------------------- */

static bool is_archive(const char *name)
{
    return rs_ends_with(name, ".tar");
}

/* The split that an archive's name says, -1: none. A word at its beginning counts most; of others two that
 * differ are an error. */
static rescl_status split_of_archive(const char *folder, const char *name, int *out)
{
    rescl_status st = RESCL_OK;
    const size_t start = strcspn(name, "-_.0123456789");
    const char *rest = name, *split = rs_split_next(&rest), *next;
    *out = rs_split_index(split);
    if (rest <= name + start)
        goto out;
    while (split && (next = rs_split_next(&rest)))
        RS_FAIL_IF(strcmp(split, next) != 0, RESCL_ERR_FORMAT,
                   "%s: the archive '%s' names two splits, \"%s\" and \"%s\"; rename it so that it "
                   "begins with its own",
                   folder, name, split, next);
out:
    return st;
}

static bool recognises(const rescl_data_options *options)
{
    rs_entries entries = {0};
    bool archive = false, folder = false;
    if (!rs_path_is_dir(options->path))
        return is_archive(options->path);
    if (rs_entries_read(options->path, &entries) == RESCL_OK)
        for (size_t i = 0; i < entries.count; i++) {
            const rs_entry *e = &entries.at[i];
            archive |= e->kind == RS_ENTRY_FILE && is_archive(e->name);
            folder |= e->kind == RS_ENTRY_FOLDER && e->name[0] != '.';
        }
    rs_entries_fini(&entries);
    return archive && !folder;
}

/* The archives of a folder that are of the split. "test" of one that has only "val" is that. */
static rescl_status find_in_folder(const char *folder, int *split, rs_shard_names *out)
{
    enum { NO_ARCHIVE = -2 };
    rescl_status st = RESCL_OK;
    rs_entries entries = {0};
    size_t count[RS_SPLITS] = {0}, others = 0;
    int *of = NULL; /* the split of each entry; -1: an archive of none */
    char *path = NULL;
    RS_TRY(rs_entries_read(folder, &entries));
    RS_OOM(of = calloc(entries.count + 1, sizeof *of));
    for (size_t i = 0; i < entries.count; i++) {
        const rs_entry *e = &entries.at[i];
        of[i] = NO_ARCHIVE;
        if (e->kind != RS_ENTRY_FILE || !is_archive(e->name))
            continue;
        RS_TRY(split_of_archive(folder, e->name, &of[i]));
        if (of[i] < 0)
            others++;
        else
            count[of[i]]++;
    }
    const bool divided = count[0] + count[1] + count[2] > 0;
    RS_FAIL_IF(
        divided && others > 0, RESCL_ERR_FORMAT,
        "%s: the names of %zu archives say a split (train, val, test), those of %zu do not; rename "
        "these or move them",
        folder, count[0] + count[1] + count[2], others);
    if (*split == 2 && count[2] == 0 && count[1] > 0)
        *split = 1;
    for (size_t i = 0; i < entries.count; i++) {
        const rs_entry *e = &entries.at[i];
        if (of[i] == NO_ARCHIVE || (divided ? of[i] != *split : *split != 0))
            continue;
        RS_OOM(path = rs_path_join(folder, e->name));
        RS_TRY(rs_array_reserve(&out->at, &out->cap, out->count + 1, sizeof *out->at));
        out->at[out->count++] = path;
        path = NULL;
    }
    RS_FAIL_IF(out->count == 0, RESCL_ERR_NOT_FOUND, "data \"%s\": has no archives of \"%s\"",
               folder, rs_split_names[*split]);
out:
    free(of);
    free(path);
    rs_entries_fini(&entries);
    return st;
}

/* The archives of a pattern with {split} by the first name of the split that there are archives of. */
static rescl_status find_named(const char *path, int split, rs_shard_names *out, bool *found)
{
    rescl_status st = RESCL_OK;
    struct stat info;
    char *pattern = NULL;
    const char *name;
    *found = false;
    for (size_t i = 0; !*found && (name = rs_split_alias(rs_split_names[split], i)); i++) {
        free(pattern);
        rs_shard_names_fini(out);
        RS_OOM(pattern = rs_split_fill(path, name));
        RS_TRY(rs_shard_names_expand(pattern, out));
        *found = stat(out->at[0], &info) == 0;
    }
out:
    free(pattern);
    return st;
}

static rescl_status find_shards(const rescl_data_options *options, int *split, rs_shard_names *out)
{
    rescl_status st = RESCL_OK;
    const char *place = strstr(options->path, RS_SPLIT_PLACE);
    char *pattern = NULL;
    bool found;
    RS_FAIL_IF(*split < 0, RESCL_ERR_NOT_FOUND, "data \"%s\": has no split \"%s\"", options->path,
               options->split);
    if (rs_path_is_dir(options->path)) {
        RS_TRY(find_in_folder(options->path, split, out));
        goto out;
    }
    RS_FAIL_IF(
        !place && *split != 0, RESCL_ERR_NOT_FOUND,
        "data \"%s\": its archives are one split, train, so it has no split \"%s\"; " RS_SPLIT_PLACE
        " in the path stands for its name, or a share of the images can be held out as "
        "\"val\" (validation_split)",
        options->path, options->split);
    if (!place) {
        RS_TRY(rs_shard_names_expand(options->path, out));
        goto out;
    }
    RS_TRY(find_named(options->path, *split, out, &found));
    if (!found && *split == 2) {
        rs_shard_names_fini(out);
        RS_TRY(find_named(options->path, 1, out, &found));
        *split = found ? 1 : 2;
    }
    if (!found) {
        rs_shard_names_fini(out);
        RS_OOM(pattern = rs_split_fill(options->path, rs_split_names[*split]));
        RS_TRY(rs_shard_names_expand(pattern, out));
    }
out:
    free(pattern);
    return st;
}

/* ---- samples ----------------------------------------------------------------------------- */

/* A sample that is being put together, and what archives have been looked through so far. */
typedef struct gathering {
    state *s;
    char **label; /* the class of each sample in s */
    size_t labels, labels_cap;
    char *key;     /* of the sample that members are added to; NULL: none */
    sample now;    /* its image; a name of NULL: none yet */
    bool is_plain; /* its name has nothing but the ending behind the key */
    char *class;   /* "a;b" of a list */
    bool has_cls, has_json, has_several, has_list;
    bool lists; /* a sample has several labels, or could have */
    size_t without_image, without_class, others, several;
    size_t lacking_end; /* archives, of which `unended` is the first */
    const char *unended;
} gathering;

/* Where the key ends in a member's name: at the first dot of its last part. */
static size_t key_bytes(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strchr(slash ? slash : name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

/* Ends the sample, which counts if it has an image and a class. */
static rescl_status finish_sample(gathering *g)
{
    rescl_status st = RESCL_OK;
    state *s = g->s;
    g->without_class += g->now.name && !g->class;
    g->without_image += g->class && !g->now.name;
    g->several += g->has_several;
    if (g->now.name && g->class) {
        RS_FAIL_IF(s->count >= MAX_SAMPLES, RESCL_ERR_FORMAT, "%s: more than %zu images",
                   s->shards.at[0], MAX_SAMPLES);
        RS_TRY(rs_array_reserve(&s->sample, &s->cap, s->count + 1, sizeof *s->sample));
        RS_TRY(rs_array_reserve(&g->label, &g->labels_cap, s->count + 1, sizeof *g->label));
        s->sample[s->count++] = g->now;
        g->label[g->labels++] = g->class;
        g->lists = g->lists || g->has_list || strchr(g->class, ';');
        g->now.name = g->class = NULL;
    }
out:
    free(g->now.name);
    free(g->class);
    g->now = (sample){0};
    g->class = NULL;
    g->is_plain = g->has_cls = g->has_json = g->has_several = g->has_list = false;
    return st;
}

/* A .cls or .json. What a .json lacks may stand in a .cls, which counts more. */
static rescl_status take_class(gathering *g, const rs_tar *t, bool is_json)
{
    rescl_status st = RESCL_OK;
    char *text = NULL, *class = NULL;
    bool *seen = is_json ? &g->has_json : &g->has_cls;
    RS_FAIL_IF(*seen, RESCL_ERR_FORMAT, "%s: %s: its sample has such a member already", t->path,
               t->name);
    *seen = true;
    if (is_json && g->class)
        goto out;
    RS_FAIL_IF(t->size > MAX_LABEL, RESCL_ERR_FORMAT,
               "%s: %s has %llu bytes; the class of an image has at most %zu", t->path, t->name,
               (unsigned long long)t->size, MAX_LABEL);
    RS_OOM(text = calloc((size_t)t->size + 1, 1));
    RS_TRY(rs_file_read_at(t->fd, t->path, t->at, text, (size_t)t->size));
    bool is_list = false;
    if (is_json)
        RS_TRY(rs_json_labels(t->path, t->name, text, (size_t)t->size, &class, &is_list));
    else
        class = rs_label_trim(text);
    RS_FAIL_IF(!class && !is_json, RESCL_ERR_FORMAT, "%s: %s is empty, expected a class", t->path,
               t->name);
    RS_FAIL_IF(class && strchr(class, '\n'), RESCL_ERR_FORMAT,
               "%s: %s has several lines, expected the number or the name of a class", t->path,
               t->name);
    if (class) {
        free(g->class);
        g->class = class;
        g->has_list = is_list;
        class = NULL;
    }
out:
    free(class);
    free(text);
    return st;
}

/* An image. Of several the one is taken whose name is the key and an ending (1.jpg before 1.depth.png). */
static rescl_status take_image(gathering *g, const rs_tar *t, size_t shard, const char *ending)
{
    rescl_status st = RESCL_OK;
    const bool is_plain = !strchr(ending + 1, '.');
    RS_FAIL_IF(g->now.name && rs_ends_with(g->now.name, t->name), RESCL_ERR_FORMAT,
               "%s: %s: its sample has such a member already", t->path, t->name);
    if (g->now.name) {
        g->has_several |= g->is_plain == is_plain;
        g->others++;
        if (g->is_plain || !is_plain)
            goto out;
        g->has_several = false;
        free(g->now.name);
    }
    g->is_plain = is_plain;
    g->now = (sample){.shard = shard, .at = t->at, .bytes = t->size};
    RS_OOM(g->now.name = rs_strf("%s: %s", t->path, t->name));
out:
    return st;
}

/* Files that are not the data's own: hidden ones, such as those that macOS adds (._1.jpg), and what
 * WebDataset keeps for itself (__name__). */
static bool is_aside(const char *name)
{
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    const size_t n = strcspn(name, "/");
    return last[0] == '.' ||
           (n > 4 && strncmp(name, "__", 2) == 0 && strncmp(name + n - 2, "__", 2) == 0);
}

static rescl_status take_member(gathering *g, const rs_tar *t, size_t shard)
{
    rescl_status st = RESCL_OK;
    const size_t n = key_bytes(t->name);
    const char *ending = t->name + n;
    if (is_aside(t->name)) {
        g->others++;
        goto out;
    }
    if (!g->key || strlen(g->key) != n || memcmp(g->key, t->name, n) != 0) {
        RS_TRY(finish_sample(g));
        free(g->key);
        RS_OOM(g->key = rs_strf("%.*s", (int)n, t->name));
    }
    if (strcasecmp(ending, ".cls") == 0 || strcasecmp(ending, ".json") == 0) {
        RS_TRY(take_class(g, t, strcasecmp(ending, ".json") == 0));
    } else if (*ending && rescl_image_has_suffix(t->name)) {
        RS_TRY(take_image(g, t, shard, ending));
    } else {
        g->others++;
    }
out:
    return st;
}

/* A pattern's first archive that is missing means that there is no such split. */
static rescl_status read_shard(gathering *g, size_t shard)
{
    rescl_status st = RESCL_OK;
    rs_tar t = {0};
    bool more = true;
    st = rs_tar_open(g->s->shards.at[shard], &t);
    RS_FAIL_IF(st == RESCL_ERR_NOT_FOUND && shard > 0, RESCL_ERR_FORMAT,
               "%s: this archive is missing; %zu before it are there", g->s->shards.at[shard],
               shard);
    RS_TRY(st);
    for (;;) {
        RS_TRY(rs_tar_next(&t, &more));
        if (!more)
            break;
        RS_TRY(take_member(g, &t, shard));
    }
    RS_TRY(finish_sample(g));
    free(g->key);
    g->key = NULL;
    if (t.lacks_end && g->lacking_end++ == 0)
        g->unended = g->s->shards.at[shard];
out:
    rs_tar_close(&t);
    return st;
}

static rescl_status tell_rest(const gathering *g, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    if (g->without_class > 0 || g->without_image > 0)
        RS_TRY(
            rs_dataset_note(set, RESCL_LOG_WARN,
                            "%s: left out: %zu images without a class (.cls, .json), %zu classes "
                            "without an image",
                            set->origin, g->without_class, g->without_image));
    if (g->lacking_end > 0)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_WARN,
                               "%s: %zu archives, the first of them %s, have no blocks of zeros at "
                               "their ends; they may be cut short",
                               set->origin, g->lacking_end, g->unended));
    if (g->several > 0)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_WARN,
                               "%s: %zu samples have several images; the first of each is taken",
                               set->origin, g->several));
    if (g->others > 0)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO, "%s: left out: %zu members that are neither",
                               set->origin, g->others));
out:
    return st;
}

/* ---- the format -------------------------------------------------------------------------- */

static rescl_status number_labels(const gathering *g, const char *path, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    state *s = g->s;
    if (!set->multi_label) {
        RS_TRY(rs_label_texts(path, (const char *const *)g->label, s->count, set, s->label));
        goto out;
    }
    RS_TRY(rs_label_lists_init(&s->lists, path, g->label, s->count, set));
    for (size_t i = 0; i < s->count; i++)
        s->label[i] = rs_label_lists_first(&s->lists, i);
    if (s->lists.repeated)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO,
                               "%s: %zu samples name a label more than once; it counts once", path,
                               s->lists.repeated));
out:
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    state *s = NULL;
    gathering g = {0};
    int split = rs_split_index(rs_split_of(options->split));
    RS_OOM(set->state = s = calloc(1, sizeof *s));
    g.s = s;
    RS_TRY(rs_notices_create(options->path, options->split, &s->notices));
    RS_TRY(find_shards(options, &split, &s->shards));
    snprintf(set->split, sizeof set->split, "%s", rs_split_names[split]);
    for (size_t i = 0; i < s->shards.count; i++)
        RS_TRY(read_shard(&g, i));
    RS_FAIL_IF(s->count == 0, RESCL_ERR_FORMAT,
               "%s: holds no image with a class; expected members such as 0001.jpg and 0001.cls",
               s->shards.at[0]);
    RS_OOM(s->label = calloc(s->count, sizeof *s->label));
    set->multi_label = options->multi_label || g.lists;
    RS_TRY(number_labels(&g, options->path, set));
    RS_TRY(tell_rest(&g, set));
    set->count = s->count;
out:
    for (size_t i = 0; i < g.labels; i++)
        free(g.label[i]);
    free(g.label);
    free(g.key);
    free(g.now.name);
    free(g.class);
    return st;
}

static int32_t label_at(const rescl_dataset *set, size_t index)
{
    const state *s = set->state;
    return s->label[index];
}

static size_t labels_at(const rescl_dataset *set, size_t index, const int32_t **out)
{
    const state *s = set->state;
    *out = &s->label[index];
    return s->lists.first ? rs_label_lists_get(&s->lists, index, out) : 1;
}

static rescl_status open_shard(const state *s, const sample *one, int *fd)
{
    rescl_status st = RESCL_OK;
    const char *path = s->shards.at[one->shard];
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    RS_FAIL_IF(*fd < 0, RESCL_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
out:
    return st;
}

static rescl_status check_bytes(const sample *one)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(one->bytes > RESCL_IMAGE_MAX_BYTES, RESCL_ERR_FORMAT,
               "%s: has %llu bytes; an image has at most %zu", one->name,
               (unsigned long long)one->bytes, RESCL_IMAGE_MAX_BYTES);
out:
    return st;
}

/* The bytes of an image, on the heap. */
static rescl_status read_member(const state *s, const sample *one, char **out)
{
    rescl_status st = RESCL_OK;
    char *data = NULL;
    int fd = -1;
    RS_TRY(check_bytes(one));
    RS_TRY(open_shard(s, one, &fd));
    RS_OOM(data = malloc((size_t)one->bytes + 1));
    RS_TRY(rs_file_read_at(fd, one->name, one->at, data, (size_t)one->bytes));
    *out = data;
    data = NULL;
out:
    free(data);
    if (fd >= 0)
        close(fd);
    return st;
}

static rescl_status probe(const rescl_dataset *set, size_t index, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    const sample *one = &s->sample[index];
    int fd = -1;
    RS_TRY(check_bytes(one));
    RS_TRY(open_shard(s, one, &fd));
    RS_TRY(rs_image_probe_at(fd, one->at, (size_t)one->bytes, one->name, &set->images, out));
out:
    if (fd >= 0)
        close(fd);
    return st;
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    const sample *one = &s->sample[index];
    unsigned notices = 0;
    char *data = NULL;
    *label = s->label[index];
    RS_TRY(read_member(s, one, &data));
    RS_TRY(rescl_image_decode_with(data, (size_t)one->bytes, one->name, &set->images, image,
                                   &notices));
    rs_notices_add(s->notices, index, one->name, notices);
out:
    free(data);
    return st;
}

static rescl_status identify(const rescl_dataset *set, size_t index, rs_hash *out)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    const sample *one = &s->sample[index];
    int fd = -1;
    RS_TRY(open_shard(s, one, &fd));
    *out = rs_image_file_hash(fd, one->at, one->bytes);
out:
    if (fd >= 0)
        close(fd);
    return st;
}

static const char *name_of(const rescl_dataset *set, size_t index)
{
    const state *s = set->state;
    return s->sample[index].name;
}

static void close_set(rescl_dataset *set)
{
    state *s = set->state;
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->sample[i].name);
    rs_shard_names_fini(&s->shards);
    rs_notices_close(s->notices);
    rs_label_lists_fini(&s->lists);
    free(s->sample);
    free(s->label);
    free(s);
}

const rs_dataset_format rs_dataset_webdataset = {
    .name = "webdataset",
    .expects = "tar archives of images and classes: a.tar, a-{000..009}.tar or a folder of them",
    .recognises = recognises,
    .open = open_set,
    .get = get,
    .label = label_at,
    .labels = labels_at,
    .identify = identify,
    .path = name_of,
    .probe = probe,
    .close = close_set,
};
