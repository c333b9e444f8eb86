/* The end of a command queue. */
#include "clinternal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* As the threads of RS_QUIRK_LOOSE_THREADS are called, in the 15 bytes that Linux keeps. */
#define LOOSE "rusticl queue t"

enum { MOST_TURNS = 2000 }; /* of a millisecond */

/* Threads of this process that are called so; 0 where there is no /proc. */
static size_t count_loose(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *f = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fgets(name, sizeof name, f))
            count += strncmp(name, LOOSE, strlen(LOOSE)) == 0;
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return count;
}

/* One at a time, so that each waits for a thread of its own. */
static void release_and_wait(cl_command_queue queue)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const struct timespec turn = {.tv_nsec = 1000000};
    pthread_mutex_lock(&lock);
    const size_t before = count_loose();
    clReleaseCommandQueue(queue);
    for (int i = 0; i < MOST_TURNS && before > 0 && count_loose() >= before; i++)
        nanosleep(&turn, NULL);
    pthread_mutex_unlock(&lock);
}

void rs_queue_release(const rs_hw *hw, cl_command_queue queue)
{
    if (!queue)
        return;
    if (hw->quirks & RS_QUIRK_LOOSE_THREADS)
        release_and_wait(queue);
    else
        clReleaseCommandQueue(queue);
}
