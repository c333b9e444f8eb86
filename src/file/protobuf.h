/* Writing protocol buffers (https://protobuf.dev/programming-guides/encoding): the wire format that
 * ONNX files and TensorBoard's events are in. A message is a sequence of fields, each a tag and a value:
 *
 *   varint   7 bits a byte, lowest first, the top bit says that more follow
 *   32-bit   little-endian, and so 64-bit
 *   bytes    a varint length, then strings, raw data, nested messages
 *
 * The length of a nested message stands before it, so its body runs twice: once on a writer that
 * only counts, once in earnest. Nothing is held in memory but one small buffer. */
#ifndef RS_PROTOBUF_H
#define RS_PROTOBUF_H

#include "path.h"

#include <stddef.h>
#include <stdint.h>

typedef struct rs_pb {
    rs_atomic_file *file;  /* NULL: counts only, */
    unsigned char *memory; /* unless there is room for all of it here */
    uint64_t bytes;        /* so far */
    rescl_status st;       /* of the first call that failed; later ones do nothing */
    size_t held;
    unsigned char hold[1024]; /* not written yet */
} rs_pb;

/* Writes a message's fields; gives the same ones each time. */
typedef void (*rs_pb_body)(rs_pb *pb, const void *about);

void rs_pb_int(rs_pb *pb, unsigned field, int64_t value);
void rs_pb_float(rs_pb *pb, unsigned field, float value);
void rs_pb_double(rs_pb *pb, unsigned field, double value);
void rs_pb_text(rs_pb *pb, unsigned field, const char *text);
void rs_pb_message(rs_pb *pb, unsigned field, rs_pb_body body, const void *about);

/* A bytes field whose content follows in parts, through rs_pb_raw. */
void rs_pb_bytes(rs_pb *pb, unsigned field, uint64_t bytes);
void rs_pb_raw(rs_pb *pb, const void *data, size_t bytes);

/* Repeated numbers, packed. */
void rs_pb_floats(rs_pb *pb, unsigned field, const float *value, size_t count);
void rs_pb_doubles(rs_pb *pb, unsigned field, const double *value, size_t count);

/* Writes what is held back. */
rescl_status rs_pb_flush(rs_pb *pb) RESCL_CHECK;

#endif
