/* The HDF5 layout of the SIGNS set of hands: "signs_h5". `path` is a folder with <split>_signs.h5,
 * or such a file itself, which holds
 *
 *     <split>_set_x   (N, H, W, 3)             images: whole numbers or floats, 0 to 255, or floats
 *                                              of 0 to 1
 *     <split>_set_y   (N), (1, N) or (N, 1)    labels, whole numbers: indices of classes
 *     list_classes    (C), (1, C) or (C, 1)    names of the classes: strings, or whole numbers
 *
 * What a file may be and how it is read: h5file.h. The images are held in memory as bytes. */
#include "error.h"
#include "h5images.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* path/<split>_signs.h5 when path is a folder, else path. Heap; NULL when memory is short. */
static char *file_of(const char *path, const char *split)
{
    if (!rs_path_is_dir(path))
        return rs_strf("%s", path);
    char *name = rs_strf("%s_signs.h5", split);
    char *file = name ? rs_path_join(path, name) : NULL;
    free(name);
    return file;
}

/* The split as names in files have it. */
static const char *split_of(const rescl_data_options *options)
{
    const char *split = rs_split_of(options->split);
    return split ? split : options->split;
}

/* Whichever split is asked for: a folder may lack it. */
static bool recognises(const rescl_data_options *options)
{
    const char *const splits[] = {split_of(options), "train", "val", "test"};
    bool found = false;
    for (size_t i = 0; !found && i < RS_COUNT(splits); i++) {
        struct stat info;
        char *path = file_of(options->path, splits[i]);
        const bool named = path && (rs_ends_with(path, ".h5") || rs_ends_with(path, ".hdf5"));
        found = named && stat(path, &info) == 0 && S_ISREG(info.st_mode);
        free(path);
    }
    return found;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *split = split_of(options);
    char *path = NULL, *images = NULL, *labels = NULL;
    RS_OOM(path = file_of(options->path, split));
    RS_FAIL_IF(strlen(split) > 32, RESCL_ERR_ARG, "%s: no split \"%s\"", path, options->split);
    RS_OOM(images = rs_strf("%s_set_x", split));
    RS_OOM(labels = rs_strf("%s_set_y", split));
    const rs_h5_keys keys = {
        .images = images,
        .labels = labels,
        .classes = "list_classes",
        .cure = "a SIGNS file holds <split>_set_x, <split>_set_y and list_classes, with the split "
                "\"train\", \"val\" or \"test\"; the names in other files are told by --h5-images "
                "and --h5-labels (h5_images, h5_labels)",
        .only_rgb = true,
        .other_split = strcmp(split, "train") != 0, /* a file of one split is a file of SIGNS */
    };
    RS_TRY(rs_h5_images_open(path, &keys, set));
out:
    free(path);
    free(images);
    free(labels);
    return st;
}

const rs_dataset_format rs_dataset_signs_h5 = {
    .name = "signs_h5",
    .expects = "a folder with train_signs.h5 and test_signs.h5, or such a file",
    .recognises = recognises,
    .open = open_set,
    .held = true,
    .get = rs_held_images_get,
    .label = rs_held_images_label,
    .identify = rs_held_images_identify,
    .close = rs_held_images_close,
};
