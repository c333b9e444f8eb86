/* Lists every OpenCL device with its limits. A platform or device that fails to answer is left out
 * or marked unusable; it never stops the others from being listed. */
#include "alloc.h"
#include "clinternal.h"
#include "log.h"
#include "pocl.h"
#include "str.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PLATFORMS = 64, MAX_DEVICES = 256, MIN_ALIGN = 64 };

/* ---- asking a device --------------------------------------------------------------------- */

static bool answered(rs_asking *a, cl_int code, const char *call)
{
    if (code != CL_SUCCESS && code != CL_INVALID_VALUE && a->code == CL_SUCCESS) {
        a->code = code;
        a->call = call;
    }
    return code == CL_SUCCESS;
}

bool rs_ask(rs_asking *a, cl_device_info what, size_t cap, void *value, size_t *bytes)
{
    return answered(a, clGetDeviceInfo(a->id, what, cap, value, bytes), "clGetDeviceInfo");
}

/* Without the blanks that some drivers put around their names, and control characters in them. */
static void copy_trimmed(char *dst, size_t cap, const char *src)
{
    while (isspace((unsigned char)*src))
        src++;
    size_t len = strlen(src);
    while (len > 0 && isspace((unsigned char)src[len - 1]))
        len--;
    if (len >= cap)
        len = cap - 1;
    for (size_t i = 0; i < len; i++)
        dst[i] = (char)(iscntrl((unsigned char)src[i]) ? '?' : src[i]);
    dst[len] = '\0';
}

static void device_string(rs_asking *a, cl_device_info what, char *dst, size_t cap)
{
    char text[4096];
    size_t bytes = 0;
    dst[0] = '\0';
    if (!rs_ask(a, what, sizeof text, text, &bytes) || bytes == 0)
        return;
    text[(bytes < sizeof text ? bytes : sizeof text) - 1] = '\0';
    copy_trimmed(dst, cap, text);
}

static void platform_string(rs_asking *a, cl_platform_id id, cl_platform_info what, char *dst,
                            size_t cap)
{
    char text[4096];
    size_t bytes = 0;
    dst[0] = '\0';
    if (!answered(a, clGetPlatformInfo(id, what, sizeof text, text, &bytes), "clGetPlatformInfo") ||
        bytes == 0)
        return;
    text[(bytes < sizeof text ? bytes : sizeof text) - 1] = '\0';
    copy_trimmed(dst, cap, text);
}

uint64_t rs_ask_number(rs_asking *a, cl_device_info what, uint64_t fallback)
{
    union {
        cl_uint u32;
        cl_ulong u64;
    } value = {.u64 = 0};
    size_t bytes = 0;
    if (!rs_ask(a, what, sizeof value, &value, &bytes))
        return fallback;
    if (bytes == sizeof value.u32)
        return value.u32;
    return bytes == sizeof value.u64 ? value.u64 : fallback;
}

static bool device_flag(rs_asking *a, cl_device_info what, bool fallback)
{
    return rs_ask_number(a, what, fallback) != 0;
}

