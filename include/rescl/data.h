/**
 * @file data.h
 * Images and datasets.
 */
#ifndef RESCL_DATA_H
#define RESCL_DATA_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How the samples of images become the network's input. It travels with the weights. x is from 0 to 255; samples
 * of 16 bits are taken as x * 257. A fourth channel has the mean of what the three have, unless a
 * rescl_normalize gives it its own. */
typedef enum rescl_preprocess {
    RESCL_PREPROCESS_UNIT = 0,     /**< x / 255 */
    RESCL_PREPROCESS_TORCH = 1,    /**< (x / 255 - mean) / std, ImageNet's, RGB */
    RESCL_PREPROCESS_CAFFE = 2,    /**< BGR, minus 103.939, 116.779, 123.68 */
    RESCL_PREPROCESS_NORMALIZE = 3 /**< (x / 255 - mean) / std, RGB, of a rescl_normalize */
} rescl_preprocess;

/** Of red, green and blue, and of a fourth channel. */
typedef struct rescl_normalize {
    double mean[4]; /**< from 0 to 1 */
    /** Above 0, at most 1; the fourth may be 0: that channel has the means of the three. */
    double std[4];
} rescl_normalize;

/** "unit", "torch", "caffe", "normalize"; NULL for any other value. */
RESCL_API const char *rescl_preprocess_name(rescl_preprocess p);

/** How the pixels of a resized image are made: Pillow's filters of these names. */
typedef enum rescl_interpolation {
    RESCL_INTERPOLATION_BILINEAR = 0, /**< antialiased */
    RESCL_INTERPOLATION_BICUBIC = 1,  /**< antialiased */
    RESCL_INTERPOLATION_NEAREST = 2
} rescl_interpolation;

/** "bilinear", "bicubic", "nearest"; NULL for any other value. */
RESCL_API const char *rescl_interpolation_name(rescl_interpolation i);

/** Test-time augmentation: the inputs of an image over which its class probabilities are averaged. */
typedef enum rescl_tta {
    RESCL_TTA_NONE = 0,
    RESCL_TTA_FLIP = 1, /**< and its mirror image */
    RESCL_TTA_TEN_CROP =
        2 /**< torchvision's TenCrop: centre and corners of the resized image, and of its
                            * mirror image */
} rescl_tta;

/** "none", "flip", "ten_crop"; NULL for any other value. */
RESCL_API const char *rescl_tta_name(rescl_tta tta);

/**
 * How an image of any size becomes the square input of a network: torchvision's
 * Resize(resize_size, interpolation), which fits the shorter side, then CenterCrop. An image that
 * has the input's size already is taken as it is where resize_size is 0.
 */
typedef struct rescl_resize {
    size_t resize_size; /**< at least the input's size; 0: the input's size */
    rescl_interpolation interpolation;
    bool keep_exact; /**< an image that has the input's size already is taken as it is, whatever
                      * resize_size: it was cropped before */
} rescl_resize;

/** An image, rows from the top without padding. Who makes one sets all of it: zeros are the usual. */
typedef struct rescl_image {
    size_t width, height;
    uint8_t *pixels; /**< height * width pixels, owned */
    /** Samples of a pixel: red, green, blue; or those and a fourth, which usually is alpha, by which the others
     * are not multiplied. 3 or 4; 0: 3 */
    size_t channels;
    size_t bit_depth; /**< of a sample: 8; 16, each two bytes in the machine's order; 0: 8 */
} rescl_image;

/** The largest file that is read as an image. */
#define RESCL_IMAGE_MAX_BYTES ((size_t)512 << 20)
/** The most pixels that an image has in memory; larger ones are made smaller while they are read. */
#define RESCL_IMAGE_WHOLE_PIXELS ((size_t)64 << 20)
/** The most pixels that a file may say it has, unless rescl_image_options.max_pixels says otherwise. */
#define RESCL_IMAGE_MAX_PIXELS ((size_t)256 << 20)

