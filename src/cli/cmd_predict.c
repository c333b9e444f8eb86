#include "cli.h"
#include "images.h"
#include "output.h"
#include "overlay.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

typedef enum form { FORM_TEXT, FORM_JSON, FORM_JSON_LINES } form;

/* A run of the verb: what a batch needs. */
typedef struct job {
    const rescl_model *model;
    rescl_predictor *predictor;
    form form;
    json_t *document; /* of FORM_JSON: one object for each image */
    size_t classes, topk;
    size_t batch;
    rescl_image *image; /* of a batch */
    const char **name;
    float *probs;
    size_t *top; /* of one image */
    cli_saliency saliency;
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

static void print_text(const job *j, const char *name, const float *probs)
{
    printf("%s:", name);
    for (size_t i = 0; i < j->topk; i++)
        printf("%s %s %.2f %%", i ? "," : "", rescl_model_class_name(j->model, j->top[i]),
               100 * (double)probs[j->top[i]]);
    putchar('\n');
}

/* `overlay` is the file that --saliency wrote, or NULL. */
static json_t *to_json(const job *j, const char *name, const float *probs, const char *overlay)
{
    json_t *row = json_object(), *top = json_array();
    for (size_t i = 0; i < j->topk; i++) {
        json_t *one = json_object();
        cli_json_set(one, "class", cli_json_string(rescl_model_class_name(j->model, j->top[i])));
        cli_json_set(one, "index", json_integer((json_int_t)j->top[i]));
        cli_json_set(one, "probability", cli_json_real((double)probs[j->top[i]]));
        json_array_append_new(top, one);
    }
    cli_json_set(row, "file", cli_json_string(name));
    cli_json_set(row, "predictions", top);
    if (overlay)
        cli_json_set(row, "saliency", cli_json_string(overlay));
    return row;
}

static int show(job *j, size_t i)
{
    const float *probs = j->probs + i * j->classes;
    const char *overlay = NULL;
    int code = CLI_OK;
    find_top(j, probs);
    if (j->saliency.folder)
        code = cli_saliency_write(&j->saliency, j->name[i], &j->image[i], i, j->top[0], &overlay);
    if (code != CLI_OK)
        return code;
    if (j->form == FORM_TEXT) {
        print_text(j, j->name[i], probs);
        return CLI_OK;
    }
    json_t *row = to_json(j, j->name[i], probs, overlay);
    if (j->form == FORM_JSON_LINES)
        return cli_json_print_line(row);
    json_array_append_new(j->document, row);
    return CLI_OK;
}

/* Reads up to a batch of images from *next on, and names them. An image that cannot be read is
 * reported and left out; *code is its exit code then. False when it makes no sense to go on. */
static bool do_batch(job *j, const cli_images *list, size_t *next, int *code)
{
    size_t n = 0;
    for (; n < j->batch && *next < list->count; ++*next) {
        int read = cli_images_read(list, *next, &j->image[n]);
        if (read == CLI_OK)
            j->name[n++] = list->path[*next];
        else
            *code = read;
    }
    rescl_status st = n ? rescl_predictor_run(j->predictor, j->image, n, j->probs) : RESCL_OK;
    int shown = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    for (size_t i = 0; i < n; i++) {
        if (shown == CLI_OK)
            shown = show(j, i);
        rescl_image_free(&j->image[i]);
    }
    *code = shown == CLI_OK ? *code : shown;
    return shown == CLI_OK && *code != CLI_FAILURE && !ferror(stdout);
}

static form form_of(const cli_args *args)
{
    const char *word = cli_str(args, OPT_predict_output);
    if (strcmp(word, "jsonl") == 0)
        return FORM_JSON_LINES;
    return cli_bool(args, OPT_json) || strcmp(word, "json") == 0 ? FORM_JSON : FORM_TEXT;
}

static int predict_all(const cli_args *args, rescl_device *device, const rescl_model *model,
                       const cli_images *list)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    const size_t most = cli_size(args, OPT_batch_size), k = cli_size(args, OPT_topk);
    job j = {.model = model,
             .form = form_of(args),
             .classes = info.classes,
             .topk = k < info.classes ? k : info.classes,
             .batch = list->count < most ? list->count : most};
    int code = CLI_OK;
    rescl_status st = rescl_predictor_create(device, model, j.batch, &j.predictor);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    j.image = calloc(j.batch, sizeof *j.image);
    j.name = calloc(j.batch, sizeof *j.name);
    j.probs = calloc(j.batch * j.classes, sizeof *j.probs);
    j.top = calloc(j.topk, sizeof *j.top);
    j.document = j.form == FORM_JSON ? json_array() : NULL;
    if (!j.image || !j.name || !j.probs || !j.top) {
        cli_error("out of memory");
        code = CLI_FAILURE;
    } else {
        code = cli_saliency_open(&j.saliency, cli_str(args, OPT_saliency), j.predictor);
    }
    bool good = code == CLI_OK;
    for (size_t next = 0; good && next < list->count;)
        good = do_batch(&j, list, &next, &code);
    if (j.form == FORM_JSON) {
        int printed = cli_json_print(j.document);
        code = code == CLI_OK ? printed : code;
    }
    cli_saliency_close(&j.saliency);
    rescl_predictor_destroy(j.predictor);
    free(j.image);
    free(j.name);
    free(j.probs);
    free(j.top);
    return code;
}

int cmd_predict(const cli_args *args)
{
    cli_session session = {0};
    rescl_model *model = NULL;
    cli_images list = {0};
    char *path = NULL;
    int code = cli_images_find(args, &list);
    if (code == CLI_OK)
        code = cli_weights_load(args, &model, &path);
    if (code == CLI_OK)
        code = cli_session_open(args, 0, &session);
    if (code == CLI_OK)
        code = predict_all(args, session.device, model, &list);
    cli_session_close(&session);
    rescl_model_destroy(model);
    cli_images_free(&list);
    free(path);
    return code;
}
