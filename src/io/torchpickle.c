#include "torchpickle.h"

#include "alloc.h"
#include "error.h"

#include <inttypes.h>
#include <string.h>

typedef rs_pickle_value value;

/* ---- names --------------------------------------------------------------------------------- */

/* What may be named: a whole name, or with a '.' or '_' or '*' at the end all that begin so. Nothing
 * of it is ever called. Tensors and their storages are read, the rest passed over. */
static const char *const allowed[] = {
    "torch._utils._rebuild_*",
    "torch._tensor._rebuild_from_type*",
    "torch.tensor._rebuild_from_type*",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.Tensor",
    "torch._C._TensorBase",
    "torch.storage.*",
    "torch.serialization._get_layout",
    "torch.Size",
    "torch.device",
    "torch.dtype",
    "torch.Generator",
    "torch.torch_version.TorchVersion",
    "torch.optim.*",
    "torch.amp.*",
    "torch.cuda.amp.*",
    "torch.distributed.tensor.*",
    "torch.distributed._tensor.*",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "collections.deque",
    "argparse.Namespace",
    "types.SimpleNamespace",
    "datetime.*",
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
    "pathlib.*",
    "typing.Any",
    "_codecs.encode",
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.numeric._frombuffer",
    "numpy.core.numeric._frombuffer",
    "numpy.dtypes.*",
    "numpy.random.*",
    "numpy.bool_",
    "numpy.float16",
    "numpy.float32",
    "numpy.float64",
    "numpy.int32",
    "numpy.int64",
    "omegaconf.*",
    "yacs.config.CfgNode",
    "easydict.EasyDict",
    "addict.addict.Dict",
    "mmengine.config.*",
    "mmengine.logging.*",
    "lightning_fabric.*",
    "lightning.fabric.*",
    "lightning.pytorch.*",
    "pytorch_lightning.*",
};

/* Of Python itself, as builtins or, by Python 2, __builtin__. */
static const char *const builtins[] = {
    "set",   "frozenset", "dict",    "list",  "tuple", "int",    "float",  "bool", "str",
    "bytes", "bytearray", "complex", "slice", "range", "xrange", "object", "long", "unicode"};

/* Modules that only a file that is made to do harm asks for. */
static const char *const harmful[] = {
    "os",          "posix",
    "nt",          "subprocess",
    "sys",         "shutil",
    "socket",      "importlib",
    "runpy",       "pty",
    "ctypes",      "webbrowser",
    "code",        "codeop",
    "commands",    "platform",
    "builtins",    "__builtin__",
    "timeit",      "pdb",
    "bdb",         "operator",
    "requests",    "urllib",
    "http",        "multiprocessing",
    "asyncio",     "tempfile",
    "pickle",      "marshal",
    "cloudpickle",
};

/* Packages whose objects in a file are networks. */
static const char *const networks[] = {"torch.nn.",
                                       "torch.fx.",
                                       "torchvision.",
                                       "timm.",
                                       "ultralytics.",
                                       "models.",
                                       "__torch__.",
                                       "transformers.",
                                       "efficientnet_pytorch.",
                                       "segmentation_models_pytorch.",
                                       "fastai."};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const char *after_builtins(const char *global)
{
    static const char *const modules[] = {"builtins.", "__builtin__."};
    for (size_t i = 0; i < RS_COUNT(modules); i++)
        if (begins(global, modules[i]))
            return global + strlen(modules[i]);
    return NULL;
}

/* "torch.float16", "torch.strided": lower-case letters, digits and '_' after the dot. */
static bool is_torch_constant(const char *global)
{
    static const char *const words[] = {
        "float",         "bfloat16",       "int",    "uint",
        "bool",          "complex",        "double", "half",
        "short",         "long",           "quint",  "qint",
        "strided",       "sparse_",        "per_",   "contiguous_format",
        "channels_last", "preserve_format"};
    if (!begins(global, "torch."))
        return false;
    const char *name = global + strlen("torch.");
    for (size_t i = 0; i < RS_COUNT(words); i++)
        if (begins(name, words[i]))
            return strchr(name, '.') == NULL;
    return false;
}

