#include "cli.h"
#include "output.h"
#include "run_folder.h"
#include "session.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Pictures to name, in order. */
typedef struct pictures {
    char **path;
    size_t count, room;
} pictures;

static bool add_picture(pictures *list, char *path)
{
    if (path && list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        char **grown = realloc(list->path, room * sizeof *grown);
        if (!grown) {
            cli_error("out of memory");
            free(path);
            return false;
        }
        list->path = grown;
        list->room = room;
    }
    if (path)
        list->path[list->count++] = path;
    return path != NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The .png files of a folder, by name. */
static int add_folder(pictures *list, const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        cli_error("%s: %s", folder, strerror(errno));
        return CLI_FILE;
    }
    size_t first = list->count, len = strlen(folder);
    int code = CLI_OK;
    for (struct dirent *e; code == CLI_OK && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcasecmp(e->d_name + n - 4, ".png") != 0)
            continue;
        const char *slash = len && folder[len - 1] == '/' ? "" : "/";
        if (!add_picture(list, cli_format("%s%s%s", folder, slash, e->d_name)))
            code = CLI_FAILURE;
    }
    closedir(dir);
    if (code == CLI_OK && list->count == first) {
        cli_error("%s: found no picture, expected *.png", folder);
        return CLI_FILE;
    }
    if (list->count > first)
        qsort(list->path + first, list->count - first, sizeof *list->path, by_name);
    return code;
}

static int find_pictures(const cli_args *args, pictures *list)
{
    if (!args->operands) {
        cli_usage_error("expected pictures or folders: rescl predict --weights FILE photo.png");
        return CLI_USAGE;
    }
    for (size_t i = 0; i < args->operands; i++) {
        struct stat st;
        int code = CLI_OK;
        if (stat(args->operand[i], &st) == 0 && S_ISDIR(st.st_mode))
            code = add_folder(list, args->operand[i]);
        else if (!add_picture(list, cli_format("%s", args->operand[i])))
            code = CLI_FAILURE;
        if (code != CLI_OK)
            return code;
    }
    return CLI_OK;
}

/* Takes the k most probable classes in turn; equal ones by index. */
static void show(const rescl_model *model, const float *probs, size_t classes, size_t k,
                 const char *path, json_t *list)
{
    json_t *top = list ? json_array() : NULL;
    if (!list)
        printf("%s:", path);
    double limit = 2;
    size_t after = 0;
    for (size_t i = 0; i < k; i++) {
        size_t best = classes;
        for (size_t c = 0; c < classes; c++) {
            bool left = (double)probs[c] < limit || ((double)probs[c] == limit && c > after);
            if (left && (best == classes || probs[c] > probs[best]))
                best = c;
        }
        if (best == classes)
            break;
        limit = (double)probs[best];
        after = best;
        const char *name = rescl_model_class_name(model, best);
        if (!list) {
            printf("%s %s %.2f %%", i ? "," : "", name, 100 * limit);
            continue;
        }
        json_t *one = json_object();
        cli_json_set(one, "class", cli_json_string(name));
        cli_json_set(one, "index", json_integer((json_int_t)best));
        cli_json_set(one, "probability", cli_json_real(limit));
        json_array_append_new(top, one);
    }
    if (!list) {
        putchar('\n');
        return;
    }
    json_t *row = json_object();
    cli_json_set(row, "file", cli_json_string(path));
    cli_json_set(row, "predictions", top);
    json_array_append_new(list, row);
}

/* Names pictures `batch` at a time. A file that cannot be read is reported, and the others go on.
 */
static int predict_all(const cli_args *args, const rescl_model *model, rescl_predictor *predictor,
                       const pictures *list, size_t batch, json_t *json)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    size_t k = cli_size(args, OPT_topk) < info.classes ? cli_size(args, OPT_topk) : info.classes;
    int code = CLI_OK;
    rescl_image *images = calloc(batch, sizeof *images);
    const char **names = calloc(batch, sizeof *names);
    float *probs = calloc(batch * info.classes, sizeof *probs);
    if (!images || !names || !probs) {
        cli_error("out of memory");
        code = CLI_FAILURE;
    }
    for (size_t next = 0; next < list->count && code != CLI_FAILURE && code != CLI_DEVICE;) {
        size_t n = 0;
        for (; n < batch && next < list->count; next++) {
            rescl_status st = rescl_image_read(list->path[next], &images[n]);
            if (st == RESCL_OK)
                names[n++] = list->path[next];
            else
                code = cli_fail(st, false);
        }
        rescl_status st = n ? rescl_predict(predictor, images, n, probs) : RESCL_OK;
        for (size_t i = 0; i < n; i++) {
            if (st == RESCL_OK)
                show(model, probs + i * info.classes, info.classes, k, names[i], json);
            rescl_image_free(&images[i]);
        }
        if (st != RESCL_OK) {
            code = cli_fail(st, false);
            break;
        }
    }
    free(images);
    free(names);
    free(probs);
    return code;
}

int cmd_predict(const cli_args *args)
{
    cli_session session = {0};
    rescl_model *model = NULL;
    rescl_predictor *predictor = NULL;
    pictures list = {0};
    json_t *json = NULL;
    char *path = NULL;
    int code = find_pictures(args, &list);
    if (code != CLI_OK || (code = cli_weights_load(args, &model, &path)) != CLI_OK ||
        (code = cli_session_open(args, 0, &session)) != CLI_OK)
        goto out;
    size_t batch = cli_size(args, OPT_batch_size);
    batch = list.count < batch ? list.count : batch;
    rescl_status st = rescl_predictor_create(session.device, model, batch, &predictor);
    if (st != RESCL_OK) {
        code = cli_fail(st, false);
        goto out;
    }
    json = cli_bool(args, OPT_json) ? json_array() : NULL;
    code = predict_all(args, model, predictor, &list, batch, json);
    if (json) {
        int printed = cli_json_print(json);
        code = code == CLI_OK ? printed : code;
    }
out:
    rescl_predictor_destroy(predictor);
    cli_session_close(&session);
    rescl_model_destroy(model);
    for (size_t i = 0; i < list.count; i++)
        free(list.path[i]);
    free(list.path);
    free(path);
    return code;
}
