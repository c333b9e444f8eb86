/**
 * @file device.h
 * OpenCL devices: listing them, choosing one, opening it.
 */
#ifndef RESCL_DEVICE_H
#define RESCL_DEVICE_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All OpenCL platforms and devices that the ICD loader finds. Owns nothing on a device. */
typedef struct rescl_runtime rescl_runtime;

/** One opened device: context, queue, memory pool, program cache. Thread-compatible. */
typedef struct rescl_device rescl_device;

typedef enum rescl_device_type {
    RESCL_DEVICE_CPU = 0,
    RESCL_DEVICE_GPU = 1,
    RESCL_DEVICE_ACCELERATOR = 2
} rescl_device_type;

/** What a device says of itself. Strings are terminated and cut if too long. */
typedef struct rescl_device_info {
    size_t platform, device; /**< the selector "platform:device" */
    char name[128], vendor[128], platform_name[128];
    char driver[128];  /**< driver version */
    char opencl_c[64]; /**< such as "OpenCL C 1.2 pocl" */
    rescl_device_type type;
    unsigned compute_units;
    unsigned clock_mhz;
    uint64_t global_bytes;    /**< global memory */
    uint64_t max_alloc_bytes; /**< largest single allocation */
    uint64_t local_bytes;     /**< local memory of a work-group */
    uint64_t cache_bytes;     /**< global memory cache, 0 if not reported */
    size_t max_group;         /**< largest work-group */
    unsigned float_width;     /**< native float vector width, at least 1 */
    bool fp16, fp64;          /**< cl_khr_fp16 / cl_khr_fp64 */
    bool unified_memory;
    bool usable; /**< false: rescl refuses it; see `reason` */
    char reason[384];
    char platform_version[192]; /**< names the compiler too where it is part of the driver, such as
                                   "OpenCL 3.0 PoCL 3.1, LLVM 15.0.6" */
    /* What an untuned choice is made by. 0 or "": not known, as on CPUs. A core is what runs a
     * work-group: a streaming multiprocessor, a compute unit or work-group processor, an Xe core. */
    char architecture[16];        /**< such as "sm_90", "gfx1100", "xe_12.55" */
    unsigned cores;               /**< compute_units, or fewer where one holds several of them */
    unsigned subgroup;            /**< work-items of a warp, wavefront or sub-group */
    unsigned item_registers;      /**< of 4 bytes, that a work-item may have */
    unsigned core_lanes;          /**< float multiply-adds that a core begins in a clock */
    unsigned core_items;          /**< work-items that a core holds at once */
    unsigned core_groups;         /**< work-groups that a core holds at once */
    uint64_t core_register_bytes; /**< register file of a core */
    uint64_t core_local_bytes;    /**< local memory of a core, shared by its work-groups */
    uint64_t bandwidth;           /**< bytes per second of global memory, by the architecture */
    unsigned engine_lanes; /**< multiply-adds of 16-bit numbers that the matrix engines of a core
                              begin in a clock, by the architecture */
} rescl_device_info;

/**
 * Finds every platform and device. With none, RESCL_ERR_NOT_FOUND whose message lists the ICD
 * files that were read and the package to install.
 */
RESCL_API rescl_status rescl_runtime_create(rescl_runtime **out) RESCL_CHECK;
RESCL_API void rescl_runtime_destroy(rescl_runtime *runtime);
RESCL_API size_t rescl_runtime_device_count(const rescl_runtime *runtime);
/** Borrowed; NULL when `index` is out of range. */
RESCL_API const rescl_device_info *rescl_runtime_get_device_info(const rescl_runtime *runtime,
                                                                 size_t index);

/** What is known of a device beside rescl_device_info. */
typedef struct rescl_device_details {
    char extensions[4096]; /**< OpenCL's, with blanks between; cut if there are more */
    char quirks[512]; /**< how rescl treats its driver otherwise than others, in words; or "" */
} rescl_device_details;

