#include "bench_scaling.h"

#include "cli.h"
#include "clock.h"
#include "output.h"
#include "table.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is measured: a network's training steps, on random images. */
typedef struct scaling {
    const cli_args *args;
    const cli_session *session;
    const char *model, *precision;
    size_t size, batch; /* batch: of each device */
    uint8_t *images;    /* of all devices */
    int32_t *labels;
    double alone[CLI_TEAM_MOST]; /* images a second of each by itself */
} scaling;

/* One team and what it does. */
typedef struct scaling_row {
    size_t devices, batch;
    double step_ms, img_s, efficiency; /* of all, by what each does by itself */
    double waits;                      /* of the device that waits most */
} scaling_row;

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of at least `repeats` steps and `min-seconds`, in milliseconds; NaN for want of memory. */
static rescl_status time_steps(const scaling *s, rescl_trainer *t, size_t batch, double *ms)
{
    const size_t warmup = cli_size(s->args, OPT_warmup), repeats = cli_size(s->args, OPT_repeats);
    const double least = cli_real(s->args, OPT_min_seconds);
    enum { MOST = 100000 };
    double *times = malloc(MOST * sizeof *times), all = 0.0;
    rescl_status st = RESCL_OK;
    size_t n = 0;
    for (size_t i = 0; times && st == RESCL_OK && i < warmup + 1; i++)
        st = rescl_trainer_step(t, s->images, s->labels, batch, NULL);
    while (times && st == RESCL_OK && n < MOST && (n < repeats || all < least)) {
        const double start = rs_clock_seconds();
        st = rescl_trainer_step(t, s->images, s->labels, batch, NULL);
        times[n] = 1e3 * (rs_clock_seconds() - start);
        all += 1e-3 * times[n++];
    }
    if (n > 0)
        qsort(times, n, sizeof *times, compare_doubles);
    *ms = n > 0 ? times[n / 2] : NAN;
    free(times);
    return st;
}

/* Shares by what each device does by itself: "120.5,60.25". None is below that of two images: when all that are
 * below it have got it, it still is that of one, and each device takes part. Heap. */
static char *shares_text(const scaling *s, size_t devices)
{
    char *text = NULL;
    size_t bytes = 0;
    double all = 0.0;
    FILE *f = open_memstream(&text, &bytes);
    for (size_t i = 0; i < devices; i++)
        all += s->alone[i];
    const double two = 2.0 * all / (double)(s->batch * devices);
    for (size_t i = 0; f && i < devices; i++)
        fprintf(f, "%s%.6f", i ? "," : "", s->batch > 1 ? fmax(s->alone[i], two) : 1.0);
    if (f)
        fclose(f);
    return text;
}

