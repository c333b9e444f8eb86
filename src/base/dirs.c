#include "dirs.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *rs_path_join(const char *a, const char *b)
{
    size_t len = strlen(a);
    bool slash = len > 0 && a[len - 1] != '/';
    return rs_strf("%s%s%s", a, slash ? "/" : "", b);
}

bool rs_path_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return true;
    const int why = errno;
    const bool there = rs_path_is_dir(path);
    errno = why == EEXIST ? ENOTDIR : why; /* something else is there */
    return there;
}

bool rs_make_folders(const char *path)
{
    char *part = strdup(path);
    bool good = part != NULL;
    for (char *end = part; good && *end; end++) {
        if (end[1] != '/' && end[1] != '\0')
            continue;
        const char kept = end[1];
        end[1] = '\0';
        good = make_folder(part);
        end[1] = kept;
    }
    const int why = errno;
    free(part);
    errno = why;
    return good;
}

/* "<pid>-<number>": no other name was made here. */
static bool is_serial(const char *text)
{
    const size_t pid = strspn(text, "0123456789");
    const size_t number = text[pid] == '-' ? strspn(text + pid + 1, "0123456789") : 0;
    return pid > 0 && number > 0 && !text[pid + 1 + number];
}

bool rs_atomic_is_temporary(const char *name, size_t len)
{
    const size_t mark = sizeof RS_TEMP_MARK - 1;
    return strnlen(name, len) == len && strncmp(name + len, RS_TEMP_MARK, mark) == 0 &&
           is_serial(name + len + mark);
}
