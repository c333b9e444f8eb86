#include "bench_file.h"

#include "alloc.h"
#include "cli.h"
#include "output.h"
#include "text.h"
#include "textfile.h"

#include <errno.h>
#include <math.h>
#include <rescl/bench.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT ((size_t)1 << 28) /* bytes of a file */

/* Words are printed as they are, numbers in digits. */
static const char *const keys[KEY_COUNT] = {
    [KEY_KIND] = "kind",           [KEY_WHAT] = "what", [KEY_MODEL] = "model",
    [KEY_PASS] = "pass",           [KEY_IMPL] = "impl", [KEY_MODE] = "mode",
    [KEY_PRECISION] = "precision", [KEY_SIZE] = "size", [KEY_BATCH] = "batch",
    [KEY_INPUT] = "input",         [KEY_OPT] = "opt",   [KEY_THREADS] = "threads"};

/* Words that each row has, beside "schema" and "samples_ms". */
static const char *const needed[] = {"kind", "what", "status", "version", "device", "driver"};

static const char *const statuses[] = {"ok", "wrong", "failed", "skipped", "refused", "missed"};

/* Milliseconds of a sample: what is beyond is no time, and its quotients are no numbers. */
#define LEAST_MS 1e-9
#define MOST_MS  1e12

const char *cli_bench_key_name(bench_key key)
{
    return keys[key];
}

const char *cli_bench_text(const bench_entry *e, const char *name)
{
    const char *text = json_string_value(json_object_get(e->json, name));
    return text ? text : "";
}

double cli_bench_real(const bench_entry *e, const char *name)
{
    const json_t *x = json_object_get(e->json, name);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

void cli_bench_values(const bench_file *f, const char *field, char text[512])
{
    enum { MOST = 4 };
    const char *seen[MOST] = {NULL};
    size_t n = 0, used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->count; i++) {
        const char *value = cli_bench_text(&f->entry[i], field);
        size_t k = 0;
        while (k < n && strcmp(seen[k], value) != 0)
            k++;
        if (k < n)
            continue;
        if (n == MOST) {
            snprintf(text + used, 512 - used, ", ...");
            return;
        }
        seen[n++] = value;
        used += (size_t)snprintf(text + used, 512 - used, "%s%.100s", used ? ", " : "",
                                 *value ? value : "none");
    }
}

static const bench_entry *first_of_kind(const bench_file *file, const char *kind)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->entry[i].key[KEY_KIND], kind) == 0)
            return &file->entry[i];
    return NULL;
}

void cli_bench_varying(const bench_file *file, size_t files, bool varies[KEY_COUNT])
{
    for (bench_key k = 0; k < KEY_COUNT; k++)
        varies[k] = k == KEY_WHAT;
    for (size_t f = 0; f < files; f++)
        for (size_t i = 0; i < file[f].count; i++) {
            const bench_entry *e = &file[f].entry[i];
            const bench_entry *first = first_of_kind(&file[0], e->key[KEY_KIND]);
            first = first ? first : first_of_kind(&file[f], e->key[KEY_KIND]);
            for (bench_key k = 0; k < KEY_COUNT; k++)
                varies[k] = varies[k] || strcmp(e->key[k], first->key[k]) != 0;
            varies[KEY_KIND] =
                varies[KEY_KIND] || strcmp(e->key[KEY_KIND], file[0].entry[0].key[KEY_KIND]) != 0;
        }
}

void cli_bench_common(const bench_file *f, const bool varies[KEY_COUNT], char text[512])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->count && used < 384; i++) {
        const bench_entry *e = &f->entry[i];
        bool any = false;
        if (first_of_kind(f, e->key[KEY_KIND]) != e)
            continue;
        for (bench_key k = KEY_WHAT; k < KEY_COUNT && used < 448; k++) {
            if (varies[k] || !e->key[k][0])
                continue;
            if (!any)
                used += (size_t)snprintf(text + used, 512 - used, "%s%.16s: ", used ? "; " : "",
                                         e->key[KEY_KIND]);
            used += (size_t)snprintf(text + used, 512 - used, "%s%s %.40s", any ? ", " : "",
                                     keys[k], e->key[k]);
            any = true;
        }
    }
}