/* "torch.FloatStorage", "torch.cuda.HalfStorage" */
static bool is_storage_type(const char *global)
{
    static const char end[] = "Storage";
    const char *name = begins(global, "torch.cuda.") ? global + strlen("torch.cuda.")
                       : begins(global, "torch.")    ? global + strlen("torch.")
                                                     : NULL;
    const size_t len = name ? strlen(name) : 0;
    return len >= sizeof end - 1 && !strchr(name, '.') &&
           strcmp(name + len - (sizeof end - 1), end) == 0;
}

static bool is_allowed(const char *global)
{
    const char *builtin = after_builtins(global);
    for (size_t i = 0; builtin && i < RS_COUNT(builtins); i++)
        if (strcmp(builtin, builtins[i]) == 0)
            return true;
    for (size_t i = 0; i < RS_COUNT(allowed); i++) {
        const size_t len = strlen(allowed[i]);
        if (allowed[i][len - 1] == '*' ? strncmp(global, allowed[i], len - 1) == 0
                                       : strcmp(global, allowed[i]) == 0)
            return true;
    }
    return is_torch_constant(global) || is_storage_type(global);
}

static bool is_harmful(const char *global)
{
    for (size_t i = 0; i < RS_COUNT(harmful); i++) {
        const size_t len = strlen(harmful[i]);
        if (strncmp(global, harmful[i], len) == 0 && global[len] == '.')
            return true;
    }
    return false;
}

static bool holds_word(const rs_torch_source *s, const char *word)
{
    const char *at = s->pickle, *end = at + s->bytes;
    const size_t len = strlen(word);
    while ((at = memchr(at, word[0], (size_t)(end - at))) != NULL && (size_t)(end - at) >= len)
        if (memcmp(at++, word, len) == 0)
            return true;
    return false;
}

static bool is_network(const char *global, const rs_torch_source *s)
{
    for (size_t i = 0; i < RS_COUNT(networks); i++)
        if (begins(global, networks[i]))
            return true;
    return holds_word(s, "torch.nn.modules");
}

rescl_status rs_torch_allow(const char *global, const void *source)
{
    rescl_status st = RESCL_OK;
    const rs_torch_source *s = source;
    if (is_allowed(global))
        goto out;
    RS_FAIL_IF(
        is_harmful(global), RESCL_ERR_FORMAT,
        "%s: asks its reader to call '%.80s', which no weights need: rescl calls nothing and "
        "reads none of it; do not open this file in Python either, unless you trust who made "
        "it",
        s->path, global);
    RS_FAIL_IF(
        is_network(global, s), RESCL_ERR_FORMAT,
        "%s: holds a whole pickled module ('%.80s'), of which rescl reads the weights alone; "
        "in Python, where the module was made: torch.save(torch.load('%s', "
        "weights_only=False).state_dict(), 'weights.pth')",
        s->path, global, s->path);
    RS_FAIL(
        RESCL_ERR_FORMAT,
        "%s: holds an object of '%.80s'; rescl reads tensors, dicts, lists, numbers and strings, "
        "and makes no objects; save the weights alone: torch.save(model.state_dict(), "
        "'weights.pth')",
        s->path, global);
out:
    return st;
}

/* ---- storages ------------------------------------------------------------------------------ */

static const struct {
    const char *storage, *name; /* "FloatStorage"; of a dtype after "torch." */
    rs_st_dtype dtype;
} types[] = {
    {"FloatStorage", "float32", RS_ST_F32},
    {"DoubleStorage", "float64", RS_ST_F64},
    {"HalfStorage", "float16", RS_ST_F16},
    {"BFloat16Storage", "bfloat16", RS_ST_BF16},
    {"LongStorage", "int64", RS_ST_I64},
    {"IntStorage", "int32", RS_ST_I32},
    {"ShortStorage", "int16", RS_ST_I16},
    {"CharStorage", "int8", RS_ST_I8},
    {"ByteStorage", "uint8", RS_ST_U8},
    {"BoolStorage", "bool", RS_ST_BOOL},
    {"UntypedStorage", "uint8", RS_ST_U8},
    {NULL, "uint16", RS_ST_U16},
    {NULL, "uint32", RS_ST_U32},
    {NULL, "uint64", RS_ST_U64},
    {NULL, "float8_e4m3fn", RS_ST_F8_E4M3},
    {NULL, "float8_e5m2", RS_ST_F8_E5M2},
};

/* Bytes of a value of the storages that rescl knows no type for: where the next one begins in the
 * older form depends on it. */
