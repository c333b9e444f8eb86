#include "fuzz.h"

#include "catalogue.h"
#include "dtype.h"
#include "weightfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_VALUES ((size_t)1 << 16)

/* The readers need these of rooms that would bring OpenCL along. */
int rs_graph_find_param(const rs_graph *g, const char *name)
{
    for (size_t i = 0; i < g->nparams; i++)
        if (strcmp(g->param[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *rescl_preprocess_name(rescl_preprocess p)
{
    static const char *const names[] = {"unit", "torch", "caffe"};
    return p <= RESCL_PREPROCESS_CAFFE ? names[p] : NULL;
}

const char *rescl_interpolation_name(rescl_interpolation i)
{
    static const char *const names[] = {"bilinear", "bicubic", "nearest"};
    return i <= RESCL_INTERPOLATION_NEAREST ? names[i] : NULL;
}

const char *rescl_loss_name(rescl_loss loss)
{
    static const char *const names[] = {"cross_entropy", "bce", "focal"};
    return loss <= RESCL_LOSS_FOCAL ? names[loss] : NULL;
}

/* A small network with names of two libraries. */
static const rs_graph *small_graph(void)
{
    static char conv[] = "conv1", bn[] = "bn_conv1", torch_bn[] = "bn1", fc[] = "fc6",
                any[] = "fc#";
    static rs_param param[] = {
        {.name = "conv1.weight", .spec = {"weight", .shape = {4, {1, 1, 3, 2}}}, .node = 0},
        {.name = "conv1.bias", .spec = {"bias", .shape = {1, {2}}}, .node = 0},
        {.name = "bn_conv1.weight", .spec = {"weight", .shape = {1, {2}}}, .node = 1},
        {.name = "bn_conv1.running_var", .spec = {"running_var", .shape = {1, {2}}}, .node = 1},
        {.name = "fc6.weight", .spec = {"weight", .shape = {2, {2, 6}}}, .node = 2},
    };
    static rs_node node[] = {
        {.name = conv, .nparam = 2, .param = {0, 1}, .dst = 1},
        {.name = bn, .nparam = 1, .param = {2}, .nstate = 1, .state = {3}, .src = {1}, .dst = 2},
        {.name = fc, .nparam = 1, .param = {4}, .src = {2}, .dst = 3},
    };
    static rs_alias alias[] = {{RS_NAMING_TORCHVISION, 0, conv},
                               {RS_NAMING_TORCHVISION, 1, torch_bn},
                               {RS_NAMING_KERAS1, 0, conv},
                               {RS_NAMING_KERAS1, 1, bn},
                               {RS_NAMING_KERAS1, 2, any}};
    static rs_value_info value[] = {{.shape = {4, {1, 1, 1, 3}}, .producer = -1},
                                    {.shape = {4, {1, 1, 1, 2}}},
                                    {.shape = {4, {1, 1, 1, 2}}, .producer = 1},
                                    {.shape = {2, {1, 6}}, .producer = 2}};
    static const rs_graph graph = {.value = value,
                                   .nvalues = sizeof value / sizeof *value,
                                   .node = node,
                                   .nnodes = sizeof node / sizeof *node,
                                   .param = param,
                                   .nparams = sizeof param / sizeof *param,
                                   .alias = alias,
                                   .naliases = sizeof alias / sizeof *alias,
                                   .output = 3};
    return &graph;
}

rescl_status rs_catalogue_init(rs_catalogue *c)
{
    *c = (rs_catalogue){0};
    return rs_name_index_add(&c->index, small_graph());
}

void rs_catalogue_fini(rs_catalogue *c)
{
    rs_name_index_fini(&c->index);
}

static void die(const char *what)
{
    perror(what);
    abort();
}

static char path[512];

static void remove_file(void)
{
    unlink(path);
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    const char *dir = getenv("TMPDIR");
    if (fd < 0) {
        snprintf(path, sizeof path, "%s/fuzz-XXXXXX", dir ? dir : "/tmp");
        fd = mkstemp(path);
        if (fd < 0)
            die(path);
        atexit(remove_file);
    }
    if (ftruncate(fd, 0) != 0 || (size > 0 && pwrite(fd, data, size, 0) != (ssize_t)size))
        die(path);
    return path;
}

static void hold_against(const rs_wfile *f)
{
    float values[5][12];
    float *data[5] = {values[0], values[1], values[2], values[3], values[4]};
    rs_weights w = {.count = 5, .data = data};
    rs_matching m = {0};
    if (rs_wfile_match(f, small_graph(), &m) == RESCL_OK)
        (void)!rs_wfile_load(f, small_graph(), &m, &w);
    rs_matching_fini(&m);
}

void fuzz_weights(const char *path)
{
    rs_wfile *f = NULL;
    if (rs_wfile_open(path, &f) != RESCL_OK)
        return;
    for (size_t i = 0; i < rs_wfile_count(f); i++) {
        const rs_wfile_tensor *t = rs_wfile_at(f, i);
        const size_t count = rs_shape_count(&t->shape);
        if (count > MOST_VALUES || !rs_dtype_readable(t->dtype))
            continue;
        float *values = malloc(count * sizeof *values + 1);
        if (values)
            (void)!rs_wfile_read(f, i, values);
        free(values);
    }
    hold_against(f);
    rs_wfile_close(f);
}
