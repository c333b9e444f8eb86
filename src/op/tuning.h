/* What was measured to be fastest on a device.
 *
 * A device has one table. It is read when the first plan on the device is made, from
 *     the results for its class that are built in (configs/tune/<class>.tune), and over them
 *     <cache folder>/tune/<name>-<hash>.tune, where `rescl tune` writes,
 * or, where RESCL_TUNE is set, from the file that it names alone; "off": from nowhere. Whatever is
 * wrong with a file costs the lines that it concerns, never more: a warning names file and line. */
#ifndef RS_TUNING_H
#define RS_TUNING_H

#include "op.h"
#include "tunetable.h"

/* "conv2d fwd train 8x56x56x64 -> ..." into text; false when the op is not tuned. */
bool rs_tuning_key(const rs_problem *p, rs_pass pass, char text[RS_TUNE_KEY]);

/* Into *out the choice that the device's table has for a problem, or NULL. Reads the table if need be,
 * so it is for the host thread of the device. Fails only for want of memory. */
rescl_status rs_tuning_find(rescl_device *dev, const rs_problem *p, rs_pass pass, const char **out)
    RESCL_CHECK;

/* From now on plans on the device go by a copy of `table` alone, until it is forgotten. */
rescl_status rs_tuning_use(rescl_device *dev, const rs_tune_table *table) RESCL_CHECK;

/* Drops the device's table: the next plan reads it anew. */
void rs_tuning_forget(rescl_device *dev);

#endif
