#define _GNU_SOURCE
#include "sandbox.h"

#include "error.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)) && defined(__LP64__)
#define HAS_FILTER 1
#else
#define HAS_FILTER 0
#endif

#ifdef __linux__
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#if HAS_FILTER
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#endif

#define MOST_DESCRIPTORS 65536 /* that are closed one by one where the system has no call for it */

/* ---- descriptors --------------------------------------------------------------------------- */

static void close_from_to(int first, int last)
{
    if (first > last)
        return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0u) == 0)
        return;
#endif
    const long most = sysconf(_SC_OPEN_MAX);
    const int end = most > 0 && most < MOST_DESCRIPTORS ? (int)most : MOST_DESCRIPTORS;
    for (int fd = first; fd <= last && fd < end; fd++)
        close(fd);
}

void rs_sandbox_close_others(int reply, int file)
{
    const int low = reply < file ? reply : file, high = reply < file ? file : reply;
    if (!RS_SANITIZED) {
        const int null = open("/dev/null", O_RDWR);
        for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
            dup2(null, fd); /* the allocator's last words are not for the user */
    }
    if (low > STDERR_FILENO)
        close_from_to(STDERR_FILENO + 1, low - 1);
    close_from_to(low > STDERR_FILENO ? low + 1 : STDERR_FILENO + 1, high - 1);
    close_from_to((high > STDERR_FILENO ? high : STDERR_FILENO) + 1, INT32_MAX);
}

/* ---- limits -------------------------------------------------------------------------------- */

void rs_sandbox_limit(pid_t parent, uint64_t file_bytes)
{
    struct rlimit r;
#ifdef __linux__
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1); /* it ended before the call */
#else
    (void)parent;
#endif
    if (!RS_SANITIZED && getrlimit(RLIMIT_FSIZE, &r) == 0 &&
        (r.rlim_cur == RLIM_INFINITY || file_bytes < r.rlim_cur)) {
        r.rlim_cur = (rlim_t)file_bytes;
        (void)setrlimit(RLIMIT_FSIZE, &r);
    }
}

/* ---- system calls -------------------------------------------------------------------------- */

#if HAS_FILTER

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef SECCOMP_RET_KILL_PROCESS
#define KILL SECCOMP_RET_KILL_PROCESS
#else
#define KILL SECCOMP_RET_KILL /* the thread, of which there is one */
#endif

/* A system call that passes: ALWAYS, or as its argument of that index is. All arguments that are looked
 * at are ints, so that the low half of the register decides. */
typedef struct rule {
    uint32_t call;
    enum { ALWAYS, EQUALS, LACKS } when;
    uint32_t argument, value;
} rule;

#define MOST_RULES   40
#define CODE_OF_RULE 6 /* instructions, at most */

typedef struct program {
    struct sock_filter code[4 + CODE_OF_RULE * MOST_RULES + 1];
    size_t count;
} program;

static void add(program *p, uint16_t op, uint32_t k, uint8_t jump_if, uint8_t jump_else)
{
    p->code[p->count++] = (struct sock_filter)BPF_JUMP(op, k, jump_if, jump_else);
}

/* Both architectures are little-endian: the low half of an argument comes first. */
static void add_rule(program *p, const rule *r)
{
    const uint32_t at =
        (uint32_t)(offsetof(struct seccomp_data, args) + r->argument * sizeof(uint64_t));
    if (r->when == ALWAYS) {
        add(p, BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, 1);
        add(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
        return;
    }
    add(p, BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, 4);
    add(p, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
    if (r->when == EQUALS)
        add(p, BPF_JMP | BPF_JEQ | BPF_K, r->value, 0, 1);
    else
        add(p, BPF_JMP | BPF_JSET | BPF_K, r->value, 1, 0);
    add(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
}

static bool install(const rule *rules, size_t count)
{
    program p = {.count = 0};
    add(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, arch), 0, 0);
    add(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    add(&p, BPF_RET | BPF_K, KILL, 0, 0);
    add(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
    for (size_t i = 0; i < count; i++)
        add_rule(&p, &rules[i]);
    add(&p, BPF_RET | BPF_K, KILL, 0, 0);
    const struct sock_fprog f = {(unsigned short)p.count, p.code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0u, &f) == 0;
}

/* What would call the system later, and may not then, is done ahead. */
static void prepare(void)
{
    static char zone[] = "TZ=UTC0", *bare[] = {zone, NULL};
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 1); /* else the allocator may count the processors, in a file */
#endif
    /* Messages in other languages lie in files. */
    uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    /* The time zone, which HDF5 asks for when a read or a write fails, too. setenv would take a lock
     * that a thread of the parent may have held. */
    environ = bare;
    tzset();
}

bool rs_sandbox_filter(int reply, bool writes)
{
    const rule rules[] = {
        {SYS_pread64, ALWAYS, 0, 0},
        {SYS_write, writes ? ALWAYS : EQUALS, 0, (uint32_t)reply},
        {SYS_brk, ALWAYS, 0, 0},
        {SYS_mmap, LACKS, 2, PROT_EXEC},
        {SYS_mprotect, LACKS, 2, PROT_EXEC}, /* by which heaps of threads grow */
        {SYS_munmap, ALWAYS, 0, 0},
        {SYS_mremap, ALWAYS, 0, 0},
        {SYS_madvise, ALWAYS, 0, 0},
        {SYS_futex, ALWAYS, 0, 0},
        {SYS_clock_gettime, ALWAYS, 0, 0}, /* where the vDSO does not answer */
        {SYS_gettimeofday, ALWAYS, 0, 0},
        {SYS_getrandom, ALWAYS, 0, 0}, /* of the allocator */
        {SYS_sysinfo, ALWAYS, 0, 0},   /* of qsort: the size of memory */
        {SYS_exit, ALWAYS, 0, 0},
        {SYS_exit_group, ALWAYS, 0, 0},
        /* abort(), and what it says to /dev/null: a crash is reported as one */
        {SYS_writev, EQUALS, 0, STDERR_FILENO},
        {SYS_getpid, ALWAYS, 0, 0},
        {SYS_gettid, ALWAYS, 0, 0},
        {SYS_rt_sigprocmask, ALWAYS, 0, 0},
        {SYS_rt_sigaction, ALWAYS, 0, 0},
        {SYS_rt_sigreturn, ALWAYS, 0, 0},
        {SYS_tgkill, EQUALS, 0, (uint32_t)getpid()},
        /* those of a writer stand last */
        {SYS_pwrite64, ALWAYS, 0, 0},
        {SYS_lseek, ALWAYS, 0, 0},
        {SYS_ftruncate, ALWAYS, 0, 0},
        {SYS_fsync, ALWAYS, 0, 0},
        {SYS_close, ALWAYS, 0, 0},
    };
    enum { OF_WRITERS = 5 };
    if (RS_SANITIZED)
        return false;
    prepare();
    return install(rules, RS_COUNT(rules) - (writes ? 0 : OF_WRITERS));
}

#else

bool rs_sandbox_filter(int reply, bool writes)
{
    (void)reply, (void)writes;
    return false;
}

#endif
