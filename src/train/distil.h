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
    float table[RS_PIXEL_CHANNELS][256];
    rs_teacher_plan plan;
    rescl_loss loss;     /* that its file was trained by */
    bool unnamed;        /* its file names no classes, */
    bool usual, unknown; /* and does not say its preprocessing: that of such files, the student's */
    char hash[33];       /* of what it computes with; "" without */
} rs_distil;

/* Reads the teacher, which teaches by the options' loss, its classes in the order of the student's: {0} where options
 * name none. Errors name the file, what does not fit, and the cure. */
rescl_status rs_distil_init(const rescl_train_options *o, const rescl_model *student,
                            rs_distil *out) RESCL_CHECK;
void rs_distil_fini(rs_distil *d);
/* Logs what its file does not say and what is assumed, of its loss too. */
void rs_distil_tell(const rs_distil *d, const char *teacher);
/* What teams take; NULL without. */
const rs_teacher_plan *rs_distil_plan(const rs_distil *d);

/* A checkpoint keeps the hash beside the options: a run that goes on with another teacher, without one, or with one
 * where there was none, fails with RESCL_ERR_ARG. */
rescl_status rs_distil_keep(const rs_distil *d, json_t *options) RESCL_CHECK;
rescl_status rs_distil_match(const rs_distil *d, const json_t *options, const char *teacher,
                             const char *path) RESCL_CHECK;

#endif
