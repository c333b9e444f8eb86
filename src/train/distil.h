/* Knowledge distillation: the teacher that a run's options name. */
#ifndef RS_DISTIL_H
#define RS_DISTIL_H

#include "netmodel.h"
#include "teacher.h"

#include <jansson.h>
#include <rescl/train.h>

/* The choices of the option "distillation_type". */
const char *const *rs_distillation_names(void);

typedef struct rs_distil {
    rescl_model *model; /* NULL: there is no teacher */
    float table[3][256];
    rs_teacher_plan plan;
    char hash[33]; /* of what it computes with; "" without */
} rs_distil;

/* Reads the teacher, its classes in the order of the student's: {0} where options name none. Errors name the file,
 * what does not fit, and the cure. */
rescl_status rs_distil_init(const rescl_train_options *o, const rescl_model *student,
                            rs_distil *out) RESCL_CHECK;
void rs_distil_fini(rs_distil *d);
/* What teams take; NULL without. */
const rs_teacher_plan *rs_distil_plan(const rs_distil *d);
/* Says it to the student's graph: before that is planned. */
void rs_distil_set(const rs_distil *d, const rescl_train_options *o, rs_graph *student);

/* A checkpoint keeps the hash beside the options: a run that goes on with another teacher, without one, or with one
 * where there was none, fails with RESCL_ERR_ARG. */
rescl_status rs_distil_keep(const rs_distil *d, json_t *options) RESCL_CHECK;
rescl_status rs_distil_match(const rs_distil *d, const json_t *options, const char *teacher,
                             const char *path) RESCL_CHECK;

#endif
