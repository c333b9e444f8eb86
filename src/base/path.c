#include "path.h"

#include "clock.h"
#include "error.h"
#include "log.h"
#include "str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

rescl_status rs_mkdirs(const char *path)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!*path, RESCL_ERR_ARG, "the name of a folder is empty");
    RS_FAIL_IF(!rs_make_folders(path), RESCL_ERR_IO, "%s: cannot create the folder: %s", path,
               strerror(errno));
out:
    return st;
}

/* ---- reading ----------------------------------------------------------------------------- */

rescl_status rs_file_read(const char *path, size_t limit, char **data, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    RS_FAIL_IF(fd < 0 && (errno == ENOENT || errno == ENOTDIR), RESCL_ERR_NOT_FOUND,
               "%s: no such file", path);
    RS_FAIL_IF(fd < 0 || fstat(fd, &info) != 0, RESCL_ERR_IO, "%s: cannot open: %s", path,
               strerror(errno));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: is not a regular file", path);
    RS_FAIL_IF(info.st_size < 0 || (uintmax_t)info.st_size > limit, RESCL_ERR_FORMAT,
               "%s: has %jd bytes, at most %zu are expected", path, (intmax_t)info.st_size, limit);

    size_t size = (size_t)info.st_size, done = 0;
    RS_OOM(text = malloc(size + 1));
    while (done < size) {
        ssize_t got = read(fd, text + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        RS_FAIL_IF(got < 0, RESCL_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0)
            break; /* cut short since fstat */
        done += (size_t)got;
    }
    text[done] = '\0';
    *data = text, text = NULL;
    *bytes = done;
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return st;
}

rescl_status rs_file_read_at(int fd, const char *path, uint64_t at, void *dst, size_t bytes)
{
    rescl_status st = RESCL_OK;
    char *p = dst;

    while (bytes > 0) {
        ssize_t got = pread(fd, p, bytes < ((size_t)1 << 30) ? bytes : (size_t)1 << 30, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        RS_FAIL_IF(got < 0, RESCL_ERR_IO, "%s: read failed: %s", path, strerror(errno));
        RS_FAIL_IF(got == 0, RESCL_ERR_FORMAT, "%s: the file became shorter while it was read",
                   path);
        p += got;
        at += (uint64_t)got;
        bytes -= (size_t)got;
    }
out:
    return st;
}

/* ---- writing ----------------------------------------------------------------------------- */

bool rs_write_all(int fd, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes > 0) {
        const ssize_t put = write(fd, from, bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        from += put;
        bytes -= (size_t)put;
    }
    return true;
}

char *rs_path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A temporary file is locked (flock) while its writer lives. One that is not locked was left by a
 * process that died, and the next writer of the same path removes it. Best effort: what cannot be
 * removed stays. */
static void remove_stale(const char *path)
{
    const char *name = name_of(path);
    size_t len = strlen(name);
    char *folder = rs_path_parent(path);
    DIR *dir = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, name, len) != 0 || !rs_atomic_is_temporary(entry->d_name, len))
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
            continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
        close(fd);
    }
    if (dir)
        closedir(dir);
    free(folder);
}

/* The file that a rename may take the place of, on the heap: `path`, or what it is a link to. A
 * device or a FIFO, such as /dev/null, would be gone. */
static rescl_status find_target(const char *path, char **out)
{
    rescl_status st = RESCL_OK;
    struct stat info;
    char *target = NULL;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
        target = realpath(path, NULL);
        RS_FAIL_IF(!target, RESCL_ERR_IO, "%s: a link that leads nowhere: %s", path,
                   strerror(errno));
    } else {
        RS_OOM(target = strdup(path));
    }
    RS_FAIL_IF(stat(target, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode),
               RESCL_ERR_IO, "%s: cannot be replaced: it is no regular file", path);
    *out = target, target = NULL;
out:
    free(target);
    return st;
}

rescl_status rs_atomic_open(rs_atomic_file *f, const char *path)
{
    static atomic_uint serial;
    rescl_status st = RESCL_OK;
    *f = (rs_atomic_file){.fd = -1};
    RS_TRY(find_target(path, &f->path));
    remove_stale(f->path);
    while (!f->open) {
        free(f->temp);
        RS_OOM(f->temp = rs_strf("%s" RS_TEMP_MARK "%ld-%u", f->path, (long)getpid(),
                                 atomic_fetch_add(&serial, 1)));
        f->fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd < 0 && errno == EEXIST)
            continue;
        RS_FAIL_IF(f->fd < 0, RESCL_ERR_IO, "%s: cannot create the file: %s", path,
                   strerror(errno));
        /* Another writer may have taken it for stale before the lock was ours. */
        struct stat info;
        bool locked = flock(f->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        if (!locked || (fstat(f->fd, &info) == 0 && info.st_nlink == 0)) {
            close(f->fd);
            f->fd = -1;
            continue;
        }
        f->open = true;
    }
out:
    if (st != RESCL_OK)
        rs_atomic_abort(f);
    return st;
}

