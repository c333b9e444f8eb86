#include "imagefiles.h"

#include "alloc.h"
#include "error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES ((size_t)50000000)
#define EDGE      4096 /* bytes at either end of a file that tell it from others */

rescl_status rs_image_files_create(const rescl_data_options *options, rescl_dataset *set,
                                   rs_image_files **out)
{
    rescl_status st = RESCL_OK;
    rs_image_files *f = NULL;
    RS_OOM(set->state = f = calloc(1, sizeof *f));
    RS_TRY(rs_notices_create(options->path, options->split, &f->notices));
    *out = f;
out:
    return st;
}

rescl_status rs_image_files_add(rs_image_files *f, const char *origin, char *path, int32_t label)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(f->count >= MAX_FILES, RESCL_ERR_FORMAT, "%s: more than %zu files", origin,
               MAX_FILES);
    RS_TRY(rs_array_reserve(&f->at, &f->cap, f->count + 1, sizeof *f->at));
    rs_image_file new = {path, label, 0};
    if (f->lists.first) {
        new.row = (size_t)label;
        new.label = rs_label_lists_first(&f->lists, new.row);
    }
    f->at[f->count++] = new;
out:
    return st;
}

rescl_status rs_image_files_get(const rescl_dataset *set, size_t index, rescl_image *image,
                                int32_t *label)
{
    const rs_image_files *f = set->state;
    const char *path = f->at[index].path;
    unsigned notices = 0;
    const rescl_status st = rescl_image_read_with(path, &set->images, image, &notices);
    *label = f->at[index].label;
    rs_notices_add(f->notices, index, path, notices);
    return st;
}

int32_t rs_image_files_label(const rescl_dataset *set, size_t index)
{
    const rs_image_files *f = set->state;
    return f->at[index].label;
}

size_t rs_image_files_labels(const rescl_dataset *set, size_t index, const int32_t **out)
{
    const rs_image_files *f = set->state;
    const rs_image_file *file = &f->at[index];
    if (!f->lists.first) {
        *out = &file->label;
        return 1;
    }
    return rs_label_lists_get(&f->lists, file->row, out);
}

const char *rs_image_files_path(const rescl_dataset *set, size_t index)
{
    const rs_image_files *f = set->state;
    return f->at[index].path;
}

rs_hash rs_image_file_hash(int fd, uint64_t at, uint64_t bytes)
{
    uint8_t data[2 * EDGE + sizeof bytes] = {0};
    const uint64_t head = bytes < EDGE ? bytes : EDGE;
    const uint64_t from = bytes > 2 * EDGE ? bytes - EDGE : head;
    size_t used = sizeof bytes;
    memcpy(data, &bytes, sizeof bytes);
    const ssize_t first = pread(fd, data + used, (size_t)head, (off_t)at);
    used += first > 0 ? (size_t)first : 0;
    const ssize_t last = pread(fd, data + used, (size_t)(bytes - from), (off_t)(at + from));
    used += last > 0 ? (size_t)last : 0;
    return rs_hash_bytes(data, used);
}

bool rs_image_hash_is_empty(rs_hash hash)
{
    const uint64_t none = 0; /* bytes of an empty file */
    const rs_hash empty = rs_hash_bytes(&none, sizeof none), closed = rs_hash_bytes("", 0);
    return (hash.lo == empty.lo && hash.hi == empty.hi) ||
           (hash.lo == closed.lo && hash.hi == closed.hi);
}

rescl_status rs_image_files_identify(const rescl_dataset *set, size_t index, rs_hash *out)
{
    const rs_image_files *f = set->state;
    struct stat info;
    const int fd = open(f->at[index].path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        *out = rs_image_file_hash(fd, 0, (uint64_t)info.st_size);
    else
        *out = rs_hash_bytes("", 0);
    if (fd >= 0)
        close(fd);
    return RESCL_OK;
}

void rs_image_files_close(rescl_dataset *set)
{
    rs_image_files *f = set->state;
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        free(f->at[i].path);
    rs_notices_close(f->notices);
    rs_label_lists_fini(&f->lists);
    free(f->at);
    free(f);
}
