#include "freememory.h"

#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* MemAvailable of /proc/meminfo. */
static size_t of_system(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];
    unsigned long long kib;
    size_t bytes = SIZE_MAX;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1 && kib < SIZE_MAX / 1024)
            bytes = (size_t)kib * 1024;
    if (f)
        fclose(f);
    return bytes;
}

/* A number that stands alone in a file; SIZE_MAX for "max" and where there is none. */
static size_t number_in(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[64] = "";
    uint64_t value = UINT64_MAX;
    if (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!rs_parse_u64(line, &value))
            value = UINT64_MAX;
    }
    if (f)
        fclose(f);
    return value < SIZE_MAX ? (size_t)value : SIZE_MAX;
}

/* Of the group that a container shows as the root, in version 2. */
static size_t of_group(void)
{
    const size_t most = number_in("/sys/fs/cgroup/memory.max");
    const size_t used = number_in("/sys/fs/cgroup/memory.current");
    if (most == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    return used < most ? most - used : 0;
}

size_t rs_free_memory(void)
{
    const size_t system = of_system(), group = of_group();
    return system < group ? system : group;
}
