/* The device layer as the other rooms see it: buffers, kernels, one in-order queue, BLAS.
 *
 * Everything enqueued runs in order on the device's one queue; nothing here waits unless it says
 * so. The host thread that opened a device is the one that enqueues on it; kernels may be built,
 * and buffers made and released, from any thread. */
#ifndef RS_CLDEVICE_H
#define RS_CLDEVICE_H

#include "caps.h"

/* What the device can do. */
const rs_caps *rs_device_caps(const rescl_device *dev);

/* What another room keeps with a device; NULL until it is attached. For the host thread of the device.
 * Attaching frees what was attached before, and closing the device what is then. */
typedef enum rs_attachment { RS_ATTACHED_TUNING, RS_ATTACHED_TRUST, RS_ATTACHMENTS } rs_attachment;
void *rs_device_attached(const rescl_device *dev, rs_attachment which);
void rs_device_attach(rescl_device *dev, rs_attachment which, void *data, void (*destroy)(void *));

/* ---- verdicts ---------------------------------------------------------------------------- */

/* Whether something is right on this device: what was found out is kept on disk beside the compiled
 * programs, by the same rules (cache.h), under all that these depend on.
 *
 * `what` says what was looked at, `files` are the stems of the kernels that it took. Loading gives "" on
 * the heap if it is right, or why not; NULL if nobody knows. */
char *rs_verdict_try_load(const rescl_device *dev, const char *const *files, size_t count,
                          const char *what);
void rs_verdict_try_store(const rescl_device *dev, const char *const *files, size_t count,
                          const char *what, const char *reason);

/* ---- memory ------------------------------------------------------------------------------ */

/* Device memory, reference-counted. From the device's pool: a released buffer is kept for the next
 * request that it fits without waste, and given back when memory is short. `bytes` is above 0.
 * Contents are undefined. RESCL_ERR_MEMORY says what was asked, what is held and what there is. */
typedef struct rs_buffer rs_buffer;

rescl_status rs_buffer_create(rescl_device *dev, size_t bytes, rs_buffer **out) RESCL_CHECK;
/* A part of `parent` (itself not a view), which it keeps alive. `offset` is a multiple of
 * rs_device_align. */
rescl_status rs_buffer_view(rs_buffer *parent, size_t offset, size_t bytes, rs_buffer **out)
    RESCL_CHECK;
rs_buffer *rs_buffer_retain(rs_buffer *buf);
void rs_buffer_release(rs_buffer *buf); /* NULL is legal */
size_t rs_buffer_bytes(const rs_buffer *buf);

/* Bytes that a view's offset is a multiple of (at least 64, so that a float16 is aligned). */
size_t rs_device_align(const rescl_device *dev);

/* Gives the memory of released buffers back to the driver, and counts peak_bytes anew from what is
 * held. */
void rs_device_trim(rescl_device *dev);

/* Copies and fills. `offset` and `bytes` lie within the buffer. write/read wait until `host` may be
 * reused or is filled. */
rescl_status rs_write(rescl_device *dev, rs_buffer *buf, size_t offset, const void *host,
                      size_t bytes) RESCL_CHECK;
rescl_status rs_read(rescl_device *dev, rs_buffer *buf, size_t offset, void *host, size_t bytes)
    RESCL_CHECK;
rescl_status rs_copy(rescl_device *dev, rs_buffer *src, size_t src_offset, rs_buffer *dst,
                     size_t dst_offset, size_t bytes) RESCL_CHECK;
rescl_status rs_fill_zero(rescl_device *dev, rs_buffer *buf, size_t offset, size_t bytes)
    RESCL_CHECK;

/* An asynchronous read. `host` stays valid until the fence is waited for. rs_fence_wait frees the
 * fence (also on failure); waiting for NULL returns at once. */
typedef struct rs_fence rs_fence;
rescl_status rs_read_async(rescl_device *dev, rs_buffer *buf, size_t offset, void *host,
                           size_t bytes, rs_fence **fence) RESCL_CHECK;
rescl_status rs_fence_wait(rs_fence *fence) RESCL_CHECK;

