/* What is in PyTorch's pickles: tensors, and the dict of them that is a model's weights.
 *
 * A tensor is a call of torch._utils._rebuild_tensor_v2 or its kin with a storage, which is outside
 * the pickle, and how it lies in it. */
#ifndef RS_TORCHPICKLE_H
#define RS_TORCHPICKLE_H

#include "pickle.h"
#include "safetensors.h"
#include "str.h"

/* An rs_pickle_global_fn. It takes what PyTorch writes into weights and checkpoints; other names of
 * classes and functions are errors that say what was found and the cure. */
typedef struct rs_torch_source {
    const char *path;
    const void *pickle; /* as far as it is read: tells modules from other objects */
    size_t bytes;
} rs_torch_source;

rescl_status rs_torch_allow(const char *global, const void *source) RESCL_CHECK;

/* A storage: ("storage", type, key, location, count, view), persistent in the pickle. */
typedef struct rs_torch_storage {
    const char *key;
    const char *type; /* "torch.FloatStorage" */
    bool known;       /* whether the next one is: rescl has the type */
    rs_st_dtype dtype;
    size_t value_bytes;
    uint64_t count; /* of the whole */
    uint64_t first; /* value of it that is this storage's first, where it is a view */
} rs_torch_storage;

rescl_status rs_torch_storage_parse(const char *path, const rs_pickle_value *v,
                                    rs_torch_storage *out) RESCL_CHECK;

typedef struct rs_torch_tensor {
    rs_torch_storage storage;
    rs_st_dtype dtype;
    size_t ndim, dim[RS_ST_MAX_DIMS], stride[RS_ST_MAX_DIMS]; /* strides count values */
    uint64_t begin; /* bytes before its first value in the whole storage */
    size_t span;    /* bytes from there to the end of its last value */
    bool packed;    /* its values lie in their order and without gaps */
} rs_torch_tensor;

/* Whether it stands for a tensor, be it of a kind that is not read. */
bool rs_torch_is_tensor(const rs_pickle_value *v);
/* `name` is for messages. RESCL_ERR_FORMAT for tensors that are quantised, sparse and the like.
 * A tensor lies within its storage: begin + span fits storage.count * storage.value_bytes. */
rescl_status rs_torch_tensor_parse(const char *path, const char *name, const rs_pickle_value *v,
                                   rs_torch_tensor *out) RESCL_CHECK;

/* The dict of tensors that is a model's weights: what was saved, or what it holds under one of the
 * usual keys of checkpoints ("state_dict_ema", "state_dict", "model", ...). `about` says which, where
 * there was a choice. */
rescl_status rs_torch_find_weights(const char *path, const rs_pickle_value *root,
                                   const rs_pickle_value **out, rs_str *about) RESCL_CHECK;

#endif
