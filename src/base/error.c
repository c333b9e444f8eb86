#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local rescl_error record;

const rescl_error *rescl_last_error(void)
{
    return &record;
}

rescl_status rs_error_set(rescl_status status, int cl_code, const char *file, int line,
                          const char *fmt, ...)
{
    int sys_errno = status == RESCL_ERR_IO ? errno : 0;
    /* Most wants of memory are ours or OpenCL's: errno is that of something else then. */
    if (cl_code == 0 && status == RESCL_ERR_MEMORY && errno == ENOMEM)
        sys_errno = errno;
    /* Formatted aside: an argument may be the old message. */
    char message[sizeof record.message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    memcpy(record.message, message, sizeof message);
    record.status = status;
    record.sys_errno = sys_errno;
    record.cl_code = cl_code;
    record.file = file;
    record.line = line;
    return status;
}

void rs_error_prefix(const char *fmt, ...)
{
    char message[sizeof record.message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    size_t len = strlen(message);
    snprintf(message + len, sizeof message - len, ": %s", record.message);
    memcpy(record.message, message, sizeof message);
}

void rs_error_restore(const rescl_error *was)
{
    record = *was;
}

const char *rescl_status_name(rescl_status status)
{
    switch (status) {
    case RESCL_OK:
        return "ok";
    case RESCL_ERR_ARG:
        return "argument";
    case RESCL_ERR_MEMORY:
        return "memory";
    case RESCL_ERR_IO:
        return "io";
    case RESCL_ERR_FORMAT:
        return "format";
    case RESCL_ERR_SHAPE:
        return "shape";
    case RESCL_ERR_DEVICE:
        return "device";
    case RESCL_ERR_BUILD:
        return "build";
    case RESCL_ERR_UNSUPPORTED:
        return "unsupported";
    case RESCL_ERR_NOT_FOUND:
        return "not found";
    case RESCL_ERR_NUMERIC:
        return "numeric";
    case RESCL_ERR_INTERRUPTED:
        return "interrupted";
    }
    return "unknown";
}