/* Uploads beside the device's commands, of up to two batches of at most `bytes` each: one goes up
 * while the device works on the one before. All memory is taken here. For each batch, in this order:
 *
 *     begin      gives memory that is read fast, to put the batch into; waits if the batch before the
 *                last is still read from there
 *     send       begins its upload; the memory is not touched any more
 *     receive    the first of the batches that were sent: what is enqueued from here on finds it in *out
 *     release    what is enqueued from here on does not read it
 *
 * RESCL_ERR_ARG for a batch too large or out of this order. A step that failed half-way is ended by a
 * reset: it waits for both queues and forgets what was sent. `destroy` and `reset` never fail. */
typedef struct rs_staging rs_staging;
#define RS_STAGING_BLOCKS                                                                          \
    4 /* of `bytes` that it takes of the device's memory, two of them pinned */
rescl_status rs_staging_create(rescl_device *dev, size_t bytes, rs_staging **out) RESCL_CHECK;
void rs_staging_destroy(rs_staging *s);
rescl_status rs_staging_begin(rs_staging *s, size_t bytes, void **host) RESCL_CHECK;
rescl_status rs_staging_send(rs_staging *s) RESCL_CHECK;
rescl_status rs_staging_receive(rs_staging *s, rs_buffer **out) RESCL_CHECK;
rescl_status rs_staging_release(rs_staging *s) RESCL_CHECK;
void rs_staging_reset(rs_staging *s);

/* The cl_code of waiting for commands of which one failed: the device may not have done what was
 * enqueued, with success, before. */
#define RS_CL_COMMAND_FAILED (-14)

rescl_status rs_flush(rescl_device *dev) RESCL_CHECK;  /* submit what is enqueued */
rescl_status rs_finish(rescl_device *dev) RESCL_CHECK; /* and wait for it */

/* ---- kernels ----------------------------------------------------------------------------- */

/* A compiled kernel. Owned by the device, which keeps one for each (file, options, name). */
typedef struct rs_kernel rs_kernel;

/* `file` is the stem of a file in cl/ ("conv2d"); `options` are -D macros ("" for none). The device
 * adds: -cl-std=CL1.2, -DRS_VW=<native float width>, -DRS_CPU or -DRS_GPU, and what quirks.def asks
 * for. Builds on first use, else looks it up, from any thread. RESCL_ERR_BUILD shows the first
 * error with the source around it, and is remembered: the same request fails the same way again.
 * After any other failure it is built again. */
rescl_status rs_kernel_get(rescl_device *dev, const char *file, const char *options,
                           const char *name, rs_kernel **out) RESCL_CHECK;

/* The largest work-group this kernel may be launched with. */
size_t rs_kernel_max_group(const rs_kernel *k);

/* One kernel argument, made by the macros below; the names are OpenCL C's. */
typedef struct rs_arg {
    enum { RS_ARG_BUF, RS_ARG_INT, RS_ARG_UINT, RS_ARG_ULONG, RS_ARG_FLOAT, RS_ARG_LOCAL } kind;
    union {
        rs_buffer *buf; /* NULL: a null pointer in the kernel */
        int32_t i;
        uint32_t u;
        uint64_t ul;
        float f;
        size_t local_bytes;
    } v;
} rs_arg;

/* clang-format off */
#define RS_BUF(x) {.kind = RS_ARG_BUF, .v.buf = (x)}
#define RS_INT(x) {.kind = RS_ARG_INT, .v.i = (int32_t)(x)}
#define RS_UINT(x) {.kind = RS_ARG_UINT, .v.u = (uint32_t)(x)}
#define RS_ULONG(x) {.kind = RS_ARG_ULONG, .v.ul = (uint64_t)(x)}
#define RS_FLOAT(x) {.kind = RS_ARG_FLOAT, .v.f = (float)(x)}
#define RS_LOCAL(x) {.kind = RS_ARG_LOCAL, .v.local_bytes = (size_t)(x)}
/* clang-format on */

/* Work-items in each dimension (rounded up to whole groups) and work-group size. Unused dimensions
 * are 1 or 0; group[0] of 0 leaves the group size to the driver, or to the kernel's
 * reqd_work_group_size. (PoCL compiles a kernel anew for each group size: give it a fixed one.) */
typedef struct rs_grid {
    size_t items[3];
    size_t group[3];
} rs_grid;