typedef struct rescl_image_options {
    size_t struct_size; /**< sizeof this struct: see status.h */
    size_t max_pixels;  /**< larger images are refused; 0: RESCL_IMAGE_MAX_PIXELS */
    /** An image of more than RESCL_IMAGE_WHOLE_PIXELS is read at an eighth, a quarter, ... of its size
     * (JPEG) or a whole fraction of it (the others), at the smallest whose shorter side has this length and at
     * least 2048; 0: 2048. */
    size_t min_side;
    /** How many of the 16 bits of a 16-bit PNG, TIFF or PGM are used, counted from the lowest: 10 or 12
     * for most scientific cameras. Samples are scaled from that range to that of `bit_depth`; 0 or 16: the
     * whole range, as these formats have it. */
    size_t sample_bits;
    /** 4 keeps alpha, or whatever the fourth sample of a pixel is; images without have the largest value there.
     * 3, or 0: alpha is laid on white. */
    size_t channels;
    /** Of the samples that come out: 16, to which those of fewer bits are scaled; or 8, to which those of more
     * are cut; 0: 8. */
    size_t bit_depth;
} rescl_image_options;

RESCL_API void rescl_image_options_init(rescl_image_options *out, size_t struct_size);
static inline void rescl_image_options_default(rescl_image_options *out)
{
    rescl_image_options_init(out, sizeof *out);
}

/** What is worth telling of an image that was read all the same. Bits: several may be set. */
typedef enum rescl_image_notice {
    RESCL_IMAGE_END_DAMAGED =
        1,                   /**< all pixels are there; the file ends early or is damaged after */
    RESCL_IMAGE_REDUCED = 2, /**< it has more than RESCL_IMAGE_WHOLE_PIXELS */
    /** Of 16-bit samples only the lowest so many bits are used, so the image is dark or black: see
     * rescl_image_options.sample_bits. */
    RESCL_IMAGE_USES_8_BITS = 4,
    RESCL_IMAGE_USES_10_BITS = 8,
    RESCL_IMAGE_USES_12_BITS = 16,
    RESCL_IMAGE_USES_14_BITS = 32,
    /** 16-bit samples are above the range of rescl_image_options.sample_bits: they become white. */
    RESCL_IMAGE_EXCEEDS_SAMPLE_BITS = 64,
    RESCL_IMAGE_FIRST_OF_SEVERAL = 128 /**< pages or frames of one file */
} rescl_image_notice;

/** A notice in words, for one image or many: "more than 64 Mi pixels, ..."; NULL for any other value. */
RESCL_API const char *rescl_image_notice_text(rescl_image_notice notice);

/**
 * Reads an image, whose format its first bytes tell, and turns it upright as its EXIF or XMP orientation
 * says. Unless options say otherwise alpha is laid on white and 16 bits are cut to 8. CMYK becomes RGB as Pillow
 * converts it, without its profile. Of several pages or frames the first is taken. docs/data.md says which
 * kinds of each format are read: PNG, JPEG, WebP, TIFF, BMP, and PBM, PGM and PPM. RESCL_ERR_FORMAT for a file that is of another
 * format or kind, is damaged, or ends before its last row; RESCL_ERR_UNSUPPORTED for a format whose library
 * rescl was built without (rescl_features).
 */
RESCL_API rescl_status rescl_image_read(const char *path, rescl_image *out) RESCL_CHECK;
/** The same of a file that is in memory; `name` stands for its path in messages. */
RESCL_API rescl_status rescl_image_decode(const void *data, size_t bytes, const char *name,
                                          rescl_image *out) RESCL_CHECK;
/** The same with options; NULL: their defaults. *notices gets bits of rescl_image_notice and may be
 * NULL. */
RESCL_API rescl_status rescl_image_read_with(const char *path, const rescl_image_options *options,
                                             rescl_image *out, unsigned *notices) RESCL_CHECK;
RESCL_API rescl_status rescl_image_decode_with(const void *data, size_t bytes, const char *name,
                                               const rescl_image_options *options, rescl_image *out,
                                               unsigned *notices) RESCL_CHECK;

/** What the header of an image file says. */
typedef struct rescl_image_info {
    size_t width, height; /**< as they are stored, before the image is turned upright */
    const char *kind;     /**< "PNG", "JPEG", "WebP", "TIFF", "BMP" or "PNM" */
    const char *colour;   /**< "RGB", "gray", "gray+alpha", "RGBA", "palette" or "CMYK" */
    size_t bits;          /**< of a sample */
} rescl_image_info;

