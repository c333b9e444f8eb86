/* Tables and tar archives as data sets. The first byte says which of them the others are, and whether images have
 * several labels. */
#include "fuzz.h"

#include "error.h"

#include <rescl/data.h>
#include <stdlib.h>

enum { MOST_IMAGES = 16, MOST_LABELS = 64 };

static size_t look_at(const rescl_dataset *set)
{
    char fingerprint[RESCL_FINGERPRINT_BYTES];
    int32_t label[MOST_LABELS];
    size_t sum = 0;
    const size_t classes = rescl_dataset_classes(set);
    size_t *counts = calloc(classes + 1, sizeof *counts);
    if (counts)
        rescl_dataset_class_counts(set, counts);
    free(counts);
    if (rescl_dataset_fingerprint(set, fingerprint) == RESCL_OK)
        sum += (size_t)fingerprint[0];
    for (size_t i = 0; i < rescl_dataset_count(set); i++) {
        const size_t n = rescl_dataset_labels(set, i, label, MOST_LABELS);
        for (size_t k = 0; k < n && k < MOST_LABELS; k++)
            if (label[k] < 0 || (size_t)label[k] >= classes)
                abort();
        sum += n;
    }
    for (size_t i = 0; i < rescl_dataset_count(set) && i < MOST_IMAGES; i++) {
        rescl_image image;
        if (rescl_dataset_get(set, i, &image, label) == RESCL_OK)
            sum += image.width;
        rescl_image_free(&image);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const splits[] = {"train", "val", "test"};
    const uint8_t how = size > 0 ? data[0] : 0;
    const char *path = fuzz_file(data + (size > 0), size > 0 ? size - 1 : 0);
    const bool is_table = how % 2 == 0;
    size_t sum = 0;
    for (size_t i = 0; i < 3; i++) {
        rescl_data_options o;
        rescl_dataset *set = NULL;
        rescl_data_options_default(&o);
        o.path = path;
        o.split = splits[i];
        o.format = is_table ? "images_csv" : "webdataset";
        o.multi_label = how & 2;
        o.validation_split = how & 4 ? 0.25 : 0;
        if (rescl_dataset_open(&o, &set) == RESCL_OK)
            sum += look_at(set);
        rescl_dataset_close(set);
    }
    if (is_table) {
        char **paths = NULL;
        size_t count = 0;
        if (rescl_table_read_paths(path, NULL, &paths, &count) == RESCL_OK)
            for (size_t i = 0; i < count; i++)
                free(paths[i]);
        free(paths);
    }
    return sum > (size_t)1 << 60;
}
