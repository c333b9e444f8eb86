#include "otherfile.h"

#include "error.h"
#include "path.h"
#include "text.h"
#include "whatis.h"
#include "zipfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ "rescl reads weights from safetensors, PyTorch (.pth), HDF5 (.h5) and .keras files"

/* How tensors of other programs become safetensors, with the file for %s. */
#define SAVE_STATE "in Python: torch.save(model.state_dict(), 'weights.pth')"

/* ---- by what stands in an archive ---------------------------------------------------------- */

static bool holds(const rs_zip *z, const char *end)
{
    for (size_t i = 0; i < rs_zip_count(z); i++)
        if (rs_ends_with(rs_zip_at(z, i)->name, end))
            return true;
    return false;
}

static bool only_arrays(const rs_zip *z)
{
    for (size_t i = 0; i < rs_zip_count(z); i++)
        if (!rs_ends_with(rs_zip_at(z, i)->name, ".npy"))
            return false;
    return rs_zip_count(z) > 0;
}

static rescl_status refuse_zip(const char *path)
{
    static const char *const readable[] = {".safetensors", ".pth",  ".pt",   ".bin",
                                           ".h5",          ".hdf5", ".keras"};
    rescl_status st = RESCL_OK;
    rs_zip *z = NULL;
    RS_TRY(rs_zip_open(path, &z));
    RS_FAIL_IF(only_arrays(z), RESCL_ERR_FORMAT,
               "%s: is a NumPy archive (.npz); in Python: import numpy, safetensors.numpy; "
               "safetensors.numpy.save_file(dict(numpy.load('%s')), 'weights.safetensors')",
               path, path);
    RS_FAIL_IF(holds(z, "saved_model.pb"), RESCL_ERR_FORMAT,
               "%s: is a zipped TensorFlow SavedModel; in Python, load it and "
               "model.save('weights.h5')",
               path);
    RS_FAIL_IF(holds(z, "/serialized_exported_program.json") || holds(z, "/models/model.json") ||
                   holds(z, "archive_format"),
               RESCL_ERR_FORMAT, "%s: is an exported PyTorch program (torch.export); " SAVE_STATE,
               path);
    for (size_t i = 0; i < RS_COUNT(readable); i++)
        for (size_t k = 0; k < rs_zip_count(z); k++)
            RS_FAIL_IF(rs_ends_with(rs_zip_at(z, k)->name, readable[i]), RESCL_ERR_FORMAT,
                       "%s: is a ZIP archive that holds '%.80s'; unpack it and give that file",
                       path, rs_zip_at(z, k)->name);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: is a ZIP archive of other things (the first is '%.80s'); " READ,
            path, rs_zip_count(z) ? rs_zip_at(z, 0)->name : "none");
out:
    rs_zip_close(z);
    return st;
}

/* ---- by first bytes and names -------------------------------------------------------------- */

/* What has no mark of its own: a message of protobuf begins with its first field. */
static bool is_onnx(const char *path, const unsigned char *p, size_t bytes)
{
    const bool version = bytes > 4 && p[0] == 0x08 && p[1] >= 1 && p[1] <= 20;
    const bool next = version && (p[2] == 0x12 || p[2] == 0x1a || p[2] == 0x3a || p[2] == 0x42);
    return rs_ends_with(path, ".onnx") || (next && p[1] >= 3);
}

static bool is_saved_model(const char *path, const unsigned char *p, size_t bytes)
{
    return rs_ends_with(path, "saved_model.pb") || rs_ends_with(path, ".pb") ||
           (bytes > 2 && p[0] == 0x08 && p[1] == 1 && p[2] == 0x12);
}

static bool is_checkpoint(const char *path)
{
    const char *data = strstr(path, ".data-0");
    const char *slash = strrchr(path, '/');
    return rs_ends_with(path, ".index") || strcmp(slash ? slash + 1 : path, "checkpoint") == 0 ||
           (data && strstr(data, "-of-0"));
}

