#include "tunefile.h"

#include "cachefolder.h"
#include "error.h"
#include "hash.h"
#include "log.h"
#include "op.h"
#include "path.h"
#include "str.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT     "1"
#define MOST_BYTES ((size_t)4 << 20)
#define LINE       512
#define FIELD      192                        /* bytes: the longest text of rescl_device_info */
enum { WARNINGS = 8 };                        /* of a file */
enum { LOCK_SECONDS = 10 };                   /* a holder needs milliseconds */
enum { HASHED = sizeof "01234567.tune" - 1 }; /* the end of its name */

/* ---- heads ------------------------------------------------------------------------------- */

/* FIRST to LAST tell devices apart, and from COMPILER on the compilers of one. */
enum {
    H_FORMAT = 0,
    H_RESCL,
    H_DEVICE,
    H_TYPE,
    H_UNITS,
    H_WIDTH,
    H_LOCAL,
    H_PLATFORM,
    H_DRIVER,
    H_VERSION,
    H_CLASS,
    H_COUNT
};
enum { FIRST = H_DEVICE, COMPILER = H_PLATFORM, LAST = H_VERSION };

static const char *const fields[H_COUNT] = {
    "format",   "rescl",  "device",           "type",  "units", "width", "local_bytes",
    "platform", "driver", "platform_version", "class",
};

typedef struct head {
    char field[H_COUNT][FIELD]; /* "" where a file does not say */
} head;

static uint64_t power_of_two_below(uint64_t x)
{
    uint64_t p = 1;
    while (p <= x / 2)
        p *= 2;
    return p;
}

static const char *type_name(rescl_device_type type)
{
    return type == RESCL_DEVICE_CPU ? "cpu" : type == RESCL_DEVICE_GPU ? "gpu" : "accelerator";
}

const char *rs_tune_class(const rescl_device_info *dev, char text[RS_TUNE_CLASS_TEXT])
{
    const uint64_t below = power_of_two_below(dev->compute_units);
    const uint64_t units = below < dev->compute_units ? 2 * below : below;
    char local[24] = "";
    if (dev->type != RESCL_DEVICE_CPU)
        snprintf(local, sizeof local, "-l%" PRIu64, power_of_two_below(dev->local_bytes / 1024));
    snprintf(text, RS_TUNE_CLASS_TEXT, "%s-w%u-u%" PRIu64 "%s", type_name(dev->type),
             dev->float_width, units, local);
    return text;
}

/* Copies a value in the form that a file gives back: printable, single blanks, no comment. */
static void clean(char to[FIELD], const char *from)
{
    size_t n = 0;
    for (; *from && n < FIELD - 1; from++) {
        const char c = isgraph((unsigned char)*from) && *from != '#' ? *from : ' ';
        if (c != ' ' || (n > 0 && to[n - 1] != ' '))
            to[n++] = c;
    }
    while (n > 0 && to[n - 1] == ' ')
        n--;
    to[n] = '\0';
}

static head head_of(const rescl_device_info *dev)
{
    head h = {0};
    char class[RS_TUNE_CLASS_TEXT];
    clean(h.field[H_FORMAT], FORMAT);
    clean(h.field[H_RESCL], rescl_version());
    clean(h.field[H_DEVICE], dev->name);
    clean(h.field[H_TYPE], type_name(dev->type));
    snprintf(h.field[H_UNITS], sizeof h.field[0], "%u", dev->compute_units);
    snprintf(h.field[H_WIDTH], sizeof h.field[0], "%u", dev->float_width);
    snprintf(h.field[H_LOCAL], sizeof h.field[0], "%" PRIu64, dev->local_bytes);
    clean(h.field[H_PLATFORM], dev->platform_name);
    clean(h.field[H_DRIVER], dev->driver);
    clean(h.field[H_VERSION], dev->platform_version);
    clean(h.field[H_CLASS], rs_tune_class(dev, class));
    return h;
}

/* The first field that tells a file from what is wanted; LAST + 1 where none does. A file of the
 * class need say nothing of the device, and of the compiler only what it is bound to. */
static int first_difference(const head *has, const head *want, bool of_class)
{
    int i = of_class ? COMPILER : FIRST;
    while (i <= LAST &&
           ((of_class && has->field[i][0] == '\0') || strcmp(has->field[i], want->field[i]) == 0))
        i++;
    return i;
}

