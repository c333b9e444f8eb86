/* The programs of a device: each (file, options) is built once, by the first thread that asks; the
 * others wait for that one and build theirs meanwhile. That it does not compile is remembered, too;
 * after any other failure it is built again. */
#include "buildlog.h"
#include "cache.h"
#include "clinternal.h"
#include "clock.h"
#include "log.h"
#include "source.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

struct rs_program {
    char *file, *options;
    enum { MISSING, BUILDING, READY, FAILED } state;
    cl_program program;
    rs_hash hash;      /* of what it was built from */
    rescl_error error; /* FAILED: why */
    rs_kernel *kernels;
    rs_program *next;
};

/* ---- building ---------------------------------------------------------------------------- */

/* The device's build log on the heap, "" when there is none. */
static rescl_status get_log(const rescl_device *dev, cl_program program, char **log)
{
    rescl_status st = RESCL_OK;
    size_t bytes = 0;
    if (clGetProgramBuildInfo(program, dev->hw->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes) !=
        CL_SUCCESS)
        bytes = 0;
    RS_OOM(*log = calloc(bytes + 1, 1));
    if (bytes > 0 && clGetProgramBuildInfo(program, dev->hw->id, CL_PROGRAM_BUILD_LOG, bytes, *log,
                                           NULL) != CL_SUCCESS)
        (*log)[0] = '\0';
out:
    return st;
}

static rescl_status build_source(rescl_device *dev, const char *stem, const char *options,
                                 const rs_source *source, cl_program *out)
{
    rescl_status st = RESCL_OK;
    cl_program program = NULL;
    char *log = NULL;
    cl_int code = CL_SUCCESS;
    const char *text = source->text.text;
    program = clCreateProgramWithSource(dev->context, 1, &text, &source->text.len, &code);
    RS_CL_CODE(code, "clCreateProgramWithSource");
    code = clBuildProgram(program, 1, &dev->hw->id, options, NULL, NULL);
    if (code != CL_SUCCESS)
        RS_TRY(get_log(dev, program, &log));
    if (code == CL_BUILD_PROGRAM_FAILURE || code == CL_INVALID_BUILD_OPTIONS) {
        st = rs_build_log_fail(&dev->hw->info, stem, options, source, log);
        goto out;
    }
    RS_CL_CODE(code, "clBuildProgram");
    *out = program, program = NULL;
out:
    if (program)
        clReleaseProgram(program);
    free(log);
    return st;
}

/* NULL unless the binary loads and builds on this device. */
static cl_program try_binary(rescl_device *dev, const char *options, const char *binary,
                             size_t bytes)
{
    cl_int code = CL_SUCCESS, status = CL_SUCCESS;
    const unsigned char *data = (const unsigned char *)binary;
    cl_program program =
        clCreateProgramWithBinary(dev->context, 1, &dev->hw->id, &bytes, &data, &status, &code);
    if (code == CL_SUCCESS && status == CL_SUCCESS)
        code = clBuildProgram(program, 1, &dev->hw->id, options, NULL, NULL);
    if (code == CL_SUCCESS && status == CL_SUCCESS)
        return program;
    rs_log(RESCL_LOG_DEBUG, "the driver refuses a cached binary: %s",
           rs_cl_name(code != CL_SUCCESS ? code : status));
    if (program)
        clReleaseProgram(program);
    return NULL;
}

static void try_store(const rescl_device *dev, const rs_cache_key *key, cl_program program)
{
    size_t bytes = 0;
    unsigned char *binary = NULL;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL) !=
            CL_SUCCESS ||
        bytes == 0 || (binary = malloc(bytes)) == NULL)
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        rs_cache_try_store(key, binary, bytes);
    else
        rs_log(RESCL_LOG_DEBUG, "%s gives no binary of a program", dev->hw->info.name);
    free(binary);
}

void rescl_device_on_build(rescl_device *device, rescl_build_fn fn, void *user)
{
    device->on_build = fn;
    device->build_user = user;
}

/* build_source, and tells that it begins and ends. */
static rescl_status compile(rescl_device *dev, const char *stem, const char *options,
                            const rs_source *source, cl_program *out)
{
    rescl_build_event event = {.file = stem, .building = atomic_fetch_add(&dev->building, 1) + 1};
    event.built = atomic_load(&dev->built);
    if (dev->on_build)
        dev->on_build(&event, dev->build_user);
    const rescl_status st = build_source(dev, stem, options, source, out);
    event.done = true;
    event.building = atomic_fetch_sub(&dev->building, 1) - 1;
    event.built = atomic_fetch_add(&dev->built, 1) + 1;
    if (dev->on_build)
        dev->on_build(&event, dev->build_user);
    return st;
}

/* The payload for a program that the driver keeps. */
static const char kept[] = "The driver keeps this program.\n";

static bool is_kept(const char *payload, size_t bytes)
{
    return bytes == sizeof kept - 1 && memcmp(payload, kept, bytes) == 0;
}

/* From the disk cache when it holds the program, else from source. What the driver keeps itself is built
 * from source, which it does not compile again. */
