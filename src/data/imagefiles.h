/* The state of a dataset whose images are files of their own, and what its format does with them: folder.c,
 * images_csv.c. */
#ifndef RS_IMAGEFILES_H
#define RS_IMAGEFILES_H

#include "dataset.h"
#include "labellists.h"
#include "notices.h"

typedef struct rs_image_file {
    char *path;
    int32_t label; /* of several the first; -1: none */
    size_t row;    /* of `lists` */
} rs_image_file;

typedef struct rs_image_files {
    rs_image_file *at;
    size_t count, cap;
    rs_notices *notices;
    rs_label_lists lists; /* of a set of several labels; {0} where each file has one */
} rs_image_files;

/* Makes the state of a set that is being opened. */
rescl_status rs_image_files_create(const rescl_data_options *options, rescl_dataset *set,
                                   rs_image_files **out) RESCL_CHECK;
/* Adds a file, whose path becomes the list's. In a set of several labels `label` is its row among `lists`. */
rescl_status rs_image_files_add(rs_image_files *f, const char *origin, char *path, int32_t label)
    RESCL_CHECK;

/* A hash of `bytes` of an open file from `at` on: of their number, the head and the tail. Whatever changes an
 * image shows in these, for files end with compressed data and their sums; a pass over whole sets would take
 * as long as an epoch. */
rs_hash rs_image_file_hash(int fd, uint64_t at, uint64_t bytes);
/* Whether such a hash is that of a file that is empty or cannot be opened, which is no copy of another. */
bool rs_image_hash_is_empty(rs_hash hash);

/* Members of rs_dataset_format. Images are decoded when they are asked for. */
rescl_status rs_image_files_get(const rescl_dataset *set, size_t index, rescl_image *image,
                                int32_t *label) RESCL_CHECK;
int32_t rs_image_files_label(const rescl_dataset *set, size_t index);
size_t rs_image_files_labels(const rescl_dataset *set, size_t index, const int32_t **out);
rescl_status rs_image_files_identify(const rescl_dataset *set, size_t index, rs_hash *out)
    RESCL_CHECK;
const char *rs_image_files_path(const rescl_dataset *set, size_t index);
void rs_image_files_close(rescl_dataset *set);

#endif
