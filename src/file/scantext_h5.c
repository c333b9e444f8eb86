/* Texts of HDF5 files, in the child process: strings of attributes and datasets, names of members. */
#include "error.h"
#include "h5file.h"

#ifdef RS_HAVE_HDF5

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "scan_h5.h"
#include "str.h"

#define MAX_STRINGS 1000000

/* An attribute or a dataset while it is looked at. */
typedef struct source {
    const char *name; /* "attribute x" */
    bool is_attribute;
    hid_t id, type, space, memory;
    size_t count, bytes; /* strings, and of each if their length is fixed */
    bool variable;
    char *fixed, **list;
} source;

static rescl_status add_string(rs_h5_strings *out, const char *text, size_t len)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&out->text, &out->cap, out->count + 1, sizeof *out->text));
    RS_OOM(out->text[out->count] = rs_strf("%.*s", (int)len, text));
    out->count++;
out:
    return st;
}

static rescl_status look_at(const rs_h5_scan *scan, size_t most, source *s)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(s->id < 0 || s->type < 0 || s->space < 0, RESCL_ERR_FORMAT, "%s: %s is corrupted",
               scan->path, s->name);
    const H5S_class_t class = H5Sget_simple_extent_type(s->space);
    const hssize_t count = class == H5S_NULL ? 0 : H5Sget_simple_extent_npoints(s->space);
    if (count == 0) /* numpy makes an empty list of float64, and so does Keras */
        goto out;
    if (H5Tget_class(s->type) != H5T_STRING) {
        RS_FAIL_IF(s->is_attribute, RESCL_ERR_FORMAT, "%s: %s holds no strings", scan->path,
                   s->name);
        goto out;
    }
    s->variable = H5Tis_variable_str(s->type) > 0;
    s->bytes = s->variable ? sizeof(char *) : H5Tget_size(s->type);
    RS_FAIL_IF(
        count < 0 || (size_t)count > most || s->bytes == 0 || s->bytes > INT32_MAX / (size_t)count,
        RESCL_ERR_FORMAT, "%s: %s says it holds %lld strings of %zu bytes; at most %zu are read",
        scan->path, s->name, (long long)count, s->bytes, most);
    s->count = (size_t)count;
out:
    return st;
}

static size_t length_of(const char *text, size_t room, H5T_str_t pad)
{
    size_t n = strnlen(text, room);
    while (pad == H5T_STR_SPACEPAD && n > 0 && text[n - 1] == ' ')
        n--;
    return n;
}

static rescl_status read_strings(const rs_h5_scan *scan, size_t most, source *s, rs_h5_strings *out)
{
    rescl_status st = RESCL_OK;
    RS_TRY(look_at(scan, most, s));
    if (s->count == 0)
        goto out;
    const H5T_str_t pad = H5Tget_strpad(s->type);
    s->memory = H5Tcopy(H5T_C_S1);
    RS_FAIL_IF(s->memory < 0 || H5Tset_size(s->memory, s->variable ? H5T_VARIABLE : s->bytes) < 0 ||
                   H5Tset_cset(s->memory, H5Tget_cset(s->type)) < 0 ||
                   H5Tset_strpad(s->memory, pad) < 0,
               RESCL_ERR_FORMAT, "%s: %s is corrupted: its type", scan->path, s->name);
    RS_OOM(s->fixed = calloc(s->count, s->bytes + 1));
    s->list = (char **)(void *)s->fixed;
    const herr_t read = s->is_attribute
                            ? H5Aread(s->id, s->memory, s->fixed)
                            : H5Dread(s->id, s->memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, s->fixed);
    RS_FAIL_IF(read < 0, RESCL_ERR_FORMAT, "%s: %s is corrupted: its strings cannot be read",
               scan->path, s->name);
    for (size_t i = 0; i < s->count; i++) {
        const char *text = s->variable ? s->list[i] : s->fixed + i * s->bytes;
        text = text ? text : "";
        RS_TRY(add_string(out, text, s->variable ? strlen(text) : length_of(text, s->bytes, pad)));
    }
out:
    return st;
}

static void close_source(source *s)
{
    if (s->variable && s->fixed)
        H5Dvlen_reclaim(s->memory, s->space, H5P_DEFAULT, s->fixed);
    free(s->fixed);
    if (s->memory >= 0)
        H5Tclose(s->memory);
    if (s->space >= 0)
        H5Sclose(s->space);
    if (s->type >= 0)
        H5Tclose(s->type);
    if (s->id >= 0 && s->is_attribute)
        H5Aclose(s->id);
    else if (s->id >= 0)
        H5Dclose(s->id);
}

