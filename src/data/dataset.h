/* What a dataset format implements. One file and one line in datasets.def add one. */
#ifndef RS_DATASET_H
#define RS_DATASET_H

#include <rescl/data.h>

typedef struct rs_dataset_format {
    const char *name;
    const char *expects; /* what it lies in, for errors: "a folder with ..."; NULL: built in */
    /* True when `path` looks like this format (a cheap look, no error). */
    bool (*recognises)(const rescl_data_options *options);
    /* Sets count, classes, class_name and state. What it set before a failure is cleaned up by the
     * caller, with close(). */
    rescl_status (*open)(const rescl_data_options *options, rescl_dataset *set);
    /* Fills an image of any size. Thread-safe: the set does not change after open. */
    rescl_status (*get)(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label);
    /* Frees `state`, which may be NULL. */
    void (*close)(rescl_dataset *set);
} rs_dataset_format;

struct rescl_dataset {
    const rs_dataset_format *format;
    char *origin; /* for messages: the path or the built-in's name */
    size_t count, classes;
    char **class_name; /* `classes` strings, owned */
    void *state;       /* the format's own */
    size_t total;      /* what the format counted; `count` is less when fewer were asked for */
    int32_t
        *label_map; /* of the format's labels: see rescl_dataset_match_classes; NULL: as they are */
    size_t labels;  /* entries of label_map */
};

#define RS_DATASET(stem) extern const rs_dataset_format rs_dataset_##stem;
#include "datasets.def"
#undef RS_DATASET

#endif
