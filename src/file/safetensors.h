/* Reading and writing safetensors files (https://github.com/huggingface/safetensors, "Format"):
 *
 *   8 bytes   N, the size of the header, little-endian
 *   N bytes   JSON: {"__metadata__": {string: string}, "name": {"dtype", "shape", "data_offsets"}}
 *   the rest  the tensors' bytes, little-endian, row-major, without gaps
 *
 * A file from anywhere may be opened: every number in it is checked against the file before it is
 * used. Each way to be malformed has its own message (RESCL_ERR_FORMAT). */
#ifndef RS_SAFETENSORS_H
#define RS_SAFETENSORS_H

#include <rescl/status.h>
#include <stddef.h>
#include <stdint.h>

#define RS_ST_MAX_DIMS   8
#define RS_ST_MAX_HEADER 100000000u /* bytes; the reference implementation's limit */

typedef enum rs_st_dtype {
    RS_ST_BOOL = 0,
    RS_ST_U8,
    RS_ST_I8,
    RS_ST_F8_E5M2,
    RS_ST_F8_E4M3,
    RS_ST_I16,
    RS_ST_U16,
    RS_ST_F16,
    RS_ST_BF16,
    RS_ST_I32,
    RS_ST_U32,
    RS_ST_F32,
    RS_ST_I64,
    RS_ST_U64,
    RS_ST_F64,
    RS_ST_DTYPES
} rs_st_dtype;

const char *rs_st_dtype_name(rs_st_dtype t); /* "F32" */
size_t rs_st_dtype_bytes(rs_st_dtype t);

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct rs_st_tensor {
    const char *name;
    rs_st_dtype dtype;
    size_t ndim, dim[RS_ST_MAX_DIMS]; /* a dimension may be 0 */
    size_t bytes;
    uint64_t begin; /* first byte, from the start of the data */
} rs_st_tensor;

/* An open file: its header in memory, its data on disk. */
typedef struct rs_st_file rs_st_file;

/* Checks the whole header. Data is read later, by rs_st_read. */
rescl_status rs_st_open(const char *path, rs_st_file **out) RESCL_CHECK;
void rs_st_close(rs_st_file *f);

const char *rs_st_path(const rs_st_file *f);
size_t rs_st_count(const rs_st_file *f);
const rs_st_tensor *rs_st_at(const rs_st_file *f, size_t index);       /* in order of their bytes */
const rs_st_tensor *rs_st_find(const rs_st_file *f, const char *name); /* NULL if there is none */
const char *rs_st_meta_get(const rs_st_file *f, const char *key);      /* NULL if there is none */

/* All of a tensor into `dst`, which holds t->bytes. */
rescl_status rs_st_read(const rs_st_file *f, const rs_st_tensor *t, void *dst) RESCL_CHECK;

/* ---- writing ----------------------------------------------------------------------------- */

typedef struct rs_st_meta {
    const char *key, *value;
} rs_st_meta;

typedef struct rs_st_source {
    const char *name;
    rs_st_dtype dtype;
    size_t ndim, dim[RS_ST_MAX_DIMS];
    const void *data;
} rs_st_source;

/* Writes the tensors in the order given, straight from where they lie. The file appears whole or
 * not at all, and the same arguments give the same bytes. Names are unique UTF-8. */
rescl_status rs_st_write(const char *path, const rs_st_meta *meta, size_t nmeta,
                         const rs_st_source *tensors, size_t ntensors) RESCL_CHECK;

#endif