/* One attribute, which is there. */
static rescl_status add_strings(const rs_h5_scan *scan, const char *group, const char *attr,
                                rs_h5_strings *out)
{
    char name[RS_H5_NAME + 16];
    source s = {.name = name, .is_attribute = true, .memory = -1};
    snprintf(name, sizeof name, "attribute %s", attr);
    s.id = H5Aopen_by_name(scan->id, group, attr, H5P_DEFAULT, H5P_DEFAULT);
    s.type = s.id >= 0 ? H5Aget_type(s.id) : -1;
    s.space = s.id >= 0 ? H5Aget_space(s.id) : -1;
    const rescl_status st = read_strings(scan, MAX_STRINGS, &s, out);
    close_source(&s);
    return st;
}

rescl_status rs_h5_scan_strings(rs_h5_scan *scan, const char *group, const char *attr,
                                rs_h5_strings *out)
{
    rescl_status st = RESCL_OK;
    char part[RS_H5_NAME];
    if (strcmp(group, "/") != 0)
        RS_TRY(rs_h5_follow(scan, group));
    if (H5Aexists_by_name(scan->id, group, attr, H5P_DEFAULT) > 0) {
        RS_TRY(add_strings(scan, group, attr, out));
        goto out;
    }
    for (unsigned i = 0; i < MAX_STRINGS; i++) {
        snprintf(part, sizeof part, "%s%u", attr, i);
        if (H5Aexists_by_name(scan->id, group, part, H5P_DEFAULT) <= 0)
            break;
        RS_TRY(add_strings(scan, group, part, out));
    }
out:
    return st;
}

/* Its strings lie in the file: HDF5 would read those of external storage where the file says. */
static rescl_status check_layout(const rs_h5_scan *scan, const source *s)
{
    rescl_status st = RESCL_OK;
    const hid_t plist = s->id >= 0 ? H5Dget_create_plist(s->id) : -1;
    const H5D_layout_t layout = plist >= 0 ? H5Pget_layout(plist) : H5D_LAYOUT_ERROR;
    const int outside = plist >= 0 ? H5Pget_external_count(plist) : 0;
    RS_FAIL_IF(layout == H5D_VIRTUAL || outside != 0, RESCL_ERR_FORMAT,
               "%s: %s keeps its data in other files (%s); copy the data into it", scan->path,
               s->name, outside != 0 ? "external storage" : "a virtual dataset");
out:
    if (plist >= 0)
        H5Pclose(plist);
    return st;
}

rescl_status rs_h5_scan_texts(rs_h5_scan *scan, const char *path, size_t most, rs_h5_strings *out)
{
    rescl_status st = RESCL_OK;
    source s = {.name = path, .id = -1, .type = -1, .space = -1, .memory = -1};
    RS_TRY(rs_h5_follow(scan, path));
    s.id = H5Dopen2(scan->id, path, H5P_DEFAULT);
    s.type = s.id >= 0 ? H5Dget_type(s.id) : -1;
    s.space = s.id >= 0 ? H5Dget_space(s.id) : -1;
    RS_TRY(check_layout(scan, &s));
    RS_TRY(read_strings(scan, most, &s, out));
out:
    close_source(&s);
    return st;
}

rescl_status rs_h5_scan_members(rs_h5_scan *scan, const char *group, rs_h5_strings *out)
{
    rescl_status st = RESCL_OK;
    H5G_info_t about;
    char name[RS_H5_NAME];
    RS_TRY(rs_h5_follow(scan, group));
    RS_FAIL_IF(H5Gget_info_by_name(scan->id, group, &about, H5P_DEFAULT) < 0 ||
                   about.nlinks > MAX_STRINGS,
               RESCL_ERR_FORMAT, "%s: the group %s is corrupted", scan->path, group);
    for (hsize_t i = 0; i < about.nlinks; i++) {
        const ssize_t len = H5Lget_name_by_idx(scan->id, group, H5_INDEX_NAME, H5_ITER_INC, i, name,
                                               sizeof name, H5P_DEFAULT);
        RS_FAIL_IF(len <= 0 || (size_t)len >= sizeof name, RESCL_ERR_FORMAT,
                   "%s: the group %s is corrupted: the name of its member %llu cannot be read",
                   scan->path, group, (unsigned long long)i);
        RS_TRY(add_string(out, name, (size_t)len));
    }
out:
    return st;
}

void rs_h5_strings_fini(rs_h5_strings *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->text[i]);
    free(s->text);
    *s = (rs_h5_strings){0};
}

#else

rescl_status rs_h5_scan_strings(rs_h5_scan *scan, const char *group, const char *attr,
                                rs_h5_strings *out)
{
    (void)scan, (void)group, (void)attr, (void)out;
    return RESCL_ERR_UNSUPPORTED;
}

rescl_status rs_h5_scan_texts(rs_h5_scan *scan, const char *path, size_t most, rs_h5_strings *out)
{
    (void)scan, (void)path, (void)most, (void)out;
    return RESCL_ERR_UNSUPPORTED;
}

rescl_status rs_h5_scan_members(rs_h5_scan *scan, const char *group, rs_h5_strings *out)
{
    (void)scan, (void)group, (void)out;
    return RESCL_ERR_UNSUPPORTED;
}

void rs_h5_strings_fini(rs_h5_strings *s)
{
    (void)s;
}

#endif