static const struct {
    const char *storage;
    size_t bytes;
} unread[] = {{"ComplexFloatStorage", 8}, {"ComplexDoubleStorage", 16}, {"QInt8Storage", 1},
              {"QUInt8Storage", 1},       {"QInt32Storage", 4},         {"QUInt4x2Storage", 1},
              {"QUInt2x4Storage", 1}};

static const char *last_name(const char *global)
{
    const char *dot = strrchr(global, '.');
    return dot ? dot + 1 : global;
}

rescl_status rs_torch_storage_parse(const char *path, const value *v, rs_torch_storage *out)
{
    rescl_status st = RESCL_OK;
    const value *id = v && v->kind == RS_PICKLE_PERSISTENT ? v->args : NULL;
    const value *type = rs_pickle_at(id, 1), *key = rs_pickle_at(id, 2);
    const value *view = rs_pickle_at(id, 5);
    *out = (rs_torch_storage){0};
    RS_FAIL_IF(!rs_pickle_is_text(rs_pickle_at(id, 0), "storage"), RESCL_ERR_FORMAT,
               "%s: holds a '%.40s' that is no storage of a tensor; save the weights alone: "
               "torch.save(model.state_dict(), 'weights.pth')",
               path,
               rs_pickle_at(id, 0) && rs_pickle_at(id, 0)->text ? rs_pickle_at(id, 0)->text : "?");
    RS_FAIL_IF(
        !type || type->kind != RS_PICKLE_GLOBAL || !key || key->kind != RS_PICKLE_TEXT ||
            strlen(key->text) != key->len || !rs_pickle_size(rs_pickle_at(id, 4), &out->count),
        RESCL_ERR_FORMAT, "%s: a tensor's storage has no type, name or size; it is damaged", path);
    out->type = type->text;
    out->key = key->text;
    for (size_t i = 0; i < RS_COUNT(types); i++)
        if (types[i].storage && strcmp(last_name(type->text), types[i].storage) == 0) {
            out->known = true;
            out->dtype = types[i].dtype;
            out->value_bytes = rs_st_dtype_bytes(out->dtype);
        }
    for (size_t i = 0; i < RS_COUNT(unread); i++)
        if (strcmp(last_name(type->text), unread[i].storage) == 0)
            out->value_bytes = unread[i].bytes;
    RS_FAIL_IF(out->value_bytes == 0, RESCL_ERR_FORMAT,
               "%s: has a storage of the type %.60s, which rescl does not know", path, type->text);
    RS_FAIL_IF(out->count > INT64_MAX / out->value_bytes, RESCL_ERR_FORMAT,
               "%s: the storage '%.40s' says it has %" PRIu64 " values; it is damaged", path,
               out->key, out->count);
    if (view && view->kind != RS_PICKLE_NONE)
        RS_FAIL_IF(!rs_pickle_size(rs_pickle_at(view, 1), &out->first) || out->first > out->count,
                   RESCL_ERR_FORMAT, "%s: the view of the storage '%.40s' lies outside of it", path,
                   out->key);
out:
    return st;
}

/* ---- tensors ------------------------------------------------------------------------------- */

/* What makes the tensor: its function and arguments, within those that only add to it. */
static bool find_maker(const value *v, const char **global, const value **args)
{
    for (int depth = 0; v && v->kind == RS_PICKLE_CALL && depth < 4; depth++) {
        const char *name = rs_pickle_called(v);
        *global = name;
        *args = v->args;
        if (begins(name, "torch._tensor._rebuild_from_type") ||
            begins(name, "torch.tensor._rebuild_from_type")) {
            const value *made = rs_pickle_at(v->args, 0);
            *global = made && made->kind == RS_PICKLE_GLOBAL ? made->text : "";
            *args = rs_pickle_at(v->args, 2);
            return *args != NULL;
        }
        if (!begins(name, "torch._utils._rebuild_parameter") &&
            !begins(name, "torch.nn.parameter."))
            return begins(name, "torch._utils._rebuild_") || begins(name, "torch.distributed.");
        v = rs_pickle_at(v->args, 0);
    }
    return false;
}

bool rs_torch_is_tensor(const value *v)
{
    const char *global;
    const value *args;
    return find_maker(v, &global, &args);
}

