#include "cli.h"
#include "compiling.h"
#include "images.h"
#include "noticed.h"
#include "outfile.h"
#include "output.h"
#include "overlay.h"
#include "session.h"
#include "sheet.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef enum form { FORM_TEXT, FORM_CSV, FORM_JSON, FORM_JSON_LINES } form;

/* A run of the verb. */
typedef struct job {
    const rescl_model *model;
    const cli_images *list;
    rescl_predictor *predictor;
    form form;
    FILE *out;
    json_t *document; /* of FORM_JSON: one object for each image */
    size_t classes, topk;
    double threshold; /* of what is printed */
    bool several;     /* an image has any number of labels: those above the threshold are printed */
    size_t *top;      /* of one image */
    cli_saliency saliency;
    cli_sheet sheet;
    cli_notices notices;
    size_t unread;
    int code;     /* of what could not be read, or of what stopped the run */
    bool stopped; /* a message was printed, or nobody reads the results */
} job;

/* Whether class a ranks before class b: the more probable first, equal ones by index. */
static bool ranks_before(const float *probs, size_t a, size_t b)
{
    return a < b ? probs[a] >= probs[b] : probs[a] > probs[b];
}

/* The k first classes, in order. */
static void find_top(const job *j, const float *probs)
{
    for (size_t i = 0; i < j->topk; i++) {
        size_t best = j->classes;
        for (size_t c = 0; c < j->classes; c++) {
            bool left = i == 0 || ranks_before(probs, j->top[i - 1], c);
            if (left && (best == j->classes || ranks_before(probs, c, best)))
                best = c;
        }
        j->top[i] = best;
    }
}

/* How many of the first classes are probable enough. */
static size_t shown_classes(const job *j, const float *probs)
{
    size_t n = 0;
    while (n < j->topk && (j->several ? (double)probs[j->top[n]] > j->threshold
                                      : (double)probs[j->top[n]] >= j->threshold))
        n++;
    return n;
}

static void print_text(const job *j, const char *name, const float *probs)
{
    cli_fprint(j->out, "%s:", name);
    const size_t shown = shown_classes(j, probs);
    for (size_t i = 0; i < shown; i++)
        cli_fprint(j->out, "%s %s %.2f %%", i ? "," : "",
                   rescl_model_class_name(j->model, j->top[i]), 100 * (double)probs[j->top[i]]);
    cli_fprint(j->out, "\n");
}

static void print_csv_head(const job *j)
{
    fputs(j->several ? "file,classes,probabilities" : "file", j->out);
    for (size_t i = 1; !j->several && i <= j->topk; i++)
        fprintf(j->out, ",class_%zu,index_%zu,probability_%zu", i, i, i);
    fputs(j->saliency.folder ? ",saliency\n" : "\n", j->out);
}

/* ",cat;dog,0.9;0.6" */
static void print_csv_labels(const job *j, const float *probs, size_t shown)
{
    char number[32], *all = strdup("");
    for (size_t i = 0; all && i < shown; i++) {
        char *longer =
            rs_strf("%s%s%s", all, i ? ";" : "", rescl_model_class_name(j->model, j->top[i]));
        free(all);
        all = longer;
    }
    fputc(',', j->out);
    if (all)
        cli_csv_field(all, j->out);
    fputc(',', j->out);
    for (size_t i = 0; i < shown; i++)
        fprintf(j->out, "%s%s", i ? ";" : "", cli_exact((double)probs[j->top[i]], number));
    free(all);
}

/* `overlay` is the file that --saliency wrote, or NULL. */
static void print_csv(const job *j, const char *name, const float *probs, const char *overlay)
{
    char number[32];
    const size_t shown = shown_classes(j, probs);
    cli_csv_field(name, j->out);
    if (j->several)
        print_csv_labels(j, probs, shown);
    for (size_t i = 0; !j->several && i < shown; i++) {
        fputc(',', j->out);
        cli_csv_field(rescl_model_class_name(j->model, j->top[i]), j->out);
        fprintf(j->out, ",%zu,%s", j->top[i], cli_exact((double)probs[j->top[i]], number));
    }
    for (size_t i = shown; !j->several && i < j->topk; i++)
        fputs(",,,", j->out);
    if (overlay) {
        fputc(',', j->out);
        cli_csv_field(overlay, j->out);
    }
    fputc('\n', j->out);
}

static json_t *to_json(const job *j, const char *name, const float *probs, const char *overlay)
{
    json_t *row = json_object(), *top = json_array();
    const size_t shown = shown_classes(j, probs);
    for (size_t i = 0; i < shown; i++) {
        json_t *one = json_object();
        cli_json_set(one, "class", cli_json_string(rescl_model_class_name(j->model, j->top[i])));
        cli_json_set(one, "index", json_integer((json_int_t)j->top[i]));
        cli_json_set(one, "probability", cli_json_real((double)probs[j->top[i]]));
        cli_json_append(top, one);
    }
    cli_json_set(row, "file", cli_json_string(name));
    cli_json_set(row, "predictions", top);
    if (overlay) {
        cli_json_set(row, "saliency", cli_json_string(overlay));
        cli_json_set(row, "saliency_layer", cli_json_string(j->saliency.layer));
    }
    return row;
}