bool rs_ask_extension(rs_asking *a, const char *name)
{
    size_t bytes = 0;
    bool found = false;
    char *list = NULL;
    if (!rs_ask(a, CL_DEVICE_EXTENSIONS, 0, NULL, &bytes) || bytes == 0)
        return false;
    if (!(list = calloc(bytes + 1, 1))) {
        a->out_of_memory = true;
        return false;
    }
    if (rs_ask(a, CL_DEVICE_EXTENSIONS, bytes, list, NULL)) {
        const size_t len = strlen(name);
        for (const char *at = list; !found && (at = strstr(at, name)) != NULL; at += len)
            found = (at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0');
    }
    free(list);
    return found;
}

/* ---- limits set by hand ------------------------------------------------------------------ */

/* Lowers *value to the number in the environment variable, if it is set. */
static rescl_status lower_limit(const char *variable, uint64_t *value)
{
    rescl_status st = RESCL_OK;
    uint64_t limit = 0;
    const char *text = getenv(variable);
    if (!text || text[0] == '\0')
        return RESCL_OK;
    RS_FAIL_IF(!rs_parse_u64(text, &limit) || limit == 0, RESCL_ERR_ARG,
               "%s=%s: expected a whole number above 0; correct or unset it", variable, text);
    if (limit < *value)
        *value = limit;
out:
    return st;
}

/* Sets *value to the number in the environment variable, if it is set. */
static rescl_status set_number(const char *variable, uint64_t most, unsigned *value)
{
    rescl_status st = RESCL_OK;
    uint64_t number = 0;
    const char *text = getenv(variable);
    if (!text || text[0] == '\0')
        return RESCL_OK;
    RS_FAIL_IF(!rs_parse_u64(text, &number) || number == 0 || number > most, RESCL_ERR_ARG,
               "%s=%s: expected a whole number from 1 to %" PRIu64 "; correct or unset it",
               variable, text, most);
    *value = (unsigned)number;
out:
    return st;
}

static rescl_status apply_environment(rescl_device_info *info)
{
    rescl_status st = RESCL_OK;
    uint64_t group = info->max_group;
    const unsigned cores = info->cores;
    RS_TRY(lower_limit("RESCL_MAX_ALLOC", &info->max_alloc_bytes));
    RS_TRY(lower_limit("RESCL_MAX_GLOBAL", &info->global_bytes));
    RS_TRY(lower_limit("RESCL_MAX_LOCAL", &info->local_bytes));
    RS_TRY(lower_limit("RESCL_MAX_GROUP", &group));
    info->max_group = (size_t)group;

    RS_TRY(set_number("RESCL_COMPUTE_UNITS", 1 << 16, &info->cores));
    if (info->cores != cores)
        info->compute_units = info->cores;
    const char *architecture = getenv("RESCL_ARCHITECTURE");
    if (architecture && architecture[0] != '\0')
        RS_FAIL_IF(!rs_cores_assume(info, architecture), RESCL_ERR_ARG,
                   "RESCL_ARCHITECTURE=%s: expected one such as sm_90, gfx1100 or xe_12.55",
                   architecture);
    RS_TRY(set_number("RESCL_SUBGROUP", 256, &info->subgroup));

    const char *width = getenv("RESCL_FLOAT_WIDTH");
    if (width && width[0] != '\0') {
        uint64_t w = 0;
        RS_FAIL_IF(!rs_parse_u64(width, &w) || (w != 1 && w != 2 && w != 4 && w != 8 && w != 16),
                   RESCL_ERR_ARG, "RESCL_FLOAT_WIDTH=%s: expected 1, 2, 4, 8 or 16", width);
        info->float_width = (unsigned)w;
    }
    const char *class = getenv("RESCL_DEVICE_CLASS");
    if (class && class[0] != '\0') {
        const bool cpu = strcmp(class, "cpu") == 0;
        RS_FAIL_IF(!cpu && strcmp(class, "gpu") != 0, RESCL_ERR_ARG,
                   "RESCL_DEVICE_CLASS=%s: expected cpu or gpu", class);
        info->type = cpu ? RESCL_DEVICE_CPU : RESCL_DEVICE_GPU;
    }
out:
    return st;
}

/* ---- one device -------------------------------------------------------------------------- */

static rescl_device_type type_of(rs_asking *a)
{
    const uint64_t bits = rs_ask_number(a, CL_DEVICE_TYPE, CL_DEVICE_TYPE_CPU);
    if (bits & CL_DEVICE_TYPE_CPU) /* a simulator may claim every type */
        return RESCL_DEVICE_CPU;
    return (bits & CL_DEVICE_TYPE_GPU) ? RESCL_DEVICE_GPU : RESCL_DEVICE_ACCELERATOR;
}

/* Whether "<prefix> MAJOR.MINOR ..." is 1.2 or later. */
static bool at_least_1_2(const char *version, const char *prefix)
{
    unsigned major = 0, minor = 0;
    const size_t len = strlen(prefix);
    if (strncmp(version, prefix, len) != 0 ||
        sscanf(version + len, " %3u.%3u", &major, &minor) != 2)
        return false;
    return major > 1 || (major == 1 && minor >= 2);
}

static bool host_is_little(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* Sets info->usable and info->reason. */
static void judge(rs_hw *hw, rs_asking *a)
{
    rescl_device_info *info = &hw->info;
    char profile[64];
    char *why = info->reason;
    const size_t cap = sizeof info->reason;
    why[0] = '\0';
    device_string(a, CL_DEVICE_PROFILE, profile, sizeof profile);
    const bool available = device_flag(a, CL_DEVICE_AVAILABLE, false);
    const bool compiler = device_flag(a, CL_DEVICE_COMPILER_AVAILABLE, false);
    const bool little = device_flag(a, CL_DEVICE_ENDIAN_LITTLE, true);
    if (a->code != CL_SUCCESS)
        snprintf(why, cap, "the driver does not answer: %s: %s (%d)", a->call, rs_cl_name(a->code),
                 (int)a->code);
    else if (strstr(info->platform_name, "Portable Computing") && rs_pocl_fault()[0] != '\0')
        snprintf(why, cap, "%s", rs_pocl_fault());
    else if (!available)
        snprintf(why, cap, "the driver reports it as not available");
    else if (!compiler)
        snprintf(why, cap, "the driver has no OpenCL C compiler");
    else if (!at_least_1_2(hw->device_version, "OpenCL"))
        snprintf(why, cap, "needs OpenCL 1.2 or later, has \"%.60s\"", hw->device_version);
    else if (!at_least_1_2(info->opencl_c, "OpenCL C"))
        snprintf(why, cap, "needs OpenCL C 1.2 or later, has \"%.60s\"", info->opencl_c);
    else if (strcmp(profile, "FULL_PROFILE") != 0)
        snprintf(why, cap, "needs the full profile, has \"%.60s\"", profile);
    else if (little != host_is_little())
        snprintf(why, cap, "its byte order differs from the host's");
    else if (info->global_bytes == 0 || info->max_alloc_bytes == 0 || info->max_group == 0 ||
             info->local_bytes == 0)
        snprintf(why, cap, "the driver does not report its memory or work-group size");
    else if (info->compute_units == 0 || info->float_width == 0)
        snprintf(why, cap, "the driver does not report its compute units or vector width");
    info->usable = why[0] == '\0';
}

static rescl_status describe(rs_hw *hw, size_t platform, size_t device)
{
    rescl_status st = RESCL_OK;
    rescl_device_info *info = &hw->info;
    rs_asking asking = {.id = hw->id};
    rs_asking *const a = &asking;
    info->platform = platform;
    info->device = device;
    device_string(a, CL_DEVICE_NAME, info->name, sizeof info->name);
    device_string(a, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    device_string(a, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    device_string(a, CL_DEVICE_OPENCL_C_VERSION, info->opencl_c, sizeof info->opencl_c);
    device_string(a, CL_DEVICE_VERSION, hw->device_version, sizeof hw->device_version);
    platform_string(a, hw->platform, CL_PLATFORM_NAME, info->platform_name,
                    sizeof info->platform_name);
    platform_string(a, hw->platform, CL_PLATFORM_VERSION, info->platform_version,
                    sizeof info->platform_version);

    info->type = type_of(a);
    info->compute_units = (unsigned)rs_ask_number(a, CL_DEVICE_MAX_COMPUTE_UNITS, 0);
    info->clock_mhz = (unsigned)rs_ask_number(a, CL_DEVICE_MAX_CLOCK_FREQUENCY, 0);
    info->global_bytes = rs_ask_number(a, CL_DEVICE_GLOBAL_MEM_SIZE, 0);
    info->max_alloc_bytes = rs_ask_number(a, CL_DEVICE_MAX_MEM_ALLOC_SIZE, 0);
    info->local_bytes = rs_ask_number(a, CL_DEVICE_LOCAL_MEM_SIZE, 0);
    info->cache_bytes = rs_ask_number(a, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, 0);
    info->max_group = (size_t)rs_ask_number(a, CL_DEVICE_MAX_WORK_GROUP_SIZE, 0);
    info->unified_memory = device_flag(a, CL_DEVICE_HOST_UNIFIED_MEMORY, false);
    info->fp16 = rs_ask_extension(a, "cl_khr_fp16");
    info->fp64 = rs_ask_extension(a, "cl_khr_fp64");
    const uint64_t width = rs_ask_number(a, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, UINT64_MAX);
    info->float_width = width >= 16 ? 16 : width >= 8 ? 8 : width >= 4 ? 4 : width >= 2 ? 2 : 1;
    if (width == UINT64_MAX)
        info->float_width = 0; /* no answer */

    hw->has_fma = (rs_ask_number(a, CL_DEVICE_SINGLE_FP_CONFIG, CL_FP_FMA) & CL_FP_FMA) != 0;
    const size_t base = (size_t)rs_ask_number(a, CL_DEVICE_MEM_BASE_ADDR_ALIGN, 0) / 8;
    hw->align = base > MIN_ALIGN ? base : MIN_ALIGN;
    size_t items[16] = {0};
    if (!rs_ask(a, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items, NULL))
        items[0] = items[1] = items[2] = 0;
    for (int d = 0; d < 3; d++)
        hw->max_items[d] = items[d] ? items[d] : info->max_group;

    rs_cores_ask(hw, a);
    RS_FAIL_IF(a->out_of_memory, RESCL_ERR_MEMORY, "out of host memory");
    rs_quirks_apply(hw);
    if (hw->quirks & RS_QUIRK_FOUR_FLOATS && info->float_width < 4)
        info->float_width = 4;
    judge(hw, a);
    st = apply_environment(info);
out:
    return st;
}

/* ---- the list ---------------------------------------------------------------------------- */

/* `failed`: the code with which a platform could not list its devices, left alone otherwise. */
static rescl_status add_platform(rescl_runtime *rt, cl_platform_id platform, size_t index,
                                 cl_int *failed)
{
    rescl_status st = RESCL_OK;
    cl_device_id ids[MAX_DEVICES];
    cl_uint count = 0;
    const cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &count);
    if (code != CL_SUCCESS) {
        if (code != CL_DEVICE_NOT_FOUND) {
            rs_log(RESCL_LOG_WARN, "OpenCL platform %zu cannot list its devices: %s (%d)", index,
                   rs_cl_name(code), (int)code);
            *failed = code;
        }
        return RESCL_OK;
    }
    if (count > MAX_DEVICES)
        count = MAX_DEVICES;
    RS_TRY(rs_array_reserve(&rt->devices, &rt->cap, rt->count + count, sizeof *rt->devices));
    for (cl_uint d = 0; d < count; d++) {
        rs_hw *hw = &rt->devices[rt->count];
        memset(hw, 0, sizeof *hw);
        hw->platform = platform;
        hw->id = ids[d];
        RS_TRY(describe(hw, index, d));
        rt->count++;
    }
out:
    return st;
}

static rescl_status fail_empty(const cl_platform_id *platforms, size_t count)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};
    rs_asking asking = {0};
    if (count == 0) {
        RS_TRY(rs_str_append(&text, "no OpenCL platform found. Install a driver: pocl-opencl-icd "
                                    "for a CPU, the GPU vendor's package (nvidia-opencl-icd, "
                                    "rocm-opencl-icd, intel-opencl-icd) or mesa-opencl-icd. "
                                    "ICD files read:"));
        RS_TRY(rs_icd_report(&text));
    } else if (rs_pocl_fault()[0] != '\0') {
        RS_TRY(rs_str_append(&text, rs_pocl_fault()));
    } else {
        RS_TRY(rs_str_append(&text, "no OpenCL platform offers a device. Install pocl-opencl-icd "
                                    "to use the CPU; for a GPU check that its kernel driver is "
                                    "loaded and that you may open it (groups render, video). "
                                    "Platforms:"));
        for (size_t i = 0; i < count; i++) {
            char name[128];
            platform_string(&asking, platforms[i], CL_PLATFORM_NAME, name, sizeof name);
            RS_TRY(rs_str_appendf(&text, "%s %s", i ? "," : "", name));
        }
    }
    RS_FAIL(RESCL_ERR_NOT_FOUND, "%s", text.text);
out:
    rs_str_fini(&text);
    return st;
}

rescl_status rescl_runtime_create(rescl_runtime **out)
{
    rescl_status st = RESCL_OK;
    rescl_runtime *rt = NULL;
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;
    cl_int failed = CL_SUCCESS;
    rs_engine_limit_trial();
    RS_TRY(rs_pocl_prepare());
    const cl_int code = clGetPlatformIDs(MAX_PLATFORMS, platforms, &count);
    enum { NO_PLATFORM = -1001 }; /* of the ICD loader */
    if (code != CL_SUCCESS && code != NO_PLATFORM)
        return rs_cl_fail(code, "clGetPlatformIDs", __FILE__, __LINE__);
    if (count == 0 || code == NO_PLATFORM)
        return fail_empty(NULL, 0);
    if (count > MAX_PLATFORMS)
        count = MAX_PLATFORMS;
    RS_OOM(rt = calloc(1, sizeof *rt));
    for (cl_uint p = 0; p < count; p++)
        RS_TRY(add_platform(rt, platforms[p], p, &failed));
    if (rt->count == 0) {
        RS_CL_CODE(failed, "clGetDeviceIDs");
        RS_TRY(fail_empty(platforms, count));
    }
    *out = rt, rt = NULL;
out:
    rescl_runtime_destroy(rt);
    return st;
}

void rescl_runtime_destroy(rescl_runtime *runtime)
{
    if (!runtime)
        return;
    free(runtime->devices);
    free(runtime);
}

size_t rescl_runtime_device_count(const rescl_runtime *runtime)
{
    return runtime->count;
}

const rescl_device_info *rescl_runtime_get_device_info(const rescl_runtime *runtime, size_t index)
{
    return index < runtime->count ? &runtime->devices[index].info : NULL;
}

rescl_status rescl_runtime_get_details(const rescl_runtime *runtime, size_t index,
                                       rescl_device_details *out)
{
    rescl_status st = RESCL_OK;
    *out = (rescl_device_details){.extensions = ""};
    RS_FAIL_IF(index >= runtime->count, RESCL_ERR_ARG, "there is no device %zu, but %zu", index,
               runtime->count);
    const rs_hw *hw = &runtime->devices[index];
    rs_asking a = {.id = hw->id};
    device_string(&a, CL_DEVICE_EXTENSIONS, out->extensions, sizeof out->extensions);
    rs_quirks_tell(hw, out->quirks, sizeof out->quirks);
out:
    return st;
}
