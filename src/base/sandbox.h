/* Walls around a child process of child.h: what it may still ask of the system.
 *
 * For code of others that reads hostile files. Even if such a file takes that code over, it can open
 * no file, reach no network, start no program and write no file: it can read the descriptor that it was
 * given and answer. The process's memory, which a child shares, it does see. */
#ifndef RS_SANDBOX_H
#define RS_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__has_feature)
#define RS_HAS_FEATURE(x) __has_feature(x)
#else
#define RS_HAS_FEATURE(x) 0
#endif

/* These reserve terabytes of addresses, and what they say of the child must be seen. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    RS_HAS_FEATURE(address_sanitizer) || RS_HAS_FEATURE(thread_sanitizer) ||                       \
    RS_HAS_FEATURE(memory_sanitizer)
#define RS_SANITIZED 1
#else
#define RS_SANITIZED 0
#endif

/* Closes all descriptors but `reply` and `file`, which are above 2 (0 is none). The standard streams lead
 * nowhere; builds with a sanitizer, which reports there, keep them. */
void rs_sandbox_close_others(int reply, int file);

/* Ends the process when `parent` does, bars it from the rights of set-user-ID programs (both Linux), and
 * lets files that it writes grow to `file_bytes`: SIGXFSZ ends it there, unless that is ignored. */
void rs_sandbox_limit(pid_t parent, uint64_t file_bytes);

/* From here on a system call that neither reading nor memory needs ends the process by SIGSYS. Writing
 * goes to `reply` only; with `writes` to every open descriptor, whose files may be cut and synced too. No
 * memory becomes executable. False where there is no such filter: other systems than Linux on x86-64 and
 * ARM64, kernels and containers that refuse one, and builds with a sanitizer. */
bool rs_sandbox_filter(int reply, bool writes);

#endif
