#include "cache.h"

#include "alloc.h"
#include "cachefolder.h"
#include "clinternal.h"
#include "clock.h"
#include "log.h"
#include "path.h"
#include "str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 48,
    STALE_SECONDS = 3600,
    LOCK_SECONDS = 60,
    LOCK_FILES = 256,
    LOCK_MARKS = 4096 /* bytes of a lock's file, one for each key that is done */
};
static const char magic[8] = {'R', 'S', 'C', 'L', 'P', 'R', 'G', '1'};
static const uint64_t default_limit = UINT64_C(256) << 20;

static void debug(const char *what, const char *path)
{
    if (rs_verbose("cache"))
        rs_log(RESCL_LOG_INFO, "cache: %s: %s", path, what);
}

/* RESCL_CACHE_LIMIT; a value that is no number counts as unset, for a cache is never an error. */
static uint64_t size_limit(void)
{
    const char *text = getenv("RESCL_CACHE_LIMIT");
    uint64_t limit = 0;
    return text != NULL && rs_parse_u64(text, &limit) ? limit : default_limit;
}

/* ---- key --------------------------------------------------------------------------------- */

/* The first processor's model and features, as the kernel prints them; "" where it does not. Taken
 * for every device: whether one compiles for the host is not always told by its type. */
static void describe_host(char *text, size_t cap)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[8192];
    size_t len = 0;
    text[0] = '\0';
    if (!f)
        return;
    while (fgets(line, sizeof line, f) && line[0] != '\n') {
        static const char *const fields[] = {"model name", "flags", "Features", "CPU part", "isa"};
        for (size_t i = 0; i < RS_COUNT(fields); i++)
            if (strncmp(line, fields[i], strlen(fields[i])) == 0 && len + strlen(line) < cap)
                len += (size_t)snprintf(text + len, cap - len, "%s", line);
    }
    fclose(f);
}

void rs_cache_key_make(const rs_hw *hw, const char *source, const char *options, rs_cache_key *out)
{
    const rescl_device_info *info = &hw->info;
    char host[16384];
    const char *const folder = hw->quirks & RS_QUIRK_OWN_CACHE ? getenv("POCL_CACHE_DIR") : NULL;
    describe_host(host, sizeof host);
    const char *const parts[] = {
        source,
        options,
        info->name,
        info->vendor,
        hw->device_version,
        info->driver,
        info->platform_name,
        info->platform_version,
        rescl_version(),
        host,
        folder ? folder : "", /* what it keeps in one says nothing of another */
    };
    out->hash = rs_hash_strings(parts, RS_COUNT(parts));
}

/* ---- files ------------------------------------------------------------------------------- */

/* NULL where there is none to use. */
static char *cache_folder(const char *name)
{
    char *folder = NULL;
    if (rs_cache_folder(name, &folder) != RESCL_OK && rs_verbose("cache"))
        rs_log(RESCL_LOG_INFO, "cache: %s", rescl_last_error()->message);
    return folder;
}

static char *entry_path(const char *folder, const rs_cache_key *key)
{
    char hex[33], name[40];
    rs_hash_hex(key->hash, hex);
    snprintf(name, sizeof name, "%s.bin", hex);
    return rs_path_join(folder, name);
}

static void put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static void make_header(const rs_cache_key *key, const void *payload, size_t bytes,
                        unsigned char header[HEADER_BYTES])
{
    const rs_hash hash = rs_hash_bytes(payload, bytes);
    memcpy(header, magic, sizeof magic);
    put_u64(header + 8, bytes);
    put_u64(header + 16, key->hash.lo);
    put_u64(header + 24, key->hash.hi);
    put_u64(header + 32, hash.lo);
    put_u64(header + 40, hash.hi);
}

bool rs_cache_try_load(const rs_cache_key *key, char **payload, size_t *bytes)
{
    const uint64_t limit = size_limit();
    char *folder = limit > 0 ? cache_folder("programs") : NULL;
    char *path = folder ? entry_path(folder, key) : NULL;
    char *data = NULL;
    size_t size = 0;
    bool ok = false;
    if (!path || !rs_cache_owns(path))
        goto out;
    if (rs_file_read(path, (size_t)limit, &data, &size) != RESCL_OK) {
        debug("cannot be read", path);
        goto out;
    }
    /* The header that this payload must have; comparing it checks every field at once. */
    unsigned char header[HEADER_BYTES];
    if (size > HEADER_BYTES) {
        make_header(key, data + HEADER_BYTES, size - HEADER_BYTES, header);
        ok = memcmp(header, data, HEADER_BYTES) == 0;
    }
    debug(ok ? "hit" : "damaged, will be replaced", path);
    if (!ok)
        goto out;
    (void)utimensat(AT_FDCWD, path, NULL, 0);
    *bytes = size - HEADER_BYTES;
    memmove(data, data + HEADER_BYTES, *bytes);
    *payload = data, data = NULL;
out:
    free(data);
    free(path);
    free(folder);
    return ok;
}

/* ---- one process at a time ---------------------------------------------------------------- */

