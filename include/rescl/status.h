/**
 * @file status.h
 * Status codes, the error record, and the log callback.
 *
 * Every fallible function of rescl returns a ::rescl_status. Zero is success; a negative
 * value says what kind of thing went wrong, and rescl_last_error() of the same thread
 * holds the detail: a message for a person, errno or the OpenCL code where there was one.
 * The library never prints, never exits and never aborts on bad input.
 *
 * Structs of options begin with `size_t struct_size`, the size that the struct had when the caller
 * was compiled. Start from rescl_<name>_default(), which sets it and gives every other member its
 * default:
 *
 *     rescl_train_options o;
 *     rescl_train_options_default(&o);
 *     o.epochs = 5;
 *
 * Later versions only append members. A newer library takes the defaults of those that an older
 * caller does not have; an older library refuses those that it does not know and that a newer
 * caller set. Bindings of other languages call rescl_<name>_init(out, size of their struct).
 */
#ifndef RESCL_STATUS_H
#define RESCL_STATUS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define RESCL_API               __attribute__((visibility("default")))
#define RESCL_CHECK             __attribute__((warn_unused_result))
#define RESCL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define RESCL_API
#define RESCL_CHECK
#define RESCL_PRINTF(fmt, args)
#endif

#define RESCL_VERSION_MAJOR 0
#define RESCL_VERSION_MINOR 1
#define RESCL_VERSION_PATCH 0
/** One number that grows with the version: 10000 major + 100 minor + patch. */
#define RESCL_VERSION_NUMBER                                                                       \
    (10000 * RESCL_VERSION_MAJOR + 100 * RESCL_VERSION_MINOR + RESCL_VERSION_PATCH)

/** The closed list of results. A function's comment names only what is special about it. */
typedef enum rescl_status {
    RESCL_OK = 0,
    RESCL_ERR_ARG = -1,         /**< an argument, option or configuration value is unusable */
    RESCL_ERR_MEMORY = -2,      /**< host or device memory is short */
    RESCL_ERR_IO = -3,          /**< the operating system refused a file operation */
    RESCL_ERR_FORMAT = -4,      /**< a file's content is not what its format demands */
    RESCL_ERR_SHAPE = -5,       /**< shapes do not fit together */
    RESCL_ERR_DEVICE = -6,      /**< the OpenCL runtime or driver failed */
    RESCL_ERR_BUILD = -7,       /**< a kernel did not compile */
    RESCL_ERR_UNSUPPORTED = -8, /**< this build or this device cannot do it */
    RESCL_ERR_NOT_FOUND = -9,   /**< no device, file, model or tensor of that name */
    RESCL_ERR_NUMERIC = -10,    /**< NaN or infinity where a number was needed */
    RESCL_ERR_INTERRUPTED = -11 /**< stopped on request; what was saved is complete */
} rescl_status;

/** The detail of a failure. Strings belong to the calling thread until its next failure. */
typedef struct rescl_error {
    rescl_status status;
    char message[1024]; /**< what was found, what was expected, and the cure */
    int sys_errno;      /**< errno, or 0 */
    int cl_code;        /**< cl_int, or 0 */
    const char *file;   /**< source file that raised it */
    int line;
} rescl_error;

/** The calling thread's most recent failure; status is RESCL_OK if there was none. */
RESCL_API const rescl_error *rescl_last_error(void);

/** A short lower-case name of a status, such as "format"; "unknown" for any other value. */
RESCL_API const char *rescl_status_name(rescl_status status);

/** "MAJOR.MINOR.PATCH" of the library that is running, which may be newer than these headers. */
RESCL_API const char *rescl_version(void);
/** Its RESCL_VERSION_NUMBER. */
RESCL_API int rescl_version_number(void);

/** The optional features that this library was built with, such as "hdf5" (Keras' weights and
 * signs_h5 datasets), "jpeg" and "zip" (PyTorch's and Keras 3's files); NULL-terminated. */
RESCL_API const char *const *rescl_features(void);
/** Whether `name` is one of rescl_features(); false for NULL and for what no rescl ever had. */
RESCL_API bool rescl_has_feature(const char *name);

typedef enum rescl_log_level {
    RESCL_LOG_ERROR = 0,
    RESCL_LOG_WARN = 1,
    RESCL_LOG_INFO = 2,
    RESCL_LOG_DEBUG = 3
} rescl_log_level;

/** Receives one message without a trailing newline. May be called from any thread. */
typedef void (*rescl_log_fn)(rescl_log_level level, const char *message, void *user);

/** Installs the log callback (NULL: silence, the default). Not thread-safe: call it first. */
RESCL_API void rescl_log_set(rescl_log_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
