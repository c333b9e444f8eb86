/* HDF5 files, through the child process that the library runs in. A crash of HDF5 itself is no
 * finding: that it becomes an error is what the child is for. A sanitizer's report of our own code
 * there is one: it ends the child with an exit code. */
#include "fuzz.h"

#include "h5file.h"

#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static const uint8_t mark[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* Lets a fault of HDF5 end the child as it would without a sanitizer. The fault is HDF5's when one
 * of its functions is the innermost frame, or calls the C library's there. */
static void on_report(const char *report)
{
    const char *first = strstr(report, "#0 "), *after = first ? strstr(first, "#2 ") : NULL;
    const char *hdf5 = first ? strstr(first, "libhdf5") : NULL;
    if (hdf5 && after && hdf5 < after) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
}

/* Some files send HDF5 round in circles, which the child's limit would end after a second at best.
 * SIGPROF ends it after 50 ms of processor time. */
static void hurry(void)
{
    const struct itimerval limit = {.it_value.tv_usec = 50000};
    setitimer(ITIMER_PROF, &limit, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof mark)
        return 0;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    memcpy(bytes, mark, sizeof mark); /* else it is not read as HDF5 */
    __asan_set_error_report_callback(on_report);
    static bool ready;
    if (!ready)
        pthread_atfork(NULL, NULL, hurry);
    ready = true;
    const char *path = fuzz_file(bytes, size);
    char finding[600];
    snprintf(finding, sizeof finding, "%s: reading it ended without a result", path);
    fuzz_weights(path);
    free(bytes);
    if (strncmp(rescl_last_error()->message, finding, strlen(finding)) == 0)
        abort();
    return 0;
}
