/* TensorBoard's event files: records (tensorflow/core/lib/io/record_writer.h), each of which is an Event
 * (tensorflow/core/util/event.proto): a step, a time and a summary of named values.
 *
 *   record   length (64 bits), masked CRC-32C of that, data, masked CRC-32C of the data; little-endian
 *
 * A summary is a function that calls rs_event_scalar and its like for each value, the same each time. */
#ifndef RS_EVENTFILE_H
#define RS_EVENTFILE_H

#include "protobuf.h"

/* Makes `path`, whose name has to contain "tfevents", ready for the events behind step `steps`: a file
 * with its version and whatever whole records of steps up to that it had. The file changes whole or not
 * at all. `time` is in seconds since 1970. */
rescl_status rs_events_begin(const char *path, int64_t steps, double time) RESCL_CHECK;

/* Appends an event, in one write. */
rescl_status rs_events_append(const char *path, int64_t step, double time, rs_pb_body summary,
                              const void *about) RESCL_CHECK;

void rs_event_scalar(rs_pb *pb, const char *tag, double value);

typedef struct rs_event_image {
    size_t width, height;
    const void *png;
    size_t bytes;
} rs_event_image;

void rs_event_image_value(rs_pb *pb, const char *tag, const rs_event_image *image);

/* Bin i counts what is at least limit[i - 1] and below limit[i], the last one its limit too. */
typedef struct rs_event_histogram {
    double least, most, count, sum, squares; /* of the values */
    const double *limit, *in_bin;
    size_t bins;
} rs_event_histogram;

void rs_event_histogram_value(rs_pb *pb, const char *tag, const rs_event_histogram *histogram);

/* For the plugin of precision and recall: (6, thresholds) of true and false positives, true and false
 * negatives, precision and recall at thresholds that are spread evenly over [0, 1]. */
typedef struct rs_event_curve {
    const float *value;
    size_t thresholds;
} rs_event_curve;

void rs_event_curve_value(rs_pb *pb, const char *tag, const rs_event_curve *curve);

#endif
