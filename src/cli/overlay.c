#include "overlay.h"

#include "alloc.h"
#include "cli.h"
#include "output.h"
#include "run_folder.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

int cli_saliency_open(cli_saliency *s, const char *folder, rescl_predictor *predictor)
{
    const char *layer = NULL;
    size_t height = 0, width = 0;
    *s = (cli_saliency){.folder = folder, .predictor = predictor};
    if (!folder)
        return CLI_OK;
    rescl_status st = rescl_predictor_saliency_size(predictor, &height, &width);
    if (st == RESCL_OK)
        st = rescl_predictor_saliency_layer(predictor, &layer);
    if (st != RESCL_OK) {
        const int code = cli_fail(st, false);
        return st == RESCL_ERR_UNSUPPORTED ? CLI_USAGE : code;
    }
    s->layer = layer;
    cli_note("map     %zux%zu, of layer '%s'", height, width, layer);
    s->map = calloc(height * width, sizeof *s->map);
    if (!s->map) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    return cli_make_folders(folder) ? CLI_OK : CLI_FILE;
}

void cli_saliency_close(cli_saliency *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->taken[i]);
    free(s->taken);
    free(s->map);
    *s = (cli_saliency){0};
}

static bool is_taken(const cli_saliency *s, const char *path)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->taken[i], path) == 0)
            return true;
    return false;
}

/* "photo" of "x/photo.jpg", "stdin" of "-". Free it. */
static char *stem_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    if (strcmp(name, "-") == 0)
        base = "stdin";
    return rs_strf("%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

/* A path that this run has not written yet, kept in the list; NULL after a message. */
static const char *take_path(cli_saliency *s, const char *name)
{
    char *stem = stem_of(name), *path = NULL;
    for (size_t i = 1; stem && (i == 1 || (path && is_taken(s, path))); i++) {
        free(path);
        path = i == 1 ? rs_strf("%s/%s-saliency.png", s->folder, stem)
                      : rs_strf("%s/%s-saliency-%zu.png", s->folder, stem, i);
    }
    free(stem);
    if (!path || !rs_array_grow(&s->taken, &s->room, s->count + 1, sizeof *s->taken)) {
        cli_short_of_memory();
        free(path);
        return NULL;
    }
    s->taken[s->count++] = path;
    return path;
}

int cli_saliency_write(cli_saliency *s, const char *name, const rescl_image *image, size_t index,
                       size_t class_index, const char **path)
{
    rescl_image overlay = {0};
    *path = take_path(s, name);
    if (!*path)
        return CLI_FAILURE;
    rescl_status st = rescl_predictor_saliency(s->predictor, index, class_index, s->map);
    if (st == RESCL_OK)
        st = rescl_predictor_saliency_overlay(s->predictor, image, s->map, &overlay);
    if (st == RESCL_OK)
        st = rescl_image_write(*path, &overlay);
    rescl_image_free(&overlay);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}
