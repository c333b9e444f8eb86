/* What a dataset format implements. One file and one line in datasets.def add one. */
#ifndef RS_DATASET_H
#define RS_DATASET_H

#include "hash.h"
#include "pixelcache.h"
#include "str.h"

#include <rescl/data.h>

typedef struct rs_dataset_format {
    const char *name;
    const char *expects; /* what it lies in, for errors: "a folder with ..."; NULL: built in */
    /* True when `path` looks like this format (a cheap look, no error). */
    bool (*recognises)(const rescl_data_options *options);
    /* Sets count, classes, class_name and state. What it set before a failure is cleaned up by the
     * caller, with close(). */
    rescl_status (*open)(const rescl_data_options *options, rescl_dataset *set);
    bool held; /* images lie in memory as `get` gives them: there is nothing to decode */
    /* Fills an image of any size. Thread-safe: the set does not change after open. */
    rescl_status (*get)(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label);
    /* The label alone, without reading the image. */
    int32_t (*label)(const rescl_dataset *set, size_t index);
    /* All labels of an image of a set of several (multi_label), ascending; `label` is then the first, or -1.
     * NULL: each image has its label alone. */
    size_t (*labels)(const rescl_dataset *set, size_t index, const int32_t **out);
    /* A hash that changes with the image, without decoding it; NULL: of drawn images. What cannot be
     * read has one too. */
    rescl_status (*identify)(const rescl_dataset *set, size_t index, rs_hash *out);
    /* What an image is called: its file, or where it lies in one; NULL: images are neither. */
    const char *(*path)(const rescl_dataset *set, size_t index);
    bool own_files; /* `path` is a file that holds the image and nothing else */
    /* What kind of file an image was before it was packed; NULL: it is none, or a file of its own. */
    rescl_status (*probe)(const rescl_dataset *set, size_t index, rescl_image_info *out);
    /* Frees `state`, which may be NULL. */
    void (*close)(rescl_dataset *set);
} rs_dataset_format;

typedef struct rs_dataset_line {
    char *text;
    rescl_log_level level;
} rs_dataset_line;

/* An image that was left out: the format's index, and why. */
typedef struct rs_bad_sample {
    size_t index;
    char *reason;
} rs_bad_sample;

struct rescl_dataset {
    const rs_dataset_format *format;
    char split[16];          /* "train", "val", "test"; a format sets it if another stood in */
    double validation_split; /* the share that was held out of "train"; 0: none */
    uint64_t seed;           /* of that choice */
    size_t *index;           /* of the format's samples, those that are in this split; NULL: all */
    bool multi_label;        /* an image has any number of labels; a format sets it, too */
    bool strict;             /* an image that cannot be read is an error */
    rescl_image_options images; /* how files of images are read */
    bool checked;
    rs_bad_sample *bad; /* see rescl_dataset_check */
    size_t nbad;
    rs_dataset_line *notes; /* see rescl_dataset_note */
    size_t notes_count, notes_cap;
    char *origin; /* for messages: the path or the built-in's name */
    size_t count, classes;
    char **class_name; /* `classes` strings, owned */
    void *state;       /* the format's own */
    size_t
        total; /* entries of `index`, or what the format counted; `count` is less when fewer were asked for */
    int32_t
        *label_map; /* of the format's labels: see rescl_dataset_match_classes; NULL: as they are */
    size_t labels;  /* entries of label_map */
    size_t pixel_bytes;    /* of all images decoded, once they were checked */
    rs_pixel_cache *cache; /* NULL: see rescl_dataset_cache */
};

/* Adds a line for the user: what a format found and left out. */
rescl_status rs_dataset_note(rescl_dataset *set, rescl_log_level level, const char *fmt, ...)
    RESCL_CHECK RESCL_PRINTF(3, 4);

/* RESCL_ERR_FORMAT, naming the class, for a name that is not UTF-8, or that holds a semicolon in a set of
 * several labels, whose names are parted by it. */
rescl_status rs_dataset_check_names(const rescl_dataset *set) RESCL_CHECK;

/* As checkpoints had it before: of 8 samples. */
rescl_status rs_dataset_old_fingerprint(const rescl_dataset *set, char out[RESCL_FINGERPRINT_BYTES])
    RESCL_CHECK;
bool rs_fingerprint_is_old(const char *fingerprint);

/* The format's index of a sample of the set. */
size_t rs_dataset_index(const rescl_dataset *set, size_t sample);

/* The label of a sample of the set, without reading it; -1 where the format cannot tell. Of a set of several
 * labels the first one; -1: it has none. */
int32_t rs_dataset_label(const rescl_dataset *set, size_t sample);
/* How many labels the image of a format's index has, and in *out those labels as the format counts them;
 * `own` is room for one of them. */
size_t rs_dataset_labels(const rescl_dataset *set, size_t index, int32_t *own, const int32_t **out);

/* What a sample's image says of itself, without decoding it where it is whole; for formats of files and of
 * archives of them. */
bool rs_dataset_can_probe(const rescl_dataset *set);
rescl_status rs_dataset_probe(const rescl_dataset *set, size_t sample, rescl_image_info *out)
    RESCL_CHECK;

/* Whether the last failure, of status `st`, says nothing of the file: memory or descriptors ran out. */
bool rs_is_machines_fault(rescl_status st);

/* Whether a sample that fails with `st` is to be passed over: its file is bad, and not this machine
 * or the program, and the set is not strict. */
bool rs_dataset_passes_over(const rescl_dataset *set, rescl_status st);
/* The file of a sample and the class of its label; `reason` is the caller's. */
rescl_bad_image rs_dataset_bad_image(const rescl_dataset *set, size_t sample, const char *reason);
/* "cat;dog": the classes of the image of a format's index. Appended. */
rescl_status rs_dataset_append_classes(const rescl_dataset *set, size_t index, rs_str *out)
    RESCL_CHECK;
/* What the message of a failure says after the file's name. */
const char *rs_dataset_reason(const char *path, const char *message);
/* A class that lost all its images to rescl_dataset_check; NULL: none. `first` is one of them. */
const char *rs_dataset_lost_class(const rescl_dataset *set, rescl_bad_image *first);
void rs_dataset_forget_bad(rescl_dataset *set);

#define RS_DATASET(stem) extern const rs_dataset_format rs_dataset_##stem;
#include "datasets.def"
#undef RS_DATASET

#endif
