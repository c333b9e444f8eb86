/* What the fuzzers share: libFuzzer gives bytes, the readers want a file. */
#ifndef RS_FUZZ_H
#define RS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file below TMPDIR with these bytes; the same path each time. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* Opens it as weights of any format, reads every tensor that is not large, holds it against a small
 * network and loads what matches. */
void fuzz_weights(const char *path);

#endif