/* RESCL_ERR_ARG when the arguments are not those that the kernel declares, RESCL_ERR_UNSUPPORTED
 * when the work-group or its local memory is more than the device or the kernel allows. */
rescl_status rs_launch(rescl_device *dev, rs_kernel *k, const rs_grid *grid, const rs_arg *args,
                       size_t nargs) RESCL_CHECK;

/* RS_LAUNCH(dev, kernel, grid, RS_BUF(x), RS_INT(n), ...) */
#define RS_LAUNCH(dev, k, grid, ...)                                                               \
    rs_launch((dev), (k), &(grid), (const rs_arg[]){__VA_ARGS__},                                  \
              sizeof((const rs_arg[]){__VA_ARGS__}) / sizeof(rs_arg))

/* ---- BLAS -------------------------------------------------------------------------------- */

/* C = alpha * op(A) * op(B) + beta * C through CLBlast, row-major, offsets in elements: op(A) is
 * m x k, op(B) k x n. Waits for nothing, but the first calls compile. */
typedef struct rs_gemm {
    bool trans_a, trans_b;
    size_t m, n, k;
    float alpha, beta;
    rs_buffer *a, *b, *c;
    size_t a_offset, b_offset, c_offset;
    size_t lda, ldb, ldc;
} rs_gemm;

rescl_status rs_blas_gemm(rescl_device *dev, const rs_gemm *g) RESCL_CHECK;

/* ---- measuring --------------------------------------------------------------------------- */

/* While profiling (RESCL_DEVICE_PROFILE), launches are recorded under the label that is current
 * when they are enqueued. The label is copied; NULL: none. */
void rs_profile_label(rescl_device *dev, const char *label);

typedef struct rs_profile_row {
    const char *kernel; /* kernel name; borrowed from the device */
    const char *label;  /* may be NULL; borrowed until the profile is reset */
    uint64_t launches, total_ns;
} rs_profile_row;

/* Waits for the queue and gives the rows, largest total first; borrowed until the next reset. */
rescl_status rs_profile_get(rescl_device *dev, const rs_profile_row **rows, size_t *count)
    RESCL_CHECK;
void rs_profile_reset(rescl_device *dev);

/* A command of a profiled device. Times are in nanoseconds: `asked` and `enqueued` are rs_clock_ns
 * before and after the call that enqueued it, the others are the device's own clock; `queued` lies
 * between those two, by which the clocks can be compared. */
typedef enum rs_command_kind {
    RS_COMMAND_KERNEL = 0,
    RS_COMMAND_UPLOAD, /* of a batch, on a queue of its own */
    RS_COMMAND_WRITE,
    RS_COMMAND_READ,
    RS_COMMAND_COPY,
    RS_COMMAND_FILL
} rs_command_kind;
typedef struct rs_profile_command {
    const char *name;  /* of the kernel, borrowed from the device; else "upload", "read", ... */
    const char *label; /* of a kernel; may be NULL; borrowed until the profile is reset */
    rs_command_kind kind;
    uint64_t bytes; /* of a transfer */
    uint64_t asked, enqueued;
    uint64_t queued, start, end;
} rs_profile_command;

/* While the device is profiled: keeps each command, transfers too. Uploads are of stagings that were made
 * while it was profiled. */
void rs_profile_keep(rescl_device *dev, bool keep);
/* Waits for the queue and for uploads, and gives the commands that were kept, in the order in which they
 * were enqueued; borrowed until the next reset. */
rescl_status rs_profile_commands(rescl_device *dev, const rs_profile_command **commands,
                                 size_t *count) RESCL_CHECK;

/* Profiles a device that was opened without RESCL_DEVICE_PROFILE, until rs_profile_end: waits for what
 * is enqueued and changes to a queue with times. Nothing happens where it is profiled already.
 * RESCL_ERR_UNSUPPORTED where the driver does not measure kernels. */
rescl_status rs_profile_begin(rescl_device *dev) RESCL_CHECK;
void rs_profile_end(rescl_device *dev);
bool rs_profile_is_on(const rescl_device *dev);

/* Waits for the queue; *ms is the time from the start of the first kernel to the end of the last
 * since the last reset, on the device's own clock, with the gaps between them: 0 without kernels.
 * Resets. */
rescl_status rs_profile_span(rescl_device *dev, double *ms) RESCL_CHECK;

#endif
