#include "cachefolder.h"

#include "error.h"
#include "log.h"
#include "path.h"
#include "text.h"

#include <errno.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *env_or_null(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The user's home as the user database has it, on the heap, or NULL. Services and cron jobs may run
 * without HOME. */
static char *home_of_user(void)
{
    enum { ENTRY_BYTES = 16384 };
    struct passwd entry, *found = NULL;
    char *home = NULL, *buffer = malloc(ENTRY_BYTES);
    if (buffer && getpwuid_r(geteuid(), &entry, buffer, ENTRY_BYTES, &found) == 0 && found &&
        found->pw_dir && rs_path_is_dir(found->pw_dir))
        home = strdup(found->pw_dir);
    free(buffer);
    return home;
}

rescl_status rs_cache_path(char **out)
{
    rescl_status st = RESCL_OK;
    const char *chosen = env_or_null("RESCL_CACHE_DIR"), *xdg = env_or_null("XDG_CACHE_HOME"),
               *home = env_or_null("HOME");
    char *own = NULL;
    if (chosen) {
        RS_OOM(*out = strdup(chosen));
    } else if (xdg && *xdg == '/') { /* the XDG specification says to ignore a relative one */
        RS_OOM(*out = rs_path_join(xdg, "rescl"));
    } else {
        if (!home)
            home = own = home_of_user();
        RS_FAIL_IF(!home, RESCL_ERR_NOT_FOUND,
                   "there is no cache folder: neither RESCL_CACHE_DIR, XDG_CACHE_HOME nor HOME is "
                   "set, and the user has no home; set RESCL_CACHE_DIR");
        RS_OOM(*out = rs_path_join(home, ".cache/rescl"));
    }
out:
    free(own);
    return st;
}

/* What forbids to trust what `info` is of, or NULL. */
static const char *doubt(const struct stat *info)
{
    if (S_ISLNK(info->st_mode))
        return "is a link";
    if (info->st_uid != geteuid())
        return "belongs to another user";
    if (info->st_mode & (S_IWGRP | S_IWOTH))
        return "may be written by others";
    return NULL;
}

/* The same of a folder that holds others' folders too, as /tmp does: there the sticky bit protects
 * each of them. A link is what it leads to. */
static const char *doubt_above(const char *path)
{
    struct stat link, info;
    if (lstat(path, &link) != 0 || stat(path, &info) != 0)
        return NULL;
    if ((link.st_uid != geteuid() && link.st_uid != 0) ||
        (info.st_uid != geteuid() && info.st_uid != 0))
        return "belongs to another user";
    if ((info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX))
        return "may be written by others";
    return NULL;
}

const char *rs_cache_doubt(const char *folder, bool base, char **where)
{
    const char *why = NULL;
    struct stat info;
    char *path = strdup(folder);
    for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0'; /* lstat would follow a link */
    for (int level = 0; path && level < (base ? 3 : 1) && !why; level++) {
        if (level > 0) {
            char *parent = rs_path_parent(path);
            free(path);
            path = parent;
        }
        if (path && level < 2)
            why = lstat(path, &info) == 0 ? doubt(&info) : NULL;
        else if (path)
            why = doubt_above(path);
    }
    if (!why) {
        free(path);
        path = NULL;
    }
    *where = path;
    return why;
}

bool rs_cache_owns(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode) && !doubt(&info);
}

/* Makes the folder, or checks the one that is there. */
static rescl_status own_folder(const char *path)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    rescl_status st = RESCL_OK;
    struct stat info;
    RS_FAIL_IF((mkdir(path, 0700) != 0 && errno != EEXIST) || lstat(path, &info) != 0, RESCL_ERR_IO,
               "%s: cannot create the folder: %s", path, strerror(errno));
    const char *why = doubt(&info);
    if (why && !atomic_flag_test_and_set(&warned))
        rs_log(RESCL_LOG_WARN,
               "the cache %s is not used: it %s, so programs could be planted there; remove it, or "
               "name another folder in RESCL_CACHE_DIR",
               path, why);
    RS_FAIL_IF(why, RESCL_ERR_IO, "%s: %s", path, why);
    RS_FAIL_IF(!S_ISDIR(info.st_mode), RESCL_ERR_IO, "%s: is not a folder", path);
out:
    return st;
}

rescl_status rs_cache_folder(const char *name, char **out)
{
    rescl_status st = RESCL_OK;
    char *base = NULL, *folder = NULL, *parent = NULL;
    RS_TRY(rs_cache_path(&base));
    for (size_t n = strlen(base); n > 1 && base[n - 1] == '/'; n--)
        base[n - 1] = '\0'; /* lstat would follow a link */
    RS_OOM(parent = rs_path_parent(base));
    RS_TRY(rs_mkdirs(parent));
    RS_TRY(own_folder(base));
    RS_OOM(folder = rs_path_join(base, name));
    RS_TRY(own_folder(folder));
    *out = folder, folder = NULL;
out:
    free(base);
    free(folder);
    free(parent);
    return st;
}
