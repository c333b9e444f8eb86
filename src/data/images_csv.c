/* A table of images and labels: "images_csv". `path` is a file, or a folder with train.csv, and maybe with
 * val.csv and test.csv.
 *
 *     path,label,split          the names of columns, in any order, and others beside them; without
 *     photos/1.jpg,cat,train    them paths are in the first column and labels in the second
 *
 * Paths are relative to the file, or to the folder of `images`; a name without an ending is that of the one
 * image beside that has it. Classes are those of the whole file, in the order of their names' bytes, or of
 * their values if they are whole numbers. Labels such as "cat;dog" make it a set of several labels, in which
 * an image may also have none. */
#include "alloc.h"
#include "csvread.h"
#include "error.h"
#include "folderlayout.h"
#include "folderwalk.h"
#include "imagefiles.h"
#include "imageids.h"
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
static const char *const titles[COLUMNS][17] = {
    {"path", "file", "filename", "file_name", "filepath", "file_path", "filepaths", "image",
     "image_path", "image_file", "image_name", "img", "img_path", "image_id", "img_id", "id", NULL},
    {"label", "labels", "class", "classes", "class_name", "label_name", "category", "target",
     "tags", NULL},
    {"split", "set", "subset", "partition", "dataset", "data_set", NULL},
    {"is_valid", "is_val", "is_validation", NULL}, /* true or false, as in fastai's tables */
    {"is_test", NULL},
};

/* Beside a column of paths these are numbers of rows as a rule, and nothing that could be meant. */
static bool is_id(const char *title)
{
    return strcasecmp(title, "image_id") == 0 || strcasecmp(title, "img_id") == 0 ||
           strcasecmp(title, "id") == 0;
}

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
    const char *path;
    char *label; /* divided in place where there are several; NULL: the table has none */
    size_t line;
    int split; /* of rs_split_names; 0 where there is no such column */
} row;

typedef struct table {
    rs_csv_reader csv;
    size_t columns;         /* of the first row */
    size_t column[COLUMNS]; /* SIZE_MAX: there is none */
    /* What that column is called, and another one that could be it; NULL: there is none. */
    const char *title[COLUMNS], *other[COLUMNS];
    rs_str unused;   /* "id, fold": columns; text of NULL: none */
    bool unlabelled; /* a table without a column of labels is taken */
    bool several;    /* labels are divided at semicolons */
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
            } else if (!t->other[c] && !is_id(field)) {
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
        RS_FAIL_IF(
            !has(t, PATH), RESCL_ERR_FORMAT,
            "%s, line %zu: names columns, but none \"path\"; these may be called so, or file, "
            "filename, image, image_id, id",
            csv->path, csv->line);
        RS_FAIL_IF(!has(t, LABEL) && !t->unlabelled, RESCL_ERR_FORMAT,
                   "%s, line %zu: names columns, but none \"label\"; these may be called so, or "
                   "class, category, target, labels. Without labels images can only be predicted: "
                   "rescl predict %s",
                   csv->path, csv->line, csv->path);
        RS_TRY(find_unused(t));
        goto out;
    }
    RS_FAIL_IF(csv->count < 2 && !t->unlabelled, RESCL_ERR_FORMAT,
               "%s, line %zu: has one column; expected path,label or path,label,split", csv->path,
               csv->line);
    RS_FAIL_IF(!rs_names_image(csv->field[0]), RESCL_ERR_FORMAT,
               "%s, line %zu: '%.200s' neither names an image nor a column that is known; expected "
               "path,label or path,label,split",
               csv->path, csv->line, csv->field[0]);
    t->column[PATH] = 0;
    t->column[LABEL] = csv->count > 1 ? 1 : SIZE_MAX;
    t->column[IS_VAL] = t->column[IS_TEST] = SIZE_MAX;
    t->column[SPLIT] = csv->count > 2 && rs_split_of(csv->field[2]) ? 2 : SIZE_MAX;
    t->columns = t->column[SPLIT] == 2 ? 3 : has(t, LABEL) ? 2 : 1;
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
    row new = {.split = only < 0 ? 0 : only, .line = csv->line};
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
    new.label = has(t, LABEL) ? csv->field[t->column[LABEL]] : NULL;
    RS_FAIL_IF(!*new.path, RESCL_ERR_FORMAT, "%s, line %zu: has no path", csv->path, csv->line);
    t->several = t->several || (new.label &&strchr(new.label, ';'));
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

static rescl_status number_labels(const table *t, rescl_dataset *set, rs_label_lists *lists,
                                  int32_t *label)
{
    rescl_status st = RESCL_OK;
    char **text = NULL;
    RS_OOM(text = calloc(t->count, sizeof *text));
    for (size_t i = 0; i < t->count; i++)
        text[i] = t->row[i].label;
    if (!t->several) {
        RS_TRY(rs_label_texts(t->csv.path, (const char *const *)text, t->count, set, label));
        goto out;
    }
    RS_TRY(rs_label_lists_init(lists, t->csv.path, text, t->count, set));
    for (size_t i = 0; i < t->count; i++)
        label[i] = (int32_t)i;
    if (lists->repeated)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO,
                               "%s: %zu rows name a label more than once; it counts once",
                               t->csv.path, lists->repeated));
out:
    free(text);
    return st;
}

