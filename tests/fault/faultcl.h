/* A fault shim between rescl and the OpenCL loader. librescl_fault.so has every entry point that
 * rescl and CLBlast call; each counts, goes on to the loader, and fails where it was told to.
 *
 * In a test program, which is linked to it before the loader (each tests/fault/test_*.c is):
 *
 *     fault_arm(NULL);
 *     job();
 *     for (uint64_t n = fault_calls(); n > 0; n--) {
 *         fault_arm(&(fault_plan){.at = n});
 *         job();
 *     }
 *
 * With any other program by LD_PRELOAD and the environment: FAULT_AT, FAULT_TIMES, FAULT_FUNCTION,
 * FAULT_CODE and FAULT_LATE are the members of fault_plan. FAULT_REPORT names a file that is written
 * at exit, so that there is none after a crash:
 *
 *     calls 1234
 *     called clSetKernelArg 567     (for each function that was)
 *     failed clSetKernelArg -50
 *     live 1 mem, 2 event
 */
#ifndef FAULTCL_H
#define FAULTCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which calls fail. A call that creates or enqueues fails instead of doing so; one that waits or
 * releases does so and then says that it failed. */
typedef struct fault_plan {
    uint64_t at;          /* the first that fails, counted from 1; 0: none */
    uint64_t times;       /* how many fail in a row; 0: one */
    const char *function; /* only its calls are counted; NULL: those of all. Borrowed */
    int code;             /* that they fail with; 0: each function's own (faultcl.def) */
    bool late;            /* a launch succeeds, does not run, and the next call that waits fails */
} fault_plan;

/* Counts anew, with a plan (copied; NULL: nothing fails). While no call runs. */
void fault_arm(const fault_plan *plan);

/* Calls since then. */
uint64_t fault_calls(void);

/* How often each function was called since then: function 0, 1, ...; NULL past the last. */
const char *fault_function(size_t index, uint64_t *count);

/* The first function that failed since then, and its code (may be NULL); NULL: none did. */
const char *fault_fired(int *code);

/* Objects that were made and not released since the program began: "1 mem, 2 event", or "". In a
 * buffer that the next call overwrites. */
const char *fault_live(void);

#endif
