#include "clinternal.h"

#include <string.h>

typedef struct cl_error_text {
    cl_int code;
    const char *name;
    const char *cure; /* NULL: a fault of rescl or of the driver, nothing a user can change */
} cl_error_text;

#define SHORT_OF_MEMORY                                                                            \
    "the device is short of memory: use a smaller --batch-size or image size, or end other "       \
    "programs that use the device"

static const cl_error_text texts[] = {
    {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND", "see `rescl devices` for what there is"},
    {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE",
     "another program may hold it exclusively, or you may lack the right to use it (on Linux, the "
     "groups `render` and `video`)"},
    {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE",
     "install the driver's compiler package"},
    {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE", SHORT_OF_MEMORY},
    {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES",
     "the device is out of memory or registers, or a kernel ran past the end of a buffer or past "
     "the display driver's time limit: try a smaller --batch-size"},
    {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY",
     "the host is short of memory, or the driver failed inside: try a smaller --batch-size"},
    {CL_PROFILING_INFO_NOT_AVAILABLE, "CL_PROFILING_INFO_NOT_AVAILABLE", NULL},
    {CL_MEM_COPY_OVERLAP, "CL_MEM_COPY_OVERLAP", NULL},
    {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE", NULL},
    {CL_MAP_FAILURE, "CL_MAP_FAILURE", NULL},
    {CL_MISALIGNED_SUB_BUFFER_OFFSET, "CL_MISALIGNED_SUB_BUFFER_OFFSET", NULL},
    {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
     "an earlier kernel or copy failed on the device"},
    {CL_COMPILE_PROGRAM_FAILURE, "CL_COMPILE_PROGRAM_FAILURE", NULL},
    {CL_LINKER_NOT_AVAILABLE, "CL_LINKER_NOT_AVAILABLE", NULL},
    {CL_LINK_PROGRAM_FAILURE, "CL_LINK_PROGRAM_FAILURE", NULL},
    {CL_KERNEL_ARG_INFO_NOT_AVAILABLE, "CL_KERNEL_ARG_INFO_NOT_AVAILABLE", NULL},
    {CL_INVALID_VALUE, "CL_INVALID_VALUE", NULL},
    {CL_INVALID_DEVICE_TYPE, "CL_INVALID_DEVICE_TYPE", NULL},
    {CL_INVALID_PLATFORM, "CL_INVALID_PLATFORM", NULL},
    {CL_INVALID_DEVICE, "CL_INVALID_DEVICE", NULL},
    {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT", NULL},
    {CL_INVALID_QUEUE_PROPERTIES, "CL_INVALID_QUEUE_PROPERTIES", NULL},
    {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE",
     "the device was lost, often after a kernel that failed: close it and open it again"},
    {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT", NULL},
    {CL_INVALID_BINARY, "CL_INVALID_BINARY", NULL},
    {CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS", NULL},
    {CL_INVALID_PROGRAM, "CL_INVALID_PROGRAM", NULL},
    {CL_INVALID_PROGRAM_EXECUTABLE, "CL_INVALID_PROGRAM_EXECUTABLE", NULL},
    {CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME", NULL},
    {CL_INVALID_KERNEL_DEFINITION, "CL_INVALID_KERNEL_DEFINITION", NULL},
    {CL_INVALID_KERNEL, "CL_INVALID_KERNEL", NULL},
    {CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX", NULL},
    {CL_INVALID_ARG_VALUE, "CL_INVALID_ARG_VALUE", NULL},
    {CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE",
     "the host passes a type that the kernel does not declare"},
    {CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS", NULL},
    {CL_INVALID_WORK_DIMENSION, "CL_INVALID_WORK_DIMENSION", NULL},
    {CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE", NULL},
    {CL_INVALID_WORK_ITEM_SIZE, "CL_INVALID_WORK_ITEM_SIZE", NULL},
    {CL_INVALID_GLOBAL_OFFSET, "CL_INVALID_GLOBAL_OFFSET", NULL},
    {CL_INVALID_EVENT_WAIT_LIST, "CL_INVALID_EVENT_WAIT_LIST", NULL},
    {CL_INVALID_EVENT, "CL_INVALID_EVENT", NULL},
    {CL_INVALID_OPERATION, "CL_INVALID_OPERATION", NULL},
    {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE", SHORT_OF_MEMORY},
    {CL_INVALID_GLOBAL_WORK_SIZE, "CL_INVALID_GLOBAL_WORK_SIZE", NULL},
    {CL_INVALID_PROPERTY, "CL_INVALID_PROPERTY", NULL},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR", "no OpenCL driver is installed"},
};

static const cl_error_text *find_text(cl_int code)
{
    for (size_t i = 0; i < RS_COUNT(texts); i++)
        if (texts[i].code == code)
            return &texts[i];
    return NULL;
}

const char *rs_cl_name(cl_int code)
{
    const cl_error_text *text = find_text(code);
    return text ? text->name : "unknown OpenCL error";
}

bool rs_cl_is_memory(cl_int code)
{
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
           code == CL_OUT_OF_HOST_MEMORY || code == CL_INVALID_BUFFER_SIZE;
}

rescl_status rs_cl_status(cl_int code)
{
    return rs_cl_is_memory(code) && code != CL_OUT_OF_RESOURCES ? RESCL_ERR_MEMORY
                                                                : RESCL_ERR_DEVICE;
}

rescl_status rs_cl_fail(cl_int code, const char *call, const char *file, int line)
{
    const cl_error_text *text = find_text(code);
    return rs_error_set(rs_cl_status(code), code, file, line, "%.*s: %s (%d)%s%s",
                        (int)strcspn(call, "("), call, rs_cl_name(code), (int)code,
                        text && text->cure ? ": " : "", text && text->cure ? text->cure : "");
}