/* The map of the predictor's image `slot`, over the whole picture, which is read again for it. */
static int write_overlay(job *j, const rescl_prediction *p, const char **overlay)
{
    rescl_image image = {0};
    const rescl_status st = cli_images_read_shown(j->list, p->index, &image);
    int code = st == RESCL_OK ? cli_saliency_write(&j->saliency, j->list->path[p->index], &image,
                                                   p->slot, j->top[0], overlay)
                              : cli_fail(st, false);
    rescl_image_free(&image);
    return code;
}

/* The class whose answer is least sure, of several labels, and how sure that is: the probability that it is
 * there, or that it is not. */
static double least_sure(const job *j, const float *probs, size_t *class_index)
{
    double least = 1;
    for (size_t c = 0; c < j->classes; c++) {
        const double p = (double)probs[c], sure = p > 0.5 ? p : 1 - p;
        if (c == 0 || sure < least) {
            least = sure;
            *class_index = c;
        }
    }
    return least;
}

/* Its classes as the sheet shows them. */
static int add_to_sheet(job *j, const rescl_prediction *p, const char *overlay)
{
    enum { SHOWN = 3 };
    char text[640] = "";
    size_t used = 0, least = 0;
    double certainty = (double)p->probs[j->top[0]];
    for (size_t i = 0; i < j->topk && i < SHOWN && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.1f %% %.120s", i ? ", " : "",
                                 100 * (double)p->probs[j->top[i]],
                                 rescl_model_class_name(j->model, j->top[i]));
    if (j->several)
        certainty = least_sure(j, p->probs, &least);
    if (j->several && used < sizeof text)
        snprintf(text + used, sizeof text - used, "; least sure: %.1f %% %.120s",
                 100 * (double)p->probs[least], rescl_model_class_name(j->model, least));
    return cli_sheet_add(&j->sheet, p->index, certainty, text, overlay);
}

static int show(job *j, const rescl_prediction *p)
{
    const char *name = j->list->path[p->index], *overlay = NULL;
    int code = CLI_OK;
    find_top(j, p->probs);
    if (j->saliency.folder)
        code = write_overlay(j, p, &overlay);
    if (code == CLI_OK && j->sheet.path)
        code = add_to_sheet(j, p, overlay);
    if (code != CLI_OK)
        return code;
    switch (j->form) {
    case FORM_TEXT:
        print_text(j, name, p->probs);
        break;
    case FORM_CSV:
        print_csv(j, name, p->probs, overlay);
        break;
    case FORM_JSON:
        cli_json_append(j->document, to_json(j, name, p->probs, overlay));
        break;
    case FORM_JSON_LINES:
        code = cli_json_write_line(to_json(j, name, p->probs, overlay), j->out);
        break;
    }
    return code;
}

static rescl_status give(size_t index, rescl_image *out, void *user)
{
    job *j = user;
    unsigned notices = 0;
    const rescl_status st = cli_images_read(j->list, index, out, &notices);
    cli_notices_add(&j->notices, index, notices);
    return st;
}

/* An image that cannot be read is reported and left out. */
static bool take(const rescl_prediction *p, void *user)
{
    job *j = user;
    cli_compiling_end();
    if (p->status != RESCL_OK) {
        j->code = cli_fail_untrained(p->status);
        j->unread++;
        return true;
    }
    const int shown = show(j, p);
    j->code = shown == CLI_OK ? j->code : shown;
    j->stopped = shown != CLI_OK || ferror(j->out);
    return !j->stopped;
}

