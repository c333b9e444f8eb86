/* Images and labels in any HDF5 file, by the keys of h5_images and h5_labels: "images_h5". "{split}" in a
 * key stands for a name of the split; without it all images are train. Classes are the labels' numbers.
 * h5images.h says which shapes and types are read. */
#include "error.h"
#include "h5images.h"
#include "splits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool recognises(const rescl_data_options *options)
{
    struct stat info;
    return (options->h5_images || options->h5_labels) && stat(options->path, &info) == 0 &&
           S_ISREG(info.st_mode);
}

/* Reads what the keys say with this name of the split. RESCL_ERR_NOT_FOUND: there is none, if it may lack. */
static rescl_status open_named(const rescl_data_options *o, const char *name, bool may_lack,
                               rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    char *images = NULL, *labels = NULL;
    RS_OOM(images = rs_split_fill(o->h5_images, name));
    RS_OOM(labels = rs_split_fill(o->h5_labels, name));
    const rs_h5_keys keys = {
        .images = images,
        .labels = labels,
        .cure = "h5ls -r shows what a file holds",
        .other_split = may_lack,
    };
    RS_TRY(rs_h5_images_open(o->path, &keys, set));
out:
    free(images);
    free(labels);
    return st;
}

/* By the first name of the split that the file has. */
static rescl_status open_split(const rescl_data_options *o, const char *split, rescl_dataset *set)
{
    rescl_status st = RESCL_ERR_NOT_FOUND;
    const char *name;
    for (size_t i = 0; st == RESCL_ERR_NOT_FOUND && (name = rs_split_alias(split, i)); i++)
        st = open_named(o, name, true, set);
    if (st == RESCL_OK)
        snprintf(set->split, sizeof set->split, "%s", split);
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *split = rs_split_of(options->split);
    RS_FAIL_IF(!options->h5_images || !options->h5_labels, RESCL_ERR_ARG,
               "data \"%s\": the key of the %s is not given: --h5-%s KEY (h5_%s)", options->path,
               options->h5_images ? "labels" : "images", options->h5_images ? "labels" : "images",
               options->h5_images ? "labels" : "images");
    const bool divided = strstr(options->h5_images, RS_SPLIT_PLACE) != NULL;
    RS_FAIL_IF(divided != (strstr(options->h5_labels, RS_SPLIT_PLACE) != NULL), RESCL_ERR_ARG,
               "data \"%s\": one of the keys '%s' and '%s' has " RS_SPLIT_PLACE
               "; expected both or none",
               options->path, options->h5_images, options->h5_labels);
    split = split ? split : options->split;
    RS_FAIL_IF(!divided && strcmp(split, "train") != 0, RESCL_ERR_NOT_FOUND,
               "data \"%s\": its keys are those of one split, train, so it has no split "
               "\"%s\"; " RS_SPLIT_PLACE
               " in them stands for its name, or a share of the images can be held out as \"val\" "
               "(validation_split)",
               options->path, options->split);
    st = divided ? open_split(options, split, set) : RESCL_ERR_NOT_FOUND;
    if (divided && st == RESCL_ERR_NOT_FOUND && strcmp(split, "test") == 0)
        st = open_split(options, "val", set);
    if (st == RESCL_ERR_NOT_FOUND) /* says what was looked for */
        st = open_named(options, split, divided && strcmp(split, "train") != 0, set);
out:
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
