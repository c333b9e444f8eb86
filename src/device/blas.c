/* Matrix products through CLBlast. */
#include "alloc.h"
#include "clinternal.h"
#include "clock.h"
#include "log.h"

#include <clblast_c.h>

/* CLBlast keeps programs, and with them the context of each device, for the life of the process, and
 * gives back only all at once: when a device closes, others that use CLBlast compile again. Products hold
 * this for reading. */
static pthread_rwlock_t kept_lock = PTHREAD_RWLOCK_INITIALIZER;

typedef struct blas_error_text {
    CLBlastStatusCode code;
    const char *name;
    const char *cure;
} blas_error_text;

#define TEXT(name, cure)                                                                           \
    {                                                                                              \
        CLBlast##name, #name, cure                                                                 \
    }
#define SHORT_OF_MEMORY "the device is short of memory: use a smaller --batch-size"
#define DEVICE_LIMIT                                                                               \
    "CLBlast's parameters for this device exceed its limits: use an implementation other than "    \
    "CLBlast, or tune CLBlast for the device"

/* The codes below -1000 are CLBlast's own; the others are OpenCL's. */
static const blas_error_text texts[] = {
    TEXT(NotImplemented, NULL),
    TEXT(InvalidMatrixA, NULL),
    TEXT(InvalidMatrixB, NULL),
    TEXT(InvalidMatrixC, NULL),
    TEXT(InvalidVectorX, NULL),
    TEXT(InvalidVectorY, NULL),
    TEXT(InvalidDimension, NULL),
    TEXT(InvalidLeadDimA, NULL),
    TEXT(InvalidLeadDimB, NULL),
    TEXT(InvalidLeadDimC, NULL),
    TEXT(InvalidIncrementX, NULL),
    TEXT(InvalidIncrementY, NULL),
    TEXT(InsufficientMemoryA, NULL),
    TEXT(InsufficientMemoryB, NULL),
    TEXT(InsufficientMemoryC, NULL),
    TEXT(InsufficientMemoryX, NULL),
    TEXT(InsufficientMemoryY, NULL),
    TEXT(InsufficientMemoryTemp, SHORT_OF_MEMORY),
    TEXT(InvalidBatchCount, NULL),
    TEXT(InvalidOverrideKernel, NULL),
    TEXT(MissingOverrideParameter, NULL),
    TEXT(InvalidLocalMemUsage, DEVICE_LIMIT),
    TEXT(NoHalfPrecision, "the device lacks cl_khr_fp16"),
    TEXT(NoDoublePrecision, "the device lacks cl_khr_fp64"),
    TEXT(InvalidVectorScalar, NULL),
    TEXT(InsufficientMemoryScalar, NULL),
    TEXT(DatabaseError, "CLBlast has no parameters for this device: update CLBlast"),
    TEXT(UnknownError, "see what CLBlast printed to stderr"),
    TEXT(UnexpectedError, "see what CLBlast printed to stderr"),
};

static rescl_status fail_blas(CLBlastStatusCode code, const rs_gemm *g)
{
    rescl_status st = RESCL_OK;
    const char *name = rs_cl_name((cl_int)code);
    const char *cure = NULL;
    const bool own = code < -1000;
    rescl_status status = own ? RESCL_ERR_DEVICE : rs_cl_status((cl_int)code);
    if (!own && rs_cl_is_memory((cl_int)code))
        cure = SHORT_OF_MEMORY;
    else if (code == CLBlastInsufficientMemoryTemp)
        status = RESCL_ERR_MEMORY;
    else if (code == CLBlastInvalidLocalThreadsTotal || code == CLBlastInvalidLocalThreadsDim)
        cure = DEVICE_LIMIT;
    for (size_t i = 0; i < RS_COUNT(texts); i++)
        if (texts[i].code == code)
            name = texts[i].name, cure = texts[i].cure;
    st = rs_error_set(status, own ? 0 : (int)code, __FILE__, __LINE__,
                      "CLBlastSgemm of %zu x %zu x %zu (m, n, k%s%s): %s (%d)%s%s", g->m, g->n,
                      g->k, g->trans_a ? ", A transposed" : "", g->trans_b ? ", B transposed" : "",
                      name, (int)code, cure ? ": " : "", cure ? cure : "");
    return st;
}

/* That rows x cols elements with leading dimension `ld` lie within the buffer. */
static rescl_status check_matrix(const rescl_device *dev, const char *name, const rs_buffer *buf,
                                 size_t offset, size_t rows, size_t cols, size_t ld)
{
    rescl_status st = RESCL_OK;
    size_t end = 0;
    RS_FAIL_IF(!buf || buf->dev != dev, RESCL_ERR_ARG,
               "gemm: matrix %s is not a buffer of this device", name);
    RS_FAIL_IF(ld < cols, RESCL_ERR_ARG,
               "gemm: matrix %s has %zu columns but a leading dimension of %zu", name, cols, ld);
    RS_FAIL_IF(!rs_mul_size(rows - 1, ld, &end) || !rs_add_size(end, cols, &end) ||
                   !rs_add_size(end, offset, &end) || end > buf->bytes / sizeof(float),
               RESCL_ERR_ARG,
               "gemm: matrix %s (%zu x %zu, leading dimension %zu, offset %zu) does not lie in a "
               "buffer of %zu floats",
               name, rows, cols, ld, offset, buf->bytes / sizeof(float));
out:
    return st;
}