static form form_of(const cli_args *args)
{
    static const char *const forms[] = {"text", "csv", "json", "jsonl"};
    const char *word = cli_str(args, OPT_predict_form);
    form f = FORM_TEXT;
    while (strcmp(forms[f], word) != 0)
        f++;
    if (f != FORM_TEXT)
        return f;
    return cli_bool(args, OPT_json) ? FORM_JSON : cli_bool(args, OPT_csv) ? FORM_CSV : FORM_TEXT;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "12 images, 2 not read, 35 img/s" */
static void note_summary(const job *j, double seconds)
{
    const size_t count = j->list->count, read = count - j->unread;
    const double rate = seconds > 0 ? (double)read / seconds : 0.0;
    char unread[48] = "", images[64], speed[48] = "";
    if (j->unread)
        snprintf(unread, sizeof unread, ", %zu not read", j->unread);
    if (read)
        snprintf(speed, sizeof speed, ", %.*f img/s", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate);
    cli_note("%s%s%s", cli_count(count, "image", images), unread, speed);
}

/* Runs the opened job; its exit code. */
static int run(const cli_args *args, job *j)
{
    const double start = now();
    if (j->form == FORM_CSV)
        print_csv_head(j);
    const rescl_status st = rescl_predictor_stream(j->predictor, j->list->count,
                                                   cli_size(args, OPT_readers), give, take, j);
    if (st != RESCL_OK && !j->stopped) {
        j->code = cli_fail_untrained(st);
        j->stopped = true;
    }
    if (j->form == FORM_JSON) {
        int printed = cli_json_write(j->document, j->out);
        j->document = NULL;
        j->code = j->code == CLI_OK ? printed : j->code;
    }
    cli_notices_print(&j->notices, j->list->path);
    const int drawn = j->stopped ? CLI_OK : cli_sheet_write(&j->sheet, j->list, j->model);
    j->code = j->code == CLI_OK ? drawn : j->code;
    if (!j->stopped)
        note_summary(j, now() - start);
    return j->code;
}

static int predict_all(const cli_args *args, rescl_device *device, const rescl_model *model,
                       const cli_images *list, cli_outfile *out)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    const size_t most = cli_size(args, OPT_batch_size);
    const bool all = info.multi_label && args->value[OPT_topk].origin <= ORIGIN_DEFAULT;
    const bool usual = info.multi_label && args->value[OPT_threshold].origin <= ORIGIN_DEFAULT;
    const size_t k = all ? info.classes : cli_size(args, OPT_topk);
    job j = {.model = model,
             .list = list,
             .form = form_of(args),
             .out = out->f,
             .classes = info.classes,
             .topk = k < info.classes ? k : info.classes,
             .threshold = usual ? 0.5 : cli_real(args, OPT_threshold),
             .several = info.multi_label,
             .code = list->code};
    if (!cli_sheet_init(&j.sheet, cli_str(args, OPT_sheet), info.multi_label))
        return CLI_USAGE;
    rescl_status st = rescl_predictor_create(device, model, list->count < most ? list->count : most,
                                             &j.predictor);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    j.top = calloc(j.topk, sizeof *j.top);
    j.document = j.form == FORM_JSON ? json_array() : NULL;
    int code = CLI_FAILURE;
    if (!j.top)
        cli_short_of_memory();
    else
        code = cli_saliency_open(&j.saliency, cli_str(args, OPT_saliency), j.predictor);
    if (code == CLI_OK)
        code = run(args, &j);
    const int written = cli_outfile_close(out, !j.stopped && j.top);
    json_decref(j.document);
    cli_saliency_close(&j.saliency);
    cli_sheet_fini(&j.sheet);
    rescl_predictor_destroy(j.predictor);
    free(j.top);
    return written == CLI_OK ? code : written;
}

int cmd_predict(const cli_args *args)
{
    cli_session session = {0};
    rescl_model *model = NULL;
    cli_images list = {0};
    cli_outfile out = {0};
    const char *file = NULL, *sheet = cli_str(args, OPT_sheet);
    char *path = NULL;
    if (!cli_outfile_name(args, OPT_predict_file, &file))
        return CLI_USAGE;
    int code = cli_images_find(args, &list);
    for (size_t i = 0; code == CLI_OK && i < list.count; i++)
        code = cli_outfile_is_input(file, list.path[i]) || cli_outfile_is_input(sheet, list.path[i])
                   ? CLI_USAGE
                   : CLI_OK;
    if (code == CLI_OK)
        code = cli_weights_load(args, &model, &path);
    if (code == CLI_OK) {
        rescl_model_set_precision(model, cli_precision(args));
        rescl_model_set_check_numerics(model, cli_bool(args, OPT_check_numerics));
    }
    if (code == CLI_OK)
        code = cli_outfile_is_input(file, path) ? CLI_USAGE : cli_outfile_open(&out, file);
    if (code == CLI_OK) {
        rescl_model_info info;
        rescl_model_get_info(model, &info);
        code = cli_sample_bits_take(args, info.sample_bits);
        list.options.min_side = 2 * info.image_size;
        list.options.sample_bits = cli_size(args, OPT_sample_bits);
        list.options.channels = info.channels == 4 ? 4 : 3;
        list.options.bit_depth = info.bit_depth;
    }
    if (code == CLI_OK)
        code = cli_session_open(args, 0, &session);
    if (code == CLI_OK)
        code = cli_images_read_stdin(&list);
    if (code == CLI_OK)
        code = predict_all(args, session.device, model, &list, &out);
    (void)cli_outfile_close(&out, false);
    cli_session_close(&session);
    rescl_model_destroy(model);
    cli_images_free(&list);
    free(path);
    return code;
}
