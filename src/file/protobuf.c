#include "protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

rescl_status rs_pb_flush(rs_pb *pb)
{
    if (pb->st == RESCL_OK && pb->file && pb->held)
        pb->st = rs_atomic_write(pb->file, pb->hold, pb->held);
    pb->held = 0;
    return pb->st;
}

void rs_pb_raw(rs_pb *pb, const void *data, size_t bytes)
{
    if (pb->memory && bytes)
        memcpy(pb->memory + pb->bytes, data, bytes);
    pb->bytes += bytes;
    if (!pb->file || pb->st != RESCL_OK)
        return;
    if (bytes > sizeof pb->hold - pb->held && rs_pb_flush(pb) != RESCL_OK)
        return;
    if (bytes > sizeof pb->hold) {
        pb->st = rs_atomic_write(pb->file, data, bytes);
        return;
    }
    memcpy(pb->hold + pb->held, data, bytes);
    pb->held += bytes;
}

static void put_varint(rs_pb *pb, uint64_t value)
{
    unsigned char b[10];
    size_t n = 0;
    do {
        b[n++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    rs_pb_raw(pb, b, n);
}

static void put_tag(rs_pb *pb, unsigned field, unsigned wire)
{
    put_varint(pb, (uint64_t)field << 3 | wire);
}

void rs_pb_int(rs_pb *pb, unsigned field, int64_t value)
{
    put_tag(pb, field, WIRE_VARINT);
    put_varint(pb, (uint64_t)value);
}

/* The lowest bytes first. */
static void put_bytes(rs_pb *pb, uint64_t bits, size_t bytes)
{
    unsigned char b[8];
    for (size_t i = 0; i < bytes; i++)
        b[i] = (unsigned char)(bits >> 8 * i);
    rs_pb_raw(pb, b, bytes);
}

static void put_float(rs_pb *pb, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_bytes(pb, bits, sizeof bits);
}

static void put_double(rs_pb *pb, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_bytes(pb, bits, sizeof bits);
}

void rs_pb_float(rs_pb *pb, unsigned field, float value)
{
    put_tag(pb, field, WIRE_32);
    put_float(pb, value);
}

void rs_pb_double(rs_pb *pb, unsigned field, double value)
{
    put_tag(pb, field, WIRE_64);
    put_double(pb, value);
}

void rs_pb_floats(rs_pb *pb, unsigned field, const float *value, size_t count)
{
    rs_pb_bytes(pb, field, count * sizeof *value);
    for (size_t i = 0; i < count; i++)
        put_float(pb, value[i]);
}

void rs_pb_doubles(rs_pb *pb, unsigned field, const double *value, size_t count)
{
    rs_pb_bytes(pb, field, count * sizeof *value);
    for (size_t i = 0; i < count; i++)
        put_double(pb, value[i]);
}

void rs_pb_bytes(rs_pb *pb, unsigned field, uint64_t bytes)
{
    put_tag(pb, field, WIRE_BYTES);
    put_varint(pb, bytes);
}

void rs_pb_text(rs_pb *pb, unsigned field, const char *text)
{
    rs_pb_bytes(pb, field, strlen(text));
    rs_pb_raw(pb, text, strlen(text));
}

void rs_pb_message(rs_pb *pb, unsigned field, rs_pb_body body, const void *about)
{
    rs_pb count = {0};
    body(&count, about);
    rs_pb_bytes(pb, field, count.bytes);
    body(pb, about);
}
