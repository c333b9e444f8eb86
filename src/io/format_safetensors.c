/* safetensors: rescl's own (checkpoint.h), and those with torchvision's or timm's names. */
#include "error.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>

typedef struct opened {
    rs_checkpoint *checkpoint;
    rs_ckpt_doc model; /* of a file that is not in rescl's own form */
} opened;

/* The size of the header, of which the largest takes four bytes, then JSON. */
static bool recognises(const char *path, const unsigned char *first, size_t bytes)
{
    (void)path;
    return bytes > 8 && first[8] == '{' && memcmp(first + 4, "\0\0\0\0", 4) == 0;
}

static void close_file(void *file)
{
    opened *o = file;
    rs_checkpoint_close(o->checkpoint);
    rs_ckpt_doc_fini(&o->model);
    free(o);
}

/* Whether filters lie as PyTorch's, as rescl's and TensorFlow's, or neither can be: by their shapes,
 * as the sides of a kernel are equal and channels seldom are. */
static void weigh_shapes(const rs_st_file *file, size_t *kcrs, size_t *rsck)
{
    for (size_t i = 0; i < rs_st_count(file); i++) {
        const rs_st_tensor *t = rs_st_at(file, i);
        const bool first = t->ndim == 4 && t->dim[0] == t->dim[1] && t->dim[0] < 16;
        const bool last = t->ndim == 4 && t->dim[2] == t->dim[3] && t->dim[2] < 16;
        *kcrs += last && !first;
        *rsck += first && !last;
    }
}

/* How filters lie is told by the metadata; where another library wrote it, by the filters. */
static rescl_status read_layout(const char *path, const rs_st_file *file, bool *kcrs)
{
    rescl_status st = RESCL_OK;
    const char *layout = rs_st_meta_get(file, "filter_layout");
    const char *format = rs_st_meta_get(file, "format");
    size_t as_torch = 0, as_own = 0;
    *kcrs = !layout || strcmp(layout, "RSCK") != 0;
    RS_FAIL_IF(layout && *kcrs && strcmp(layout, "KCRS") != 0, RESCL_ERR_FORMAT,
               "%s: metadata 'filter_layout' is '%.32s', expected RSCK or KCRS", path, layout);
    if (layout || !format || strcmp(format, "pt") == 0)
        goto out;
    weigh_shapes(file, &as_torch, &as_own);
    RS_FAIL_IF(
        (as_torch > 0) == (as_own > 0), RESCL_ERR_FORMAT,
        "%s: metadata 'format' is '%.32s', and its filters lie neither as PyTorch's (out, in, "
        "height, width) nor as TensorFlow's (height, width, in, out); turn them, and write "
        "the file with the format pt",
        path, format);
    *kcrs = as_torch > 0;
out:
    return st;
}

static rescl_status open_file(const char *path, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    opened *o;
    const char *text;
    RS_OOM(out->file = o = calloc(1, sizeof *o));
    RS_TRY(rs_checkpoint_open(path, &o->checkpoint));
    const rs_st_file *file = rs_checkpoint_tensors(o->checkpoint);
    RS_TRY(read_layout(path, file, &out->kcrs));
    out->own = rs_checkpoint_of_rescl(o->checkpoint);
    out->model = rs_checkpoint_model(o->checkpoint);
    if (!out->model && (text = rs_st_meta_get(file, RS_MODEL_KEY)) != NULL) {
        RS_TRY(rs_ckpt_model_parse(text, path, &o->model));
        out->model = &o->model.model;
    }
    RS_OOM(out->tensor = calloc(rs_st_count(file) + 1, sizeof *out->tensor));
    for (size_t i = 0; i < rs_st_count(file); i++) {
        const rs_st_tensor *s = rs_st_at(file, i);
        rs_wfile_tensor *t = &out->tensor[out->count];
        if (out->own && rs_checkpoint_is_state(s->name))
            continue;
        *t = (rs_wfile_tensor){.name = s->name, .dtype = s->dtype, .ndim = s->ndim, .source = i};
        memcpy(t->dim, s->dim, s->ndim * sizeof *s->dim);
        out->count++;
    }
out:
    return st;
}

static rescl_status read_values(void *file, size_t source, void *dst)
{
    const rs_st_file *f = rs_checkpoint_tensors(((opened *)file)->checkpoint);
    return rs_st_read(f, rs_st_at(f, source), dst);
}

static rescl_status write_file(const rs_export_job *j)
{
    rescl_status st = RESCL_OK;
    const bool own = j->naming == RS_NAMING_RESCL;
    rs_st_source *list = NULL;
    const rs_st_meta meta[] = {
        {"format", own ? "rescl" : "pt"},
        {own ? "format_version" : "filter_layout", own ? "1" : "KCRS"},
        {own ? "model" : RS_MODEL_KEY, j->model},
        {"filter_layout", "RSCK"},
    };
    RS_OOM(list = calloc(j->count + 1, sizeof *list));
    for (size_t i = 0; i < j->count; i++)
        list[i] = j->tensor[i].source;
    RS_TRY(rs_st_write(j->path, meta, own ? 4 : 3, list, j->count));
out:
    free(list);
    return st;
}

const rs_format rs_format_safetensors = {
    .name = "safetensors",
    .title = "safetensors",
    .suffix = {".safetensors"},
    .naming = RS_NAMING_RESCL,
    .namings = RS_BIT(RS_NAMING_RESCL) | RS_BIT(RS_NAMING_TORCHVISION),
    .dtypes = RS_BIT(RS_ST_F32) | RS_BIT(RS_ST_F16) | RS_BIT(RS_ST_BF16),
    .recognises = recognises,
    .open = open_file,
    .read = read_values,
    .close = close_file,
    .write = write_file,
};