const char *cli_bench_label(const bench_entry *e, const bool varies[KEY_COUNT], char text[512])
{
    size_t used = 0;
    text[0] = '\0';
    for (bench_key k = KEY_WHAT; k < KEY_COUNT; k++) {
        const bool again = k != KEY_WHAT && strcmp(e->key[k], e->key[KEY_WHAT]) == 0;
        if ((!varies || varies[k]) && e->key[k][0] && !again)
            used += (size_t)snprintf(text + used, 512 - used, "%s%.*s", used ? " " : "",
                                     k == KEY_WHAT ? 160 : 32, e->key[k]);
    }
    return text;
}

/* ---- the text ---------------------------------------------------------------------------- */

static int read_failed(const char *path, const char *why)
{
    cli_error("%s: %s", path, why);
    return CLI_FILE;
}

static int read_text(const char *path, char **text, size_t *bytes)
{
    const char *why = NULL;
    FILE *f = rs_text_open(path, RS_TEXT_WAIT, &why);
    size_t room = 0, n = 0;
    int code = CLI_OK;
    *bytes = 0;
    if (!f)
        return read_failed(path, why);
    do {
        *bytes += n;
        if (*bytes > LIMIT)
            code = read_failed(path, "more than 256 MiB, expected rows of 'rescl bench'");
        else if (!rs_array_grow(text, &room, *bytes + 65536, 1)) {
            cli_short_of_memory();
            code = CLI_FAILURE;
        }
    } while (code == CLI_OK && (n = fread(*text + *bytes, 1, 65536, f)) > 0);
    if (code == CLI_OK && ferror(f))
        code = read_failed(path, strerror(errno));
    fclose(f);
    return code;
}

