/* Safetensors files: rescl's, torchvision's, and whatever becomes of them. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 0x89) /* HDF5: slow, and another harness */
        return 0;
    fuzz_weights(fuzz_file(data, size));
    return 0;
}