/* Why a tensor that another function makes is not read, and what to do in Python. */
static rescl_status refuse_kind(const char *path, const char *name, const char *global)
{
    static const struct {
        const char *word, *kind, *cure;
    } kinds[] = {
        {"qtensor", "quantised", "save the model before it is quantised, or value.dequantize()"},
        {"sparse", "sparse", "save value.to_dense()"},
        {"nested", "a nested tensor", "save its parts"},
        {"meta", "without values (of the device meta)", "save the model with its weights loaded"},
        {"distributed", "spread over several processes", "save value.full_tensor()"},
    };
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < RS_COUNT(kinds); i++)
        RS_FAIL_IF(strstr(global, kinds[i].word), RESCL_ERR_FORMAT,
                   "%s: tensor '%.80s' is %s, which rescl does not read; in Python, %s", path, name,
                   kinds[i].kind, kinds[i].cure);
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s: tensor '%.80s' is made by %.80s, which rescl does not read; in Python, save "
            "value.detach().cpu().clone()",
            path, name, global);
out:
    return st;
}

static rescl_status settle_dtype(const char *path, const char *name, const value *dtype,
                                 rs_torch_tensor *t)
{
    rescl_status st = RESCL_OK;
    const char *word = dtype && dtype->kind == RS_PICKLE_GLOBAL ? last_name(dtype->text) : NULL;
    if (!dtype) {
        RS_FAIL_IF(!t->storage.known, RESCL_ERR_FORMAT,
                   "%s: tensor '%.80s' is of the type %s, which rescl does not read", path, name,
                   begins(last_name(t->storage.type), "Q") ? "of quantised tensors"
                   : t->storage.value_bytes == 8           ? "complex64"
                                                           : "complex128");
        t->dtype = t->storage.dtype;
        goto out;
    }
    for (size_t i = 0; word && i < RS_COUNT(types); i++)
        if (strcmp(types[i].name, word) == 0) {
            t->dtype = types[i].dtype;
            goto out;
        }
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s: tensor '%.80s' is of the type %.40s, which rescl does not "
            "read",
            path, name, word ? word : "?");
out:
    return st;
}

static rescl_status settle_shape(const char *path, const char *name, const value *size,
                                 const value *stride, rs_torch_tensor *t)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = rs_st_dtype_bytes(t->dtype);
    size_t count = 1, last = 0, reach;
    if (rs_pickle_is_call(size, "torch.Size"))
        size = rs_pickle_at(size->args, 0);
    RS_FAIL_IF(!size || !stride || size->kind != RS_PICKLE_TUPLE ||
                   stride->kind != RS_PICKLE_TUPLE || size->count != stride->count,
               RESCL_ERR_FORMAT, "%s: tensor '%.80s' has no shape or strides; it is damaged", path,
               name);
    RS_FAIL_IF(size->count > RS_ST_MAX_DIMS, RESCL_ERR_FORMAT,
               "%s: tensor '%.80s' has %zu dimensions; at most %d are read", path, name,
               size->count, RS_ST_MAX_DIMS);
    t->ndim = size->count;
    t->packed = true;
    for (size_t i = t->ndim; i-- > 0;) {
        uint64_t dim, step;
        RS_FAIL_IF(!rs_pickle_size(size->item[i], &dim) ||
                       !rs_pickle_size(stride->item[i], &step) || dim > SIZE_MAX || step > SIZE_MAX,
                   RESCL_ERR_FORMAT, "%s: tensor '%.80s': dimension %zu is not a size", path, name,
                   i);
        t->dim[i] = (size_t)dim;
        t->stride[i] = (size_t)step;
        t->packed = t->packed && (dim == 1 || step == count);
        RS_FAIL_IF(!rs_mul_size(count, t->dim[i], &count) || !rs_mul_size(count, 8, &reach),
                   RESCL_ERR_FORMAT, "%s: tensor '%.80s': the shape overflows", path, name);
        if (dim > 0)
            RS_FAIL_IF(!rs_mul_size(t->dim[i] - 1, t->stride[i], &reach) ||
                           !rs_add_size(last, reach, &last),
                       RESCL_ERR_FORMAT, "%s: tensor '%.80s': the strides overflow", path, name);
    }
    RS_FAIL_IF(!rs_add_size(last, 1, &reach) || !rs_mul_size(reach, bytes, &t->span),
               RESCL_ERR_FORMAT, "%s: tensor '%.80s': the strides overflow", path, name);
    if (count == 0) {
        t->span = 0;
        t->packed = true;
    }
