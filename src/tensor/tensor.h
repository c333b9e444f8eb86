/* Shapes, element types and device tensors.
 *
 * Activations are NHWC: dim[0] = n, then h, w, c. Filters are RSCK: kernel height, kernel width,
 * input channels, output channels (Keras' HWIO). Dense weights are (in, out). */
#ifndef RS_TENSOR_H
#define RS_TENSOR_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RS_MAX_DIMS 4

typedef struct rs_shape {
    int ndim; /* 0: no tensor */
    size_t dim[RS_MAX_DIMS];
} rs_shape;

/* Element types: X(id, name, bytes, unit roundoff; 0: integers). bf16 and f16 are for storage. */
#define RS_DTYPES(X)                                                                               \
    X(F32, "f32", 4, 0x1p-24)                                                                      \
    X(I32, "i32", 4, 0.0)                                                                          \
    X(U8, "u8", 1, 0.0)                                                                            \
    X(BF16, "bf16", 2, 0x1p-8)                                                                     \
    X(F16, "f16", 2, 0x1p-11)

#define RS_DTYPE_ID(id, name, bytes, roundoff) RS_##id,
typedef enum rs_dtype { RS_DTYPES(RS_DTYPE_ID) RS_DTYPE_COUNT } rs_dtype;
#undef RS_DTYPE_ID

struct rs_buffer;

/* A view of device memory: a value that owns and frees nothing. buf == NULL: absent. */
typedef struct rs_tensor {
    rs_shape shape;
    rs_dtype dtype;
    struct rs_buffer *buf;
} rs_tensor;

static inline rs_shape rs_shape_1(size_t a)
{
    return (rs_shape){1, {a}};
}
static inline rs_shape rs_shape_2(size_t a, size_t b)
{
    return (rs_shape){2, {a, b}};
}
static inline rs_shape rs_shape_4(size_t n, size_t h, size_t w, size_t c)
{
    return (rs_shape){4, {n, h, w, c}};
}

size_t rs_dtype_bytes(rs_dtype t);
const char *rs_dtype_name(rs_dtype t);
bool rs_dtype_is_float(rs_dtype t);
/* Largest relative error of rounding a number to the type, half an ulp at 1; 0 for integers. */
double rs_dtype_roundoff(rs_dtype t);
bool rs_shape_equal(const rs_shape *a, const rs_shape *b);
/* Product of the dimensions; 0 dimensions give 0. Only for shapes that rs_shape_check accepted. */
size_t rs_shape_count(const rs_shape *s);
/* Fails with RESCL_ERR_SHAPE, naming `what`, on a zero dimension or when count * 8 bytes would not
 * fit size_t. */
rescl_status rs_shape_check(const rs_shape *s, const char *what) RESCL_CHECK;
/* "(32, 64, 64, 3)" into text. Returns text. */
const char *rs_shape_text(const rs_shape *s, char text[96]);

#endif
