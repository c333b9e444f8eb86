/* data check: what a data set holds, and what is wrong with it. data split: which image is of which
 * split, as CSV. */
#include "cli.h"
#include "data_report.h"
#include "data_sheet.h"
#include "interrupt.h"
#include "outfile.h"
#include "output.h"
#include "phase.h"
#include "session.h"
#include "table.h"
#include "text.h"
#include "train_data.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>

static bool on_progress(size_t done, size_t images, void *user)
{
    char text[96], count[64];
    (void)user;
    snprintf(text, sizeof text, "looking at %zu of %s", done, cli_count(images, "image", count));
    cli_phase_update(text, true);
    return true;
}

static void print_notes(const rescl_survey *s)
{
    rescl_dataset *sets[3] = {NULL};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        sets[i] = (rescl_dataset *)(uintptr_t)rescl_survey_set(s, i);
    cli_data_notes(sets, sizeof sets / sizeof *sets);
}

/* Exit code. */
static int look(const cli_args *args, bool labels_only, rescl_survey **out)
{
    rescl_data_options data;
    rescl_survey_options o;
    rescl_data_options_default(&data);
    rescl_survey_options_default(&o);
    cli_data_options(args, &data);
    data.seed = cli_u64(args, OPT_data_seed);
    o.workers = cli_size(args, OPT_readers);
    o.labels_only = labels_only;
    o.on_progress = on_progress;
    cli_interrupt_end(); /* nothing is to be saved */
    cli_phase_begin("looking at the images", "looking at the images");
    const rescl_status st = rescl_survey_create(&data, &o, out);
    cli_phase_end();
    if (st != RESCL_OK)
        return cli_fail(st, false);
    print_notes(*out);
    return CLI_OK;
}

/* ---- check ------------------------------------------------------------------------------- */

/* Whoever gives an option of the other action is told that it changes nothing. */
static bool refuses(const cli_args *args, const cli_opt *others, size_t count, const char *action)
{
    for (size_t i = 0; i < count; i++)
        if (args->value[others[i]].origin == ORIGIN_FLAG) {
            cli_usage_error("--%s changes nothing of data %s", cli_opt_get(others[i])->name,
                            action);
            return true;
        }
    return false;
}

static int run_check(const cli_args *args)
{
    static const cli_opt others[] = {OPT_validation_split, OPT_test_split, OPT_group_copies};
    const char *path = cli_str(args, OPT_data_path), *sheet = cli_str(args, OPT_data_sheet);
    const char *file = NULL;
    cli_outfile out = {0};
    rescl_survey *s = NULL;
    if (refuses(args, others, sizeof others / sizeof *others, "check"))
        return CLI_USAGE;
    if (!cli_data_sheet_name(sheet) || !cli_outfile_name(args, OPT_data_file, &file))
        return CLI_USAGE;
    int code = cli_outfile_check(sheet);
    if (code == CLI_OK)
        code = cli_outfile_open(&out, file);
    if (code == CLI_OK)
        code = look(args, false, &s);
    if (code == CLI_OK) {
        cli_result_to(out.f);
        code = cli_bool(args, OPT_json) ? cli_data_report_json(s, path)
                                        : cli_data_report_text(s, path);
        cli_result_to(stdout);
    }
    if (code == CLI_OK && sheet)
        code = cli_data_sheet_write(s, path, sheet);
    const int written = cli_outfile_close(&out, code == CLI_OK);
    code = code == CLI_OK ? written : code;
    if (code == CLI_OK && cli_data_has_findings(s))
        code = CLI_FINDINGS;
    rescl_survey_destroy(s);
    return code;
}

/* ---- split ------------------------------------------------------------------------------- */

/* The folder of a file that is written, with links resolved and a '/' at its end; NULL: none. */
static char *folder_of(const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    char *name = slash ? rs_strf("%.*s", (int)(slash - file + 1), file) : rs_strf(".");
    char *whole = name && file ? realpath(name, NULL) : NULL;
    char *folder = whole ? rs_strf("%s%s", whole, strcmp(whole, "/") == 0 ? "" : "/") : NULL;
    free(name);
    free(whole);
    return folder;
}

/* As seen from the CSV file's folder, where the image lies in it, else the whole path. */
static void print_path(const char *path, const char *folder, FILE *f)
{
    char *whole = realpath(path, NULL);
    const size_t n = folder ? strlen(folder) : 0;
    const char *shown = whole ? whole : path;
    if (n > 0 && strncmp(shown, folder, n) == 0)
        shown += n;
    cli_csv_field(shown, f);
    free(whole);
}

static int write_csv(const rescl_survey *s, const char *const *split, const char *folder, FILE *f)
{
    rescl_survey_image_info i;
    for (size_t c = 0; c < rescl_survey_classes(s); c++)
        if (strchr(rescl_survey_class_name(s, c), ';')) {
            cli_error("the class '%s': a semicolon in a table's label parts several labels; rename "
                      "the class",
                      rescl_survey_class_name(s, c));
            return CLI_FILE;
        }
    fputs("path,label,split\n", f);
    for (size_t k = 0; rescl_survey_image(s, k, &i); k++) {
        if (!i.path) {
            cli_error("%s: its images have no files of their own, which a CSV file could name; "
                      "--validation-split of train holds out a share of them",
                      rescl_dataset_split(rescl_survey_set(s, i.split)));
            return CLI_FILE;
        }
        print_path(i.path, folder, f);
        fputc(',', f);
        cli_csv_field(rescl_survey_class_name(s, i.class_index), f);
        fprintf(f, ",%s\n", split[k]);
    }
    return CLI_OK;
}

static const char *const names[] = {"train", "val", "test"};
enum { SPLITS = sizeof names / sizeof *names };

