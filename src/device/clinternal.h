/* What the files of the device room share; no other room includes it. */
#ifndef RS_CLINTERNAL_H
#define RS_CLINTERNAL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif

#include "cache.h"
#include "cldevice.h"
#include "error.h"
#include "hash.h"
#include <pthread.h>
#include <stdatomic.h>

/* ---- errors ------------------------------------------------------------------------------ */

/* "CL_OUT_OF_RESOURCES", or "unknown OpenCL error". */
const char *rs_cl_name(cl_int code);

/* Raises a failed call: names it and the code, and says the usual cure. `call` may be the whole
 * call expression; what follows the '(' is left out. */
rescl_status rs_cl_fail(cl_int code, const char *call, const char *file, int line);

/* True for the codes that mean that device or host memory is short. */
bool rs_cl_is_memory(cl_int code);

/* What a failed call with this code is: RESCL_ERR_MEMORY or RESCL_ERR_DEVICE. Drivers say
 * CL_OUT_OF_RESOURCES of whatever goes wrong in a kernel, too. */
rescl_status rs_cl_status(cl_int code);

#define RS_CL(call)                                                                                \
    do {                                                                                           \
        const cl_int rs_cl_code = (call);                                                          \
        if (rs_cl_code != CL_SUCCESS) {                                                            \
            st = rs_cl_fail(rs_cl_code, #call, __FILE__, __LINE__);                                \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* The same for the calls that return an object and give their code through a pointer. */
#define RS_CL_CODE(code, name)                                                                     \
    do {                                                                                           \
        if ((code) != CL_SUCCESS) {                                                                \
            st = rs_cl_fail((code), (name), __FILE__, __LINE__);                                   \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* ---- what is listed ---------------------------------------------------------------------- */

typedef struct rs_hw {
    rescl_device_info info;
    cl_platform_id platform;
    cl_device_id id;
    char device_version[192];
    size_t max_items[3]; /* largest work-group in each dimension */
    size_t align;        /* bytes a sub-buffer's origin is a multiple of */
    bool has_fma;        /* fma() is an instruction, not a function of many */
    unsigned quirks;     /* rs_quirk_flag */
    char quirk_options[128];
} rs_hw;

/* Asking a device (discovery.c). A driver may not know a question (CL_INVALID_VALUE): then the answer is
 * the fallback. Any other failure is one of the device, and is kept until all is asked. */
typedef struct rs_asking {
    cl_device_id id;
    cl_int code;        /* of the first call that failed */
    const char *call;   /* its name */
    bool out_of_memory; /* for an answer of any length: ours, not the driver's */
} rs_asking;

/* Anything: false, and nothing in *value, if there is no answer. `bytes` may be NULL. */
bool rs_ask(rs_asking *a, cl_device_info what, size_t cap, void *value, size_t *bytes);
/* An unsigned scalar of any width; whether the list of its extensions holds `name`. */
uint64_t rs_ask_number(rs_asking *a, cl_device_info what, uint64_t fallback);
bool rs_ask_extension(rs_asking *a, const char *name);

/* Fills what info has of a device's cores (core.c), from what it answers and from the rows of quirks.def
 * for its architecture; nothing on CPUs. */
void rs_cores_ask(rs_hw *hw, rs_asking *a);
/* The same from an architecture's rows alone: false if they have none of this name. */
bool rs_cores_assume(rescl_device_info *info, const char *architecture);

/* After quirks and limits set by hand were applied to hw->info. */
rescl_status rs_caps_probe(const rs_hw *hw, rs_caps *out) RESCL_CHECK;

/* The engines of a device (engine.c) of which rs_caps_probe filled the rest, into caps->engines and
 * caps->emulates; `told` has RS_ENGINE_COUNT, or is NULL. What its gate lets pass is tried, unless the
 * cache knows how that went. */
rescl_status rs_engines_find(const rs_hw *hw, rs_caps *caps, rescl_engine *told) RESCL_CHECK;

/* Of what becomes of trying an engine: names all that it depends on. */
rescl_status rs_engine_key(const rs_hw *hw, rs_engine e, rs_cache_key *out) RESCL_CHECK;

/* Before a process that was made to try an engine does anything else: it ends when that takes too long,
 * and leaves no core behind. In others it does nothing. */
void rs_engine_limit_trial(void);

/* Tries an engine in a process of its own, whatever its gate says, for at most `patience` seconds: why not
 * into `reason`, or "". *lasts: the same would come of it again. */
rescl_status rs_engine_try(const rs_hw *hw, rs_engine e, unsigned patience, char reason[256],
                           bool *lasts) RESCL_CHECK;

struct rescl_runtime {
    rs_hw *devices;
    size_t count, cap;
};

/* Appends to `text` which ICD files there are and whether their libraries open (icd.c). */
struct rs_str;
rescl_status rs_icd_report(struct rs_str *text) RESCL_CHECK;
/* Whether one of them names a library whose name has `part`. */
bool rs_icd_names(const char *part);

/* ---- quirks.def -------------------------------------------------------------------------- */

/* X(name, what `rescl devices -v` says of it):
 *
 *     KERNEL_GROUP     CL_KERNEL_WORK_GROUP_SIZE is too low: take the device's limit
 *     LAST_RESORT      "auto", "cpu" and "gpu" take it only for want of another
 *     NO_BINARIES      it does not survive a bad program binary: build from source
 *     OWN_CACHE        it keeps programs built from source itself, and binaries cost it compiling again
 *     NO_TIMES         the times of its events are none
 *     LAZY             it compiles a kernel again when it is first launched in some way
 *     LOCAL_TWICE      CL_KERNEL_LOCAL_MEM_SIZE counts a kernel's arrays twice
 *     ASSEMBLY         kernels may have the host's instructions as inline assembly
 *     SHORT_LOOPS      a work-item's loops end after RS_SHORT_LOOPS turns in all
 *     LOOSE_THREADS    a released queue's thread goes on by itself: queue.c waits
 *     SLOW_PAIRS       vdpbf16ps is slower than multiply-adds of floats are
 *     FOUR_FLOATS      its vectors have 4 floats, though it tells fewer */
#define RS_QUIRKS(X)                                                                               \
    X(KERNEL_GROUP, "its limit of a kernel's work-group is not believed")                          \
    X(LAST_RESORT, "taken only for want of another")                                               \
    X(NO_BINARIES, "programs are built from source each time")                                     \
    X(OWN_CACHE, "it keeps programs itself")                                                       \
    X(NO_TIMES, "its events have no times")                                                        \
    X(LAZY, "kernels are compiled again at their first launch")                                    \
    X(LOCAL_TWICE, "it counts local arrays twice")                                                 \
    X(ASSEMBLY, "kernels may have instructions of the host")                                       \
    X(SHORT_LOOPS, "loops end after 65,535 turns")                                                 \
    X(LOOSE_THREADS, "the threads of its queues are waited for")                                   \
    X(SLOW_PAIRS, "AVX512_BF16 is left alone, slower than products of floats")                     \
    X(FOUR_FLOATS, "its vectors are taken to have 4 floats")

enum {
#define RS_QUIRK_INDEX(name, text) RS_QUIRK_AT_##name,
    RS_QUIRKS(RS_QUIRK_INDEX)
#undef RS_QUIRK_INDEX
};

typedef enum rs_quirk_flag {
    RS_QUIRK_NONE = 0,
#define RS_QUIRK_BIT(name, text) RS_QUIRK_##name = 1 << RS_QUIRK_AT_##name,
    RS_QUIRKS(RS_QUIRK_BIT)
#undef RS_QUIRK_BIT
} rs_quirk_flag;

#define RS_SHORT_LOOPS 65535

/* Sets hw->quirks and hw->quirk_options from the rows of quirks.def that match. */
void rs_quirks_apply(rs_hw *hw);
/* What they are, in words, with "; " between. */
void rs_quirks_tell(const rs_hw *hw, char *text, size_t bytes);

/* ---- an opened device -------------------------------------------------------------------- */

typedef struct rs_program rs_program;
typedef struct rs_profile rs_profile;

struct rescl_device {
    const rs_hw *hw;
    rs_caps caps;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue unprofiled; /* what rs_profile_end changes back to; else NULL */
    char *options;               /* what every program is built with */

    pthread_mutex_t memory_lock; /* guards what follows, to `live` */
    rs_buffer *free_list;        /* released buffers, kept for reuse */
    uint64_t bytes, peak_bytes;
    size_t live; /* buffers and views that callers hold */

    pthread_mutex_t program_lock; /* guards the programs and their kernels */
    pthread_cond_t program_built;
    rs_program *programs;
    rescl_build_fn on_build; /* NULL: nobody is told */
    void *build_user;
    atomic_size_t building, built; /* from source */

    rs_profile *profile; /* NULL unless RESCL_DEVICE_PROFILE */
    bool used_blas;
    rs_buffer *blas_temp; /* see blas.c */
    rs_fence *fences;     /* waited for, kept for reuse; see transfer.c */
    struct {
        void *data;
        void (*destroy)(void *);
    } attached[RS_ATTACHMENTS]; /* of other rooms */
    atomic_uint_fast64_t allocations, builds, cache_hits, launches;
};

/* ---- memory ------------------------------------------------------------------------------ */

struct rs_buffer {
    rescl_device *dev;
    cl_mem mem;
    size_t bytes;      /* asked for */
    size_t capacity;   /* held on the device; 0 for a view */
    size_t offset;     /* of a view in its parent */
    rs_buffer *parent; /* retained */
    rs_buffer *next;   /* in the free list */
    atomic_uint refs;
};

/* Frees every released buffer; returns the bytes given back. The caller holds memory_lock. */
size_t rs_memory_trim(rescl_device *dev);

void rs_fences_destroy(rescl_device *dev);

/* Releases a queue on which nothing runs, and with RS_QUIRK_LOOSE_THREADS waits until its thread has ended,
 * two seconds at most. NULL is legal. */
void rs_queue_release(const rs_hw *hw, cl_command_queue queue);

/* ---- programs and kernels ---------------------------------------------------------------- */

struct rs_kernel {
    cl_kernel kernel;
    char *name;
    const char *file; /* borrowed from the program */
    rs_kernel *next;
    cl_uint nargs;
    unsigned char *arg_kind; /* per argument: bit mask of the rs_arg kinds that it accepts */
    size_t max_group;
    size_t required[3];   /* reqd_work_group_size, or 0 */
    uint64_t local_bytes; /* __local memory declared in the kernel */
    rs_hash program;      /* of what it was built from, for rs_first_launch_begin */
    struct {
        size_t group[3];
        bool wide;
    } launched[8]; /* RS_QUIRK_LAZY: how it was launched by this process */
    size_t launch_count;
};

/* Makes the kernel `name` of a built program and asks everything that launching it needs. */
rescl_status rs_kernel_create(rescl_device *dev, cl_program program, const char *file,
                              const char *name, rs_kernel **out) RESCL_CHECK;
void rs_kernel_destroy(rs_kernel *k);

/* Around a launch on a device with RS_QUIRK_LAZY (firstlaunch.c): of the processes that are about to make
 * the driver compile the same code, one does, and the others wait until it has. Nothing is waited for
 * where that was done before, by this process or another. */
typedef struct rs_first_launch {
    rs_hash key;
    int lock; /* -1: there is nothing to do */
} rs_first_launch;

void rs_first_launch_begin(rs_kernel *k, const size_t items[3], const size_t group[3],
                           rs_first_launch *out);
/* `compiled`: the launch came to its end on the device, so that the driver has kept what it compiled. */
void rs_first_launch_end(const rs_first_launch *launch, bool compiled);

void rs_programs_destroy(rescl_device *dev);

/* ---- profile ----------------------------------------------------------------------------- */

/* RESCL_ERR_UNSUPPORTED where events have no times. */
rescl_status rs_profile_create(const rs_hw *hw, rs_profile **out) RESCL_CHECK;
void rs_profile_destroy(rs_profile *p);

/* Takes over the events. The time is `end`'s end minus `begin`'s end, or minus `end`'s own start
 * where `begin` is NULL. `name` stays valid as long as the device. `asked` is rs_clock_ns before the
 * command was enqueued. */
rescl_status rs_profile_record(rescl_device *dev, const char *name, uint64_t asked, cl_event begin,
                               cl_event end) RESCL_CHECK;
/* Whether commands are kept: then transfers are recorded too. */
bool rs_profile_keeps(const rescl_device *dev);
/* Takes over the event. */
rescl_status rs_profile_transfer(rescl_device *dev, rs_command_kind kind, uint64_t bytes,
                                 uint64_t asked, cl_event event) RESCL_CHECK;

/* ---- BLAS -------------------------------------------------------------------------------- */

/* Gives back the device's temporary buffer, and what CLBlast keeps if the device used it. */
void rs_blas_release(rescl_device *dev);

#endif