/* What is told by more than whatis.h has; NULL if nothing is. */
static const char *know_better(const char *path, const unsigned char *p, size_t bytes,
                               const char **cure)
{
    *cure =
        "in Python, load the model that it was made of; PyTorch: torch.save(model.state_dict(), "
        "'weights.pth'); Keras: model.save('weights.h5')";
    if (is_saved_model(path, p, bytes))
        return "a TensorFlow SavedModel or graph";
    if (is_checkpoint(path))
        return "a TensorFlow checkpoint";
    if (is_onnx(path, p, bytes))
        return "an ONNX model";
    return NULL;
}

static const char *cure_of(const rs_file_kind *kind, const char *path)
{
    static const struct {
        const char *name, *cure;
    } cures[] = {
        {"NumPy", "save all arrays under the names of their tensors, in Python: "
                  "safetensors.numpy.save_file({name: array, ...}, 'weights.safetensors')"},
        {"TensorFlow Lite", "give the Keras model that it was made of: model.save('weights.h5')"},
        {"GGUF", "it holds weights of other programs, mostly language models; give the PyTorch or "
                 "safetensors file that it was made of"},
        {"JSON", "give the weights that lie beside it, or the *.index.json of sharded ones"},
    };
    if (kind->cure)
        return kind->cure;
    for (size_t i = 0; i < RS_COUNT(cures); i++)
        if (strstr(kind->name, cures[i].name))
            return cures[i].cure;
    return kind->class == RS_FILE_OTHER && rs_ends_with(path, ".safetensors")
               ? "download or write it again: its header is no safetensors header"
               : READ;
}

static rescl_status refuse_bytes(const char *path, const unsigned char *first, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const rs_file_kind *kind = rs_file_whatis(first, bytes);
    const char *cure, *better = know_better(path, first, bytes, &cure);
    if (bytes >= 4 && memcmp(first, "PK\3\4", 4) == 0)
        RS_TRY(refuse_zip(path));
    RS_FAIL_IF(better && kind->class == RS_FILE_OTHER, RESCL_ERR_FORMAT, "%s: is %s; %s", path,
               better, cure);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: is %s%s; %s", path, kind->name,
            kind->class == RS_FILE_STANDIN ? "" : ", no weights that rescl reads",
            cure_of(kind, path));
out:
    return st;
}

static rescl_status refuse_folder(const char *path)
{
    rescl_status st = RESCL_OK;
    char *graph = NULL;
    RS_OOM(graph = rs_path_join(path, "saved_model.pb"));
    RS_FAIL_IF(access(graph, F_OK) == 0, RESCL_ERR_FORMAT,
               "%s: is a TensorFlow SavedModel; in Python: tensorflow.keras.models.load_model('%s')"
               ".save('weights.h5')",
               path, path);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: is a folder; give the file of weights in it", path);
out:
    free(graph);
    return st;
}

rescl_status rs_refuse_other_file(const char *path)
{
    rescl_status st = RESCL_OK;
    unsigned char first[RS_WHATIS_BYTES];
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    RS_FAIL_IF(fd < 0 && (errno == ENOENT || errno == ENOTDIR), RESCL_ERR_NOT_FOUND,
               "%s: no such file", path);
    RS_FAIL_IF(fd < 0 || fstat(fd, &info) != 0, RESCL_ERR_IO, "%s: cannot open: %s", path,
               strerror(errno));
    if (S_ISDIR(info.st_mode))
        RS_TRY(refuse_folder(path));
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", path);
    const size_t bytes =
        (uint64_t)info.st_size < sizeof first ? (size_t)info.st_size : sizeof first;
    RS_TRY(rs_file_read_at(fd, path, 0, first, bytes));
    RS_TRY(refuse_bytes(path, first, bytes));
out:
    if (fd >= 0)
        close(fd);
    return st;
}
