/* A file driver of HDF5 for one file that is open already. Its own drivers open files by the names that
 * they find in files. */
#include "error.h"
#include "h5file.h"

#ifdef RS_HAVE_HDF5

#include <stdlib.h>
#include <string.h>

#include "path.h"
#include "scan_h5.h"

/* Starts with what HDF5 keeps about each file. */
typedef struct opened {
    H5FD_t base;
    haddr_t end; /* of addresses, as HDF5 sets it */
} opened;

static const rs_h5_job *job; /* of the process, which reads one file */

static H5FD_t *open_job(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    (void)access, (void)most;
    if (flags != H5F_ACC_RDONLY || strcmp(name, RS_H5_FILE) != 0)
        return NULL;
    opened *f = calloc(1, sizeof *f);
    return (H5FD_t *)f;
}

static herr_t close_job(H5FD_t *file)
{
    free(file);
    return 0;
}

static haddr_t get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const opened *)file)->end;
}

static herr_t set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((opened *)file)->end = end;
    return 0;
}

static haddr_t get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)file, (void)type;
    return job->bytes;
}

/* As its own drivers do, what lies past the end is zeros. */
static herr_t read_job(H5FD_t *file, H5FD_mem_t type, hid_t how, haddr_t at, size_t bytes,
                       void *dst)
{
    const uint64_t left = at < job->bytes ? job->bytes - at : 0;
    const size_t there = bytes < left ? bytes : (size_t)left;
    (void)file, (void)type, (void)how;
    memset((char *)dst + there, 0, bytes - there);
    return rs_file_read_at(job->fd, job->shown, at, dst, there) == RESCL_OK ? 0 : -1;
}

static herr_t write_job(H5FD_t *file, H5FD_mem_t type, hid_t how, haddr_t at, size_t bytes,
                        const void *src)
{
    (void)file, (void)type, (void)how, (void)at, (void)bytes, (void)src;
    return -1;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600, /* 512 to 65535 are free for drivers of one's own */
#endif
    .name = "rescl",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .open = open_job,
    .close = close_job,
    .get_eoa = get_eoa,
    .set_eoa = set_eoa,
    .get_eof = get_eof,
    .read = read_job,
    .write = write_job,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Filters and connectors that a file names would be looked for in folders of plugins. */
static void forget_plugins(void)
{
    unsigned folders = 0;
    H5PLset_loading_state(0);
#if H5_VERSION_GE(1, 10, 1)
    while (H5PLsize(&folders) >= 0 && folders > 0 && H5PLremove(folders - 1) >= 0)
        ;
#endif
    (void)folders;
}

hid_t rs_h5_access(const rs_h5_job *the_job)
{
    hid_t access = -1, id;
    job = the_job;
    if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 || (id = H5FDregister(&driver)) < 0)
        return -1;
    forget_plugins();
    access = H5Pcreate(H5P_FILE_ACCESS);
    return access >= 0 && H5Pset_driver(access, id, NULL) >= 0 ? access : -1;
}

#endif
