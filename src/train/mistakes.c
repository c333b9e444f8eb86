#include "mistakes.h"

#include "colour.h"
#include "dataset.h"
#include "error.h"
#include "heatmap.h"
#include "image.h"
#include "imagesheet.h"
#include "jsonvalue.h"
#include "netmodel.h"
#include "path.h"
#include "predictor.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

/* ---- choosing ----------------------------------------------------------------------------- */

static int by_loss(const void *a, const void *b)
{
    const rescl_image_scores *x = a, *y = b;
    return (x->loss < y->loss) - (x->loss > y->loss);
}

static bool has_pair(const rs_mistakes *m, const rescl_confused_pair *pair)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->image[i].label == pair->label && m->image[i].prediction == pair->prediction)
            return true;
    return false;
}

/* `wrong` is sorted by loss. */
static void add_pair(rs_mistakes *m, const rescl_image_scores *wrong, size_t count,
                     const rescl_confused_pair *pair)
{
    for (size_t i = 0; i < count; i++) {
        if (wrong[i].label != pair->label || wrong[i].prediction != pair->prediction)
            continue;
        m->image[m->count++] = wrong[i];
        return;
    }
}

rescl_status rs_mistakes_choose(const rescl_scores *scores, rs_mistakes *out)
{
    rescl_status st = RESCL_OK;
    rescl_image_scores *wrong = NULL, image;
    rescl_confused_pair pair[RS_PAIR_MISTAKES];
    size_t count = 0, pairs;

    *out = (rs_mistakes){.chosen = true};
    if (rescl_scores_multi_label(scores))
        goto out; /* no class was taken for another one */
    RS_OOM(wrong = calloc(rescl_scores_images(scores) + 1, sizeof *wrong));
    for (size_t i = 0; rescl_scores_image(scores, i, &image); i++)
        if (image.label != image.prediction)
            wrong[count++] = image;
    qsort(wrong, count, sizeof *wrong, by_loss);
    while (out->count < count && out->count < RS_WORST_MISTAKES) {
        out->image[out->count] = wrong[out->count];
        out->count++;
    }
    RS_TRY(rescl_scores_confused(scores, RS_PAIR_MISTAKES, pair, &pairs));
    for (size_t i = 0; i < pairs; i++)
        if (!has_pair(out, &pair[i]))
            add_pair(out, wrong, count, &pair[i]);
out:
    free(wrong);
    return st;
}

/* ---- what spoke for them ------------------------------------------------------------------ */

typedef struct explained {
    const rs_run_info *run;
    const rs_mistakes *m;
    size_t batch;    /* images that the team evaluates at once */
    size_t bytes;    /* of an image */
    uint8_t *pixels; /* (count, rounded up to whole batches), inputs of the network */
    int32_t *labels; /* (batch) */
    float *features; /* of one image */
    float *map;      /* of one image */
    uint8_t *pair;   /* (2): the input and its overlay */
    rs_weights had;  /* by the team */
    rescl_model *best;
} explained;

static void free_explained(explained *e)
{
    free(e->pixels);
    free(e->labels);
    free(e->features);
    free(e->map);
    free(e->pair);
    rs_weights_fini(&e->had);
    rescl_model_destroy(e->best);
}

static bool has_maps(const rescl_model *m)
{
    const rs_graph *g = m->graph;
    return g->features >= 0 && g->value[g->features].shape.dim[1] >= RS_FEATURES_SIDE &&
           g->value[g->features].shape.dim[2] >= RS_FEATURES_SIDE;
}

static rescl_status read_inputs(explained *e)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = e->run->model;
    rescl_image image = {0};
    int32_t label;

    for (size_t i = 0; i < e->m->count; i++) {
        RS_TRY(rescl_dataset_get(e->run->eval_set, e->m->image[i].sample, &image, &label));
        RS_TRY(rs_image_convert(&image, m->channels, m->graph->bit_depth));
        if (m->channels == 1)
            rs_image_grey(&image);
        RS_TRY(rs_image_to_input(&image, m->image_size, m->image_size, &m->resize, m->preprocess,
                                 e->pixels + i * e->bytes));
        rescl_image_free(&image);
    }
out:
    rescl_image_free(&image);
    return st;
}

static rescl_status prepare(explained *e, bool maps)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = e->run->model;
    const rs_split split =
        rs_split_batches(e->run->eval_set->count, e->run->options->batch_size, 0);
    char *path = NULL;

    e->batch = split.full ? e->run->options->batch_size : split.tail;
    e->bytes = rs_model_input_bytes(m);
    RS_OOM(e->pixels = calloc(e->m->count + e->batch, e->bytes));
    RS_OOM(e->labels = calloc(e->batch, sizeof *e->labels));
    RS_OOM(e->pair = calloc(2, e->bytes));
    RS_TRY(read_inputs(e));
    if (!maps || !has_maps(m))
        goto out;
    const rs_shape *shape = &m->graph->value[m->graph->features].shape;
    RS_OOM(e->features =
               calloc(shape->dim[1] * shape->dim[2] * shape->dim[3], sizeof *e->features));
    RS_OOM(e->map = calloc(shape->dim[1] * shape->dim[2], sizeof *e->map));
    RS_OOM(path = rs_path_join(e->run->folder, "weights/best.safetensors"));
    RS_TRY(rescl_model_load(path, &e->best));
    RS_TRY(rs_weights_create(m->graph, &e->had));
    RS_TRY(rs_team_download(e->run->team, &e->had));
