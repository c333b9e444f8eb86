#include "lossjson.h"

#include "error.h"

#include <string.h>

json_t *rs_loss_json(const rs_ckpt_model *m)
{
    json_t *out;
    if (m->loss == RESCL_LOSS_CROSS_ENTROPY)
        return NULL;
    if (m->loss == RESCL_LOSS_BCE)
        out = json_pack("{s:s, s:f}", "name", rescl_loss_name(m->loss), "target_thresh",
                        m->bce_target_thresh);
    else
        out = json_pack("{s:s, s:f, s:f}", "name", rescl_loss_name(m->loss), "gamma",
                        m->focal_gamma, "alpha", m->focal_alpha);
    if (m->multi_label)
        json_object_set_new(out, "multi_label", json_true());
    return out;
}

/* Numbers out of range are refused where the model is made. */
static double number_of(const json_t *loss, const char *key)
{
    return json_number_value(json_object_get(loss, key));
}

rescl_status rs_loss_parse(const json_t *model, const char *path, rs_ckpt_model *m)
{
    rescl_status st = RESCL_OK;
    const json_t *loss = json_object_get(model, "loss");
    const char *name = json_string_value(json_object_get(loss, "name"));
    const char *known;
    int i = 0;
    if (!loss)
        goto out;
    while ((known = rescl_loss_name((rescl_loss)i)) != NULL && name && strcmp(name, known) != 0)
        i++;
    RS_FAIL_IF(!name || !known, RESCL_ERR_FORMAT,
               "%s: metadata 'model' has a loss that this version does not know: '%.80s'", path,
               name ? name : "");
    m->loss = (rescl_loss)i;
    m->bce_target_thresh = number_of(loss, "target_thresh");
    m->focal_gamma = number_of(loss, "gamma");
    m->focal_alpha = number_of(loss, "alpha");
    m->multi_label = json_is_true(json_object_get(loss, "multi_label"));
out:
    return st;
}
