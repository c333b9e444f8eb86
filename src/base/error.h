/* The error record and the macros that every fallible function is written with.
 *
 *     rescl_status rs_thing_open(const char *path, rs_thing **out)
 *     {
 *         rescl_status st = RESCL_OK;
 *         rs_thing *t = NULL;
 *         RS_OOM(t = calloc(1, sizeof *t));
 *         RS_TRY(rs_part_open(path, &t->part));
 *         RS_FAIL_IF(t->part.n == 0, RESCL_ERR_FORMAT, "%s: holds no parts", path);
 *         *out = t, t = NULL;
 *     out:
 *         rs_thing_close(t);
 *         return st;
 *     }
 *
 * One `st`, one `out:`, every resource starts NULL. The device room adds RS_CL(call). */
#ifndef RS_ERROR_H
#define RS_ERROR_H

#include <rescl/status.h>

/* Fills the thread's record and returns `status`. errno is taken as it stands when the status is
 * RESCL_ERR_IO, and from RESCL_ERR_MEMORY if it says so too; cl_code is 0 unless the device room
 * passes one. */
rescl_status rs_error_set(rescl_status status, int cl_code, const char *file, int line,
                          const char *fmt, ...) RESCL_PRINTF(5, 6);

/* Puts "prefix: " before the message of the failure that is being passed on. */
void rs_error_prefix(const char *fmt, ...) RESCL_PRINTF(1, 2);

/* Puts a record back that was copied before something else failed. */
void rs_error_restore(const rescl_error *was);

#define RS_TRY(expr)                                                                               \
    do {                                                                                           \
        st = (expr);                                                                               \
        if (st != RESCL_OK)                                                                        \
            goto out;                                                                              \
    } while (0)

#define RS_FAIL(code, ...)                                                                         \
    do {                                                                                           \
        st = (code);                                                                               \
        (void)rs_error_set(st, 0, __FILE__, __LINE__, __VA_ARGS__);                                \
        goto out;                                                                                  \
    } while (0)

#define RS_FAIL_IF(cond, code, ...)                                                                \
    do {                                                                                           \
        if (cond)                                                                                  \
            RS_FAIL(code, __VA_ARGS__);                                                            \
    } while (0)

#define RS_OOM(ptr) RS_FAIL_IF(!(ptr), RESCL_ERR_MEMORY, "out of host memory")

#define RS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