/**
 * Whether rescl_image_read() will take a file, by its header and its last bytes: quick, and without
 * opening what is no regular file. Only a file whose header is very long or that does not end as
 * images do is read in whole. What is damaged in the middle shows when it is decoded.
 */
RESCL_API rescl_status rescl_image_probe(const char *path, rescl_image_info *out) RESCL_CHECK;
/** The same with options; NULL: their defaults. */
RESCL_API rescl_status rescl_image_probe_with(const char *path, const rescl_image_options *options,
                                              rescl_image_info *out) RESCL_CHECK;
/** Whether a file's name ends as those of images do, in any case: ".png", ".jpg", ".jpeg", ".jfif", ".jpe",
 * ".jif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm". */
RESCL_API bool rescl_image_has_suffix(const char *name);
/** Writes a PNG with the channels and bits of the image, whole or not at all. */
RESCL_API rescl_status rescl_image_write(const char *path, const rescl_image *image) RESCL_CHECK;
/** The same file in memory: *png is on the heap. */
RESCL_API rescl_status rescl_image_encode(const rescl_image *image, uint8_t **png, size_t *bytes)
    RESCL_CHECK;
RESCL_API void rescl_image_free(rescl_image *image);

typedef struct rescl_dataset rescl_dataset;

typedef struct rescl_data_options {
    size_t struct_size; /**< sizeof this struct: see status.h */
    const char
        *path; /**< folder or file, or the name of a built-in set ("handsigns", "handsigns10",
                * "synthetic") */
    const char *split;  /**< "train", "val" or "test"; docs/data.md says which folders these are.
                         * "test" of data that has only "val" opens that: rescl_dataset_split */
    const char *format; /**< a name of rescl_dataset_formats(), or NULL to recognise it */
    size_t image_size;  /**< built-in sets draw this size; 0: 64 (synthetic: 224) */
    size_t samples;     /**< at most so many; 0: all (built-in sets draw 1080 of "train" and 120 of
                         * "test", synthetic 1280 and 128) */
    uint64_t seed;      /**< of built-in sets, and of what is held out */
    double
        validation_split; /**< above 0: "val" is this share of "train", which lacks it then: drawn
                              * by the seed, and the same share of each class. For data without a
                              * "val" of its own. Built-in sets are split at their usual size */
    bool strict_data;     /**< an image that cannot be read is an error; false: it is left out, see
                               * rescl_dataset_check. Of files and archives; those of HDF5 and CIFAR are
                               * all read when the set is opened */
    /* of images that are files or members of archives, as in rescl_image_options: */
    size_t max_pixels;  /**< larger images are refused; 0: RESCL_IMAGE_MAX_PIXELS */
    size_t sample_bits; /**< bits that 16-bit images use; 0: 16 */
    /** Where images and labels lie in an HDF5 file of no layout that is known; "{split}" in both stands for
     * "train", "val" or "test". NULL: the format's own. */
    const char *h5_images, *h5_labels;
    const char
        *images; /**< the folder in which the images of a table lie; NULL: that of the table */
    bool
        multi_label; /**< each image has any number of labels, also where the data gives each of them one.
                         * Tables say it themselves by a label such as "cat;dog" */
    /** Those of the network that takes the images, as in rescl_image_options; channels may be 1, which reads
     * as 3 does. What is no file has three channels of 8 bits and becomes what the network takes. */
    size_t channels, bit_depth;
} rescl_data_options;

RESCL_API void rescl_data_options_init(rescl_data_options *out, size_t struct_size);
static inline void rescl_data_options_default(rescl_data_options *out)
{
    rescl_data_options_init(out, sizeof *out);
}

/** NULL-terminated list of "signs_h5", "folder", "handsigns", ... */
RESCL_API const char *const *rescl_dataset_formats(void);

RESCL_API rescl_status rescl_dataset_open(const rescl_data_options *options, rescl_dataset **out)
    RESCL_CHECK;

/**
 * The images that a table names, with or without labels: *paths holds *count of them in the order of its rows,
 * and it and each of them is the caller's to free(). `images` as in rescl_data_options. What there is no file
 * of is among them.
 */
