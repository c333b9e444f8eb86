#include "eventfile.h"

#include "alloc.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EVENTS ((size_t)4 << 30)

/* Fields of event.proto, summary.proto, tensor.proto and tensor_shape.proto of TensorFlow, and of
 * TensorBoard's plugins/pr_curve/plugin_data.proto. */
enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1 };
enum {
    VALUE_TAG = 1,
    VALUE_SCALAR = 2,
    VALUE_IMAGE = 4,
    VALUE_HISTOGRAM = 5,
    VALUE_TENSOR = 8,
    VALUE_METADATA = 9
};
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_CHANNELS = 3, IMAGE_FILE = 4 };
enum {
    HISTOGRAM_LEAST = 1,
    HISTOGRAM_MOST = 2,
    HISTOGRAM_COUNT = 3,
    HISTOGRAM_SUM = 4,
    HISTOGRAM_SQUARES = 5,
    HISTOGRAM_LIMIT = 6,
    HISTOGRAM_BINS = 7
};
enum {
    METADATA_PLUGIN = 1,
    PLUGIN_NAME = 1,
    PLUGIN_CONTENT = 2,
    METADATA_CLASS = 4,
    CLASS_TENSOR = 2
};
enum { CURVE_THRESHOLDS = 2 };
enum {
    TENSOR_TYPE = 1,
    TENSOR_SHAPE = 2,
    TENSOR_FLOATS = 5,
    TYPE_FLOAT = 1,
    SHAPE_DIM = 2,
    DIM_SIZE = 1
};

/* ---- records ------------------------------------------------------------------------------ */

/* CRC-32C (RFC 3720, B.4), bit by bit in a table of bytes. */
static uint32_t crc32c(const unsigned char *data, size_t bytes)
{
    uint32_t table[256], crc = 0xffffffff;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
    }
    for (size_t i = 0; i < bytes; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return ~crc;
}

