/* What a file is, told by its first bytes: for messages about files of another kind than was wanted.
 *
 * One table serves readers of images and of weights. A kind that only its own tools can help, such as
 * a git-lfs pointer, brings its cure; for the rest the reader that was given the file knows best. */
#ifndef RS_WHATIS_H
#define RS_WHATIS_H

#include <stddef.h>

/* How many first bytes decide: pass so many, or the whole of a smaller file. */
#define RS_WHATIS_BYTES 512

typedef enum rs_file_class {
    RS_FILE_IMAGE,   /* of whatever format */
    RS_FILE_WEIGHTS, /* tensors or networks */
    RS_FILE_ARCHIVE, /* holds other files, or one compressed */
    RS_FILE_STANDIN, /* lies where the real file should */
    RS_FILE_OTHER
} rs_file_class;

typedef struct rs_file_kind {
    rs_file_class class;
    const char *name; /* with its article: "a GIF image" */
    const char *cure; /* an imperative: "run 'git lfs pull'"; NULL: the reader's own */
} rs_file_kind;

/* Never NULL: what is not known is "text" or "unknown data". */
const rs_file_kind *rs_file_whatis(const void *data, size_t bytes);

#endif