/* Keys share LOCK_FILES files, so that these need no clearing away. */
static int open_lock(const rs_cache_key *key)
{
    char name[16];
    char *folder = cache_folder("locks");
    snprintf(name, sizeof name, "%02x", (unsigned)(key->hash.lo % LOCK_FILES));
    char *path = folder ? rs_path_join(folder, name) : NULL;
    const int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    free(path);
    free(folder);
    return fd;
}

/* Closes the file and gives -1 where the lock cannot be had. */
static int wait_for(int fd)
{
    if (fd >= 0 && !rs_try_lock(fd, LOCK_SECONDS)) {
        close(fd);
        return -1;
    }
    return fd;
}

int rs_cache_try_lock(const rs_cache_key *key)
{
    return size_limit() > 0 ? wait_for(open_lock(key)) : -1;
}

static off_t mark_offset(const rs_cache_key *key)
{
    return (off_t)(key->hash.hi % LOCK_MARKS);
}

static bool is_marked(int lock, const rs_cache_key *key)
{
    char mark = 0;
    return pread(lock, &mark, 1, mark_offset(key)) == 1 && mark != 0;
}

int rs_cache_try_lock_unmarked(const rs_cache_key *key)
{
    int lock = size_limit() > 0 ? open_lock(key) : -1;
    if (lock >= 0 && !is_marked(lock, key))
        lock = wait_for(lock);
    if (lock >= 0 && is_marked(lock, key)) {
        close(lock);
        lock = -1;
    }
    return lock;
}

void rs_cache_mark(int lock, const rs_cache_key *key)
{
    if (lock >= 0 && pwrite(lock, "1", 1, mark_offset(key)) != 1)
        rs_log(RESCL_LOG_DEBUG, "a lock of the program cache cannot be written: %s",
               strerror(errno));
}

void rs_cache_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

/* ---- keeping it small -------------------------------------------------------------------- */

typedef struct entry {
    char name[64];
    uint64_t bytes;
    struct timespec used;
} entry;

static int by_age(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

enum { ENTRY_NAME = 36 }; /* <32 hexadecimal digits>.bin */

/* No other file in the folder is the cache's, which may be a folder that holds more. */
static bool begins_as_entry(const char *name)
{
    return strspn(name, "0123456789abcdef") == 32 && strncmp(name + 32, ".bin", 4) == 0;
}

/* Reads the folder; what a killed process left half-written goes on the way. */
static size_t list_entries(DIR *dir, entry **list, uint64_t *total)
{
    size_t count = 0, cap = 0;
    const time_t now = time(NULL);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        struct stat info;
        if (!begins_as_entry(d->d_name) ||
            fstatat(dirfd(dir), d->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        if (d->d_name[ENTRY_NAME]) {
            if (rs_atomic_is_temporary(d->d_name, ENTRY_NAME) &&
                now - info.st_mtime > STALE_SECONDS)
                unlinkat(dirfd(dir), d->d_name, 0);
            continue;
        }
        if (rs_array_reserve(list, &cap, count + 1, sizeof **list) != RESCL_OK)
            break;
        entry *e = &(*list)[count++];
        snprintf(e->name, sizeof e->name, "%.36s", d->d_name);
        e->bytes = (uint64_t)info.st_size;
        e->used = info.st_mtim;
        *total += e->bytes;
    }
    return count;
}

static void evict(const char *folder, uint64_t limit)
{
    entry *list = NULL;
    uint64_t total = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    const size_t count = list_entries(dir, &list, &total);
    if (total > limit) {
        qsort(list, count, sizeof *list, by_age);
        for (size_t i = 0; i < count && total > limit / 4 * 3; i++) {
            if (unlinkat(dirfd(dir), list[i].name, 0) == 0)
                debug("dropped, the cache is full", list[i].name);
            total -= list[i].bytes;
        }
    }
    closedir(dir);
    free(list);
}

void rs_cache_try_store(const rs_cache_key *key, const void *payload, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const uint64_t limit = size_limit();
    char *folder = NULL, *path = NULL;
    rs_atomic_file file = {.fd = -1};
    unsigned char header[HEADER_BYTES];
    if (limit == 0 || bytes + HEADER_BYTES > limit)
        return;
    make_header(key, payload, bytes, header);
    RS_TRY(rs_cache_folder("programs", &folder));
    RS_OOM(path = entry_path(folder, key));
    RS_TRY(rs_atomic_open(&file, path));
    /* Whatever the umask: what a group may write is not trusted when it is read. */
    RS_FAIL_IF(fchmod(file.fd, 0600) != 0, RESCL_ERR_IO, "%s: cannot set its mode: %s", path,
               strerror(errno));
    RS_TRY(rs_atomic_write(&file, header, sizeof header));
    RS_TRY(rs_atomic_write(&file, payload, bytes));
    RS_TRY(rs_atomic_commit(&file));
    debug("written", path);
    evict(folder, limit);
out:
    if (st != RESCL_OK)
        rs_log(RESCL_LOG_DEBUG, "the program cache cannot be written: %s",
               rescl_last_error()->message);
    rs_atomic_abort(&file);
    free(path);
    free(folder);
}
