/* A table of images and labels: "images_csv". `path` is a file, or a folder with train.csv, and maybe with
 * val.csv and test.csv.
 *
 *     path,label,split          the names of columns, in any order, and others beside them; without
 *     photos/1.jpg,cat,train    them paths are in the first column and labels in the second
 *
 * Paths are relative to the file. Classes are those of the whole file, in the order of their names' bytes,
 * or of their values if they are whole numbers. */
#include "alloc.h"
#include "csvread.h"
#include "error.h"
#include "folderlayout.h"
#include "folderwalk.h"
#include "imagefiles.h"
#include "labeltexts.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_BYTES ((size_t)2 << 30)

enum { PATH, LABEL, SPLIT, IS_VAL, IS_TEST, COLUMNS };

/* What columns are called, in any case of letters; of two in a table the name further ahead is it. */
static const char *const titles[COLUMNS][16] = {
    {"path", "file", "filename", "file_name", "filepath", "file_path", "filepaths", "image",
     "image_path", "image_file", "image_name", "img", "img_path", NULL},
    {"label", "labels", "class", "classes", "class_name", "label_name", "category", "target",
     "tags", NULL},
    {"split", "set", "subset", "partition", "dataset", "data_set", NULL},
    {"is_valid", "is_val", "is_validation", NULL}, /* true or false, as in fastai's tables */
    {"is_test", NULL},
};

static bool is_table(const char *name)
{
    return rs_ends_with(name, ".csv") || rs_ends_with(name, ".tsv");
}

/* ---- the file ---------------------------------------------------------------------------- */

/* The tables of the splits in a folder, by their names. */
static rescl_status find_tables(const char *folder, char *file[RS_SPLITS])
{
    rescl_status st = RESCL_OK;
    rs_entries entries = {0};
    RS_TRY(rs_entries_read(folder, &entries));
    for (size_t i = 0; i < entries.count; i++) {
        const rs_entry *e = &entries.at[i];
        char stem[32];
        if (e->kind != RS_ENTRY_FILE || !is_table(e->name) || strlen(e->name) >= sizeof stem)
            continue;
        snprintf(stem, sizeof stem, "%.*s", (int)strlen(e->name) - 4, e->name);
        const int split = rs_split_index(rs_split_of(stem));
        if (split < 0)
            continue;
        RS_FAIL_IF(file[split], RESCL_ERR_FORMAT,
                   "%s: '%s' and %s are both tables of the split \"%s\"; remove one", folder,
                   e->name, file[split], rs_split_names[split]);
        RS_OOM(file[split] = rs_path_join(folder, e->name));
    }
out:
    rs_entries_fini(&entries);
    return st;
}

static void free_tables(char *file[RS_SPLITS])
{
    for (size_t i = 0; i < RS_SPLITS; i++)
        free(file[i]);
}

static bool recognises(const rescl_data_options *options)
{
    char *file[RS_SPLITS] = {0};
    struct stat info;
    bool found;
    if (rs_path_is_dir(options->path))
        found = find_tables(options->path, file) == RESCL_ERR_FORMAT || file[0];
    else
        found = is_table(options->path) && stat(options->path, &info) == 0 && S_ISREG(info.st_mode);
    free_tables(file);
    return found;
}

/* Refuses a folder whose splits are in folders too: which of the two is meant nobody can tell. */
static rescl_status check_folders(const char *folder, const char *table)
{
    rescl_status st = RESCL_OK;
    rs_layout l = {0};
    RS_TRY(rs_layout_find(folder, &l));
    for (size_t i = 0; i < RS_SPLITS; i++)
        RS_FAIL_IF(l.folder[i], RESCL_ERR_FORMAT,
                   "data \"%s\": has the folder '%s' of classes and the table '%s'; choose one by "
                   "--format folder or --format images_csv (format)",
                   folder, l.folder[i], table);
out:
    rs_layout_fini(&l);
    return st;
}

/* The table to read, and in *whole whether it is one of its split alone. "test" of tables that have only
 * "val" is that. */
static rescl_status find_table(const rescl_data_options *options, int *split, char **out,
                               bool *whole)
{
    rescl_status st = RESCL_OK;
    char *file[RS_SPLITS] = {0};
    *whole = rs_path_is_dir(options->path);
    if (!*whole) {
        RS_OOM(*out = rs_strf("%s", options->path));
        goto out;
    }
    RS_TRY(find_tables(options->path, file));
    if (*split == 2 && !file[2] && file[1])
        *split = 1;
    RS_FAIL_IF(!file[*split], RESCL_ERR_NOT_FOUND, "data \"%s\": has no table \"%s.csv\"",
               options->path, rs_split_names[*split]);
    if (!options->format)
        RS_TRY(check_folders(options->path, file[*split]));
    *out = file[*split];
    file[*split] = NULL;
out:
    free_tables(file);
    return st;
}