static rescl_status fail_different(const head *has, const head *want, int field, const char *path)
{
    return rs_error_set(RESCL_ERR_UNSUPPORTED, 0, __FILE__, __LINE__,
                        "%s: it is for another %s: its %s is '%s', this one's '%s'", path,
                        field < COMPILER ? "device" : "compiler", fields[field], has->field[field],
                        want->field[field]);
}

/* Whether what a file's head says counts for a device. */
static rescl_status check_head(const head *has, const rescl_device_info *dev, rs_tune_whose whose,
                               const char *path)
{
    rescl_status st = RESCL_OK;
    const head want = head_of(dev);
    RS_FAIL_IF(has->field[H_FORMAT][0] == '\0', RESCL_ERR_FORMAT,
               "%s: no line says 'format = %s': it is no tuning file", path, FORMAT);
    RS_FAIL_IF(strcmp(has->field[H_FORMAT], FORMAT) != 0, RESCL_ERR_FORMAT,
               "%s: it has format %s, this version reads format %s", path, has->field[H_FORMAT],
               FORMAT);
    const bool of_class =
        whose == RS_TUNE_CLASS && strcmp(has->field[H_CLASS], want.field[H_CLASS]) == 0;
    RS_FAIL_IF(whose == RS_TUNE_CLASS && !of_class && has->field[H_DEVICE][0] == '\0',
               RESCL_ERR_UNSUPPORTED, "%s: it is for the class '%s', this device is of '%s'", path,
               has->field[H_CLASS], want.field[H_CLASS]);
    const int other = first_difference(has, &want, of_class);
    if (other <= LAST)
        RS_TRY(fail_different(has, &want, other, path));
out:
    return st;
}

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct reader {
    const char *path;
    size_t line, warnings;
    head head;
    rs_tune_table table;
} reader;

static void warn(reader *r, const char *what)
{
    if (r->warnings++ < WARNINGS)
        rs_log(RESCL_LOG_WARN, "%s:%zu: %s; the line is left out", r->path, r->line, what);
}