RESCL_API rescl_status rescl_table_read_paths(const char *path, const char *images, char ***paths,
                                              size_t *count) RESCL_CHECK;

/** Images in the caller's memory. Zeros are the usual, but for what is marked as needed. */
typedef struct rescl_data_arrays {
    size_t struct_size; /**< sizeof this struct: see status.h */
    const uint8_t *
        images; /**< needed: (count, height, width, channels), rows from the top, as in rescl_image */
    const int32_t *labels;          /**< needed: (count), each from 0 to classes - 1 */
    size_t count, height, width;    /**< needed, at least 1 */
    size_t classes;                 /**< needed */
    const char *const *class_names; /**< `classes` names, copied; NULL: "0", "1", ... */
    const char *name;               /**< for messages, copied; NULL: "arrays" */
    bool copy; /**< false: images and labels are borrowed and must neither move nor change until the
                * dataset is closed; true: they are copied */
    size_t channels, bit_depth; /**< as in rescl_image */
} rescl_data_arrays;

RESCL_API void rescl_data_arrays_init(rescl_data_arrays *out, size_t struct_size);
static inline void rescl_data_arrays_default(rescl_data_arrays *out)
{
    rescl_data_arrays_init(out, sizeof *out);
}

/**
 * Makes a dataset of arrays, for whatever takes one: training, evaluation, rescl_dataset_get.
 * Images of another size than the model's input are resized as any others. RESCL_ERR_ARG, naming
 * the member, the image or the class, for what does not fit together.
 */
RESCL_API rescl_status rescl_dataset_from_arrays(const rescl_data_arrays *arrays,
                                                 rescl_dataset **out) RESCL_CHECK;

/** Of any dataset; NULL is legal. What uses the dataset must be destroyed before. */
RESCL_API void rescl_dataset_close(rescl_dataset *dataset);
RESCL_API size_t rescl_dataset_count(const rescl_dataset *dataset);
RESCL_API size_t rescl_dataset_classes(const rescl_dataset *dataset);
/** Borrowed; NULL when `index` is out of range. */
RESCL_API const char *rescl_dataset_class_name(const rescl_dataset *dataset, size_t index);
/**
 * Renumbers the classes: from now on they are `names` (`count` of them, copied), and labels are
 * indices into that list. Classes are matched by name: a class that the list does not have is a
 * RESCL_ERR_FORMAT that names it and what may be meant; the list may have more. If one side's names
 * are mere numbers ("0", "1", ...) that do not match, both are taken in their order, which is logged,
 * and need as many classes (RESCL_ERR_ARG).
 *
 * Training and evaluation match a dataset with the model's classes themselves; this is for programs
 * that take labels from rescl_dataset_get. Not while anything uses the dataset.
 */
RESCL_API rescl_status rescl_dataset_match_classes(rescl_dataset *dataset, const char *const *names,
                                                   size_t count) RESCL_CHECK;
/**
 * The name among `names` (`count` of them; entries may be NULL) that was probably meant by `name`, or
 * NULL. *why says how it is written differently: " (it differs in the case of letters)", or "".
 */
RESCL_API const char *rescl_class_near(const char *name, const char *const *names, size_t count,
                                       const char **why);
/** How many images each class has: `counts` has room for rescl_dataset_classes() numbers. */
RESCL_API void rescl_dataset_class_counts(const rescl_dataset *dataset, size_t *counts);
/** "train", "val" or "test": which split was opened. Borrowed. */
RESCL_API const char *rescl_dataset_split(const rescl_dataset *dataset);
/**
 * What there is to say of the data: files that were left out, by kind, and what a folder's names
 * suggest. Note `index`, borrowed; NULL past the last one. `level` (may be NULL) is
 * RESCL_LOG_WARN where images may be lost, else RESCL_LOG_INFO.
 */
RESCL_API const char *rescl_dataset_note(const rescl_dataset *dataset, size_t index,
                                         rescl_log_level *level);
/** Bytes of a fingerprint with its NUL. */
#define RESCL_FINGERPRINT_BYTES 40
/**
 * Tells one dataset from another: it changes with the names of classes, with any label, and with the
 * content of any image (of a file, with its length and with the bytes of its head and tail). It stays
 * the same when files are moved, copied or touched. Of drawn images only a few are looked at.
 */