/* ---- rows -------------------------------------------------------------------------------- */

/* A row that is kept: pointers into the table's text. */
typedef struct row {
    const char *path, *label;
    int split; /* of rs_split_names; 0 where there is no such column */
} row;

typedef struct table {
    rs_csv_reader csv;
    size_t columns;         /* of the first row */
    size_t column[COLUMNS]; /* SIZE_MAX: there is none */
    /* What that column is called, and another one that could be it; NULL: there is none. */
    const char *title[COLUMNS], *other[COLUMNS];
    rs_str unused; /* "id, fold": columns; text of NULL: none */
    row *row;
    size_t count, cap;
} table;

static rescl_status find_title(table *t, int c)
{
    rescl_status st = RESCL_OK;
    const rs_csv_reader *csv = &t->csv;
    t->column[c] = SIZE_MAX;
    for (const char *const *name = titles[c]; *name; name++) {
        for (size_t i = 0; i < csv->count; i++) {
            const char *field = csv->field[i];
            if (strcasecmp(field, *name) != 0)
                continue;
            RS_FAIL_IF(t->title[c] && strcasecmp(field, t->title[c]) == 0, RESCL_ERR_FORMAT,
                       "%s, line %zu: columns %zu and %zu are both called '%s'; rename one",
                       csv->path, csv->line, t->column[c] + 1, i + 1, field);
            if (!t->title[c]) {
                t->title[c] = field;
                t->column[c] = i;
            } else if (!t->other[c]) {
                t->other[c] = field;
            }
        }
    }
out:
    return st;
}

static bool has(const table *t, int c)
{
    return t->column[c] != SIZE_MAX;
}

/* Says which column was taken where two could be it, and which are not used. */
static rescl_status tell_columns(const table *t, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    for (int c = 0; c < COLUMNS; c++)
        if (t->other[c] && has(t, c))
            RS_TRY(rs_dataset_note(set, RESCL_LOG_WARN,
                                   "%s: the columns '%s' and '%s' could both be the %s; '%s' is "
                                   "taken; rename it to take the other",
                                   t->csv.path, t->title[c], t->other[c], titles[c][0],
                                   t->title[c]));
    if (t->unused.text)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO, "%s: columns that are not used: %s",
                               t->csv.path, t->unused.text));
out:
    return st;
}

/* Keeps the names of the columns that nothing is read of; a split's own column counts more than others. */
static rescl_status find_unused(table *t)
{
    enum { SHOWN = 8 };
    rescl_status st = RESCL_OK;
    size_t count = 0;
    if (has(t, SPLIT))
        t->column[IS_VAL] = t->column[IS_TEST] = SIZE_MAX;
    for (size_t i = 0; i < t->csv.count; i++) {
        const char *name = t->csv.field[i];
        bool used = !*name;
        for (int c = 0; c < COLUMNS; c++)
            used = used || t->column[c] == i || (has(t, c) && t->other[c] == name);
        if (!used && count++ < SHOWN)
            RS_TRY(rs_str_appendf(&t->unused, "%s%.60s", count > 1 ? ", " : "", name));
    }
    if (count > SHOWN)
        RS_TRY(rs_str_appendf(&t->unused, " and %zu more", count - SHOWN));
out:
    return st;
}

/* Finds the columns by the first row; *is_data tells that it is a row of them itself. */
static rescl_status find_columns(table *t, bool *is_data)
{
    rescl_status st = RESCL_OK;
    const rs_csv_reader *csv = &t->csv;
    for (int c = 0; c < COLUMNS; c++)
        RS_TRY(find_title(t, c));
    t->columns = csv->count;
    *is_data = t->column[PATH] == SIZE_MAX && t->column[LABEL] == SIZE_MAX;
    if (!*is_data) {
        const int lacks = t->column[PATH] == SIZE_MAX ? PATH : LABEL;
        RS_FAIL_IF(t->column[lacks] == SIZE_MAX, RESCL_ERR_FORMAT,
                   "%s, line %zu: names columns, but none \"%s\"; these may be called so, or %s",
                   csv->path, csv->line, titles[lacks][0],
                   lacks == PATH ? "file, filename, image, image_path" : "class, category, target");
        RS_TRY(find_unused(t));
        goto out;
    }
    RS_FAIL_IF(csv->count < 2, RESCL_ERR_FORMAT,
               "%s, line %zu: has one column; expected path,label or path,label,split", csv->path,
               csv->line);
    RS_FAIL_IF(!rs_names_image(csv->field[0]), RESCL_ERR_FORMAT,
               "%s, line %zu: '%.200s' neither names an image nor a column that is known; expected "
               "path,label or path,label,split",
               csv->path, csv->line, csv->field[0]);
    t->column[PATH] = 0;
    t->column[LABEL] = 1;
    t->column[IS_VAL] = t->column[IS_TEST] = SIZE_MAX;
    t->column[SPLIT] = csv->count > 2 && rs_split_of(csv->field[2]) ? 2 : SIZE_MAX;
    t->columns = t->column[SPLIT] == 2 ? 3 : 2;
out:
    return st;
}

