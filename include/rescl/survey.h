/**
 * @file survey.h
 * Looking through a data set: every image of every split is decoded once. And dividing one.
 */
#ifndef RESCL_SURVEY_H
#define RESCL_SURVEY_H

#include <rescl/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is known of the images of a data set; of each a few dozen bytes, not its pixels. */
typedef struct rescl_survey rescl_survey;

typedef struct rescl_survey_options {
    size_t struct_size; /**< sizeof this struct: see status.h */
    size_t workers;     /**< threads; 0: one for each processor */
    bool
        labels_only; /**< look at no image: enough for rescl_survey_divide() without group_copies */
    /** Called as images are decoded, from any thread but by one at a time; false ends the survey with
     * RESCL_ERR_INTERRUPTED. NULL: nothing is called. */
    bool (*on_progress)(size_t done, size_t images, void *user);
    void *user;
} rescl_survey_options;

RESCL_API void rescl_survey_options_init(rescl_survey_options *out, size_t struct_size);
static inline void rescl_survey_options_default(rescl_survey_options *out)
{
    rescl_survey_options_init(out, sizeof *out);
}

/**
 * Opens all splits of `data`, whose own `split` and validation_split are not used, and looks at each
 * image. Images that cannot be read are no failure: see rescl_survey_image. `options` may be NULL.
 */
RESCL_API rescl_status rescl_survey_create(const rescl_data_options *data,
                                           const rescl_survey_options *options, rescl_survey **out)
    RESCL_CHECK;
/** Closes its datasets too; NULL is legal. */
RESCL_API void rescl_survey_destroy(rescl_survey *survey);

/** The splits that there are, in the order train, val, test. */
RESCL_API size_t rescl_survey_splits(const rescl_survey *survey);
/** Split `index`, borrowed; NULL past the last. rescl_dataset_split() and _note() tell more. */
RESCL_API const rescl_dataset *rescl_survey_set(const rescl_survey *survey, size_t index);

/** The classes of all splits: those of the first in its order, then what others have besides. */
RESCL_API size_t rescl_survey_classes(const rescl_survey *survey);
RESCL_API const char *rescl_survey_class_name(const rescl_survey *survey, size_t index);
/** Images of a class in a split, readable or not. */
RESCL_API size_t rescl_survey_class_count(const rescl_survey *survey, size_t split,
                                          size_t class_index);

/** An image. Strings are borrowed. */
typedef struct rescl_survey_image_info {
    size_t split, sample; /**< image `sample` of rescl_survey_set(split) */
    size_t class_index;   /**< of rescl_survey_class_name(); of several labels the first one's, and
                           * rescl_survey_classes() where there is none */
    const char *path;     /**< NULL where images have no files of their own */
    const char *reason;   /**< why it cannot be read; NULL: it can, or nobody looked */
    size_t width, height; /**< upright; 0 where it cannot be read */
    const char *kind;     /**< of the file, "JPEG", or the data's format, "signs_h5" */
    const char *colour;   /**< "RGB", "gray", "gray+alpha", "RGBA", "palette", "CMYK" */
    size_t bits;          /**< of a sample */
} rescl_survey_image_info;

/** Image `index` of all splits together, split by split; false past the last. */
RESCL_API bool rescl_survey_image(const rescl_survey *survey, size_t index,
                                  rescl_survey_image_info *out);

/**
 * What image `index` is called in messages: its file, or the archive and its name in that, as in
 * "train-0.tar: 1.jpg"; NULL where images are neither, and past the last.
 */
RESCL_API const char *rescl_survey_image_name(const rescl_survey *survey, size_t index);

/** Images with the same pixels. */
typedef struct rescl_copies {
    const size_t *image; /**< indices for rescl_survey_image(), ascending */
    size_t count;        /**< at least 2 */
    bool shared;         /**< they are of several splits */
    bool contradict;     /**< they are of several classes, or of several sets of labels */
} rescl_copies;

/** Group `index`, by its first image; false past the last. */
RESCL_API bool rescl_survey_copies(const rescl_survey *survey, size_t index, rescl_copies *out);
/** Images of split `of` that are copies of one of split `in`. */
RESCL_API size_t rescl_survey_shared(const rescl_survey *survey, size_t in, size_t of);

/** How many images have a size; the most frequent first. False past the last. */
typedef struct rescl_size_count {
    size_t width, height, images;
} rescl_size_count;
RESCL_API bool rescl_survey_size(const rescl_survey *survey, size_t index, rescl_size_count *out);

/** How many images are of a kind; the most frequent first. False past the last. */
typedef struct rescl_kind_count {
    const char *kind, *colour;
    size_t bits, images;
} rescl_kind_count;
RESCL_API bool rescl_survey_kind(const rescl_survey *survey, size_t index, rescl_kind_count *out);

typedef struct rescl_size_range {
    size_t min, median, max;
} rescl_size_range;

/** Sums over all splits. */
typedef struct rescl_survey_summary {
    size_t images, unreadable;
    size_t copies;            /**< images beyond the first of each group of copies */
    size_t groups;            /**< of copies */
    size_t shared;            /**< groups of which several splits have images */
    size_t contradictions;    /**< groups of several classes */
    size_t largest, smallest; /**< classes with the most and the fewest images in the first split */
    rescl_size_range width, height; /**< of what can be read; 0 where nothing can */
} rescl_survey_summary;
RESCL_API void rescl_survey_get_summary(const rescl_survey *survey, rescl_survey_summary *out);

typedef struct rescl_divide_options {
    size_t struct_size; /**< sizeof this struct: see status.h */
    double
        validation_split; /**< share of each class of "train" that becomes "val", from 0 to below 1 */
    double test_split;    /**< and "test" */
    uint64_t seed;
    bool group_copies; /**< images with the same pixels stay in one split; not with labels_only */
} rescl_divide_options;

RESCL_API void rescl_divide_options_init(rescl_divide_options *out, size_t struct_size);
static inline void rescl_divide_options_default(rescl_divide_options *out)
{
    rescl_divide_options_init(out, sizeof *out);
}

/**
 * Divides the images of "train"; others keep their split. split[i] becomes "train", "val" or "test" for
 * image i of rescl_survey_image(). A class keeps an image in "train", and "val" and "test" get one at
 * least where it has enough. Without group_copies "val" is what rescl_data_options.validation_split
 * holds out with the same share and seed. RESCL_ERR_ARG for a share where the data has that split.
 */
RESCL_API rescl_status rescl_survey_divide(const rescl_survey *survey,
                                           const rescl_divide_options *options, const char **split)
    RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
