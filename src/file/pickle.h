/* Python's pickles (protocols 1 to 5), read as data.
 *
 * A pickle is a program for a small stack machine, which may call anything that Python can import.
 * Nothing is called here: a call becomes a value of its own that says what was to be called with
 * what (RS_PICKLE_CALL), and the names that may stand for functions and classes are the caller's
 * to allow. Of Python's own only containers are made: OrderedDict, dict, list, set and their kin.
 *
 * Values are a graph, in which one value may stand in many places, and even within itself: who
 * walks it limits the depth and the number of steps. */
#ifndef RS_PICKLE_H
#define RS_PICKLE_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RS_PICKLE_MAX_BYTES  ((size_t)256 << 20)
#define RS_PICKLE_MAX_VALUES ((size_t)4 << 20)

typedef enum rs_pickle_kind {
    RS_PICKLE_NONE = 0,
    RS_PICKLE_BOOL,
    RS_PICKLE_INT,
    RS_PICKLE_LONG, /* an integer of more than 64 bits: `text` is little-endian two's complement */
    RS_PICKLE_FLOAT,
    RS_PICKLE_TEXT,
    RS_PICKLE_BYTES,
    RS_PICKLE_TUPLE,
    RS_PICKLE_LIST,
    RS_PICKLE_SET,
    RS_PICKLE_DICT,
    RS_PICKLE_GLOBAL,    /* `text` is "module.name" */
    RS_PICKLE_CALL,      /* of `callable` with `args`; what was put into it later is left out */
    RS_PICKLE_PERSISTENT /* something outside the pickle, of which `args` is the number or name */
} rs_pickle_kind;

typedef struct rs_pickle_value rs_pickle_value;
struct rs_pickle_value {
    rs_pickle_kind kind;
    int64_t integer;        /* of INT and BOOL */
    double real;            /* of FLOAT */
    const char *text;       /* of TEXT and GLOBAL, ended by NUL; of BYTES and LONG: in the pickle */
    size_t len;             /* of text; a TEXT may hold NULs */
    rs_pickle_value **item; /* elements; of a DICT: key, value, key, value */
    size_t count, cap;      /* of item */
    const rs_pickle_value *callable; /* GLOBAL or CALL */
    const rs_pickle_value *args;     /* of a CALL a TUPLE */
};

/* Asked about each name of a function or class. Fails for what is not to be in the pickle. */
typedef rescl_status (*rs_pickle_global_fn)(const char *global, const void *arg);

typedef struct rs_pickle rs_pickle;

/* Reads the pickle that begins at `data` and may end before `bytes`. `path` is for messages, which
 * count bytes from `at`. When it does not end, the status is RESCL_ERR_FORMAT and *cut is true, which
 * is left alone else. `data` stays in use until rs_pickle_free. */
rescl_status rs_pickle_read(const char *path, uint64_t at, const void *data, size_t bytes,
                            rs_pickle_global_fn allow, const void *arg, bool *cut, rs_pickle **out)
    RESCL_CHECK;
void rs_pickle_free(rs_pickle *p);

const rs_pickle_value *rs_pickle_root(const rs_pickle *p);
size_t rs_pickle_bytes(const rs_pickle *p); /* that it took */
/* The PERSISTENT values in their order; NULL after the last. */
const rs_pickle_value *rs_pickle_persistent(const rs_pickle *p, size_t index);

/* ---- asking values, any of which may be NULL ---------------------------------------------- */

/* Whether it is that text, name or call of that name. */
bool rs_pickle_is_text(const rs_pickle_value *v, const char *text);
bool rs_pickle_is_global(const rs_pickle_value *v, const char *global);
bool rs_pickle_is_call(const rs_pickle_value *v, const char *global);
/* An element of a list or tuple; NULL if there is none. */
const rs_pickle_value *rs_pickle_at(const rs_pickle_value *v, size_t index);
/* What a dict has under a key, the last if there are several; NULL if none. */
const rs_pickle_value *rs_pickle_get(const rs_pickle_value *v, const char *key);
/* A whole number that is not negative. */
bool rs_pickle_size(const rs_pickle_value *v, uint64_t *out);
/* The name of what is called, through calls of calls: "torch.device"; "" for other values. */
const char *rs_pickle_called(const rs_pickle_value *v);

#endif
