/* A fault shim between rescl and the C library's allocator, for LD_PRELOAD:
 *
 *     FAULT_AT       the allocation that fails, counted from 1; none: all are counted only
 *     FAULT_TIMES    how many fail in a row (1); 0: all from there on
 *     FAULT_LIBS     what allocates, by parts of names: "rescl:jansson" (the program and the library)
 *     FAULT_REPORT   a file that is written at exit: "calls 1234", and "failed 1" if one did
 *
 * Counted are the allocations that rescl and jansson make, those of strdup among them. OpenCL's
 * drivers are left alone: they end the process when they are short of memory. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_RANGES 16

/* glibc's own names of its allocator, which need no dlsym (that allocates). */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

static struct {
    uintptr_t begin, end;
} range[MOST_RANGES];
static size_t ranges;
static uint64_t at, times;
static atomic_uint_fast64_t counted, failed;
static pid_t process; /* children of fork are none of ours */

static int add_ranges(struct dl_phdr_info *info, size_t bytes, void *libs)
{
    (void)bytes;
    char names[256], *rest = names;
    const char *file = strrchr(info->dlpi_name, '/');
    bool ours = info->dlpi_name[0] == '\0'; /* the program */
    snprintf(names, sizeof names, "%s", (const char *)libs);
    for (char *name; (name = strsep(&rest, ":")) != NULL;)
        ours = ours || (*name && file && strstr(file, name) && !strstr(file, "fault"));
    for (int i = 0; ours && i < info->dlpi_phnum && ranges < MOST_RANGES; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        range[ranges].begin = info->dlpi_addr + p->p_vaddr;
        range[ranges].end = range[ranges].begin + p->p_memsz;
        ranges++;
    }
    return 0;
}

static bool fails(const void *caller)
{
    bool ours = false;
    for (size_t i = 0; i < ranges; i++)
        ours = ours || ((uintptr_t)caller >= range[i].begin && (uintptr_t)caller < range[i].end);
    if (!ours)
        return false;
    const uint64_t n = atomic_fetch_add(&counted, 1) + 1;
    if (at == 0 || n < at || (times > 0 && n >= at + times))
        return false;
    atomic_fetch_add(&failed, 1);
    errno = ENOMEM;
    return true;
}

#define CALLER __builtin_return_address(0)

/* The C library's headers may have macros of these names. */
#undef strdup

void *malloc(size_t bytes)
{
    return fails(CALLER) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails(CALLER) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return fails(CALLER) ? NULL : __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return fails(CALLER) ? NULL : __libc_memalign(align, bytes);
}

char *strdup(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = fails(CALLER) ? NULL : __libc_malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

static uint64_t number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    const char *libs = getenv("FAULT_LIBS");
    process = getpid();
    at = number("FAULT_AT", 0);
    times = number("FAULT_TIMES", 1);
    dl_iterate_phdr(add_ranges, (void *)(uintptr_t)(libs ? libs : "librescl:libjansson"));
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAULT_REPORT");
    const uint64_t calls = atomic_load(&counted), lost = atomic_load(&failed);
    at = 0; /* the report is made in peace */
    FILE *f = path && getpid() == process ? fopen(path, "w") : NULL;
    if (!f)
        return;
    fprintf(f, "calls %" PRIu64 "\n", calls);
    if (lost)
        fprintf(f, "failed %" PRIu64 "\n", lost);
    fclose(f);
}
