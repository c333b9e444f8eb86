#include "kerasfile.h"

#include "checkpoint.h"
#include "error.h"
#include "str.h"

#include <string.h>

#define WHOLE_MODEL "model_weights" /* the group of a whole model that holds its weights */

/* Weights of one layer. A weight's name is a path below the layer's group; Keras 1's has no slash.
 */
static rescl_status scan_layer(rs_h5_scan *scan, const char *group)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings weights = {0};
    rs_str path = {0};
    RS_TRY(rs_h5_scan_strings(scan, group, "weight_names", &weights));
    for (size_t i = 0; i < weights.count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s/%s", group, weights.text[i]));
        RS_TRY(rs_h5_scan_array(scan, path.text));
    }
out:
    rs_str_fini(&path);
    rs_h5_strings_fini(&weights);
    return st;
}

static rescl_status check_backend(rs_h5_scan *scan, const char *root)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings backend = {0};
    RS_TRY(rs_h5_scan_strings(scan, root, "backend", &backend));
    RS_FAIL_IF(
        backend.count > 0 && strcmp(backend.text[0], "theano") == 0, RESCL_ERR_UNSUPPORTED,
        "%s: was saved with Keras' Theano backend, whose kernels are mirrored; save it again "
        "with the TensorFlow backend",
        rs_h5_scan_path(scan));
out:
    rs_h5_strings_fini(&backend);
    return st;
}

/* What rescl wrote of the model. */
static rescl_status scan_model(rs_h5_scan *scan)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings model = {0};
    RS_TRY(rs_h5_scan_strings(scan, "/", RS_MODEL_KEY, &model));
    if (model.count > 0)
        RS_TRY(rs_h5_scan_note(scan, RS_MODEL_KEY, model.text[0]));
out:
    rs_h5_strings_fini(&model);
    return st;
}

/* Runs in the child process of h5file.h. */
static rescl_status scan_keras(rs_h5_scan *scan, const void *arg)
{
    rescl_status st = RESCL_OK;
    const bool whole = rs_h5_scan_has_group(scan, WHOLE_MODEL);
    const char *root = whole ? WHOLE_MODEL : "/";
    rs_h5_strings layers = {0};
    rs_str path = {0};
    (void)arg;
    RS_TRY(rs_h5_scan_strings(scan, root, "layer_names", &layers));
    RS_FAIL_IF(layers.count == 0 && rs_h5_scan_has_group(scan, "layers"), RESCL_ERR_UNSUPPORTED,
               "%s: is in Keras 3's .weights.h5 form, which keeps no names of layers; write the "
               "model with model.save('model.h5')",
               rs_h5_scan_path(scan));
    RS_FAIL_IF(layers.count == 0, RESCL_ERR_FORMAT,
               "%s: holds no weights of Keras: neither / nor " WHOLE_MODEL
               " has the attribute layer_names",
               rs_h5_scan_path(scan));
    RS_TRY(check_backend(scan, root));
    RS_TRY(scan_model(scan));
    for (size_t i = 0; i < layers.count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s%s%s", whole ? WHOLE_MODEL : "", whole ? "/" : "",
                              layers.text[i]));
        RS_TRY(scan_layer(scan, path.text));
    }
out:
    rs_str_fini(&path);
    rs_h5_strings_fini(&layers);
    return st;
}

rescl_status rs_keras_open(const char *path, rs_h5_file **out)
{
    return rs_h5_open(path, scan_keras, NULL, out);
}

const char *rs_keras_weight_name(const rs_h5_array *a)
{
    const char *at = a->name + strlen(a->name);
    for (int slashes = 0; at > a->name; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    return at;
}
