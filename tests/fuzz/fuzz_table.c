/* Tar archives, and tables of text. */
#include "fuzz.h"

#include "csvread.h"
#include "tarfile.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    rs_tar tar;
    rs_csv_reader csv;
    bool more = true;
    size_t letters = 0;
    if (rs_tar_open(path, &tar) == RESCL_OK) {
        while (more && rs_tar_next(&tar, &more) == RESCL_OK && more)
            letters += strlen(tar.name);
        rs_tar_close(&tar);
    }
    more = true;
    if (rs_csv_open(path, (size_t)1 << 20, &csv) == RESCL_OK)
        while (more && rs_csv_next(&csv, &more) == RESCL_OK && more)
            for (size_t i = 0; i < csv.count; i++)
                letters += strlen(csv.field[i]);
    rs_csv_fini(&csv);
    return letters > (size_t)1 << 30;
}