/* Steps of the devices [first, first + count). */
static int measure(const scaling *s, size_t first, size_t count, scaling_row *row)
{
    rescl_model *model = NULL;
    rescl_trainer *trainer = NULL;
    rescl_model_options about;
    rescl_train_options options;
    char *shares = count > 1 ? shares_text(s, count) : NULL;
    rescl_device *team[CLI_TEAM_MOST];
    rescl_model_options_default(&about);
    about.name = s->model;
    about.image_size = s->size;
    about.classes = cli_size(s->args, OPT_classes);
    rescl_train_options_default(&options);
    options.batch_size = s->batch * count;
    options.precision = s->precision;
    options.opt = cli_str(s->args, OPT_bench_opt);
    options.shares = shares;
    *row = (scaling_row){.devices = count, .batch = options.batch_size};
    for (size_t i = 0; i < count; i++)
        team[i] = s->session->team[first + i];
    rescl_status st = rescl_model_create(&about, &model);
    if (st == RESCL_OK)
        st = rescl_trainer_create_team(team, count, NULL, model, NULL, NULL, &options, &trainer);
    if (st == RESCL_OK)
        st = time_steps(s, trainer, options.batch_size, &row->step_ms);
    for (size_t i = 0; st == RESCL_OK && i < rescl_trainer_members(trainer); i++) {
        rescl_team_member m;
        st = rescl_trainer_get_member(trainer, i, &m);
        if (st == RESCL_OK && m.waits > row->waits)
            row->waits = m.waits;
    }
    row->img_s = 1e3 * (double)options.batch_size / row->step_ms;
    rescl_trainer_destroy(trainer);
    rescl_model_destroy(model);
    free(shares);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int print_json(const scaling *s, const scaling_row *row, size_t rows, bool lines)
{
    json_t *all = json_array();
    for (size_t i = 0; i < rows; i++) {
        json_t *o = json_object();
        cli_json_set(o, "model", cli_json_string(s->model));
        cli_json_set(o, "size", json_integer((json_int_t)s->size));
        cli_json_set(o, "precision", cli_json_string(s->precision));
        cli_json_set(o, "devices", json_integer((json_int_t)row[i].devices));
        cli_json_set(o, "batch", json_integer((json_int_t)row[i].batch));
        cli_json_set(o, "step_ms", cli_json_real(row[i].step_ms));
        cli_json_set(o, "img_s", cli_json_real(row[i].img_s));
        cli_json_set(o, "efficiency", cli_json_real(row[i].efficiency));
        cli_json_set(o, "waits", cli_json_real(row[i].waits));
        cli_json_append(all, o);
    }
    if (!lines)
        return cli_json_print(all);
    for (size_t i = 0; i < json_array_size(all); i++)
        if (json_dumpf(json_array_get(all, i), cli_result(), JSON_COMPACT) == 0)
            fputc('\n', cli_result());
    json_decref(all);
    return CLI_OK;
}

static int print_rows(const scaling *s, const scaling_row *row, size_t rows)
{
    static const char *const head[] = {"model", "size",    "precision", "devices",      "batch",
                                       "added", "step_ms", "img_s",     "efficiency_%", "waits_%"};
    const char *form = cli_str(s->args, OPT_bench_form);
    cli_table t;
    if (strncmp(form, "json", 4) == 0)
        return print_json(s, row, rows, strcmp(form, "jsonl") == 0);
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rows; i++) {
        const size_t last = row[i].devices - 1;
        cli_table_add(&t, "%s", s->model);
        cli_table_add(&t, "%zu", s->size);
        cli_table_add(&t, "%s", s->precision);
        cli_table_add(&t, "%zu", row[i].devices);
        cli_table_add(&t, "%zu", row[i].batch);
        cli_table_add(&t, "%s", rescl_device_get_info(s->session->team[last])->name);
        cli_table_add(&t, "%.3f", row[i].step_ms);
        cli_table_add(&t, "%.1f", row[i].img_s);
        cli_table_add(&t, "%.1f", 100 * row[i].efficiency);
        cli_table_add(&t, "%.0f", 100 * row[i].waits);
    }
    const bool good = cli_table_print(&t, form, cli_result());
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static int measure_all(scaling *s)
{
    scaling_row row[CLI_TEAM_MOST];
    const size_t devices = s->session->members;
    double sum = 0.0;
    int code = CLI_OK;
    for (size_t i = 0; i < devices && code == CLI_OK; i++) {
        cli_note("device %zu of %zu alone ...", i + 1, devices);
        code = measure(s, i, 1, &row[i]);
        s->alone[i] = row[i].img_s;
    }
    for (size_t i = 0; i < devices && code == CLI_OK; i++) {
        sum += s->alone[i];
        if (i > 0) {
            cli_note("%zu devices ...", i + 1);
            code = measure(s, 0, i + 1, &row[i]);
        }
        row[i].efficiency = row[i].img_s / sum;
    }
    return code == CLI_OK ? print_rows(s, row, devices) : code;
}

int cli_bench_scaling(const cli_args *args, const cli_session *session)
{
    scaling s = {.args = args,
                 .session = session,
                 .model = args->value[OPT_models].words[0],
                 .precision = args->value[OPT_precisions].words[0],
                 .size = args->value[OPT_sizes].sizes[0],
                 .batch = args->value[OPT_batch_sizes].sizes[0]};
    const size_t images = s.batch * session->members;
    int code = CLI_FAILURE;
    s.images = calloc(images, s.size * s.size * 3);
    s.labels = calloc(images, sizeof *s.labels);
    if (s.images && s.labels)
        code = measure_all(&s);
    else
        cli_short_of_memory();
    free(s.images);
    free(s.labels);
    return code;
}