RESCL_API rescl_status rescl_dataset_fingerprint(const rescl_dataset *dataset,
                                                 char out[RESCL_FINGERPRINT_BYTES]) RESCL_CHECK;

/** The most hashes that a sketch has. */
#define RESCL_SKETCH_HASHES 512
/**
 * By what the images of a dataset are recognised in another one: the least of the 48-bit hashes of
 * their contents, ascending, each once. Fewer than RESCL_SKETCH_HASHES are those of all images.
 */
typedef struct rescl_sketch {
    size_t count; /**< 0: not known, as of images that are drawn */
    uint64_t hash[RESCL_SKETCH_HASHES];
} rescl_sketch;
RESCL_API rescl_status rescl_dataset_sketch(const rescl_dataset *dataset, rescl_sketch *out)
    RESCL_CHECK;
/** How many of a dataset's images are among those of a sketch. */
typedef struct rescl_overlap {
    size_t images;   /**< that are: an estimate unless all were compared */
    size_t compared; /**< images that tell; 0: not known */
} rescl_overlap;
/** Goes by the content of files or arrays, whatever their names, labels and split. */
RESCL_API rescl_status rescl_dataset_overlap(const rescl_dataset *dataset,
                                             const rescl_sketch *sketch, rescl_overlap *out)
    RESCL_CHECK;

/** An image that cannot be read. Strings are borrowed from the dataset. */
typedef struct rescl_bad_image {
    const char *path;
    const char *reason;     /**< what is wrong with it */
    const char *class_name; /**< that it would have had; of several labels the first one's */
} rescl_bad_image;

/**
 * Judges the file of each image by rescl_image_probe(), in several threads, and leaves out of the set
 * those that cannot be read: rescl_dataset_count() falls, rescl_dataset_bad() lists them. For sets of
 * files and of archives of them; of others, which are read when they are opened, nothing is checked. `checked` (may
 * be NULL) is the number of images that were.
 * RESCL_ERR_FORMAT if none is left, or if one cannot be read and the set was opened with strict_data.
 * Before anything uses the dataset; a second call looks at no file again.
 *
 * What is damaged behind its header and shows only when it is decoded does not end a training or an
 * evaluation either, unless strict_data: in training the next readable image of its class in the
 * dataset's order takes its place; an evaluation does not count it. Both are logged.
 */
RESCL_API rescl_status rescl_dataset_check(rescl_dataset *dataset, size_t *checked) RESCL_CHECK;
/** What rescl_dataset_check() found, in the dataset's order; false past the last. */
RESCL_API bool rescl_dataset_bad(const rescl_dataset *dataset, size_t index, rescl_bad_image *out);
/**
 * From now on the sets (NULL: none) keep each image in memory once it was decoded or drawn: what
 * rescl_dataset_get() gives is the same, and sooner there. `bytes`: that all sets together may take; 0: three
 * quarters of the memory that is free, of which each of `sharers` processes on this machine (1: this one alone)
 * gets its part. RESCL_ERR_MEMORY, saying both numbers, where the images take more, as
 * rescl_dataset_check() found their files or, where they have none, some of them tell; nothing is kept then.
 * Images that lie in memory already, as those of arrays and HDF5, are not kept twice.
 */
RESCL_API rescl_status rescl_dataset_cache(rescl_dataset *const *sets, size_t count, size_t bytes,
                                           size_t sharers) RESCL_CHECK;
/** Whether an image of the set has any number of labels, none included. */
RESCL_API bool rescl_dataset_multi_label(const rescl_dataset *dataset);
/** The number of labels of an image, of which the first `room` are written, ascending. 0 past the last image,
 * and where the format cannot tell them without reading the image. */
RESCL_API size_t rescl_dataset_labels(const rescl_dataset *dataset, size_t index, int32_t *labels,
                                      size_t room);
/** Image `index` and its label, of several the first, or -1 for none. `image` is filled anew; free it. Callable
 * from any thread. */
RESCL_API rescl_status rescl_dataset_get(const rescl_dataset *dataset, size_t index,
                                         rescl_image *image, int32_t *label) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
