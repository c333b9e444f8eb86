#define CL_TARGET_OPENCL_VERSION 120
#define _GNU_SOURCE              /* RTLD_NEXT */

#include "faultcl.h"

#include <CL/cl.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum call {
#define FAULT(kind, name, code, object, parameters, arguments) CALL_##name,
#include "faultcl.def"
#undef FAULT
    NCALLS
};

static const struct {
    const char *name;
    cl_int code;
} calls[NCALLS] = {
#define FAULT(kind, name, code, object, parameters, arguments) {#name, code},
#include "faultcl.def"
#undef FAULT
};

/* The loader's. */
static void (*next[NCALLS])(void);

enum object {
    OBJ_context,
    OBJ_command_queue,
    OBJ_mem,
    OBJ_program,
    OBJ_kernel,
    OBJ_event,
    NOBJECTS
};
static const char *const object_names[NOBJECTS] = {"context", "command_queue", "mem",
                                                   "program", "kernel",        "event"};
static atomic_long live[NOBJECTS];

static fault_plan plan;
static atomic_uint_fast64_t counted, counted_of[NCALLS];
static atomic_int fired = NCALLS; /* enum call of the first that failed */
static int fired_code;
static atomic_int owed; /* by launches that did not run, to the next call that waits */

void fault_arm(const fault_plan *p)
{
    plan = p ? *p : (fault_plan){0};
    atomic_store(&counted, 0);
    atomic_store(&owed, CL_SUCCESS);
    for (int i = 0; i < NCALLS; i++)
        atomic_store(&counted_of[i], 0);
    atomic_store(&fired, NCALLS);
}

uint64_t fault_calls(void)
{
    return atomic_load(&counted);
}

const char *fault_function(size_t index, uint64_t *count)
{
    if (index >= NCALLS)
        return NULL;
    *count = atomic_load(&counted_of[index]);
    return calls[index].name;
}

const char *fault_fired(int *code)
{
    const int call = atomic_load(&fired);
    if (call == NCALLS)
        return NULL;
    if (code)
        *code = fired_code;
    return calls[call].name;
}

const char *fault_live(void)
{
    static char text[256];
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < NOBJECTS; i++) {
        const long count = atomic_load(&live[i]);
        if (count != 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%ld %s", len ? ", " : "",
                                    count, object_names[i]);
    }
    return text;
}

/* Counts a call. The code that it is to fail with, or CL_SUCCESS. */
static cl_int take_call(enum call call)
{
    atomic_fetch_add(&counted_of[call], 1);
    if (plan.function && strcmp(plan.function, calls[call].name) != 0)
        return CL_SUCCESS;
    const uint64_t n = atomic_fetch_add(&counted, 1) + 1;
    if (plan.at == 0 || n < plan.at || n - plan.at >= (plan.times ? plan.times : 1))
        return CL_SUCCESS;
    const cl_int code = plan.code ? plan.code : calls[call].code;
    if (n == plan.at) {
        fired_code = code;
        atomic_store(&fired, (int)call);
    }
    return code;
}

/* ---- the entry points -------------------------------------------------------------------- */

#define NEXT(name) ((__typeof__(&name))next[CALL_##name])

#define DEFINE_CALL(name, object, parameters, arguments)                                           \
    cl_int name parameters                                                                         \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        return failure ? failure : NEXT(name) arguments;                                           \
    }

#define DEFINE_WAIT(name, object, parameters, arguments)                                           \
    cl_int name parameters                                                                         \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        const cl_int done = NEXT(name) arguments, late = atomic_exchange(&owed, CL_SUCCESS);       \
        return failure ? failure : late ? late : done;                                             \
    }

#define DEFINE_ENQUEUE(name, object, parameters, arguments)                                        \
    cl_int name parameters                                                                         \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        const bool late = failure && plan.late && CALL_##name == CALL_clEnqueueNDRangeKernel;      \
        if (late)                                                                                  \
            atomic_store(&owed, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);                     \
        const cl_int done = late      ? NEXT(clEnqueueMarkerWithWaitList)(queue, n, after, event)  \
                            : failure ? failure                                                    \
                                      : NEXT(name) arguments;                                      \
        if (event && done == CL_SUCCESS)                                                           \
            atomic_fetch_add(&live[OBJ_##object], 1);                                              \
        return done;                                                                               \
    }

#define DEFINE_RELEASE(name, object, parameters, arguments)                                        \
    cl_int name parameters                                                                         \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        const cl_int done = NEXT(name) arguments;                                                  \
        if (done == CL_SUCCESS)                                                                    \
            atomic_fetch_sub(&live[OBJ_##object], 1);                                              \
        return failure ? failure : done;                                                           \
    }

#define DEFINE_RETAIN(name, object, parameters, arguments)                                         \
    cl_int name parameters                                                                         \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        const cl_int done = failure ? failure : NEXT(name) arguments;                              \
        if (done == CL_SUCCESS)                                                                    \
            atomic_fetch_add(&live[OBJ_##object], 1);                                              \
        return done;                                                                               \
    }

#define DEFINE_CREATE(name, object, parameters, arguments)                                         \
    cl_##object name parameters                                                                    \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        if (failure && code)                                                                       \
            *code = failure;                                                                       \
        cl_##object made = failure ? NULL : NEXT(name) arguments;                                  \
        if (made)                                                                                  \
            atomic_fetch_add(&live[OBJ_##object], 1);                                              \
        return made;                                                                               \
    }

#define DEFINE_MAP(name, object, parameters, arguments)                                            \
    void *name parameters                                                                          \
    {                                                                                              \
        const cl_int failure = take_call(CALL_##name);                                             \
        if (failure && code)                                                                       \
            *code = failure;                                                                       \
        return failure ? NULL : NEXT(name) arguments;                                              \
    }

#define FAULT(kind, name, own_code, object, parameters, arguments)                                 \
    DEFINE_##kind(name, object, parameters, arguments)
#include "faultcl.def"
#undef FAULT

/* ---- a program that knows nothing of it --------------------------------------------------- */

static uint64_t number(const char *variable)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    for (int i = 0; i < NCALLS; i++)
        *(void **)&next[i] = dlsym(RTLD_NEXT, calls[i].name);
    const char *code = getenv("FAULT_CODE");
    fault_arm(&(fault_plan){number("FAULT_AT"), number("FAULT_TIMES"), getenv("FAULT_FUNCTION"),
                            code ? (int)strtol(code, NULL, 10) : 0, getenv("FAULT_LATE") != NULL});
}

__attribute__((destructor)) static void end(void)
{
    int code = 0;
    const char *path = getenv("FAULT_REPORT"), *name = fault_fired(&code);
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    fprintf(f, "calls %" PRIu64 "\n", fault_calls());
    for (int i = 0; i < NCALLS; i++)
        if (atomic_load(&counted_of[i]) > 0)
            fprintf(f, "called %s %" PRIuFAST64 "\n", calls[i].name, atomic_load(&counted_of[i]));
    if (name)
        fprintf(f, "failed %s %d\n", name, code);
    if (fault_live()[0])
        fprintf(f, "live %s\n", fault_live());
    fclose(f);
}
