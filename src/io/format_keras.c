/* Keras 3's .keras, which Keras writes since 2.12: a zip archive of
 *
 *   metadata.json      keras_version, date_saved
 *   config.json        the model (kerasconfig.h)
 *   model.weights.h5   its weights (kerasfile.h), the second form
 *
 * HDF5 reads files only, so the weights are unpacked into one without a name. */
#include "error.h"
#include "kerasconfig.h"
#include "kerasfile.h"
#include "path.h"
#include "text.h"
#include "zipfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG  "config.json"
#define WEIGHTS "model.weights.h5"
#define PIECE   ((size_t)1 << 20)

static bool recognises(const char *path, const unsigned char *first, size_t bytes)
{
    rs_zip *z = NULL;
    if (bytes < 4 || memcmp(first, "PK\3\4", 4) != 0)
        return false;
    const bool is_keras = rs_ends_with(path, ".keras") ||
                          (rs_zip_open(path, &z) == RESCL_OK && rs_zip_find(z, CONFIG) != NULL &&
                           rs_zip_find(z, WEIGHTS) != NULL);
    rs_zip_close(z);
    return is_keras;
}

static rescl_status find_entry(const rs_zip *z, const char *path, const char *name,
                               const rs_zip_entry **out)
{
    rescl_status st = RESCL_OK;
    *out = rs_zip_find(z, name);
    RS_FAIL_IF(
        !*out && rs_zip_find(z, "model.weights.npz"), RESCL_ERR_UNSUPPORTED,
        "%s: keeps its weights in model.weights.npz; write it with HDF5, as Keras does unless "
        "told",
        path);
    RS_FAIL_IF(!*out, RESCL_ERR_FORMAT,
               "%s: is a zip archive without %s, so it is no .keras file of a whole model", path,
               name);
out:
    return st;
}

/* The entry as a new file, whose name is put out and on the heap. */
static rescl_status unpack(rs_zip *z, const char *path, const rs_zip_entry *e, char **out)
{
    rescl_status st = RESCL_OK;
    const char *dir = getenv("TMPDIR");
    char *name = NULL, *piece = NULL;
    int fd = -1;
    RS_OOM(piece = malloc(PIECE));
    RS_OOM(name = rs_strf("%s/rescl-XXXXXX", dir && *dir ? dir : "/tmp"));
    fd = mkstemp(name);
    RS_FAIL_IF(fd < 0, RESCL_ERR_IO,
               "%s: its weights cannot be unpacked to %s: %s; set TMPDIR to a folder that can be "
               "written to",
               path, name, strerror(errno));
    *out = name;
    name = NULL;
    for (uint64_t at = 0; at < e->bytes;) {
        const size_t n = e->bytes - at < PIECE ? (size_t)(e->bytes - at) : PIECE;
        RS_TRY(rs_zip_read(z, e, at, piece, n));
        RS_FAIL_IF(!rs_write_all(fd, piece, n), RESCL_ERR_IO,
                   "%s: its %llu bytes of weights cannot be unpacked to %s: %s; set TMPDIR to a "
                   "folder with room",
                   path, (unsigned long long)e->bytes, *out, strerror(errno));
        at += n;
    }
out:
    if (fd >= 0)
        close(fd);
    free(piece);
    free(name);
    return st;
}

static rescl_status open_file(const char *path, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    const rs_zip_entry *config, *weights;
    rs_zip *z = NULL;
    char *json = NULL, *unpacked = NULL;
    size_t bytes;
    RS_TRY(rs_zip_open(path, &z));
    RS_TRY(find_entry(z, path, CONFIG, &config));
    RS_TRY(find_entry(z, path, WEIGHTS, &weights));
    RS_TRY(rs_zip_read_all(z, config, RS_KERAS_MAX_CONFIG, &json, &bytes));
    RS_TRY(unpack(z, path, weights, &unpacked));
    RS_TRY(rs_keras_open(unpacked, path, json, out));
out:
    if (unpacked)
        unlink(unpacked);
    free(unpacked);
    free(json);
    rs_zip_close(z);
    return st;
}

const rs_format rs_format_keras = {
    .name = "keras",
    .title = "Keras",
    .suffix = {".keras"},
    .recognises = recognises,
    .open = open_file,
    .read = rs_keras_read,
    .close = rs_keras_close,
};