/* The file that a row names, on the heap. */
static rescl_status find_file(const table *t, const row *r, const char *folder, rs_image_ids *ids,
                              char **out)
{
    const rescl_status st = rs_image_ids_path(ids, folder, r->path, out);
    if (st != RESCL_OK)
        rs_error_prefix("%s, line %zu", t->csv.path, r->line);
    return st;
}

/* Refuses `count` names, of which `first` is one, where not one is found. */
static rescl_status check_found(const table *t, const rs_image_ids *ids, size_t count,
                                const char *first, const char *folder)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(
        count > 0 && ids->missing == count, RESCL_ERR_FORMAT,
        "%s: none of the %zu names of its images, such as '%.200s', is that of an image in %s; "
        "give their folder by --images DIR (images)",
        t->csv.path, count, first, folder);
out:
    return st;
}

static const char *first_of(const table *t, int split)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->row[i].split == split)
            return t->row[i].path;
    return "";
}

/* The rows of the split as files; classes are those of all rows. */
static rescl_status add_files(const table *t, int split, const char *folder, rescl_dataset *set,
                              rs_image_files *files)
{
    rescl_status st = RESCL_OK;
    int32_t *label = NULL;
    char *path = NULL;
    rs_image_ids ids = {0};
    RS_FAIL_IF(t->count > INT32_MAX, RESCL_ERR_FORMAT, "%s: %zu rows are too many", t->csv.path,
               t->count);
    RS_OOM(label = calloc(t->count, sizeof *label));
    RS_TRY(number_labels(t, set, &files->lists, label));
    for (size_t i = 0; i < t->count; i++) {
        const row *r = &t->row[i];
        if (r->split != split)
            continue;
        RS_TRY(find_file(t, r, folder, &ids, &path));
        RS_TRY(rs_image_files_add(files, t->csv.path, path, label[i]));
        path = NULL;
    }
    set->count = files->count;
    RS_TRY(check_found(t, &ids, files->count, first_of(t, split), folder));
out:
    rs_image_ids_fini(&ids);
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

static rescl_status check_labels(const table *t)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!has(t, LABEL), RESCL_ERR_NOT_FOUND,
               "%s: has no labels, by which images could be measured; they can be predicted: rescl "
               "predict %s",
               t->csv.path, t->csv.path);
    for (size_t i = 0; !t->several && i < t->count; i++)
        RS_FAIL_IF(!*t->row[i].label, RESCL_ERR_FORMAT,
                   "%s, line %zu: has no label; images without any are taken where they may have "
                   "several (--multi-label)",
                   t->csv.path, t->row[i].line);
out:
    return st;
}

static void free_table(table *t)
{
    rs_str_fini(&t->unused);
    rs_csv_fini(&t->csv);
    free(t->row);
}

/* The folder of the images of the table at `path`, on the heap. */
static rescl_status find_images(const char *images, const char *path, char **out)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(images && !rs_path_is_dir(images), RESCL_ERR_NOT_FOUND,
               "--images %s (images): no such folder; expected that of the images of %s", images,
               path);
    RS_OOM(*out = images ? rs_strf("%s", images) : rs_path_parent(path));
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
    t.several = options->multi_label;
    RS_FAIL_IF(split < 0, RESCL_ERR_NOT_FOUND,
               "data \"%s\": has no split \"%s\"; a table has train, val and test", options->path,
               options->split);
    RS_TRY(find_table(options, &split, &path, &whole));
    t.unlabelled =
        whole && split == 2; /* as Kaggle's test.csv is: the folder has no such split then */
    RS_TRY(read_rows(&t, path, whole ? split : -1));
    RS_TRY(check_labels(&t));
    RS_TRY(tell_columns(&t, set));
    if (!whole)
        RS_TRY(choose_split(&t, options, &split));
    else
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO,
                               "%s: read by its table; --format folder reads its folders instead",
                               path));
    snprintf(set->split, sizeof set->split, "%s", rs_split_names[split]);
    set->multi_label = t.several;
    RS_TRY(find_images(options->images, path, &folder));
    RS_TRY(rs_image_files_create(options, set, &files));
    RS_TRY(add_files(&t, split, folder, set, files));
out:
    free_table(&t);
    free(path);
    free(folder);
    return st;
}

rescl_status rescl_table_read_paths(const char *path, const char *images, char ***paths,
                                    size_t *count)
{
    rescl_status st = RESCL_OK;
    table t = {.unlabelled = true};
    rs_image_ids ids = {0};
    char *folder = NULL, **file = NULL;
    *paths = NULL;
    *count = 0;
    RS_TRY(read_rows(&t, path, -1));
    RS_TRY(find_images(images, path, &folder));
    RS_OOM(file = calloc(t.count + 1, sizeof *file));
    for (size_t i = 0; i < t.count; i++)
        RS_TRY(find_file(&t, &t.row[i], folder, &ids, &file[i]));
    RS_TRY(check_found(&t, &ids, t.count, t.row[0].path, folder));
    *count = t.count;
    *paths = file, file = NULL;
out:
    for (size_t i = 0; file && i < t.count; i++)
        free(file[i]);
    free(file);
    rs_image_ids_fini(&ids);
    free_table(&t);
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
    .labels = rs_image_files_labels,
    .identify = rs_image_files_identify,
    .path = rs_image_files_path,
    .own_files = true,
    .close = rs_image_files_close,
};