out:
    return st;
}

rescl_status rs_torch_tensor_parse(const char *path, const char *name, const value *v,
                                   rs_torch_tensor *out)
{
    rescl_status st = RESCL_OK;
    static const char rebuild[] = "torch._utils._rebuild_tensor";
    const char *global = "";
    const value *args = NULL;
    uint64_t offset;
    *out = (rs_torch_tensor){0};
    RS_FAIL_IF(!find_maker(v, &global, &args), RESCL_ERR_FORMAT, "%s: '%.80s' is no tensor", path,
               name);
    const char *version = begins(global, rebuild) ? global + sizeof rebuild - 1 : "other";
    const bool third = strcmp(version, "_v3") == 0;
    if (!third && strcmp(version, "_v2") != 0 && *version != '\0')
        RS_TRY(refuse_kind(path, name, global));
    RS_TRY(rs_torch_storage_parse(path, rs_pickle_at(args, 0), &out->storage));
    const rs_torch_storage *s = &out->storage;
    RS_TRY(settle_dtype(path, name, third ? rs_pickle_at(args, 6) : NULL, out));
    RS_TRY(settle_shape(path, name, rs_pickle_at(args, 2), rs_pickle_at(args, 3), out));
    const uint64_t all = s->count * s->value_bytes, bytes = rs_st_dtype_bytes(out->dtype);
    RS_FAIL_IF(!rs_pickle_size(rs_pickle_at(args, 1), &offset) || offset > all / bytes,
               RESCL_ERR_FORMAT, "%s: tensor '%.80s' begins outside its storage; it is damaged",
               path, name);
    out->begin = s->first * s->value_bytes + offset * bytes;
    RS_FAIL_IF(out->begin > all || out->span > all - out->begin, RESCL_ERR_FORMAT,
               "%s: tensor '%.80s' ends at byte %" PRIu64 " of its storage, which has %" PRIu64
               "; it is damaged",
               path, name, out->begin + out->span, all);
out:
    return st;
}

/* ---- the weights of a checkpoint ----------------------------------------------------------- */

/* Keys under which training scripts keep weights, the averaged ones first. */
static const char *const usual[] = {
    "state_dict_ema", "model_ema",  "ema_state_dict",   "ema_model",   "ema",
    "params_ema",     "state_dict", "model_state_dict", "model_state", "model",
    "net_state_dict", "net",        "network",          "module",      "weights",
    "params",
};

enum { DEEPEST = 4, MOST_DICTS = 64 };

/* Whether it holds tensors itself, and with `matrices` one of at least two dimensions. */
static bool holds_tensors(const value *v, bool matrices)
{
    const char *global;
    const value *args;
    for (size_t i = 1; v && v->kind == RS_PICKLE_DICT && i < v->count; i += 2) {
        if (!find_maker(v->item[i], &global, &args))
            continue;
        const value *size = rs_pickle_at(args, 2);
        if (!matrices || (size && size->kind == RS_PICKLE_TUPLE && size->count >= 2))
            return true;
    }
    return false;
}

/* Under the usual keys of `v`, and of what these hold; `key` is the way to it. A dict may hold itself:
 * no more than `left` are looked into. */
static const value *find_usual(const value *v, int depth, int *left, const char *key[DEEPEST])
{
    const value *found;
    if (depth == DEEPEST || !v || v->kind != RS_PICKLE_DICT || (*left)-- <= 0)
        return NULL;
    for (size_t i = 0; i < RS_COUNT(usual); i++) {
        const value *in = rs_pickle_get(v, usual[i]);
        key[depth] = usual[i];
        if (in && (found = find_usual(in, depth + 1, left, key)) != NULL)
            return found;
    }
    key[depth] = NULL;
    return depth > 0 && holds_tensors(v, false) ? v : NULL;
}

/* Whether a dict's values are NumPy's arrays. */
static bool holds_arrays(const value *v)
{
    static const char *const makers[] = {
        "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
        "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"};
    for (size_t i = 1; v->kind == RS_PICKLE_DICT && i < v->count; i += 2)
        for (size_t k = 0; v->item[i]->kind == RS_PICKLE_CALL && k < RS_COUNT(makers); k++)
            if (strcmp(rs_pickle_called(v->item[i]), makers[k]) == 0)
                return true;
    return false;
}

