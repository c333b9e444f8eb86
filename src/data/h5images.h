/* Images and labels in an HDF5 file, under whatever names: what signs_h5.c and images_h5.c share. */
#ifndef RS_H5IMAGES_H
#define RS_H5IMAGES_H

#include "heldimages.h"

/* Names within the file. Images are (N, H, W, 3), (N, 3, H, W), or (N, H, W) or (N, H, W, 1) of grey: whole
 * numbers or floats of 0 to 255, or floats of 0 to 1. Labels are (N), (1, N) or (N, 1), whole numbers: indices
 * of classes. Classes are (C), (1, C) or (C, 1), strings or whole numbers; without them they are "0", "1", ...
 * up to the largest label. */
typedef struct rs_h5_keys {
    const char *images, *labels, *classes; /* classes of NULL: the file has none */
    const char *cure; /* what a file is to hold, for the error of one that lacks a key */
    bool only_rgb;    /* images of other shapes than (N, H, W, 3) are refused */
    bool other_split; /* a file without `images` is RESCL_ERR_NOT_FOUND: it may hold another */
} rs_h5_keys;

/* Sets count, classes, class_name and state (rs_held_images) of a set that is being opened. */
rescl_status rs_h5_images_open(const char *path, const rs_h5_keys *keys, rescl_dataset *set)
    RESCL_CHECK;

#endif