static rescl_status build(rescl_device *dev, const char *stem, const char *user_options,
                          cl_program *out, rs_hash *hash)
{
    rescl_status st = RESCL_OK;
    rs_source source = {0};
    char *options = NULL, *binary = NULL;
    size_t bytes = 0;
    int lock = -1;
    rs_cache_key key;
    const bool cached = (dev->hw->quirks & RS_QUIRK_NO_BINARIES) == 0;
    const bool own = (dev->hw->quirks & RS_QUIRK_OWN_CACHE) != 0;
    bool hit = false;
    const double begin = rs_clock_seconds();
    RS_OOM(options = rs_strf("%s%s%s", dev->options, user_options[0] ? " " : "", user_options));
    RS_TRY(rs_source_load(&source, stem));
    rs_cache_key_make(dev->hw, source.text.text, options, &key);
    *hash = key.hash;
    if (cached) {
        lock = rs_cache_try_lock(&key);
        hit = rs_cache_try_load(&key, &binary, &bytes) &&
              (own ? is_kept(binary, bytes)
                   : (*out = try_binary(dev, options, binary, bytes)) != NULL);
    }
    if (!hit)
        RS_TRY(compile(dev, stem, options, &source, out));
    else if (own)
        RS_TRY(build_source(dev, stem, options, &source, out));
    if (!hit && cached && own)
        rs_cache_try_store(&key, kept, sizeof kept - 1);
    else if (!hit && cached)
        try_store(dev, &key, *out);
    atomic_fetch_add(&dev->builds, 1);
    atomic_fetch_add(&dev->cache_hits, hit ? 1 : 0);
    if (rs_verbose("build"))
        rs_log(RESCL_LOG_INFO, "build %s.cl %s: %.0f ms, %s", stem, user_options,
               (rs_clock_seconds() - begin) * 1e3, hit ? "from the disk cache" : "from source");
out:
    rs_cache_unlock(lock);
    rs_source_fini(&source);
    free(options);
    free(binary);
    return st;
}

/* ---- looking up -------------------------------------------------------------------------- */

static void destroy_program(rs_program *p)
{
    if (!p)
        return;
    while (p->kernels) {
        rs_kernel *next = p->kernels->next;
        rs_kernel_destroy(p->kernels);
        p->kernels = next;
    }
    if (p->program)
        clReleaseProgram(p->program);
    free(p->file);
    free(p->options);
    free(p);
}

void rs_programs_destroy(rescl_device *dev)
{
    while (dev->programs) {
        rs_program *next = dev->programs->next;
        destroy_program(dev->programs);
        dev->programs = next;
    }
}

/* Links a new program; the caller holds program_lock. */
static rescl_status add_program(rescl_device *dev, const char *file, const char *options,
                                rs_program **out)
{
    rescl_status st = RESCL_OK;
    rs_program *p = NULL;
    RS_OOM(p = calloc(1, sizeof *p));
    RS_OOM(p->file = strdup(file));
    RS_OOM(p->options = strdup(options));
    p->next = dev->programs;
    dev->programs = p;
    *out = p, p = NULL;
out:
    destroy_program(p);
    return st;
}

/* The built program. The caller holds program_lock, which is let go while something is built. */
static rescl_status get_program(rescl_device *dev, const char *file, const char *options,
                                rs_program **out)
{
    rescl_status st = RESCL_OK;
    rs_program *p = dev->programs;
    while (p && (strcmp(p->file, file) != 0 || strcmp(p->options, options) != 0))
        p = p->next;
    if (!p)
        RS_TRY(add_program(dev, file, options, &p));
    while (p->state == BUILDING)
        pthread_cond_wait(&dev->program_built, &dev->program_lock);
    if (p->state == MISSING) {
        p->state = BUILDING;
        pthread_mutex_unlock(&dev->program_lock);
        st = build(dev, p->file, p->options, &p->program, &p->hash);
        pthread_mutex_lock(&dev->program_lock);
        p->state = st == RESCL_OK ? READY : st == RESCL_ERR_BUILD ? FAILED : MISSING;
        if (p->state == FAILED)
            p->error = *rescl_last_error();
        pthread_cond_broadcast(&dev->program_built);
    } else if (p->state == FAILED) {
        st = rs_error_set(p->error.status, p->error.cl_code, p->error.file, p->error.line, "%s",
                          p->error.message);
    }
    *out = p;
out:
    return st;
}

/* After clCreateKernel found no kernel of that name: whether the program says that it has it. */
static rescl_status fail_no_kernel(const rs_program *p, const char *name)
{
    char names[512] = "";
    const size_t len = strlen(name);
    if (clGetProgramInfo(p->program, CL_PROGRAM_KERNEL_NAMES, sizeof names, names, NULL) !=
        CL_SUCCESS)
        names[0] = '\0';
    for (const char *at = names; (at = strstr(at, name)) != NULL; at += len)
        if ((at == names || at[-1] == ';') && (at[len] == ';' || at[len] == '\0'))
            return rs_cl_fail(CL_INVALID_KERNEL_NAME, "clCreateKernel", __FILE__, __LINE__);
    return rs_error_set(RESCL_ERR_NOT_FOUND, CL_INVALID_KERNEL_NAME, __FILE__, __LINE__,
                        "%s.cl has no kernel %s; it has: %.400s", p->file, name, names);
}

rescl_status rs_kernel_get(rescl_device *dev, const char *file, const char *options,
                           const char *name, rs_kernel **out)
{
    rescl_status st = RESCL_OK;
    rs_program *p = NULL;
    rs_kernel *k = NULL;
    pthread_mutex_lock(&dev->program_lock);
    RS_TRY(get_program(dev, file, options ? options : "", &p));
    for (k = p->kernels; k != NULL && strcmp(k->name, name) != 0;)
        k = k->next;
    if (!k) {
        st = rs_kernel_create(dev, p->program, p->file, name, &k);
        if (st != RESCL_OK && rescl_last_error()->cl_code == CL_INVALID_KERNEL_NAME)
            st = fail_no_kernel(p, name);
        if (st == RESCL_ERR_DEVICE)
            rs_error_prefix("kernel %s of %s.cl", name, p->file);
        RS_TRY(st);
        k->program = p->hash;
        k->next = p->kernels;
        p->kernels = k;
    }
    *out = k;
out:
    pthread_mutex_unlock(&dev->program_lock);
    return st;
}
