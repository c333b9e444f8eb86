/* A file of weights of any format (format.h) and of any library's names, as one list of float tensors.
 *
 * What the file does not say itself follows from its names: rs_wfile_about. */
#ifndef RS_WEIGHTFILE_H
#define RS_WEIGHTFILE_H

#include "format.h"

typedef struct rs_wfile_about {
    const char *path, *format;
    rs_naming naming;
    bool kcrs;               /* filters lie as PyTorch's (layout.h) */
    const char *prefix;      /* that stands before its names (keyprefix.h), or NULL */
    const char *head;        /* what it calls the last layer, if no library does; or NULL */
    const char *before_head; /* the dense layer with ReLU before that, or NULL */
    const char *unlike;      /* a clause on what no model of rescl's computes, or NULL */
    const struct rs_keras_config *keras; /* its layers as Keras lists them; NULL: not told */
    const rs_ckpt_model *model;          /* NULL when the file does not say */
    double bn_eps;                       /* that the weights are meant for; 0: not known */
    size_t classes;                      /* of the last layer; 0: it is not in the file */
    size_t hidden;                       /* units of the layer before it; 0: none */
    size_t image_size;                   /* of the input; 0: the file does not say */
    bool has_preprocess;  /* by what it says, or as weights of that library usually have */
    bool says_preprocess; /* it says so itself */
    rescl_preprocess preprocess;
    rescl_normalize normalize; /* of RESCL_PREPROCESS_NORMALIZE */
} rs_wfile_about;

typedef struct rs_wfile rs_wfile;

/* Recognises the format by the first bytes and checks everything but the values. */
rescl_status rs_wfile_open(const char *path, rs_wfile **out) RESCL_CHECK;
void rs_wfile_close(rs_wfile *f);

const rs_wfile_about *rs_wfile_describe(const rs_wfile *f);
size_t rs_wfile_count(const rs_wfile *f);
const rs_wfile_tensor *rs_wfile_at(const rs_wfile *f, size_t index);

/* All values of a tensor that is rs_dtype_readable, laid out as its `shape`, which must not be
 * without dimensions (RESCL_ERR_SHAPE). That a matrix reads a flattened map only a graph tells:
 * rs_wfile_load. */
rescl_status rs_wfile_read(const rs_wfile *f, size_t index, float *dst) RESCL_CHECK;

/* ---- held against a graph ------------------------------------------------------------------ */

typedef enum rs_match_state {
    RS_MATCHED = 0,
    RS_MISSING,    /* the model's, and not in the file */
    RS_RESHAPED,   /* in both, with different shapes */
    RS_UNEXPECTED, /* the file's, and not in the model */
    RS_MATCH_STATES
} rs_match_state;

typedef struct rs_match {
    rs_match_state state;
    int param;     /* of the graph; -1 if unexpected */
    size_t tensor; /* of the file; SIZE_MAX if missing */
    bool spread;   /* matched, but made for images of one channel: every channel of the model gets
                    * an equal share of each weight */
    bool
        repeated; /* matched, but made for images of three channels: the model's four get three quarters of the
                    * first, second, third and first again, as timm has it */
    bool summed; /* matched, but made for images of three channels: the model's one gets the sums
                    * of each weight over them, as timm's adapt_input_conv has it */
} rs_match;

/* Every parameter of the graph in its order, then the file's unexpected tensors in theirs. The
 * optimiser's state and torch's counters take no part. */
typedef struct rs_matching {
    rs_match *item;
    size_t count, of[RS_MATCH_STATES];
} rs_matching;

/* By the model's own names, else by those that the file's library gives its layers, else by any
 * library's; the last layer by any name (rs_wfile_about). */
rescl_status rs_wfile_match(const rs_wfile *f, const rs_graph *g, rs_matching *out) RESCL_CHECK;
size_t rs_wfile_candidates(const rs_wfile *f); /* tensors of the file that take part */
void rs_matching_fini(rs_matching *m);

/* Reads what matched. */
rescl_status rs_wfile_load(const rs_wfile *f, const rs_graph *g, const rs_matching *m,
                           rs_weights *w) RESCL_CHECK;

#endif
