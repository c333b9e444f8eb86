/* Images and labels in any HDF5 file, by the keys of h5_images and h5_labels: "images_h5". "{split}" in a
 * key stands for train, val or test; without it all images are train. Classes are the labels' numbers.
 * h5images.h says which shapes and types are read. */
#include "error.h"
#include "h5images.h"
#include "splits.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PLACE "{split}"

static bool recognises(const rescl_data_options *options)
{
    struct stat info;
    return (options->h5_images || options->h5_labels) && stat(options->path, &info) == 0 &&
           S_ISREG(info.st_mode);
}

/* A key for the split; NULL when memory is short. */
static char *key_of(const char *key, const char *split)
{
    const char *place = strstr(key, PLACE);
    return place ? rs_strf("%.*s%s%s", (int)(place - key), key, split, place + strlen(PLACE))
                 : rs_strf("%s", key);
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *split = rs_split_of(options->split);
    char *images = NULL, *labels = NULL;
    RS_FAIL_IF(!options->h5_images || !options->h5_labels, RESCL_ERR_ARG,
               "data \"%s\": the key of the %s is not given: --h5-%s KEY (h5_%s)", options->path,
               options->h5_images ? "labels" : "images", options->h5_images ? "labels" : "images",
               options->h5_images ? "labels" : "images");
    const bool divided = strstr(options->h5_images, PLACE) != NULL;
    RS_FAIL_IF(divided != (strstr(options->h5_labels, PLACE) != NULL), RESCL_ERR_ARG,
               "data \"%s\": one of the keys '%s' and '%s' has " PLACE "; expected both or none",
               options->path, options->h5_images, options->h5_labels);
    split = split ? split : options->split;
    RS_FAIL_IF(
        !divided && strcmp(split, "train") != 0, RESCL_ERR_NOT_FOUND,
        "data \"%s\": its keys are those of one split, train, so it has no split \"%s\"; " PLACE
        " in them stands for its name, or a share of the images can be held out as \"val\" "
        "(validation_split)",
        options->path, options->split);
    RS_OOM(images = key_of(options->h5_images, split));
    RS_OOM(labels = key_of(options->h5_labels, split));
    const rs_h5_keys keys = {
        .images = images,
        .labels = labels,
        .cure = "h5ls -r shows what a file holds",
        .other_split = divided && strcmp(split, "train") != 0,
    };
    RS_TRY(rs_h5_images_open(options->path, &keys, set));
out:
    free(images);
    free(labels);
    return st;
}

const rs_dataset_format rs_dataset_images_h5 = {
    .name = "images_h5",
    .expects = "an HDF5 file, with --h5-images and --h5-labels",
    .recognises = recognises,
    .open = open_set,
    .held = true,
    .get = rs_held_images_get,
    .label = rs_held_images_label,
    .identify = rs_held_images_identify,
    .close = rs_held_images_close,
};