static bool is_plain(const value *key)
{
    return key->kind == RS_PICKLE_TEXT && strlen(key->text) == key->len;
}

/* "'a', 'b'": the keys of a dict, or with `matrices` of the dicts of weights in it. */
static rescl_status append_keys(const value *v, bool matrices, const char *but, rs_str *out)
{
    rescl_status st = RESCL_OK;
    size_t shown = 0;
    for (size_t i = 0; v->kind == RS_PICKLE_DICT && i < v->count && shown < 12; i += 2)
        if (is_plain(v->item[i]) && (!but || strcmp(v->item[i]->text, but) != 0) &&
            (!matrices || holds_tensors(v->item[i + 1], true)))
            RS_TRY(rs_str_appendf(out, "%s'%.60s'", shown++ ? ", " : "", v->item[i]->text));
out:
    return st;
}

/* The only dict of weights in `v`, whatever its key; or NULL with how many there are. */
static const value *find_only(const value *v, size_t *count)
{
    const value *only = NULL;
    *count = 0;
    for (size_t i = 1; v->kind == RS_PICKLE_DICT && i < v->count; i += 2)
        if (holds_tensors(v->item[i], true)) {
            only = v->item[i];
            (*count)++;
        }
    return *count == 1 ? only : NULL;
}

/* What the root is where it holds no weights. */
static rescl_status refuse_root(const char *path, const value *root)
{
    static const char *const kinds[] = {
        "None",    "a truth value", "a number", "a number", "a number", "a text",    "bytes",
        "a tuple", "a list",        "a set",    "a dict",   "a class",  "an object", "a storage"};
    rescl_status st = RESCL_OK;
    rs_str keys = {0};
    RS_FAIL_IF(rs_torch_is_tensor(root), RESCL_ERR_FORMAT,
               "%s: holds one tensor without a name; weights are a dict of names and tensors: "
               "torch.save(model.state_dict(), 'weights.pth')",
               path);
    RS_FAIL_IF(
        holds_arrays(root), RESCL_ERR_FORMAT,
        "%s: its values are NumPy arrays, and rescl reads PyTorch's tensors; write them so, in "
        "Python: torch.save({k: torch.from_numpy(v) for k, v in weights.items()}, "
        "'weights.pth')",
        path);
    RS_TRY(append_keys(root, false, NULL, &keys));
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s: holds no weights: it is %s%s%s%s; expected a dict of names and tensors, as "
            "torch.save(model.state_dict(), 'weights.pth') writes it",
            path, kinds[root->kind], root->kind == RS_PICKLE_CALL ? " of " : "",
            root->kind == RS_PICKLE_CALL ? rs_pickle_called(root)
            : keys.len                   ? " with the keys "
                                         : "",
            keys.len ? keys.text : "");
out:
    rs_str_fini(&keys);
    return st;
}

rescl_status rs_torch_find_weights(const char *path, const value *root, const value **out,
                                   rs_str *about)
{
    rescl_status st = RESCL_OK;
    const char *key[DEEPEST] = {NULL};
    size_t count = 0;
    rs_str others = {0};
    int left = MOST_DICTS;
    *out = find_usual(root, 0, &left, key);
    if (*out) {
        RS_TRY(append_keys(root, true, key[0], &others));
        if (!others.len)
            goto out;
        RS_TRY(rs_str_append(about, "its weights are those of '"));
        for (size_t i = 0; i < DEEPEST && key[i]; i++)
            RS_TRY(rs_str_appendf(about, "%s%s", i ? "." : "", key[i]));
        RS_TRY(rs_str_appendf(about, "'; left alone are %s", others.text));
        goto out;
    }
    if (holds_tensors(root, false)) {
        *out = root;
        goto out;
    }
    *out = find_only(root, &count);
    if (!*out && count > 1) {
        RS_TRY(append_keys(root, true, NULL, &others));
        RS_FAIL(RESCL_ERR_FORMAT,
                "%s: holds several dicts of weights, %s; save the one that is meant: "
                "torch.save(torch.load('%s')[KEY], 'weights.pth')",
                path, others.text, path);
    }
    if (!*out)
        RS_TRY(refuse_root(path, root));
out:
    rs_str_fini(&others);
    return st;
}
