#include "format.h"

#include "error.h"
#include "otherfile.h"

#include <fcntl.h>
#include <rescl/weights.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

const rs_format *const rs_formats[] = {
#define RS_FORMAT(stem) &rs_format_##stem,
#define RS_READER(stem) &rs_format_##stem,
#include "formats.def"
#undef RS_FORMAT
#undef RS_READER
    NULL,
};

const char *const *rescl_weights_formats(void)
{
    static const char *const names[] = {
#define RS_FORMAT(stem) #stem,
#define RS_READER(stem)
#include "formats.def"
#undef RS_FORMAT
#undef RS_READER
        NULL,
    };
    return names;
}

const rs_format *rs_format_get(const char *name)
{
    for (size_t i = 0; rs_formats[i]; i++)
        if (rs_formats[i]->write && strcmp(rs_formats[i]->name, name) == 0)
            return rs_formats[i];
    return NULL;
}

const rs_format *rs_format_of_path(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && rs_formats[i]; i++)
        for (const char *const *suffix = rs_formats[i]->suffix; *suffix; suffix++)
            if (rs_formats[i]->write && strcasecmp(*suffix, dot) == 0)
                return rs_formats[i];
    return rs_formats[0];
}

rescl_status rs_format_find(const char *path, const rs_format **out)
{
    rescl_status st = RESCL_OK;
    unsigned char first[RS_FORMAT_MARK] = {0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t got = fd >= 0 ? read(fd, first, sizeof first) : 0;
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; got > 0 && rs_formats[i]; i++)
        if (rs_formats[i]->recognises(path, first, (size_t)got)) {
            *out = rs_formats[i];
            goto out;
        }
    RS_TRY(rs_refuse_other_file(path));
out:
    return st;
}
