/* PyTorch's files: the zip form through libzip, and the older one of bare pickles. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || (data[0] != 'P' && data[0] != 0x80)) /* another format: another harness */
        return 0;
    fuzz_weights(fuzz_file(data, size));
    return 0;
}
