/* What was measured to be fastest: a table from problems to choices, and the text files it lies in.
 *
 * A device has one table. It is read when the first plan on the device is made, from
 *     the results for its class that are built in (configs/tune/<class>.tune), and over them
 *     <rs_cache_dir()>/tune/<name>-<hash>.tune, where `rescl tune` writes,
 * or, where RESCL_TUNE is set, from the file that it names alone; "off": from nowhere. Whatever is
 * wrong with a file costs the lines that it concerns, never more: a warning names file and line.
 *
 * File: text, '#' begins a comment. The head says what was measured where; then a line a problem:
 *     format = 1
 *     device = ...            with platform, driver, type, units, width and local_bytes: the device
 *     class = cpu-w16-u2
 *     conv2d fwd train 8x56x56x64 -> 56x56x64, 3x3/1x1 pad 1x1 = winograd block=8  # 1.2 ms, ...
 * Left of '=': op, pass, mode and the op's own words (rs_op.key); right: a choice (op.h).
 *
 * Class: the device's type, its vector width in floats, its compute units rounded up to a power of
 * two, and for others than CPUs its local memory in KiB, rounded down to one: "gpu-w1-u64-l32". What
 * else makes devices differ, cache sizes above all, it does not say: files of a class should name
 * implementations rather than numbers. */
#ifndef RS_TUNETABLE_H
#define RS_TUNETABLE_H

#include "op.h"
#include <rescl/tune.h>

/* "conv2d fwd train 8x56x56x64 -> ..." into text; false when the op is not tuned. */
#define RS_TUNE_KEY 192
bool rs_tune_key(const rs_problem *p, rs_pass pass, char text[RS_TUNE_KEY]);

/* The choice that the device's table has for a problem, or NULL. Reads the table if need be, so it
 * is for the host thread of the device. */
const char *rs_tune_find(rescl_device *dev, const rs_problem *p, rs_pass pass);

/* Drops the device's table: the next plan reads it anew. */
void rs_tune_forget(rescl_device *dev);

/* ---- a table alone ----------------------------------------------------------------------- */

/* {0} is empty and valid. Sorted by key. */
typedef struct rs_tune_entry {
    char *key, *choice, *note; /* note: the line's comment */
} rs_tune_entry;

typedef struct rs_tune_table {
    rs_tune_entry *entry;
    size_t count, cap;
} rs_tune_table;

void rs_tune_table_fini(rs_tune_table *t);
/* The choice for a key, or NULL. Borrowed. */
const char *rs_tune_table_get(const rs_tune_table *t, const char *key);
/* Adds or replaces. */
rescl_status rs_tune_table_set(rs_tune_table *t, const char *key, const char *choice,
                               const char *note) RESCL_CHECK;

/* ---- files (tunefile.c) ------------------------------------------------------------------ */

/* Adds what `text` holds, `bytes` long and followed by a NUL; `path` is for messages. `whose` says
 * for whom a file counts: only for this very device, or for any of its class. RESCL_ERR_FORMAT when
 * it is no tuning file, RESCL_ERR_UNSUPPORTED when it is another's; then nothing was added. Lines
 * that are wrong are left out with a warning. */
typedef enum rs_tune_whose { RS_TUNE_DEVICE, RS_TUNE_CLASS } rs_tune_whose;
rescl_status rs_tune_table_parse(rs_tune_table *t, const char *text, size_t bytes, const char *path,
                                 const rescl_device_info *dev, rs_tune_whose whose) RESCL_CHECK;
/* Reads a file; RESCL_ERR_NOT_FOUND when there is none. */
rescl_status rs_tune_table_read(rs_tune_table *t, const char *path, const rescl_device_info *dev,
                                rs_tune_whose whose) RESCL_CHECK;
/* Whole or not at all; makes the folder. */
rescl_status rs_tune_table_write(const rs_tune_table *t, const char *path,
                                 const rescl_device_info *dev) RESCL_CHECK;

/* The class of a device into text. Returns text. */
#define RS_TUNE_CLASS_TEXT 64
const char *rs_tune_class(const rescl_device_info *dev, char text[RS_TUNE_CLASS_TEXT]);

/* Where `rescl tune` writes unless told otherwise: RESCL_TUNE if it names a file, else in the cache
 * folder. Heap. */
rescl_status rs_tune_path(const rescl_device_info *dev, char **out) RESCL_CHECK;

/* The built-in file of a class, generated from configs/tune; NULL if there is none. */
const char *rs_embedded_tuning(const char *file_name);

#endif