/* Whether a row is said to be of what column `c` stands for. */
static rescl_status read_flag(const table *t, int c, bool *out)
{
    static const char *const words[2][5] = {{"false", "0", "no", "f", "n"},
                                            {"true", "1", "yes", "t", "y"}};
    rescl_status st = RESCL_OK;
    *out = false;
    if (!has(t, c))
        goto out;
    const char *text = t->csv.field[t->column[c]];
    for (size_t i = 0; i < 2 * RS_COUNT(words[0]); i++)
        if (strcasecmp(text, words[i % 2][i / 2]) == 0) {
            *out = i % 2 == 1;
            goto out;
        }
    RS_FAIL(RESCL_ERR_FORMAT, "%s, line %zu: '%.200s' in the column '%s': expected True or False",
            t->csv.path, t->csv.line, text, t->title[c]);
out:
    return st;
}

/* The split that the row says; NULL: the table has no columns of splits. */
static rescl_status split_of_row(const table *t, const char **out)
{
    rescl_status st = RESCL_OK;
    bool val, test;
    *out = NULL;
    if (has(t, SPLIT)) {
        *out = t->csv.field[t->column[SPLIT]];
    } else if (has(t, IS_VAL) || has(t, IS_TEST)) {
        RS_TRY(read_flag(t, IS_VAL, &val));
        RS_TRY(read_flag(t, IS_TEST, &test));
        RS_FAIL_IF(val && test, RESCL_ERR_FORMAT, "%s, line %zu: is said to be of val and of test",
                   t->csv.path, t->csv.line);
        *out = rs_split_names[val ? 1 : test ? 2 : 0];
    }
out:
    return st;
}

/* `only` is the split whose table it is, of which no row may say another; -1: it is that of all splits. */
static rescl_status add_row(table *t, int only)
{
    rescl_status st = RESCL_OK;
    const rs_csv_reader *csv = &t->csv;
    const char *split;
    row new = {.split = only < 0 ? 0 : only};
    for (size_t i = t->columns; i < csv->count; i++)
        RS_FAIL_IF(csv->field[i][0], RESCL_ERR_FORMAT,
                   "%s, line %zu: has %zu columns, expected %zu%s; a field in which the separator "
                   "occurs is written in quotation marks",
                   csv->path, csv->line, csv->count, t->columns,
                   t->title[PATH] ? "" : " (path,label or path,label,split)");
    for (int c = 0; c < COLUMNS; c++)
        RS_FAIL_IF(t->column[c] != SIZE_MAX && t->column[c] >= csv->count, RESCL_ERR_FORMAT,
                   "%s, line %zu: has %zu column%s, expected the %s in column %zu", csv->path,
                   csv->line, csv->count, csv->count > 1 ? "s" : "", titles[c][0],
                   t->column[c] + 1);
    new.path = csv->field[t->column[PATH]];
    new.label = csv->field[t->column[LABEL]];
    RS_FAIL_IF(!*new.path || !*new.label, RESCL_ERR_FORMAT, "%s, line %zu: has no %s", csv->path,
               csv->line, *new.path ? "label" : "path");
    RS_FAIL_IF(strchr(new.label, ';'), RESCL_ERR_FORMAT,
               "%s, line %zu: '%.200s': several labels of an image are not supported; give it one",
               csv->path, csv->line, new.label);
    RS_TRY(split_of_row(t, &split));
    if (split) {
        const int said = rs_split_index(rs_split_of(split));
        RS_FAIL_IF(only >= 0 && said >= 0 && said != only, RESCL_ERR_FORMAT,
                   "%s, line %zu: is of the split '%s', and the table's name is that of \"%s\"; to "
                   "take the splits of its rows give the path of the table",
                   csv->path, csv->line, split, rs_split_names[only]);
        new.split = only >= 0 ? only : said;
        RS_FAIL_IF(new.split < 0, RESCL_ERR_FORMAT,
                   "%s, line %zu: '%.200s' is no split; expected train, val or test", csv->path,
                   csv->line, split);
    }
    RS_TRY(rs_array_reserve(&t->row, &t->cap, t->count + 1, sizeof *t->row));
    t->row[t->count++] = new;
out:
    return st;
}