/* Trims, and makes one blank of several. */
static void squeeze(char *text)
{
    char *to = text;
    for (const char *c = text; *c; c++)
        if (!isspace((unsigned char)*c))
            *to++ = *c;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    if (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

/* Cuts a text at its first `at`; returns what follows, or NULL. Squeezes both. */
static char *cut(char *text, char at)
{
    char *rest = strchr(text, at);
    if (rest) {
        *rest++ = '\0';
        squeeze(rest);
    }
    squeeze(text);
    return rest;
}

/* NULL, or what is wrong with the words left of '='. */
static const char *check_key(const char *key)
{
    char text[RS_TUNE_KEY], *rest = text;
    if (strlen(key) >= sizeof text)
        return "the problem is longer than any that there is";
    memcpy(text, key, strlen(key) + 1);
    const char *op = strsep(&rest, " "), *pass = strsep(&rest, " ");
    const char *mode = rest ? strsep(&rest, " ") : NULL;
    const rs_op *known = rs_op_find(op);
    if (!known || !known->key)
        return "the first word is no operation that is tuned";
    int i = 0;
    while (i < RS_PASS_COUNT && (!pass || strcmp(pass, rs_pass_name((rs_pass)i)) != 0))
        i++;
    if (i == RS_PASS_COUNT)
        return "the second word is none of fwd, bwd_params, bwd_data";
    if (!mode || (strcmp(mode, "train") != 0 && strcmp(mode, "infer") != 0))
        return "the third word is neither train nor infer";
    return rest && *rest ? NULL : "the shapes are missing";
}

/* NULL, or what is wrong with a choice, which is "word" or "word name=number ...". Whether there is
 * such an implementation shows when it is asked for: files outlive versions. */
static const char *check_choice(const char *choice)
{
    char text[RS_CHOICE], *rest = text, *word, *value;
    uint64_t number;
    if (*choice == '\0' || strlen(choice) >= sizeof text)
        return "expected an implementation and its numbers after '='";
    memcpy(text, choice, strlen(choice) + 1);
    if (strchr(strsep(&rest, " "), '='))
        return "expected the name of an implementation after '='";
    while ((word = strsep(&rest, " ")) != NULL)
        if (!(value = strchr(word, '=')) || value == word || !rs_parse_u64(value + 1, &number))
            return "expected name=number after the implementation";
    return NULL;
}

static void take_field(reader *r, const char *name, const char *value)
{
    int i = 0;
    while (i < H_COUNT && strcmp(fields[i], name) != 0)
        i++;
    if (i == H_COUNT)
        warn(r, "there is no such field");
    else if (strlen(value) >= sizeof r->head.field[i])
        warn(r, "the value is too long");
    else
        memcpy(r->head.field[i], value, strlen(value) + 1);
}

static rescl_status take_line(reader *r, char *line)
{
    const char *note = cut(line, '#');
    char *value = cut(line, '=');
    const char *wrong;
    if (*line == '\0' && !value)
        return RESCL_OK;
    if (!value) {
        warn(r, "expected 'problem = implementation'");
        return RESCL_OK;
    }
    if (!strchr(line, ' ')) {
        take_field(r, line, value);
        return RESCL_OK;
    }
    if ((wrong = check_key(line)) != NULL || (wrong = check_choice(value)) != NULL) {
        warn(r, wrong);
        return RESCL_OK;
    }
    return rs_tune_table_set(&r->table, line, value, note);
}

static bool is_text(const char *line, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!isprint((unsigned char)line[i]) && !isspace((unsigned char)line[i]))
            return false;
    return true;
}

static rescl_status take_lines(reader *r, const char *text, size_t bytes)
{
    rescl_status st = RESCL_OK;
    char line[LINE];

    for (size_t at = 0, len; at < bytes; at += len + 1) {
        const char *end = memchr(text + at, '\n', bytes - at);
        len = end ? (size_t)(end - text) - at : bytes - at;
        r->line++;
        if (len >= sizeof line || !is_text(text + at, len)) {
            warn(r, len >= sizeof line ? "it is too long" : "it is not text");
            continue;
        }
        memcpy(line, text + at, len);
        line[len] = '\0';
        RS_TRY(take_line(r, line));
    }
out:
    return st;
}

rescl_status rs_tune_table_parse(rs_tune_table *t, const char *text, size_t bytes, const char *path,
                                 const rescl_device_info *dev, rs_tune_whose whose)
{
    rescl_status st = RESCL_OK;
    reader r = {.path = path};

    RS_TRY(take_lines(&r, text, bytes));
    RS_TRY(check_head(&r.head, dev, whose, path));
    for (size_t i = 0; i < r.table.count; i++)
        RS_TRY(rs_tune_table_set(t, r.table.entry[i].key, r.table.entry[i].choice,
                                 r.table.entry[i].note));
out:
    if (r.warnings > WARNINGS)
        rs_log(RESCL_LOG_WARN, "%s: %zu more lines are left out", path, r.warnings - WARNINGS);
    rs_tune_table_fini(&r.table);
    return st;
}

rescl_status rs_tune_table_read(rs_tune_table *t, const char *path, const rescl_device_info *dev,
                                rs_tune_whose whose)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    size_t bytes = 0;
    RS_TRY(rs_file_read(path, MOST_BYTES, &text, &bytes));
    RS_TRY(rs_tune_table_parse(t, text, bytes, path, dev, whose));
out:
    free(text);
    return st;
}

/* ---- writing ----------------------------------------------------------------------------- */

static rescl_status make_parent(const char *path)
{
    rescl_status st = RESCL_OK;
    char *folder = NULL;
    RS_OOM(folder = rs_path_parent(path));
    RS_TRY(rs_mkdirs(folder));
out:
    free(folder);
    return st;
}

rescl_status rs_tune_table_write(const rs_tune_table *t, const char *path,
                                 const rescl_device_info *dev)
{
    rescl_status st = RESCL_OK;
    const head h = head_of(dev);
    rs_str text = {0};

    RS_TRY(rs_str_append(&text, "# Written by `rescl tune`: a line for each problem that was "
                                "measured, and what is fastest\n# for it. docs/tuning.md "
                                "describes the file.\n"));
    for (int i = 0; i < H_COUNT; i++)
        RS_TRY(rs_str_appendf(&text, "%s = %s\n", fields[i], h.field[i]));
    RS_TRY(rs_str_append(&text, "\n"));
    for (size_t i = 0; i < t->count; i++) {
        const rs_tune_entry *e = &t->entry[i];
        RS_TRY(rs_str_appendf(&text, "%s = %s%s%s\n", e->key, e->choice, *e->note ? "  # " : "",
                              e->note));
    }
    RS_TRY(make_parent(path));
    RS_TRY(rs_file_write(path, text.text, text.len));
out:
    rs_str_fini(&text);
    return st;
}

