/* Why no OpenCL platform was found: what the ICD loader read. Both common loaders are followed
 * (ocl-icd and Khronos'), as their manuals say:
 *   OCL_ICD_VENDORS     a folder of .icd files, or one .icd file or library (ocl-icd)
 *   OPENCL_VENDOR_PATH  a folder of .icd files (ocl-icd)
 *   OCL_ICD_FILENAMES   libraries, separated by ':'
 *   /etc/OpenCL/vendors else */
#include "clinternal.h"
#include "path.h"
#include "str.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VENDORS "/etc/OpenCL/vendors"
enum { ICD_FILE_LIMIT = 4096 };

static rescl_status report_library(rs_str *text, const char *library)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (handle) {
        dlclose(handle);
        return rs_str_appendf(text, " names %s, which opens but offers no platform", library);
    }
    const char *why = dlerror();
    return rs_str_appendf(text, " names %s, which does not open (%.120s)", library,
                          why ? why : "unknown reason");
}

static rescl_status report_file(rs_str *text, const char *path)
{
    rescl_status st = RESCL_OK;
    char *content = NULL;
    size_t bytes = 0;
    RS_TRY(rs_str_appendf(text, "\n  %s", path));
    if (rs_file_read(path, ICD_FILE_LIMIT, &content, &bytes) != RESCL_OK) {
        RS_TRY(rs_str_append(text, " cannot be read"));
        goto out;
    }
    content[strcspn(content, "\r\n")] = '\0';
    if (content[0] == '\0')
        RS_TRY(rs_str_append(text, " is empty"));
    else
        RS_TRY(report_library(text, content));
out:
    free(content);
    return st;
}

static rescl_status report_folder(rs_str *text, const char *folder)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;
    size_t files = 0;
    DIR *dir = opendir(folder);
    if (!dir) {
        RS_TRY(rs_str_appendf(text, "\n  the folder %s does not exist", folder));
        goto out;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const size_t len = strlen(entry->d_name);
        if (len < 5 || strcmp(entry->d_name + len - 4, ".icd") != 0)
            continue;
        RS_OOM(path = rs_path_join(folder, entry->d_name));
        RS_TRY(report_file(text, path));
        free(path), path = NULL;
        files++;
    }
    if (files == 0)
        RS_TRY(rs_str_appendf(text, "\n  the folder %s holds no .icd file", folder));
out:
    if (dir)
        closedir(dir);
    free(path);
    return st;
}

/* ---- what is installed --------------------------------------------------------------------- */

static bool file_names(const char *path, const char *part)
{
    char *content = NULL;
    size_t bytes = 0;
    const bool read = rs_file_read(path, ICD_FILE_LIMIT, &content, &bytes) == RESCL_OK;
    const bool found = read && strstr(content, part) != NULL;
    free(content);
    return found;
}

static bool folder_names(const char *folder, const char *part)
{
    bool found = false;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir)) != NULL;) {
        const size_t len = strlen(entry->d_name);
        const bool icd = len > 4 && strcmp(entry->d_name + len - 4, ".icd") == 0;
        char *path = icd ? rs_path_join(folder, entry->d_name) : NULL;
        found = path && file_names(path, part);
        free(path);
    }
    if (dir)
        closedir(dir);
    return found;
}

bool rs_icd_names(const char *part)
{
    const char *names = getenv("OCL_ICD_FILENAMES");
    const char *vendors = getenv("OCL_ICD_VENDORS");
    if (!vendors || vendors[0] == '\0')
        vendors = getenv("OPENCL_VENDOR_PATH");
    if (!vendors || vendors[0] == '\0')
        vendors = VENDORS;
    if (names && strstr(names, part))
        return true;
    if (rs_path_is_dir(vendors))
        return folder_names(vendors, part);
    return strstr(vendors, part) != NULL || file_names(vendors, part);
}

/* ---- why there is nothing ------------------------------------------------------------------ */

rescl_status rs_icd_report(rs_str *text)
{
    rescl_status st = RESCL_OK;
    const char *vendors = getenv("OCL_ICD_VENDORS");
    const char *names = getenv("OCL_ICD_FILENAMES");
    const char *variable = "OCL_ICD_VENDORS";
    if (!vendors || vendors[0] == '\0') {
        variable = "OPENCL_VENDOR_PATH";
        vendors = getenv(variable);
    }
    if (vendors && vendors[0] != '\0') {
        RS_TRY(rs_str_appendf(text, " %s=%s:", variable, vendors));
        const size_t len = strlen(vendors);
        if (len > 4 && strcmp(vendors + len - 4, ".icd") == 0 && !rs_path_is_dir(vendors))
            RS_TRY(report_file(text, vendors));
        else
            RS_TRY(report_folder(text, vendors));
    } else {
        RS_TRY(report_folder(text, VENDORS));
    }
    if (names && names[0] != '\0')
        RS_TRY(rs_str_appendf(text, "\n  OCL_ICD_FILENAMES=%s", names));
out:
    return st;
}
