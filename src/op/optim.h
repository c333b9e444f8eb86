/* Optimisers: updates of flat arenas of parameters, a launch or a few each.
 *
 * An optimiser is an object at the end of its own file, rs_optim_<name>, and a line of optims.def.
 * Its kernel lies in the file of the same stem in cl/. Its numbers are training options, which it
 * declares. All that names or lists optimisers goes by the registry, and tests/op/test_optim.c
 * compares each one with its reference. */
#ifndef RS_OPTIM_H
#define RS_OPTIM_H

#include "tensorsums.h"

#include <rescl/option.h>

#define RS_OPTIM_STATES  3  /* state arrays at most */
#define RS_OPTIM_NUMBERS 4  /* options at most */
#define RS_OPTIM_KERNELS 3  /* of one, at most */
#define RS_OPTIM_GRAIN   16 /* an arena has a multiple of so many floats */

/* What one update goes by. */
typedef struct rs_update {
    double lr, weight_decay;
    uint64_t step;   /* counts from 1 (Adam's bias correction, in double on the host) */
    double momentum; /* in place of the number of that name, or of beta1; 0: that number */
} rs_update;

/* What one update works on: `count` floats from the start of each buffer. */
typedef struct rs_optim_call {
    rescl_device *dev;
    rs_kernel *const *kernel; /* in the order of the object's */
    rs_grid grid;             /* of all but a tensor_sums_join */
    size_t count, chunk;      /* FOR_UNITS of common.clh: a chunk is a multiple of 16 */
    rs_buffer *param, *grad;
    rs_buffer *const *state;       /* NULL where the numbers need fewer arrays */
    const rs_tensor_sums *tensors; /* for those that have a reference_tensor */
} rs_optim_call;

typedef struct rs_optim_def {
    const char *name;                              /* as in optims.def */
    const char *about;                             /* one line: "stochastic gradient descent" */
    const rescl_option *options[RS_OPTIM_NUMBERS]; /* of its numbers, which lie in `number` in this
                                                    * order; NULL ends them. Optimisers may share
                                                    * an option. */
    const char *state_name[RS_OPTIM_STATES];       /* of its arrays, as checkpoints name them */
    const char *file;                              /* "optim_sgd" of cl/optim_sgd.cl, */
    const char *kernel[RS_OPTIM_KERNELS];          /* and the functions; NULL ends them */
    /* How many of the arrays these numbers need; NULL: all. */
    int (*states)(const double *number);
    /* Refuses numbers that do not go together; each one is in its range. May be NULL. */
    rescl_status (*check)(const double *number);
    /* What it is where no weights decay, such as "sgd", as it adapts only the rates of those that do; or
     * NULL. */
    const char *without_decay;
    rescl_status (*launch)(const rs_optim_call *c, const double *number, const rs_update *u);
    /* The truth, in double: one parameter, its gradient, and its place in each state array (NULL where there
     * is none). Or, where a number's step depends on the others of its tensor, one tensor of them; then it
     * works on pieces of tensors: tensorsums.h. */
    void (*reference)(const double *number, const rs_update *u, double *w, double g,
                      double *const *state);
    void (*reference_tensor)(const double *number, const rs_update *u, double *w, const double *g,
                             double *const *state, size_t count);
} rs_optim_def;

#define RS_OPTIM(name) extern const rs_optim_def rs_optim_##name;
#include "optims.def"
#undef RS_OPTIM

/* Numbers that several optimisers have. The names of options are global: another optimiser shares
 * these or names its own otherwise. */
extern const rescl_option rs_optim_momentum;
extern const rescl_option rs_optim_beta1, rs_optim_beta2, rs_optim_eps;

/* All of them, and their names; both end with NULL. */
const rs_optim_def *const *rs_optims(void);
const char *const *rs_optim_names(void);
/* RESCL_ERR_ARG lists them and suggests the nearest name. */
rescl_status rs_optim_find(const char *name, const rs_optim_def **out) RESCL_CHECK;

/* An optimiser with its numbers. */
typedef struct rs_optim_hyper {
    const rs_optim_def *def;
    double number[RS_OPTIM_NUMBERS];
    bool
        takes_momentum; /* updates may have their own: there is an array for it even if the number is 0 */
} rs_optim_hyper;

/* With the numbers that its options have by default. */
rs_optim_hyper rs_optim_default(const rs_optim_def *def);
/* RESCL_ERR_ARG when a number is out of range, or they do not go together. */
rescl_status rs_optim_check(const rs_optim_hyper *h) RESCL_CHECK;

/* Makes it ready for updates with a momentum of their own; others go by its number as before. RESCL_ERR_ARG
 * when it has neither momentum nor beta1. */
rescl_status rs_optim_take_momentum(rs_optim_hyper *h) RESCL_CHECK;

/* State arrays of `count` floats each that it needs, and their names: "momentum", "m", "v". */
int rs_optim_states(const rs_optim_hyper *h);
const char *rs_optim_state_name(const rs_optim_hyper *h, int i);

typedef struct rs_optim rs_optim;

rescl_status rs_optim_create(rescl_device *dev, const rs_optim_hyper *h, rs_optim **out)
    RESCL_CHECK;
void rs_optim_destroy(rs_optim *o);
const rs_optim_hyper *rs_optim_hyper_of(const rs_optim *o); /* borrowed */

/* The options that its kernels are built with on this device; room for RS_OPTIM_OPTIONS. */
#define RS_OPTIM_OPTIONS RS_PIECES_OPTIONS
const char *rs_optim_options(rescl_device *dev, const rs_optim_def *def,
                             char text[RS_OPTIM_OPTIONS]);

/* One update of `count` floats, a multiple of RS_OPTIM_GRAIN. States start as zeros. `tensors`, those of the
 * arena, are for an optimiser with a reference_tensor; else NULL. */
rescl_status rs_optim_enqueue(rs_optim *o, rs_buffer *param, rs_buffer *grad,
                              rs_buffer *const *state, size_t count, const rs_tensor_sums *tensors,
                              const rs_update *u) RESCL_CHECK;

/* The same in double on the host: the truth. All are of one tensor, if that matters. */
void rs_optim_reference(const rs_optim_hyper *h, double *param, const double *grad,
                        double *const *state, size_t count, const rs_update *u);

#endif
