#include "modelundo.h"

#include "error.h"
#include "modelfile.h"
#include "str.h"

#include <stdlib.h>

static void free_names(char **name, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        free(name[i]);
    free(name);
}

rescl_status rs_model_undo_begin(rescl_model *model, rs_model_undo *out)
{
    rescl_status st = RESCL_OK;
    char **names = NULL;

    RS_OOM(names = calloc(model->classes + 1, sizeof *names));
    for (size_t i = 0; i < model->classes; i++)
        RS_OOM(names[i] = rs_strf("%s", model->class_name[i]));
    *out = (rs_model_undo){.model = model,
                           .class_name = names,
                           .trained_on = model->trained_on,
                           .sample_bits = model->sample_bits,
                           .preprocess = model->preprocess,
                           .normalize = model->normalize,
                           .bn_eps = rs_ckpt_model_of(model).bn_eps};
    names = NULL;
out:
    free_names(names, model->classes);
    return st;
}

void rs_model_undo_end(rs_model_undo *u, bool undo)
{
    rescl_model *m = u->model;

    if (!m)
        return;
    if (undo) {
        char **names = m->class_name;
        m->class_name = u->class_name;
        u->class_name = names;
        m->trained_on = u->trained_on;
        m->sample_bits = u->sample_bits;
        rs_model_take_over(m, u->preprocess, &u->normalize, u->bn_eps);
        m->normalize = u->normalize;
    }
    if (undo && u->weights.count > 0) {
        const rs_weights now = m->weights;
        m->weights = u->weights;
        u->weights = now;
    }
    free_names(u->class_name, m->classes);
    rs_weights_fini(&u->weights);
    *u = (rs_model_undo){0};
}