static rescl_status check_gemm(const rescl_device *dev, const rs_gemm *g)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(g->m == 0 || g->n == 0 || g->k == 0, RESCL_ERR_ARG,
               "gemm: %zu x %zu x %zu (m, n, k) has an empty dimension", g->m, g->n, g->k);
    RS_TRY(check_matrix(dev, "A", g->a, g->a_offset, g->trans_a ? g->k : g->m,
                        g->trans_a ? g->m : g->k, g->lda));
    RS_TRY(check_matrix(dev, "B", g->b, g->b_offset, g->trans_b ? g->n : g->k,
                        g->trans_b ? g->k : g->n, g->ldb));
    RS_TRY(check_matrix(dev, "C", g->c, g->c_offset, g->m, g->n, g->ldc));
out:
    return st;
}

/* The buffer for CLBlast's copies of A, B and C, kept from call to call: without it, CLBlast would
 * allocate one in every call. Sharing it is safe, for the queue runs in order. */
static rescl_status reserve_temp(rescl_device *dev, const rs_gemm *g, cl_mem *out)
{
    rescl_status st = RESCL_OK;
    size_t bytes = 0;
    const CLBlastStatusCode code = CLBlastSGemmTempBufferSize(
        CLBlastLayoutRowMajor, g->trans_a ? CLBlastTransposeYes : CLBlastTransposeNo,
        g->trans_b ? CLBlastTransposeYes : CLBlastTransposeNo, g->m, g->n, g->k, g->a_offset,
        g->lda, g->b_offset, g->ldb, g->c_offset, g->ldc, &dev->queue, &bytes);
    if (code != CLBlastSuccess)
        return fail_blas(code, g);
    if (!dev->blas_temp ? bytes > 0 : bytes > dev->blas_temp->bytes) {
        rs_buffer_release(dev->blas_temp);
        dev->blas_temp = NULL;
        RS_TRY(rs_buffer_create(dev, bytes, &dev->blas_temp));
    }
    *out = bytes > 0 ? dev->blas_temp->mem : NULL;
out:
    return st;
}

rescl_status rs_blas_gemm(rescl_device *dev, const rs_gemm *g)
{
    rescl_status st = RESCL_OK;
    cl_event begin = NULL, end = NULL;
    cl_mem temp = NULL;
    RS_TRY(check_gemm(dev, g));
    dev->used_blas = true;
    RS_TRY(reserve_temp(dev, g, &temp));
    /* A product may be several kernels (pad, transpose, multiply, copy back), and only the last
     * one's event is handed out: the time counts from what ran before them. */
    const uint64_t asked = dev->profile ? rs_clock_ns() : 0;
    if (dev->profile)
        RS_CL(clEnqueueMarkerWithWaitList(dev->queue, 0, NULL, &begin));
    pthread_rwlock_rdlock(&kept_lock);
    const CLBlastStatusCode code = CLBlastSgemmWithTempBuffer(
        CLBlastLayoutRowMajor, g->trans_a ? CLBlastTransposeYes : CLBlastTransposeNo,
        g->trans_b ? CLBlastTransposeYes : CLBlastTransposeNo, g->m, g->n, g->k, g->alpha,
        g->a->mem, g->a_offset, g->lda, g->b->mem, g->b_offset, g->ldb, g->beta, g->c->mem,
        g->c_offset, g->ldc, &dev->queue, dev->profile ? &end : NULL, temp);
    pthread_rwlock_unlock(&kept_lock);
    if (code != CLBlastSuccess) {
        st = fail_blas(code, g);
        goto out;
    }
    atomic_fetch_add_explicit(&dev->launches, 1, memory_order_relaxed);
    if (dev->profile) {
        st = rs_profile_record(dev, "CLBlastSgemm", asked, begin, end);
        begin = end = NULL;
    }
out:
    if (begin)
        clReleaseEvent(begin);
    if (end)
        clReleaseEvent(end);
    return st;
}

void rs_blas_release(rescl_device *dev)
{
    rs_buffer_release(dev->blas_temp);
    dev->blas_temp = NULL;
    if (!dev->used_blas)
        return;
    pthread_rwlock_wrlock(&kept_lock);
    if (CLBlastClearCache() != CLBlastSuccess)
        rs_log(RESCL_LOG_DEBUG, "CLBlast could not clear its cache");
    pthread_rwlock_unlock(&kept_lock);
}
