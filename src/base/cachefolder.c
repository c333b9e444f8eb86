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
