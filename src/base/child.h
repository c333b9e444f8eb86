/* Work that may crash, hang or want all memory, done in a child process.
 *
 * The child is a fork of this process without exec: it sees everything that the caller has in
 * memory, and nothing that it does or breaks comes back except the bytes of its reply. It is meant
 * for C code of others that cannot be trusted with a damaged file (HDF5).
 *
 * Other threads, OpenCL's among them, do not exist in the child, and locks that they held stay
 * locked. So the function that runs there may use the C library (whose allocator and streams are
 * usable after a fork in glibc, musl and macOS) and libraries that no other thread uses in this
 * process, and nothing else: no OpenCL, no log callback, no thread pool. Handlers of signals are
 * put back to the defaults first, and the child leaves by _exit, so that neither handlers nor
 * atexit functions of the parent run twice.
 *
 * The function starts its libraries and calls rs_child_confine before it touches what it cannot trust.
 * From there on sandbox.h holds: a child that was taken over can do no more than give a wrong answer. */
#ifndef RS_CHILD_H
#define RS_CHILD_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what it says ------------------------------------------------------------------------ */

/* Bytes that grow while they are written and are then read in the same order. {0} is empty. */
typedef struct rs_reply {
    char *data;
    size_t len, cap;
    size_t at; /* of reading */
} rs_reply;

rescl_status rs_reply_put_u64(rs_reply *r, uint64_t value) RESCL_CHECK;
rescl_status rs_reply_put_text(rs_reply *r, const char *text) RESCL_CHECK;
/* False at the end, or when what follows is none: the reply is damaged. */
bool rs_reply_get_u64(rs_reply *r, uint64_t *out);
/* Borrowed from the reply. */
bool rs_reply_get_text(rs_reply *r, const char **out);
void rs_reply_fini(rs_reply *r);

/* ---- running ----------------------------------------------------------------------------- */

typedef struct rs_child_limits {
    size_t memory;     /* bytes that it may take on top of what the process has */
    unsigned seconds;  /* of processor time */
    unsigned patience; /* seconds by the clock, for what waits: other work may slow it down much */
    size_t reply;      /* bytes */
    int file; /* an open descriptor, above 2, that it reads; all others are closed; 0: none */
    uint64_t writes; /* bytes that a file which it writes may have; 0: it only reads */
} rs_child_limits;

typedef rescl_status (*rs_child_fn)(rs_reply *reply, const void *arg);

/* Runs fn(reply, arg) in a child and waits for it. What it fails with is passed on, message and
 * all. When it crashes or reaches a limit the status is RESCL_ERR_FORMAT and the message names
 * `path`, the file that is to blame, and what happened. The limit on memory holds where the system
 * tells how much a process has (Linux). Callable from any thread. */
rescl_status rs_child_run(const char *path, rs_child_fn fn, const void *arg,
                          const rs_child_limits *limits, rs_reply *reply) RESCL_CHECK;

/* Called by `fn`, in the child: files are open and libraries started, and what follows may be led astray
 * by a file. It may read, compute and answer, and write to open files if the limits say that it writes.
 * False where the system has no means to hold it to that. */
bool rs_child_confine(void);

#endif
