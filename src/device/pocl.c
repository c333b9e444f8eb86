#define _GNU_SOURCE /* nftw */
#include "pocl.h"

#include "cachefolder.h"
#include "child.h"
#include "clinternal.h"
#include "log.h"
#include "path.h"
#include "str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LEAST_ROOM ((uint64_t)4 << 20) /* bytes, for the first programs */
#define LEAST_FILE                                                                                 \
    ((rlim_t)1 << 20) /* bytes: PoCL writes a program's source with OpenCL's own head */
#define NO_FOLDER "PoCL needs a writable cache folder, and %.200s is none (%s): "

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char fault[512];
static bool prepared;

/* ---- the cache folder ---------------------------------------------------------------------- */

/* Makes the folder and the one that holds it for this user alone: 0, else errno. */
static int make_private(const char *folder)
{
    char *parent = rs_path_parent(folder), *above = parent ? rs_path_parent(parent) : NULL;
    const bool good = above && rs_make_folders(above) &&
                      (mkdir(parent, 0700) == 0 || errno == EEXIST) && mkdir(folder, 0700) == 0;
    const int code = good ? 0 : above ? errno : ENOMEM;
    free(parent);
    free(above);
    return code == EEXIST && rs_path_is_dir(folder) ? 0 : code;
}

/* Where a program of PoCL's would be written; 0, else errno. The folder is made, as PoCL makes it. */
static int check_folder(const char *folder)
{
    struct statvfs disk;
    struct rlimit file;
    const int code = access(folder, F_OK) == 0 ? 0 : make_private(folder);
    if (code != 0)
        return code;
    if (access(folder, W_OK | X_OK) != 0)
        return errno;
    if (getrlimit(RLIMIT_FSIZE, &file) == 0 && file.rlim_cur < LEAST_FILE)
        return EFBIG;
    if (statvfs(folder, &disk) != 0)
        return 0;
    const uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    return blocks * disk.f_frsize < LEAST_ROOM ? ENOSPC : 0;
}

/* PoCL's own choice; NULL when it is a folder of /tmp that anybody may have made. */
static rescl_status usual_folder(char **out)
{
    rescl_status st = RESCL_OK;
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *out = NULL;
    if (cache && cache[0] != '\0')
        RS_OOM(*out = rs_strf("%s/pocl/kcache", cache));
    else if (home && home[0] != '\0')
        RS_OOM(*out = rs_strf("%s/.cache/pocl/kcache", home));
out:
    return st;
}

/* One is locked while its process lives, and removed at exit by the process that made it; what a
 * killed one left is removed by the next that needs one. */
#define TEMPORARY "rescl-pocl-"
static char *temporary;
static pid_t maker;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    (void)remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    enum { DESCRIPTORS = 16 };
    (void)nftw(path, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void remove_temporary(void)
{
    if (temporary && getpid() == maker)
        remove_tree(temporary);
}

/* The folder at `path`, if it is this user's alone and could be locked; else -1. The lock goes with
 * the descriptor, so with the process. */
static int lock_folder(const char *path)
{
    struct stat info, named;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 && lstat(path, &named) == 0 &&
        info.st_dev == named.st_dev && info.st_ino == named.st_ino && info.st_uid == geteuid() &&
        !(info.st_mode & (S_IRWXG | S_IRWXO)))
        return fd;
    close(fd);
    return -1;
}

static void remove_stale(const char *folder)
{
    static const char random[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const size_t mark = sizeof TEMPORARY - 1;
    struct dirent *entry;
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strncmp(name, TEMPORARY, mark) != 0 || strlen(name) != mark + strlen("XXXXXX") ||
            strspn(name + mark, random) != strlen("XXXXXX"))
            continue;
        char *path = rs_path_join(folder, name);
        const int fd = path ? lock_folder(path) : -1;
        if (fd >= 0) {
            remove_tree(path);
            close(fd);
        }
        free(path);
    }
    if (dir)
        closedir(dir);
}

/* NULL where there is no place for one either. */
static char *make_temporary(void)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || folder[0] == '\0')
        folder = "/tmp";
    remove_stale(folder);
    char *path = rs_strf("%s/" TEMPORARY "XXXXXX", folder);
    if (!path || !mkdtemp(path) || check_folder(path) != 0) {
        if (path)
            rmdir(path);
        free(path);
        return NULL;
    }
    /* Where there are no locks it cannot be taken for stale; where another process took it for stale
     * before it was locked, it is made again. */
    if (lock_folder(path) < 0 && access(path, F_OK) != 0 && mkdir(path, 0700) == 0)
        (void)lock_folder(path);
    temporary = path;
    maker = getpid();
    (void)atexit(remove_temporary);
    return path;
}