rescl_status rs_atomic_write(rs_atomic_file *f, const void *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!f->open, RESCL_ERR_ARG, "the file is not open for writing");
    RS_FAIL_IF(!rs_write_all(f->fd, data, bytes), RESCL_ERR_IO, "%s: cannot write: %s", f->path,
               strerror(errno));
out:
    return st;
}

/* Makes a rename in the folder of `path` durable. */
static rescl_status flush_folder(const char *path)
{
    rescl_status st = RESCL_OK;
    char *folder = NULL;
    int fd = -1;
    RS_OOM(folder = rs_path_parent(path));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    RS_FAIL_IF(fd < 0, RESCL_ERR_IO, "%s: cannot open the folder: %s", folder, strerror(errno));
    /* Some file systems cannot flush a folder and say EINVAL. */
    RS_FAIL_IF(fsync(fd) != 0 && errno != EINVAL, RESCL_ERR_IO, "%s: cannot flush the folder: %s",
               folder, strerror(errno));
out:
    if (fd >= 0)
        close(fd);
    free(folder);
    return st;
}

rescl_status rs_atomic_commit(rs_atomic_file *f)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!f->open, RESCL_ERR_ARG, "the file is not open for writing");
    RS_FAIL_IF(fsync(f->fd) != 0, RESCL_ERR_IO, "%s: cannot flush: %s", f->path, strerror(errno));
    RS_FAIL_IF(rename(f->temp, f->path) != 0, RESCL_ERR_IO, "%s: cannot rename to %s: %s", f->temp,
               f->path, strerror(errno));
    f->open = false;
    int closed = close(f->fd);
    f->fd = -1;
    RS_FAIL_IF(closed != 0, RESCL_ERR_IO, "%s: cannot close: %s", f->path, strerror(errno));
    RS_TRY(flush_folder(f->path));
out:
    if (!f->open)
        rs_atomic_abort(f);
    return st;
}

void rs_atomic_abort(rs_atomic_file *f)
{
    if (f->open) {
        unlink(f->temp);
        close(f->fd);
    }
    free(f->path);
    free(f->temp);
    *f = (rs_atomic_file){.fd = -1};
}

rescl_status rs_file_write(const char *path, const void *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    rs_atomic_file f = {.fd = -1};
    RS_TRY(rs_atomic_open(&f, path));
    RS_TRY(rs_atomic_write(&f, data, bytes));
    RS_TRY(rs_atomic_commit(&f));
out:
    rs_atomic_abort(&f);
    return st;
}

rescl_status rs_file_remove(const char *path)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(unlink(path) != 0 && errno != ENOENT, RESCL_ERR_IO, "%s: cannot remove: %s", path,
               strerror(errno));
out:
    return st;
}

rescl_status rs_file_append(const char *path, const void *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    struct stat info = {.st_size = -1};
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    RS_FAIL_IF(fd < 0 || fstat(fd, &info) != 0, RESCL_ERR_IO, "%s: cannot open: %s", path,
               strerror(errno));
    ssize_t put;
    do {
        put = write(fd, data, bytes);
    } while (put < 0 && errno == EINTR);
    RS_FAIL_IF(put < 0, RESCL_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
    /* A part of a line is worse than none. */
    if ((size_t)put != bytes && ftruncate(fd, info.st_size) != 0)
        rs_log(RESCL_LOG_WARN, "%s: ends with a part of a line: %s", path, strerror(errno));
    errno = 0;
    RS_FAIL_IF((size_t)put != bytes, RESCL_ERR_IO, "%s: only %zd of %zu bytes were written", path,
               put, bytes);
    RS_FAIL_IF(fsync(fd) != 0, RESCL_ERR_IO, "%s: cannot flush: %s", path, strerror(errno));
out:
    if (fd >= 0)
        close(fd);
    return st;
}

rescl_status rs_file_append_line(const char *path, const char *line)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    RS_OOM(text = rs_strf("%s\n", line));
    RS_TRY(rs_file_append(path, text, strlen(text)));
out:
    free(text);
    return st;
}

bool rs_try_lock(int fd, double seconds)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    const double give_up = rs_clock_seconds() + seconds;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || rs_clock_seconds() > give_up)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}
