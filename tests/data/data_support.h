/* What the tests of datasets share. */
#ifndef DATA_SUPPORT_H
#define DATA_SUPPORT_H

#include <rescl/data.h>

/* Writes a file at once, without waiting for the disk as rs_file_write does. */
void put_bytes(const char *path, const void *data, size_t bytes);

/* A chunk of a PNG file with its checksum, into dst, which has room for count + 12 bytes. Its size. */
size_t make_chunk(uint8_t *dst, const char *type, const void *data, size_t count);

/* Writes a small PNG in which every byte is `value`. */
void put_image(const char *path, uint8_t value);

#endif