/* counts[class * SPLITS + split]; NULL when memory is short. */
static size_t *count_images(const rescl_survey *s, const char *const *split)
{
    rescl_survey_image_info i;
    size_t *counts = calloc(rescl_survey_classes(s) * SPLITS + 1, sizeof *counts);
    for (size_t k = 0; counts && rescl_survey_image(s, k, &i); k++)
        for (size_t n = 0; n < SPLITS; n++)
            counts[i.class_index * SPLITS + n] += strcmp(split[k], names[n]) == 0;
    return counts;
}

static int print_counts(const rescl_survey *s, const size_t *counts)
{
    cli_table t;
    static const char *const head[] = {"class", "train", "val", "test"};
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t c = 0; c < rescl_survey_classes(s); c++) {
        cli_table_add(&t, "%s", rescl_survey_class_name(s, c));
        for (size_t n = 0; n < SPLITS; n++)
            cli_table_add(&t, "%zu", counts[c * SPLITS + n]);
    }
    const bool good = cli_table_print(&t, "plain", stdout);
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static int print_counts_json(const rescl_survey *s, const size_t *counts, const char *file)
{
    json_t *o = json_object(), *classes = json_array();
    cli_json_set(o, "file", cli_json_string(file));
    for (size_t c = 0; c < rescl_survey_classes(s); c++) {
        json_t *one = json_object();
        cli_json_set(one, "class", cli_json_string(rescl_survey_class_name(s, c)));
        for (size_t n = 0; n < SPLITS; n++)
            cli_json_set(one, names[n], json_integer((json_int_t)counts[c * SPLITS + n]));
        cli_json_append(classes, one);
    }
    cli_json_set(o, "classes", classes);
    return cli_json_print(o);
}

/* What went where: not beside a CSV on standard output. */
static int tell_counts(const cli_args *args, const rescl_survey *s, const char *const *split,
                       const char *file)
{
    int code = CLI_FAILURE;
    size_t *counts = count_images(s, split);
    if (!counts)
        cli_short_of_memory();
    else
        code =
            cli_bool(args, OPT_json) ? print_counts_json(s, counts, file) : print_counts(s, counts);
    free(counts);
    return code;
}

static int divide(const cli_args *args, const rescl_survey *s, const char **split)
{
    rescl_divide_options o;
    rescl_divide_options_default(&o);
    o.validation_split = cli_real(args, OPT_validation_split);
    o.test_split = cli_real(args, OPT_test_split);
    o.seed = cli_u64(args, OPT_data_seed);
    o.group_copies = cli_bool(args, OPT_group_copies);
    for (size_t i = 1; i < rescl_survey_splits(s); i++) /* the usual share is not asked for */
        if (!cli_is_given(args, OPT_validation_split))
            o.validation_split = 0.0;
    const rescl_status st = rescl_survey_divide(s, &o, split);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int run_split(const cli_args *args)
{
    static const cli_opt others[] = {OPT_data_sheet};
    const char *file = NULL;
    cli_outfile out = {0};
    rescl_survey *s = NULL;
    const char **split_of = NULL;
    rescl_survey_summary sum;
    if (refuses(args, others, sizeof others / sizeof *others, "split"))
        return CLI_USAGE;
    if (!cli_outfile_name(args, OPT_data_file, &file))
        return CLI_USAGE;
    if (cli_bool(args, OPT_json) && !file) {
        cli_usage_error("--json tells what is written to a file: give --output FILE.csv");
        return CLI_USAGE;
    }
    int code = cli_outfile_open(&out, file);
    char *folder = folder_of(out.path);
    if (code == CLI_OK)
        code = look(args, !cli_bool(args, OPT_group_copies), &s);
    if (code == CLI_OK) {
        rescl_survey_get_summary(s, &sum);
        split_of = calloc(sum.images + 1, sizeof *split_of);
        if (!split_of)
            cli_short_of_memory();
        code = split_of ? divide(args, s, split_of) : CLI_FAILURE;
    }
    if (code == CLI_OK)
        code = write_csv(s, split_of, folder, out.f);
    const bool to_file = out.path != NULL;
    const int written = cli_outfile_close(&out, code == CLI_OK);
    code = code == CLI_OK ? written : code;
    if (code == CLI_OK && to_file)
        code = tell_counts(args, s, split_of, file);
    free(split_of);
    free(folder);
    rescl_survey_destroy(s);
    return code;
}

/* ---- the verb ---------------------------------------------------------------------------- */

typedef struct action {
    const char *name;
    int (*run)(const cli_args *args);
} action;

static const action actions[] = {{"check", run_check}, {"split", run_split}};

int cmd_data(const cli_args *args)
{
    const action *chosen = NULL;
    for (size_t i = 0; args->operands && i < sizeof actions / sizeof *actions; i++)
        if (strcmp(args->operand[0], actions[i].name) == 0)
            chosen = &actions[i];
    if (!chosen || args->operands > 2) {
        cli_usage_error("found %s%s%s, expected check or split, and the path of the data",
                        args->operands ? "'" : "nothing", args->operands ? args->operand[0] : "",
                        args->operands > 2 ? "' and more than a path"
                        : args->operands   ? "'"
                                           : "");
        return CLI_USAGE;
    }
    cli_args settled = *args; /* whose values are those of `args` */
    if (args->operands == 2 &&
        !cli_args_set(&settled, OPT_data_path, args->operand[1], ORIGIN_FLAG, "the operand"))
        return CLI_FAILURE;
    if (!cli_str(&settled, OPT_data_path)) {
        cli_usage_error("no data is named, expected rescl data %s PATH", chosen->name);
        return CLI_USAGE;
    }
    return chosen->run(&settled);
}