/* Another folder than `usual`, which will not do for the reason `why`. */
static rescl_status take_another(const char *usual, const char *why)
{
    rescl_status st = RESCL_OK;
    char *own = NULL, *where = NULL;
    const char *folder = NULL;
    if (rs_cache_folder("pocl", &own) == RESCL_OK && check_folder(own) == 0 &&
        !rs_cache_doubt(own, true, &where))
        folder = own;
    if (!folder) {
        folder = make_temporary();
        if (folder)
            rs_log(RESCL_LOG_WARN,
                   NO_FOLDER "each run compiles anew, in %s; set POCL_CACHE_DIR and "
                             "RESCL_CACHE_DIR",
                   usual, why, folder);
    }
    if (!folder)
        snprintf(fault, sizeof fault, NO_FOLDER "set POCL_CACHE_DIR", usual, why);
    RS_FAIL_IF(folder && setenv("POCL_CACHE_DIR", folder, 1) != 0, RESCL_ERR_MEMORY,
               "out of host memory");
out:
    free(own);
    free(where);
    return st;
}

/* PoCL loads what lies there with the rights of this process: what others may have planted is not
 * used, whoever named the folder. */
static rescl_status avoid_planted(const char *folder, bool given)
{
    rescl_status st = RESCL_OK;
    char *where = NULL;
    const char *why = rs_cache_doubt(folder, !given, &where);
    if (why) {
        rs_log(RESCL_LOG_WARN,
               "PoCL's cache %s is not used: %s %s, so programs could be planted there; remove it, "
               "or name another folder in POCL_CACHE_DIR",
               folder, where ? where : folder, why);
        RS_TRY(take_another(folder, why));
    }
out:
    free(where);
    return st;
}

static rescl_status settle_cache(void)
{
    rescl_status st = RESCL_OK;
    const char *asked = getenv("POCL_CACHE_DIR");
    const bool given = asked && asked[0] != '\0';
    char *folder = NULL;
    if (asked && !given)
        unsetenv("POCL_CACHE_DIR"); /* PoCL ends the process on an empty one */
    if (given)
        RS_OOM(folder = strdup(asked)); /* setenv may free what getenv found */
    else
        RS_TRY(usual_folder(&folder));
    const int code = folder ? check_folder(folder) : ENOENT;
    RS_FAIL_IF(code == ENOMEM, RESCL_ERR_MEMORY, "out of host memory");
    if (given && code != 0)
        snprintf(fault, sizeof fault, NO_FOLDER "set POCL_CACHE_DIR", asked, strerror(code));
    else if (!folder)
        RS_TRY(take_another("/tmp", "there is no home"));
    else if (code != 0)
        RS_TRY(take_another(folder, strerror(code)));
    else
        RS_TRY(avoid_planted(folder, given));
out:
    free(folder);
    return st;
}

/* ---- the processors ------------------------------------------------------------------------ */

/* hwloc, by which PoCL counts processors and memory, reads one of these on Linux. */
static bool has_topology(void)
{
#ifndef __linux__
    return true;
#else
    static const char *const files[] = {"core_siblings", "package_cpus", "core_cpus",
                                        "thread_siblings"};
    char path[80];
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/topology/%s", files[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
#endif
}

static rescl_status list_devices(rs_reply *reply, const void *arg)
{
    enum { MOST = 16 };
    cl_platform_id platforms[MOST];
    cl_uint count = 0, devices;
    (void)arg;
    if (clGetPlatformIDs(MOST, platforms, &count) != CL_SUCCESS)
        count = 0;
    for (cl_uint i = 0; i < count && i < MOST; i++)
        (void)clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 0, NULL, &devices);
    return rs_reply_put_u64(reply, count);
}

/* Tried in a child, which may end. */
static rescl_status check_processors(void)
{
    static const rs_child_limits limits = {.memory = (size_t)1 << 40,
                                           .seconds = 60,
                                           .patience = 600,
                                           .reply = 4096,
                                           .writes = (uint64_t)1 << 40};
    rescl_status st = RESCL_OK;
    rs_reply reply = {0};
    if (has_topology())
        goto out;
    RS_FAIL_IF(
        rs_child_run("OpenCL", list_devices, NULL, &limits, &reply) != RESCL_OK, RESCL_ERR_DEVICE,
        "PoCL ends the process where it cannot count processors: /sys/devices/system/cpu has "
        "none, so mount sysfs at /sys (mount -t sysfs sysfs /sys), or leave PoCL out by "
        "OCL_ICD_VENDORS with a folder of other drivers' .icd files");
out:
    rs_reply_fini(&reply);
    return st;
}

/* ---- both ---------------------------------------------------------------------------------- */

rescl_status rs_pocl_prepare(void)
{
    rescl_status st = RESCL_OK;
    pthread_mutex_lock(&lock);
    if (prepared || !rs_icd_names("pocl"))
        goto out;
    RS_TRY(settle_cache());
    RS_TRY(check_processors());
    prepared = true;
out:
    pthread_mutex_unlock(&lock);
    return st;
}

const char *rs_pocl_fault(void)
{
    return fault;
}