static uint32_t masked(const unsigned char *data, size_t bytes)
{
    const uint32_t crc = crc32c(data, bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void put_le(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get_le(const unsigned char *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

enum { LENGTH = 8, CRC = 4, HEAD = LENGTH + CRC };

typedef struct event {
    double time;
    int64_t step;
    const char *version; /* or NULL */
    rs_pb_body summary;  /* or NULL */
    const void *about;
} event;

/* Fields in the order of their numbers, and no zeros, as TensorFlow writes them. Time and step come
 * first: read_step goes by that. */
static void put_event(rs_pb *pb, const void *about)
{
    const event *e = about;
    rs_pb_double(pb, EVENT_TIME, e->time);
    if (e->step)
        rs_pb_int(pb, EVENT_STEP, e->step);
    if (e->version)
        rs_pb_text(pb, EVENT_VERSION, e->version);
    if (e->summary)
        rs_pb_message(pb, EVENT_SUMMARY, e->summary, e->about);
}

/* Heap. */
static rescl_status make_record(const event *e, unsigned char **out, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    rs_pb count = {0}, pb = {0};
    put_event(&count, e);
    const size_t length = (size_t)count.bytes;
    RS_OOM(*out = malloc(HEAD + length + CRC));
    put_le(*out, length, LENGTH);
    put_le(*out + LENGTH, masked(*out, LENGTH), CRC);
    pb.memory = *out + HEAD;
    put_event(&pb, e);
    put_le(*out + HEAD + length, masked(*out + HEAD, length), CRC);
    *bytes = HEAD + length + CRC;
out:
    return st;
}

/* The step of an event as put_event writes it: 0 where there is none. */
static bool read_step(const unsigned char *data, size_t bytes, int64_t *step)
{
    enum { TIME_BYTES = 9 };
    uint64_t value = 0;
    *step = 0;
    if (bytes <= TIME_BYTES || data[0] != (EVENT_TIME << 3 | 1))
        return false;
    if (data[TIME_BYTES] != EVENT_STEP << 3)
        return true;
    for (size_t i = TIME_BYTES + 1, shift = 0; i < bytes && shift < 64; i++, shift += 7) {
        value |= (uint64_t)(data[i] & 0x7f) << shift;
        if (data[i] >= 0x80)
            continue;
        *step = (int64_t)value;
        return true;
    }
    return false;
}

/* Bytes of the records at the start of a file that are whole and of steps up to `steps`. */
static size_t count_kept(const unsigned char *data, size_t bytes, int64_t steps)
{
    size_t at = 0;
    while (bytes - at >= HEAD + CRC) {
        const unsigned char *record = data + at;
        const uint64_t length = get_le(record, LENGTH);
        int64_t step = 0;
        if (get_le(record + LENGTH, CRC) != masked(record, LENGTH) ||
            length > bytes - at - HEAD - CRC ||
            get_le(record + HEAD + length, CRC) != masked(record + HEAD, (size_t)length) ||
            !read_step(record + HEAD, (size_t)length, &step) || step > steps)
            break;
        at += HEAD + (size_t)length + CRC;
    }
    return at;
}

rescl_status rs_events_begin(const char *path, int64_t steps, double time)
{
    rescl_status st = RESCL_OK;
    const event version = {.time = time, .version = "brain.Event:2"};
    char *old = NULL;
    unsigned char *head = NULL;
    size_t bytes = 0, kept = 0;

    if (steps > 0) {
        const rescl_status read = rs_file_read(path, MAX_EVENTS, &old, &bytes);
        RS_TRY(read == RESCL_ERR_NOT_FOUND ? RESCL_OK : read);
    }
    if (old)
        kept = count_kept((const unsigned char *)old, bytes, steps);
    if (kept > 0 && kept < bytes)
        RS_TRY(rs_file_write(path, old, kept));
    if (kept > 0)
        goto out;
    RS_TRY(make_record(&version, &head, &bytes));
    RS_TRY(rs_file_write(path, head, bytes));
out:
    free(old);
    free(head);
    return st;
}

rescl_status rs_events_append(const char *path, int64_t step, double time, rs_pb_body summary,
                              const void *about)
{
    rescl_status st = RESCL_OK;
    const event e = {.time = time, .step = step, .summary = summary, .about = about};
    unsigned char *record = NULL;
    size_t bytes;

    RS_TRY(make_record(&e, &record, &bytes));
    RS_TRY(rs_file_append(path, record, bytes));
out:
    free(record);
    return st;
}

/* ---- values ------------------------------------------------------------------------------- */

typedef struct value {
    const char *tag;
    double scalar;
    const rs_event_image *image;
    const rs_event_histogram *histogram;
    const rs_event_curve *curve;
} value;

static void put_image(rs_pb *pb, const void *about)
{
    const rs_event_image *i = about;
    rs_pb_int(pb, IMAGE_HEIGHT, (int64_t)i->height);
    rs_pb_int(pb, IMAGE_WIDTH, (int64_t)i->width);
    rs_pb_int(pb, IMAGE_CHANNELS, 3);
    rs_pb_bytes(pb, IMAGE_FILE, i->bytes);
    rs_pb_raw(pb, i->png, i->bytes);
}

static void put_histogram(rs_pb *pb, const void *about)
{
    const rs_event_histogram *h = about;
    rs_pb_double(pb, HISTOGRAM_LEAST, h->least);
    rs_pb_double(pb, HISTOGRAM_MOST, h->most);
    rs_pb_double(pb, HISTOGRAM_COUNT, h->count);
    rs_pb_double(pb, HISTOGRAM_SUM, h->sum);
    rs_pb_double(pb, HISTOGRAM_SQUARES, h->squares);
    rs_pb_doubles(pb, HISTOGRAM_LIMIT, h->limit, h->bins);
    rs_pb_doubles(pb, HISTOGRAM_BINS, h->in_bin, h->bins);
}

static void put_curve_content(rs_pb *pb, const void *about)
{
    const rs_event_curve *c = about;
    rs_pb_int(pb, CURVE_THRESHOLDS, (int64_t)c->thresholds);
}

static void put_curve_plugin(rs_pb *pb, const void *about)
{
    rs_pb_text(pb, PLUGIN_NAME, "pr_curves");
    rs_pb_message(pb, PLUGIN_CONTENT, put_curve_content, about);
}

static void put_curve_metadata(rs_pb *pb, const void *about)
{
    rs_pb_message(pb, METADATA_PLUGIN, put_curve_plugin, about);
    rs_pb_int(pb, METADATA_CLASS, CLASS_TENSOR);
}

static void put_dim(rs_pb *pb, const void *about)
{
    rs_pb_int(pb, DIM_SIZE, (int64_t) * (const size_t *)about);
}

enum { CURVE_ROWS = 6 };

static void put_curve_shape(rs_pb *pb, const void *about)
{
    const rs_event_curve *c = about;
    const size_t rows = CURVE_ROWS;
    rs_pb_message(pb, SHAPE_DIM, put_dim, &rows);
    rs_pb_message(pb, SHAPE_DIM, put_dim, &c->thresholds);
}

static void put_curve_tensor(rs_pb *pb, const void *about)
{
    const rs_event_curve *c = about;
    rs_pb_int(pb, TENSOR_TYPE, TYPE_FLOAT);
    rs_pb_message(pb, TENSOR_SHAPE, put_curve_shape, c);
    rs_pb_floats(pb, TENSOR_FLOATS, c->value, CURVE_ROWS * c->thresholds);
}

static void put_value(rs_pb *pb, const void *about)
{
    const value *v = about;
    rs_pb_text(pb, VALUE_TAG, v->tag);
    if (v->image) {
        rs_pb_message(pb, VALUE_IMAGE, put_image, v->image);
    } else if (v->histogram) {
        rs_pb_message(pb, VALUE_HISTOGRAM, put_histogram, v->histogram);
    } else if (v->curve) {
        rs_pb_message(pb, VALUE_TENSOR, put_curve_tensor, v->curve);
        rs_pb_message(pb, VALUE_METADATA, put_curve_metadata, v->curve);
    } else {
        rs_pb_float(pb, VALUE_SCALAR, (float)v->scalar);
    }
}

void rs_event_scalar(rs_pb *pb, const char *tag, double scalar)
{
    const value v = {.tag = tag, .scalar = scalar};
    rs_pb_message(pb, SUMMARY_VALUE, put_value, &v);
}

void rs_event_image_value(rs_pb *pb, const char *tag, const rs_event_image *image)
{
    const value v = {.tag = tag, .image = image};
    rs_pb_message(pb, SUMMARY_VALUE, put_value, &v);
}

void rs_event_histogram_value(rs_pb *pb, const char *tag, const rs_event_histogram *histogram)
{
    const value v = {.tag = tag, .histogram = histogram};
    rs_pb_message(pb, SUMMARY_VALUE, put_value, &v);
}

void rs_event_curve_value(rs_pb *pb, const char *tag, const rs_event_curve *curve)
{
    const value v = {.tag = tag, .curve = curve};
    rs_pb_message(pb, SUMMARY_VALUE, put_value, &v);
}
