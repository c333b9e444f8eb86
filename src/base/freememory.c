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

/* What a file's line "name number" says; 0 where there is none. */
static size_t value_in(const char *path, const char *name)
{
    FILE *f = fopen(path, "r");
    char line[128], found[64];
    unsigned long long value;
    size_t bytes = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%63s %llu", found, &value) == 2 && strcmp(found, name) == 0 &&
            value < SIZE_MAX)
            bytes = (size_t)value;
    if (f)
        fclose(f);
    return bytes;
}

/* By the three files of a group. What it uses holds files' contents that the system keeps as long as nothing
 * else needs the memory. */
static size_t left_of(const char *folder, const char *limit, const char *usage, const char *cached)
{
    char path[3][512];
    snprintf(path[0], sizeof path[0], "%s/%s", folder, limit);
    snprintf(path[1], sizeof path[1], "%s/%s", folder, usage);
    snprintf(path[2], sizeof path[2], "%s/memory.stat", folder);
    const size_t most = number_in(path[0]), used = number_in(path[1]);
    const size_t kept = value_in(path[2], cached);
    if (most == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    const size_t needed = used > kept ? used - kept : 0;
    return needed < most ? most - needed : 0;
}

size_t rs_free_memory_of_group(const char *root)
{
    char first[512];
    const size_t second = left_of(root, "memory.max", "memory.current", "inactive_file");
    snprintf(first, sizeof first, "%s/memory", root);
    if (second < SIZE_MAX)
        return second;
    return left_of(first, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
}

size_t rs_free_memory(void)
{
    const size_t system = of_system(), group = rs_free_memory_of_group("/sys/fs/cgroup");
    return system < group ? system : group;
}