static size_t skip_blanks(const char *text, size_t at, size_t bytes)
{
    while (at < bytes && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    return at;
}

static int count_lines(const char *text, size_t end)
{
    int lines = 0;
    for (size_t i = 0; i < end; i++)
        lines += text[i] == '\n';
    return lines;
}

/* An array of rows, rows one after the other, or arrays: all into f->rows. */
static int parse(bench_file *f, const char *path, const char *text, size_t bytes)
{
    size_t at = skip_blanks(text, rs_bom_bytes(text, bytes), bytes);
    while (at < bytes) {
        json_error_t error;
        json_t *value = json_loadb(text + at, bytes - at,
                                   JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        if (!value) {
            cli_error("%s:%d: %s, expected what 'rescl bench --output-format json' or jsonl writes",
                      path, count_lines(text, at) + error.line, error.text);
            return CLI_FILE;
        }
        at = skip_blanks(text, at + (size_t)error.position, bytes);
        const int failed = json_is_array(value) ? json_array_extend(f->rows, value)
                                                : json_array_append(f->rows, value);
        json_decref(value);
        if (failed) {
            cli_short_of_memory();
            return CLI_FAILURE;
        }
    }
    return CLI_OK;
}

/* ---- rows -------------------------------------------------------------------------------- */

static int bad_row(const char *path, size_t row, const char *key, const char *found,
                   const char *expected)
{
    cli_error("%s: row %zu: %s is %s, expected %s", path, row + 1, key, found, expected);
    return CLI_FILE;
}

static const char *type_of(const json_t *j)
{
    return !j                   ? "missing"
           : json_is_null(j)    ? "null"
           : json_is_string(j)  ? "a text"
           : json_is_number(j)  ? "a number"
           : json_is_boolean(j) ? "true or false"
           : json_is_array(j)   ? "a list"
                                : "an object";
}

/* A whole number from 0, also as others write it: 1.0. */
static bool take_whole(const json_t *j, json_int_t *out)
{
    const double x = json_number_value(j);
    const bool whole = json_is_number(j) && x >= 0.0 && x < 0x1p53 && x == floor(x);
    *out = whole ? (json_int_t)x : 0;
    return whole;
}

static int check_schema(const char *path, size_t row, const json_t *schema)
{
    json_int_t number;
    if (!take_whole(schema, &number) || number < 1)
        return bad_row(path, row, "schema", type_of(schema), "a whole number, 1 at least");
    if (number > RESCL_BENCH_SCHEMA)
        return bad_row(path, row, "schema", "that of a newer rescl", "1 at most");
    return CLI_OK;
}

static int check_samples(const char *path, size_t row, const json_t *j)
{
    const json_t *samples = json_object_get(j, "samples_ms");
    const char *status = json_string_value(json_object_get(j, "status"));
    const size_t count = json_array_size(samples);
    size_t known = 0;

    while (known < sizeof statuses / sizeof *statuses && strcmp(status, statuses[known]) != 0)
        known++;
    if (known == sizeof statuses / sizeof *statuses) {
        cli_error(
            "%s: row %zu: status is '%s', expected ok, wrong, failed, skipped, refused or missed",
            path, row + 1, status);
        return CLI_FILE;
    }
    if (!json_is_array(samples))
        return bad_row(path, row, "samples_ms", type_of(samples), "a list of milliseconds");
    for (size_t i = 0; i < count; i++) {
        const double ms = json_number_value(json_array_get(samples, i));
        if (!(ms >= LEAST_MS && ms <= MOST_MS))
            return bad_row(path, row, "samples_ms", "not a list of times above 0",
                           "milliseconds from 1e-9 to 1e12");
    }
    if (known == 0 && count == 0)
        return bad_row(path, row, "status", "'ok' without samples_ms",
                       "a time at least, or why there is none");
    if (known > 0 && count > 0) {
        cli_error(
            "%s: row %zu: status is '%s', but samples_ms has times, expected none, or status 'ok'",
            path, row + 1, status);
        return CLI_FILE;
    }
    return CLI_OK;
}

static int check_row(const char *path, size_t row, const json_t *j)
{
    int code;
    if (!json_is_object(j)) {
        cli_error("%s: row %zu is %s, expected an object as 'rescl bench' writes", path, row + 1,
                  type_of(j));
        return CLI_FILE;
    }
    code = check_schema(path, row, json_object_get(j, "schema"));
    if (code)
        return code;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        const json_t *value = json_object_get(j, needed[i]);
        if (!json_is_string(value))
            return bad_row(path, row, needed[i], type_of(value), "a text");
    }
    for (bench_key k = 0; k < KEY_COUNT; k++) {
        const json_t *value = json_object_get(j, keys[k]);
        const bool number = k == KEY_SIZE || k == KEY_BATCH || k == KEY_THREADS;
        json_int_t whole;
        if (value && !json_is_null(value) &&
            !(number ? take_whole(value, &whole) : json_is_string(value)))
            return bad_row(path, row, keys[k], type_of(value),
                           number ? "a whole number" : "a text");
    }
    const json_t *others = json_object_get(j, "others");
    const double share = json_number_value(others);
    if (others && !json_is_null(others) &&
        !(json_is_number(others) && share >= 0.0 && share <= 1.0))
        return bad_row(path, row, "others",
                       json_is_number(others) ? "not in [0,1]" : type_of(others),
                       "a share from 0 to 1");
    return check_samples(path, row, j);
}

static bool take_keys(bench_entry *e)
{
    bool good = true;
    for (bench_key k = 0; k < KEY_COUNT; k++) {
        const json_t *value = json_object_get(e->json, keys[k]);
        json_int_t number;
        e->key[k] = take_whole(value, &number)
                        ? rs_strf("%lld", (long long)number)
                        : rs_strf("%s", json_is_string(value) ? json_string_value(value) : "");
        good = good && e->key[k];
    }
    return good;
}

/* What it says of several runs: one that was left out says nothing of the others. */
static int rank_of(const char *status)
{
    static const char *const worst_last[] = {"refused", "skipped", "ok",
                                             "missed",  "failed",  "wrong"};
    int n = (int)(sizeof worst_last / sizeof *worst_last);
    while (n > 0 && strcmp(status, worst_last[n - 1]) != 0)
        n--;
    return n;
}

static bool add_samples(bench_entry *e, const json_t *j)
{
    const json_t *samples = json_object_get(j, "samples_ms");
    const char *status = json_string_value(json_object_get(j, "status"));
    const double others = json_number_value(json_object_get(j, "others"));
    const json_t *seconds = json_object_get(j, "seconds"), *epochs = json_object_get(j, "epochs");
    const size_t n = json_array_size(samples);
    if (n && !rs_array_grow(&e->samples, &e->room, e->count + n, sizeof *e->samples))
        return false;
    for (size_t i = 0; i < n; i++)
        e->samples[e->count++] = json_number_value(json_array_get(samples, i));
    e->others = fmax(e->others, others);
    if (rank_of(status) > rank_of(e->status))
        e->status = status;
    if (n) {
        e->seconds += json_is_number(seconds) ? json_number_value(seconds) : NAN;
        e->epochs += json_is_number(epochs) ? json_number_value(epochs) : NAN;
        e->runs++;
    }
    return true;
}

static void fini_entry(bench_entry *e)
{
    for (bench_key k = 0; k < KEY_COUNT; k++)
        free(e->key[k]);
    free(e->samples);
}

static bool add_row(bench_file *f, const json_t *j)
{
    bench_entry e = {.json = j, .status = json_string_value(json_object_get(j, "status"))};
    bool good = take_keys(&e);
    bench_entry *same = good ? (bench_entry *)cli_bench_find(f, &e) : NULL;
    if (same) {
        fini_entry(&e);
        return add_samples(same, j);
    }
    good = good && add_samples(&e, j) &&
           rs_array_grow(&f->entry, &f->room, f->count + 1, sizeof *f->entry);
    if (good)
        f->entry[f->count++] = e;
    else
        fini_entry(&e);
    return good;
}

const bench_entry *cli_bench_find(const bench_file *f, const bench_entry *like)
{
    for (size_t i = 0; i < f->count; i++) {
        bench_key k = 0;
        while (k < KEY_COUNT && strcmp(f->entry[i].key[k], like->key[k]) == 0)
            k++;
        if (k == KEY_COUNT)
            return &f->entry[i];
    }
    return NULL;
}

/* Reads one file and adds its rows. */
static int read_file(bench_file *f, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    const size_t before = json_array_size(f->rows);
    int code = read_text(path, &text, &bytes);
    if (code == CLI_OK)
        code = parse(f, path, text, bytes);
    free(text);
    if (code == CLI_OK && json_array_size(f->rows) == before)
        code = read_failed(path, "holds no rows, expected those of 'rescl bench'");
    for (size_t i = before; code == CLI_OK && i < json_array_size(f->rows); i++) {
        const json_t *row = json_array_get(f->rows, i);
        code = check_row(path, i - before, row);
        if (code == CLI_OK && !add_row(f, row)) {
            cli_short_of_memory();
            code = CLI_FAILURE;
        }
    }
    return code;
}

int cli_bench_files_read(char *const *path, size_t paths, const char *name, bench_file *out)
{
    int code = CLI_OK;
    *out = (bench_file){.path = rs_strf("%s", name), .rows = json_array()};
    if (!out->path || !out->rows) {
        cli_short_of_memory();
        code = CLI_FAILURE;
    }
    for (size_t i = 0; i < paths && code == CLI_OK; i++)
        code = read_file(out, path[i]);
    return code;
}

int cli_bench_file_read(const char *path, bench_file *out)
{
    char *own = rs_strf("%s", path);
    const int code = cli_bench_files_read(&own, 1, path, out);
    free(own);
    return code;
}

void cli_bench_file_fini(bench_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        fini_entry(&f->entry[i]);
    free(f->entry);
    json_decref(f->rows);
    free(f->path);
    *f = (bench_file){0};
}
