#include "tarfile.h"

#include "error.h"
#include "path.h"
#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK    512
#define MAX_NAME ((uint64_t)1 << 16) /* of a long name or of pax headers */

/* Fields of a header: where they begin, and their bytes. */
enum { NAME = 0, SIZE = 124, SUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345 };
enum { NAME_BYTES = 100, SIZE_BYTES = 12, SUM_BYTES = 8, PREFIX_BYTES = 155 };

rescl_status rs_tar_open(const char *path, rs_tar *t)
{
    rescl_status st = RESCL_OK;
    struct stat info;
    *t = (rs_tar){.fd = -1, .pax_size = UINT64_MAX};
    RS_OOM(t->path = rs_strf("%s", path));
    t->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    RS_FAIL_IF(t->fd < 0, errno == ENOENT ? RESCL_ERR_NOT_FOUND : RESCL_ERR_IO,
               "%s: cannot open: %s", path, strerror(errno));
    RS_FAIL_IF(fstat(t->fd, &info) != 0 || !S_ISREG(info.st_mode), RESCL_ERR_FORMAT,
               "%s: not a file", path);
    t->bytes = (uint64_t)info.st_size;
out:
    if (st != RESCL_OK)
        rs_tar_close(t);
    return st;
}

/* Octal digits between blanks, or base 256 with the highest bit set. */
static bool read_number(const uint8_t *p, size_t bytes, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    if (p[0] & 0x80) {
        for (i = 0; i < bytes; i++) {
            if (v >> 55)
                return false;
            v = v << 8 | (i == 0 ? p[0] & 0x7f : p[i]);
        }
        *out = v;
        return true;
    }
    while (i < bytes && p[i] == ' ')
        i++;
    for (; i < bytes && p[i] >= '0' && p[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(p[i] - '0');
    *out = v;
    return i == bytes || p[i] == '\0' || p[i] == ' ';
}

/* The sum of all bytes, those of the sum itself being blanks; some old programs added them signed. */
static bool sum_is_right(const uint8_t *header)
{
    uint64_t told = 0;
    int64_t plain = 0, with_signs = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        const uint8_t c = i >= SUM && i < SUM + SUM_BYTES ? ' ' : header[i];
        plain += c;
        with_signs += c > 127 ? c - 256 : c;
    }
    return read_number(header + SUM, SUM_BYTES, &told) &&
           ((int64_t)told == plain || (int64_t)told == with_signs);
}

/* "prefix/name", or the name alone. */
static char *name_of(const uint8_t *header)
{
    const char *h = (const char *)header;
    const bool prefixed = memcmp(h + MAGIC, "ustar\0", 6) == 0 && h[PREFIX];
    return rs_strf("%.*s%s%.*s", prefixed ? PREFIX_BYTES : 0, h + PREFIX, prefixed ? "/" : "",
                   NAME_BYTES, h + NAME);
}

/* Records "length key=value\n" of a pax header; what they say is of the next member. */
static rescl_status take_pax(rs_tar *t, char *text, size_t bytes)
{
    rescl_status st = RESCL_OK;
    for (size_t at = 0; at < bytes && text[at];) {
        char *rest;
        const unsigned long long length = strtoull(text + at, &rest, 10);
        RS_FAIL_IF(length == 0 || length > bytes - at || *rest != ' ' ||
                       rest > text + at + length - 2 || text[at + length - 1] != '\n',
                   RESCL_ERR_FORMAT, "%s: corrupted tar archive: a pax header before byte %llu",
                   t->path, (unsigned long long)t->next);
        text[at + length - 1] = '\0';
        const char *pair = rest + 1;
        if (strncmp(pair, "path=", 5) == 0) {
            free(t->long_name);
            RS_OOM(t->long_name = rs_strf("%s", pair + 5));
        } else if (strncmp(pair, "size=", 5) == 0) {
            RS_FAIL_IF(!rs_parse_u64(pair + 5, &t->pax_size), RESCL_ERR_FORMAT,
                       "%s: corrupted tar archive: '%.40s'", t->path, pair);
        }
        at += length;
    }
out:
    return st;
}

/* The bytes of a member that is about the next one, on the heap with a NUL behind. */
static rescl_status read_text(const rs_tar *t, uint64_t size, char **out)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    RS_FAIL_IF(size > MAX_NAME, RESCL_ERR_FORMAT, "%s: corrupted tar archive: a name of %llu bytes",
               t->path, (unsigned long long)size);
    RS_OOM(text = calloc((size_t)size + 1, 1));
    RS_TRY(rs_file_read_at(t->fd, t->path, t->at, text, (size_t)size));
    *out = text;
    text = NULL;
out:
    free(text);
    return st;
}