out:
    free(path);
    return st;
}

static rescl_status upload(rs_team *team, const rs_weights *w)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < w->count; i++)
        RS_TRY(rs_team_write_param(team, i, false, w->data[i]));
out:
    return st;
}

/* The input and its overlay beside each other, as PNG. */
static rescl_status write_image(const explained *e, size_t index)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = e->run->model;
    const size_t side = m->image_size;
    const rescl_image input = {.width = side,
                               .height = side,
                               .pixels = e->pair,
                               .channels = rs_pixel_samples(m->channels),
                               .bit_depth = m->graph->bit_depth};
    const rs_view whole = {.width = side, .height = side};
    rescl_image overlay = {0};
    uint8_t *png = NULL;
    char *path = NULL;
    size_t bytes, width, height;

    memcpy(e->pair, e->pixels + index * e->bytes, e->bytes);
    if (e->map) {
        const rs_shape *shape = &m->graph->value[m->graph->features].shape;
        const rs_heatmap heat = {shape->dim[1], shape->dim[2], e->map};
        RS_TRY(rs_heatmap_overlay(&heat, &input, &whole, side, side, &overlay));
        RS_TRY(rs_image_convert(&overlay, m->channels, m->graph->bit_depth));
        rs_image_to_network(m->preprocess, &overlay);
        memcpy(e->pair + e->bytes, overlay.pixels, e->bytes);
    }
    RS_OOM(path = rs_strf("%s/images/mistake-%zu.png", e->run->folder, index + 1));
    RS_TRY(rs_tiles_png(m, e->pair, e->map ? 2 : 1, 2, &png, &bytes, &width, &height));
    RS_TRY(rs_file_write(path, png, bytes));
out:
    rescl_image_free(&overlay);
    free(png);
    free(path);
    return st;
}

/* The maps of one batch, which starts at image `first`. */
static rescl_status explain_batch(const explained *e, size_t first)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = e->run->model;
    float table[RS_PIXEL_CHANNELS][256];
    rs_outputs out;
    rs_batch batch = {.n = e->batch,
                      .pixels = e->pixels + first * e->bytes,
                      .table = (const float(*)[256])table,
                      .labels = e->labels};

    if (e->map) {
        RS_TRY(rs_preprocess_table(m->preprocess, &m->normalize, m->channels, table));
        RS_TRY(rs_team_evaluate(e->run->team, &batch, NULL, &out));
    }
    for (size_t i = first; i < e->m->count && i < first + e->batch; i++) {
        if (e->map) {
            RS_TRY(rs_team_features(e->run->team, i - first, e->features));
            RS_TRY(rs_grad_cam(m->graph, &e->best->weights, e->features,
                               (size_t)e->m->image[i].prediction, e->map));
        }
        RS_TRY(write_image(e, i));
    }
out:
    return st;
}

static rescl_status list_image(const explained *e, size_t index, json_t *list)
{
    rescl_status st = RESCL_OK;
    const rescl_dataset *set = e->run->eval_set;
    const rescl_image_scores *i = &e->m->image[index];
    char *const *name = e->run->model->class_name;
    const char *path =
        set->format->path ? set->format->path(set, rs_dataset_index(set, i->sample)) : NULL;
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *file = NULL, *place = NULL;

    RS_OOM(file = rs_strf("images/mistake-%zu.png", index + 1));
    RS_OOM(place = rs_strf("image %zu", i->sample));
    json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:f, s:f}", "file", file, "path",
                                          rs_json_text(slash  ? slash + 1
                                                       : path ? path
                                                              : place),
                                          "label", rs_json_text(name[i->label]), "prediction",
                                          rs_json_text(name[i->prediction]), "probability",
                                          i->probability, "loss", i->loss));
out:
    free(file);
    free(place);
    return st;
}

rescl_status rs_mistakes_drop(const char *folder)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;

    for (size_t i = 0; i < RS_WORST_MISTAKES + RS_PAIR_MISTAKES; i++) {
        RS_OOM(path = rs_strf("%s/images/mistake-%zu.png", folder, i + 1));
        RS_TRY(rs_file_remove(path));
        free(path);
        path = NULL;
    }
out:
    free(path);
    return st;
}

rescl_status rs_mistakes_write(const rs_mistakes *m, const rs_run_info *run, bool maps,
                               json_t *list, const char **layer)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = run->model->graph;
    explained e = {.run = run, .m = m};
    bool changed = false;

    *layer = NULL;
    RS_TRY(rs_mistakes_drop(run->folder));
    if (m->count == 0)
        goto out;
    RS_TRY(prepare(&e, maps));
    if (e.best) {
        changed = true;
        RS_TRY(upload(run->team, &e.best->weights));
        *layer = g->node[g->value[g->features].producer].name;
    }
    for (size_t first = 0; first < m->count; first += e.batch)
        RS_TRY(explain_batch(&e, first));
    for (size_t i = 0; i < m->count; i++)
        RS_TRY(list_image(&e, i, list));
out:
    if (changed) {
        const rescl_status back = upload(run->team, &e.had);
        st = st == RESCL_OK ? back : st;
    }
    free_explained(&e);
    return st;
}
