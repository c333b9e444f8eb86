/* The text files that tables of what was measured lie in.
 *
 * File: text, '#' begins a comment. The head says what was measured where; then a line a problem:
 *     format = 1
 *     device = ...            with type, units, width and local_bytes: the device
 *     platform = ...          with driver and platform_version: its compiler
 *     class = cpu-w16-u2
 *     conv2d fwd train 8x56x56x64 -> 56x56x64, 3x3/1x1 pad 1x1 = winograd block=8  # 1.2 ms, ...
 * Left of '=': op, pass, mode, the op's own words (rs_op.key) and how it is stored, unless in
 * f32; right: a choice (choice.h).
 *
 * Class: the device's type, its vector width in floats, its compute units rounded up to a power of
 * two, and for others than CPUs its local memory in KiB, rounded down to one: "gpu-w1-u64-l32". What
 * else makes devices differ, cache sizes above all, it does not say: files of a class should name
 * implementations rather than numbers. */
#ifndef RS_TUNEFILE_H
#define RS_TUNEFILE_H

#include "tunetable.h"

#include <rescl/device.h>

/* Adds what `text` holds, `bytes` long and followed by a NUL; `path` is for messages. `whose` says
 * for whom a file counts: only for this very device and compiler, or for any of its class whose
 * platform, driver and platform_version are those that the file states. RESCL_ERR_FORMAT when
 * it is no tuning file, RESCL_ERR_UNSUPPORTED when it is another's; then nothing was added. Lines
 * that are wrong are left out with a warning. */
typedef enum rs_tune_whose { RS_TUNE_DEVICE, RS_TUNE_CLASS } rs_tune_whose;
rescl_status rs_tune_table_parse(rs_tune_table *t, const char *text, size_t bytes, const char *path,
                                 const rescl_device_info *dev, rs_tune_whose whose) RESCL_CHECK;
/* Reads a file; RESCL_ERR_NOT_FOUND when there is none. */
rescl_status rs_tune_table_read(rs_tune_table *t, const char *path, const rescl_device_info *dev,
                                rs_tune_whose whose) RESCL_CHECK;
/* Writes the table: whole or not at all; makes the folder. */
rescl_status rs_tune_table_write(const rs_tune_table *t, const char *path,
                                 const rescl_device_info *dev) RESCL_CHECK;

/* Adds a choice to the table and to the file, and to the table what other processes have added to
 * the file in the meantime. RESCL_ERR_FORMAT and RESCL_ERR_UNSUPPORTED as in rs_tune_table_parse. */
rescl_status rs_tune_table_update(rs_tune_table *t, const char *path, const rescl_device_info *dev,
                                  const char *key, const char *choice, const char *note)
    RESCL_CHECK;

/* The class of a device into text. Returns text. */
#define RS_TUNE_CLASS_TEXT 64
const char *rs_tune_class(const rescl_device_info *dev, char text[RS_TUNE_CLASS_TEXT]);

/* Where `rescl tune` writes unless told otherwise: RESCL_TUNE if it names a file, else in the cache
 * folder. Heap. */
rescl_status rs_tune_path(const rescl_device_info *dev, char **out) RESCL_CHECK;

/* When nothing is at `path`, which rs_tune_path gave: warns of a file beside it that was measured on
 * this device by another compiler. */
void rs_tune_warn_outdated(const char *path, const rescl_device_info *dev);

/* The built-in file of a class, generated from configs/tune; NULL if there is none. */
const char *rs_embedded_tuning(const char *file_name);

#endif