/** RESCL_ERR_ARG when `index` is out of range. */
RESCL_API rescl_status rescl_runtime_get_details(const rescl_runtime *runtime, size_t index,
                                                 rescl_device_details *out) RESCL_CHECK;

/**
 * Resolves a selector (in any case) to an index into the runtime's list:
 *   "auto" or NULL  the fastest usable GPU (compute units x clock), else accelerator, else CPU (the
 *                   most compute units); the first of equals
 *   "cpu", "gpu", "accelerator"  the fastest usable device of that type
 *   "P:D"           device D of platform P, as `rescl devices` prints them
 *   anything else   part of a device's name, else of its platform's name, else of its vendor's or
 *                   OpenCL C version. Several devices of the same name: the first of them.
 * Fails with RESCL_ERR_NOT_FOUND (nothing matches), RESCL_ERR_UNSUPPORTED (what matches is not
 * usable: says why) or RESCL_ERR_ARG (different devices match); the message lists the devices.
 */
RESCL_API rescl_status rescl_runtime_select(const rescl_runtime *runtime, const char *selector,
                                            size_t *index) RESCL_CHECK;

/** A matrix engine: instructions that multiply small matrices, of bfloat16, half or TF32 numbers. */
typedef struct rescl_engine {
    const char *name; /**< such as "nv_bf16"; static */
    bool usable;      /**< it compiles for the device and gives the right numbers there */
    char reason[256]; /**< why not; where it is taken without a trial, by what; or "" */
} rescl_engine;

/**
 * Into `out` up to `most` of the engines that rescl knows, those that device `index` of the runtime has
 * and those that it has not; *count is how many there are. What the device and its driver do not rule
 * out is tried, in processes of its own, unless the cache on disk knows how that went.
 */
RESCL_API rescl_status rescl_runtime_probe(rescl_runtime *runtime, size_t index, rescl_engine *out,
                                           size_t most, size_t *count) RESCL_CHECK;

typedef enum rescl_device_flags {
    /** Record the time of every kernel; RESCL_ERR_UNSUPPORTED where the driver cannot. */
    RESCL_DEVICE_PROFILE = 1
} rescl_device_flags;

/**
 * Opens the device that `selector` names. Borrows the runtime, which must outlive it. A device may
 * be opened several times; each has its own queue and memory.
 */
RESCL_API rescl_status rescl_device_open(rescl_runtime *runtime, const char *selector,
                                         unsigned flags, rescl_device **out) RESCL_CHECK;
/** Waits for what is enqueued. Everything that was made on the device must be destroyed before. */
RESCL_API void rescl_device_close(rescl_device *device);
RESCL_API const rescl_device_info *rescl_device_get_info(const rescl_device *device);

/** Counters since the device was opened. */
typedef struct rescl_device_stats {
    uint64_t bytes;       /**< device memory held now */
    uint64_t peak_bytes;  /**< the most held at once */
    uint64_t allocations; /**< buffers and views handed out, also from the pool */
    uint64_t builds;      /**< programs made, from source or from the cache */
    uint64_t cache_hits;  /**< of those, from the disk cache */
    uint64_t launches;    /**< kernels enqueued */
} rescl_device_stats;

RESCL_API void rescl_device_get_stats(const rescl_device *device, rescl_device_stats *out);

/** A program that is compiled from source, which can take a minute; those of the disk cache are
 * loaded at once and not told of. */
typedef struct rescl_build_event {
    const char *file; /**< of its kernels, such as "conv2d" */
    bool done;        /**< false: compiling begins; true: it ended, be it with an error */
    size_t building;  /**< programs that are being compiled at this moment */
    size_t built;     /**< programs that were compiled since the device was opened */
} rescl_build_event;

/** Called when compiling begins and ends, from the thread that compiles: several at once. */
typedef void (*rescl_build_fn)(const rescl_build_event *event, void *user);

/** Installs the callback (NULL: nobody is told, the default) before anything is planned on the
 * device. */
RESCL_API void rescl_device_on_build(rescl_device *device, rescl_build_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
