#include "modelfile.h"

#include "error.h"

rs_ckpt_model rs_model_describe(const rescl_model *m)
{
    return (rs_ckpt_model){.name = m->name,
                           .classes = m->classes,
                           .image_size = m->image_size,
                           .dropout = m->dropout,
                           .label_smoothing = m->label_smoothing,
                           .seed = m->seed,
                           .preprocess = m->preprocess,
                           .class_name = (const char *const *)m->class_name};
}

rescl_status rescl_model_save(const rescl_model *model, const char *path)
{
    const rs_ckpt_model about = rs_model_describe(model);
    return rs_checkpoint_write(path, model->graph, &model->weights, &about, NULL);
}

rescl_status rescl_model_load(const char *path, rescl_model **out)
{
    rescl_status st = RESCL_OK;
    rs_checkpoint *c = NULL;
    rescl_model *model = NULL;
    const rs_ckpt_model *about;

    RS_TRY(rs_checkpoint_open(path, &c));
    about = rs_checkpoint_model(c);
    RS_FAIL_IF(
        !about, RESCL_ERR_FORMAT,
        "%s: does not say which model it is of; build the model by name and load the weights "
        "into it",
        path);
    const rescl_model_options options = {.name = about->name,
                                         .classes = about->classes,
                                         .image_size = about->image_size,
                                         .dropout = about->dropout,
                                         .label_smoothing = about->label_smoothing,
                                         .seed = about->seed,
                                         .class_names = about->class_name};
    RS_TRY(rs_model_build(&options, &model));
    model->preprocess = about->preprocess;
    RS_TRY(rs_checkpoint_fits(c, model->graph)); /* before the weights take memory */
    RS_TRY(rs_weights_create(model->graph, &model->weights));
    RS_TRY(rs_checkpoint_read_weights(c, model->graph, &model->weights));
    *out = model, model = NULL;
out:
    rescl_model_destroy(model);
    rs_checkpoint_close(c);
    return st;
}

rescl_status rescl_model_load_weights(rescl_model *model, const char *path)
{
    rescl_status st = RESCL_OK;
    rs_checkpoint *c = NULL;

    RS_TRY(rs_checkpoint_open(path, &c));
    RS_TRY(rs_checkpoint_read_weights(c, model->graph, &model->weights));
out:
    rs_checkpoint_close(c);
    return st;
}
