/* How a format of files with weights is written: one object at the end of format_<stem>.c, listed in
 * formats.def. Reading (weightfile.h) and writing (exportfile.h) know no format by its name. */
#ifndef RS_FORMAT_H
#define RS_FORMAT_H

#include "checkpoint.h"
#include "naming.h"
#include "safetensors.h"

#define RS_BIT(number) (1u << (number))

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct rs_wfile_tensor {
    const char *name;
    rs_st_dtype dtype;
    size_t ndim, dim[RS_ST_MAX_DIMS]; /* as stored */
    size_t source;                    /* the format's own number of it */
    /* What weightfile.c adds: the shape as rescl lays it out, RSCK and (in, out), without dimensions
     * where there are none or too many; its name without the file's prefix, and that taken apart, if
     * `named`. */
    rs_shape shape;
    const char *key;
    bool named;
    rs_tensor_name parts;
} rs_wfile_tensor;

/* What a file holds, and what it says of itself. */
typedef struct rs_wfile_list {
    void *file;              /* the format's own, which keeps what is borrowed below */
    rs_wfile_tensor *tensor; /* from malloc */
    size_t count;
    const rs_ckpt_model *model; /* NULL when it does not say */
    double bn_eps;              /* of all its normalisations; 0: it does not say */
    size_t image_size;          /* of the input; 0: it does not say */
    bool rescales;              /* it says how it takes pixels: */
    rescl_normalize normalize;
    const char *output; /* the name of its last layer; NULL: it does not say */
    const char *hidden; /* of the dense layer with ReLU before that; NULL: none, or the same */
    const char *unlike; /* a clause on what no model of rescl's computes, or NULL */
    const struct rs_keras_config *keras; /* kerasconfig.h; NULL: it does not say */
    bool own;                            /* rescl's own: parameters have the model's names */
    bool kcrs;                           /* filters lie as PyTorch's (layout.h) */
} rs_wfile_list;

/* ---- writing ----------------------------------------------------------------------------- */

typedef struct rs_export_tensor {
    const char *layer;
    rs_st_source source;
} rs_export_tensor;

typedef struct rs_export_job {
    const char *path;
    const char *model; /* rs_ckpt_model_text */
    rs_naming naming;
    const rs_export_tensor *tensor; /* a layer's follow each other */
    size_t count;
} rs_export_job;

/* ---- a format ---------------------------------------------------------------------------- */

typedef struct rs_format {
    const char *name, *title; /* "hdf5", "HDF5": for options, for sentences */
    const char *suffix[3];    /* ".h5": what files to write are called; ended by NULL */
    rs_naming naming;         /* whose names it gets unless told */
    unsigned namings, dtypes; /* RS_BITs of those that it can be written with */

    /* By the first bytes of a file; where these are of a container, by what that holds. */
    bool (*recognises)(const char *path, const unsigned char *first, size_t bytes);
    /* Checks all but the values. On failure too, `close` is called if `out->file` is set. */
    rescl_status (*open)(const char *path, rs_wfile_list *out);
    /* The values as they are stored, but little-endian. */
    rescl_status (*read)(void *file, size_t source, void *dst);
    void (*close)(void *file);
    /* Writes a file, whole or not at all. NULL: the format is only read, and has no namings. */
    rescl_status (*write)(const rs_export_job *job);
} rs_format;

enum { RS_FORMAT_MARK = 16 }; /* how many first bytes `recognises` gets at most */

/* Of formats.def, ended by NULL. */
extern const rs_format *const rs_formats[];

/* A format to write; NULL if there is none of that name. */
const rs_format *rs_format_get(const char *name);
/* The format of a file to be written: by its suffix, else the first. */
const rs_format *rs_format_of_path(const char *path);
/* The format of a file to be read. Where there is none, the error says what the file is instead. */
rescl_status rs_format_find(const char *path, const rs_format **out) RESCL_CHECK;

#define RS_FORMAT(stem) extern const rs_format rs_format_##stem;
#define RS_READER(stem) extern const rs_format rs_format_##stem;
#include "formats.def"
#undef RS_FORMAT
#undef RS_READER

#endif
