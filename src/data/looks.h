/* What a survey keeps of each image, for what is found in it (copies.c) and for dividing (divide.c). */
#ifndef RS_LOOKS_H
#define RS_LOOKS_H

#include "dataset.h"

#include <rescl/survey.h>

#define RS_SURVEY_SPLITS 3

typedef struct rs_survey_look {
    rs_hash pixels; /* of what can be read */
    char *reason;
    const char *kind, *colour;
    uint32_t width, height; /* 0: it was not or cannot be read */
    uint32_t class_index;
    uint8_t bits, split;
} rs_survey_look;

typedef struct rs_survey_part {
    rescl_dataset *set;
    size_t first;        /* of its images among all */
    uint32_t *class_of;  /* of the set's classes, that of the survey */
    size_t *class_count; /* (the survey's classes) */
} rs_survey_part;

struct rescl_survey {
    rs_survey_part part[RS_SURVEY_SPLITS];
    size_t parts, images;
    rs_survey_look *look;    /* (images) */
    const char **class_name; /* of the sets */
    size_t classes;
    bool looked; /* at pixels */

    size_t *copy; /* images that have copies, group behind group */
    rescl_copies *group;
    size_t groups;
    rescl_size_count *size;
    size_t sizes;
    rescl_kind_count *kind;
    size_t kinds, kinds_cap;
    rescl_size_range width, height;
};

/* Finds groups of copies. */
rescl_status rs_survey_find_copies(rescl_survey *s) RESCL_CHECK;

#endif