/* All rows; `only` as for add_row. */
static rescl_status read_rows(table *t, const char *path, int only)
{
    rescl_status st = RESCL_OK;
    bool more = false, is_data = false;
    RS_TRY(rs_csv_open(path, MAX_BYTES, &t->csv));
    RS_TRY(rs_csv_next(&t->csv, &more));
    RS_FAIL_IF(!more, RESCL_ERR_FORMAT, "%s: is empty, expected path,label or path,label,split",
               path);
    RS_TRY(find_columns(t, &is_data));
    if (is_data)
        RS_TRY(add_row(t, only));
    for (;;) {
        RS_TRY(rs_csv_next(&t->csv, &more));
        if (!more)
            break;
        RS_TRY(add_row(t, only));
    }
    RS_FAIL_IF(t->count == 0, RESCL_ERR_FORMAT, "%s: names no images", path);
out:
    return st;
}

/* ---- the format -------------------------------------------------------------------------- */

/* The rows of the split as files; classes are those of all rows. */
static rescl_status add_files(const table *t, int split, const char *folder, rescl_dataset *set,
                              rs_image_files *files)
{
    rescl_status st = RESCL_OK;
    const char **text = NULL;
    int32_t *label = NULL;
    char *path = NULL;
    RS_OOM(text = calloc(t->count, sizeof *text));
    RS_OOM(label = calloc(t->count, sizeof *label));
    for (size_t i = 0; i < t->count; i++)
        text[i] = t->row[i].label;
    RS_TRY(rs_label_texts(t->csv.path, text, t->count, set, label));
    for (size_t i = 0; i < t->count; i++) {
        const row *r = &t->row[i];
        if (r->split != split)
            continue;
        RS_OOM(path = r->path[0] == '/' ? rs_strf("%s", r->path) : rs_path_join(folder, r->path));
        RS_TRY(rs_image_files_add(files, t->csv.path, path, label[i]));
        path = NULL;
    }
    set->count = files->count;
out:
    free(text);
    free(label);
    free(path);
    return st;
}

/* The split to take from a table that holds them all: "test" of one that has only "val" is that. */
static rescl_status choose_split(const table *t, const rescl_data_options *options, int *split)
{
    rescl_status st = RESCL_OK;
    size_t count[RS_SPLITS] = {0};
    for (size_t i = 0; i < t->count; i++)
        count[t->row[i].split]++;
    if (*split == 2 && count[2] == 0 && count[1] > 0)
        *split = 1;
    RS_FAIL_IF(count[*split] == 0 && !has(t, SPLIT) && !has(t, IS_VAL) && !has(t, IS_TEST),
               RESCL_ERR_NOT_FOUND,
               "data \"%s\": has no column \"split\", so it has no split \"%s\"; a share of its "
               "images can be held out as \"val\" (validation_split)",
               options->path, options->split);
    RS_FAIL_IF(count[*split] == 0, RESCL_ERR_NOT_FOUND,
               "data \"%s\": no row is of the split \"%s\"", options->path, options->split);
out:
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    table t = {0};
    rs_image_files *files = NULL;
    char *path = NULL, *folder = NULL;
    bool whole = false;
    int split = rs_split_index(rs_split_of(options->split));
    RS_FAIL_IF(split < 0, RESCL_ERR_NOT_FOUND,
               "data \"%s\": has no split \"%s\"; a table has train, val and test", options->path,
               options->split);
    RS_TRY(find_table(options, &split, &path, &whole));
    RS_TRY(read_rows(&t, path, whole ? split : -1));
    RS_TRY(tell_columns(&t, set));
    if (!whole)
        RS_TRY(choose_split(&t, options, &split));
    else
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO,
                               "%s: read by its table; --format folder reads its folders instead",
                               path));
    snprintf(set->split, sizeof set->split, "%s", rs_split_names[split]);
    RS_OOM(folder = rs_path_parent(path));
    RS_TRY(rs_image_files_create(options, set, &files));
    RS_TRY(add_files(&t, split, folder, set, files));
out:
    rs_str_fini(&t.unused);
    rs_csv_fini(&t.csv);
    free(t.row);
    free(path);
    free(folder);
    return st;
}

const rs_dataset_format rs_dataset_images_csv = {
    .name = "images_csv",
    .expects = "a table of images and labels (.csv, .tsv), or a folder with train.csv",
    .recognises = recognises,
    .open = open_set,
    .get = rs_image_files_get,
    .label = rs_image_files_label,
    .identify = rs_image_files_identify,
    .path = rs_image_files_path,
    .own_files = true,
    .close = rs_image_files_close,
};