/* Its folder is locked: the file is replaced with each writing. -1: without a lock. */
static int lock_folder_of(const char *path)
{
    char *folder = rs_path_parent(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0 && !rs_try_lock(fd, LOCK_SECONDS)) {
        rs_log(RESCL_LOG_WARN, "%s: cannot be locked; results of another run may be lost", path);
        close(fd);
        fd = -1;
    }
    free(folder);
    return fd;
}

rescl_status rs_tune_table_update(rs_tune_table *t, const char *path, const rescl_device_info *dev,
                                  const char *key, const char *choice, const char *note)
{
    rescl_status st = RESCL_OK;
    int lock = -1;

    RS_TRY(make_parent(path));
    lock = lock_folder_of(path);
    st = rs_tune_table_read(t, path, dev, RS_TUNE_DEVICE);
    if (st != RESCL_ERR_NOT_FOUND)
        RS_TRY(st);
    RS_TRY(rs_tune_table_set(t, key, choice, note));
    RS_TRY(rs_tune_table_write(t, path, dev));
out:
    if (lock >= 0)
        close(lock);
    return st;
}

/* "<name>-<hash>.tune": readable, and distinct for each device and driver. */
rescl_status rs_tune_path(const rescl_device_info *dev, char **out)
{
    rescl_status st = RESCL_OK;
    const char *chosen = getenv("RESCL_TUNE");
    const head h = head_of(dev);
    const char *parts[LAST - FIRST + 1];
    char slug[49], hex[33], name[80];
    char *folder = NULL;
    size_t n = 0;

    *out = NULL;
    if (chosen && *chosen && strcmp(chosen, "off") != 0) {
        RS_OOM(*out = strdup(chosen));
        goto out;
    }
    for (const char *c = h.field[H_DEVICE]; *c && n < sizeof slug - 1; c++)
        if (isalnum((unsigned char)*c))
            slug[n++] = (char)tolower((unsigned char)*c);
        else if (n > 0 && slug[n - 1] != '-')
            slug[n++] = '-';
    while (n > 0 && slug[n - 1] == '-')
        n--;
    slug[n] = '\0';
    for (int i = FIRST; i <= LAST; i++)
        parts[i - FIRST] = h.field[i];
    rs_hash_hex(rs_hash_strings(parts, RS_COUNT(parts)), hex);
    snprintf(name, sizeof name, "%s-%.8s.tune", n ? slug : "device", hex);
    RS_TRY(rs_cache_folder("tune", &folder));
    RS_OOM(*out = rs_path_join(folder, name));
out:
    free(folder);
    return st;
}

/* Whether a file is this device's but for its compiler; then it was warned of. */
static bool is_outdated(const char *path, const head *want)
{
    reader r = {.path = path};
    char *text = NULL;
    size_t bytes = 0;
    int other = FIRST;
    if (rs_file_read(path, MOST_BYTES, &text, &bytes) == RESCL_OK &&
        take_lines(&r, text, bytes) == RESCL_OK)
        other = first_difference(&r.head, want, false);
    const bool outdated = other >= COMPILER && other <= LAST;
    if (outdated && fail_different(&r.head, want, other, path) != RESCL_OK)
        rs_log(RESCL_LOG_WARN, "no tuning: %s; run `rescl tune` again",
               rescl_last_error()->message);
    rs_tune_table_fini(&r.table);
    free(text);
    return outdated;
}

void rs_tune_warn_outdated(const char *path, const rescl_device_info *dev)
{
    const head want = head_of(dev);
    char *folder = rs_path_parent(path);
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const size_t len = strlen(name), same = len - (len < HASHED ? len : HASHED);
    DIR *dir = folder ? opendir(folder) : NULL;
    bool found = false;

    for (struct dirent *e; !found && dir && (e = readdir(dir)) != NULL;) {
        if (strlen(e->d_name) != len || strncmp(e->d_name, name, same) != 0)
            continue;
        char *other = rs_path_join(folder, e->d_name);
        found = other && is_outdated(other, &want);
        free(other);
    }
    if (dir)
        closedir(dir);
    free(folder);
}
