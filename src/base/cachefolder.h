/* The user's cache on disk: compiled programs, tuning results, logs of failed builds. */
#ifndef RS_CACHEFOLDER_H
#define RS_CACHEFOLDER_H

#include <rescl/status.h>
#include <stdbool.h>

/* $RESCL_CACHE_DIR, else $XDG_CACHE_HOME/rescl, else ~/.cache/rescl, where ~ is $HOME, else the home
 * that the user database names. RESCL_ERR_NOT_FOUND where there is none of these. Heap; not
 * created. */
rescl_status rs_cache_path(char **out) RESCL_CHECK;

/* The folder `name` in it, on the heap; created, for this user alone, if need be. A cached program
 * runs with the rights of whoever loads it: RESCL_ERR_IO, and a warning once in a process, when the
 * cache or the folder is a link, belongs to somebody else or may be written by others. */
rescl_status rs_cache_folder(const char *name, char **out) RESCL_CHECK;

/* What forbids to trust a folder that is there, or NULL: as above. With `base` that is asked of
 * <base>/<name>, both of them, and what holds <base> must not let others put another in its place.
 * *`where` is what is in doubt, on the heap (NULL when memory is short). */
const char *rs_cache_doubt(const char *folder, bool base, char **where);

/* Whether a file of the cache is this user's own, and nobody else may write to it. */
bool rs_cache_owns(const char *path);

#endif