/* A member that is no regular file: it may tell of the next. */
static rescl_status take_other(rs_tar *t, uint8_t type, uint64_t size)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    if (type == 'L' || type == 'x') {
        RS_TRY(read_text(t, size, &text));
        if (type == 'x') {
            RS_TRY(take_pax(t, text, (size_t)size));
        } else {
            free(t->long_name);
            t->long_name = text;
            text = NULL;
        }
    }
    RS_FAIL_IF(type == 'S', RESCL_ERR_FORMAT,
               "%s: holds a sparse file, which is not supported; make the archive without --sparse",
               t->path);
out:
    free(text);
    return st;
}

static bool is_zeros(const uint8_t *block)
{
    size_t i = 0;
    while (i < BLOCK && block[i] == 0)
        i++;
    return i == BLOCK;
}

/* Two blocks of zeros end an archive, of which some programs write one; `block` is the first. */
static rescl_status check_end(const rs_tar *t, uint8_t *block)
{
    rescl_status st = RESCL_OK;
    if (t->bytes - t->next < (uint64_t)2 * BLOCK)
        goto out;
    RS_TRY(rs_file_read_at(t->fd, t->path, t->next + BLOCK, block, BLOCK));
    RS_FAIL_IF(
        !is_zeros(block), RESCL_ERR_FORMAT,
        "%s: corrupted tar archive: a single block of zeros at byte %llu, and more behind it",
        t->path, (unsigned long long)t->next);
out:
    return st;
}

rescl_status rs_tar_next(rs_tar *t, bool *more)
{
    rescl_status st = RESCL_OK;
    uint8_t header[BLOCK];
    *more = false;
    for (;;) {
        uint64_t size = 0;
        t->lacks_end = t->next == t->bytes && t->next > 0;
        if (t->lacks_end)
            goto out;
        RS_FAIL_IF(t->next + BLOCK > t->bytes, RESCL_ERR_FORMAT,
                   "%s: corrupted tar archive: it ends too early", t->path);
        RS_TRY(rs_file_read_at(t->fd, t->path, t->next, header, BLOCK));
        if (is_zeros(header)) {
            RS_TRY(check_end(t, header));
            goto out;
        }
        RS_FAIL_IF(!sum_is_right(header) || !read_number(header + SIZE, SIZE_BYTES, &size),
                   RESCL_ERR_FORMAT, "%s: %s at byte %llu", t->path,
                   t->next ? "corrupted tar archive: no header" : "not a tar archive: no header",
                   (unsigned long long)t->next);
        const uint8_t type = header[TYPE];
        const bool is_file = type == '0' || type == '\0' || type == '7';
        const bool is_about = type == 'L' || type == 'K' || type == 'x' || type == 'g';
        if (!is_about && t->pax_size != UINT64_MAX)
            size = t->pax_size;
        t->at = t->next + BLOCK;
        RS_FAIL_IF(size > t->bytes - t->at, RESCL_ERR_FORMAT,
                   "%s: corrupted tar archive: it ends too early", t->path);
        /* Links and folders may tell a size, but have no bytes. */
        const bool has_bytes = is_file || is_about || type == 'S' || type > '7';
        const uint64_t blocks = has_bytes ? size / BLOCK + (size % BLOCK != 0) : 0;
        t->next = t->at + blocks * BLOCK;
        t->next = t->next < t->bytes ? t->next : t->bytes;
        RS_TRY(take_other(t, type, size));
        if (is_about)
            continue;
        t->pax_size = UINT64_MAX;
        free(t->name);
        t->name = t->long_name ? t->long_name : name_of(header);
        t->long_name = NULL;
        RS_OOM(t->name);
        if (is_file && !rs_ends_with(t->name, "/")) {
            t->size = size;
            *more = true;
            goto out;
        }
    }
out:
    return st;
}

void rs_tar_close(rs_tar *t)
{
    if (t->path && t->fd >= 0)
        close(t->fd);
    free(t->path);
    free(t->name);
    free(t->long_name);
    *t = (rs_tar){.fd = -1};
}
