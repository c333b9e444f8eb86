#include "onnx.h"

#include "attr.h"
#include "error.h"
#include "filtershape.h"
#include "jsonload.h"
#include "layout.h"
#include "naming.h"
#include "pixel.h"
#include "protobuf.h"
#include "text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers and enumerators of onnx.proto. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER = 2,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_META = 14
};
enum { META_KEY = 1, META_VALUE = 2 };
enum { OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { ATTR_TYPE_FLOAT = 1, ATTR_TYPE_INT = 2, ATTR_TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { TYPE_FLOAT = 1, TYPE_INT64 = 7 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_ELEM = 1, TENSOR_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

#define IR_VERSION 7
#define OPSET      13
#define MOST_BYTES 0x7fffffffu

typedef struct export
{
    const rs_graph *g;
    const rs_weights *w;
    const rs_ckpt_model *about;
    const char *classes; /* a JSON list */
    float *scratch;      /* room for the largest parameter */
}
export;

/* A name of any length: its parts one after the other, as far as they are not NULL. Borrowed. */
typedef struct text {
    const char *part[3];
} text;

/* ---- names ------------------------------------------------------------------------------- */

static text param_name(const export *e, int param)
{
    const rs_param *p = &e->g->param[param];
    const char *layer = rs_layer_name(e->g, (size_t)p->node, RS_NAMING_TORCHVISION);
    if (!layer)
        return (text){{p->name}};
    return (text){{layer, ".", rs_role_name(&e->g->node[p->node], p, RS_NAMING_TORCHVISION)}};
}

/* What a node reads or gives. A dropout gives what it reads. */
static text value_name(const export *e, rs_value v)
{
    int producer = e->g->value[v].producer;
    if (v == e->g->output)
        return (text){{"logits"}};
    while (producer >= 0 && e->g->node[producer].op == &rs_op_dropout)
        producer = e->g->value[e->g->node[producer].src[0]].producer;
    return (text){{producer < 0 ? "input" : e->g->node[producer].name}};
}

static void put_text(rs_pb *pb, unsigned field, text t)
{
    size_t bytes = 0;
    for (size_t i = 0; i < RS_COUNT(t.part) && t.part[i]; i++)
        bytes += strlen(t.part[i]);
    rs_pb_bytes(pb, field, bytes);
    for (size_t i = 0; i < RS_COUNT(t.part) && t.part[i]; i++)
        rs_pb_raw(pb, t.part[i], strlen(t.part[i]));
}

/* ---- nodes ------------------------------------------------------------------------------- */

enum { MOST_INTS = 8, MOST_INPUTS = 5, MOST_ATTRS = 6 };

typedef struct attribute {
    const char *name;
    int type; /* ATTR_TYPE_... */
    float f;
    size_t count;
    int64_t i[MOST_INTS];
} attribute;

typedef struct onnx_node {
    const char *op;
    text name, input[MOST_INPUTS], output;
    size_t ninputs, nattrs;
    attribute attr[MOST_ATTRS];
} onnx_node;

static void attribute_body(rs_pb *pb, const void *about)
{
    const attribute *a = about;
    rs_pb_text(pb, ATTR_NAME, a->name);
    if (a->type == ATTR_TYPE_FLOAT)
        rs_pb_float(pb, ATTR_F, a->f);
    else
        for (size_t i = 0; i < a->count; i++)
            rs_pb_int(pb, a->type == ATTR_TYPE_INT ? ATTR_I : ATTR_INTS, a->i[i]);
    rs_pb_int(pb, ATTR_TYPE, a->type);
}

static void node_body(rs_pb *pb, const void *about)
{
    const onnx_node *n = about;
    for (size_t i = 0; i < n->ninputs; i++)
        put_text(pb, NODE_INPUT, n->input[i]);
    put_text(pb, NODE_OUTPUT, n->output);
    put_text(pb, NODE_NAME, n->name);
    rs_pb_text(pb, NODE_OP, n->op);
    for (size_t i = 0; i < n->nattrs; i++)
        rs_pb_message(pb, NODE_ATTRIBUTE, attribute_body, &n->attr[i]);
}

static void add_input(onnx_node *n, text name)
{
    n->input[n->ninputs++] = name;
}

static void add_int(onnx_node *n, const char *name, size_t value)
{
    n->attr[n->nattrs++] =
        (attribute){.name = name, .type = ATTR_TYPE_INT, .count = 1, .i = {(int64_t)value}};
}

/* height, width */
static void add_pair(onnx_node *n, const char *name, size_t h, size_t w)
{
    n->attr[n->nattrs++] = (attribute){
        .name = name, .type = ATTR_TYPE_INTS, .count = 2, .i = {(int64_t)h, (int64_t)w}};
}

static void add_pads(onnx_node *n, size_t top, size_t left, size_t bottom, size_t right)
{
    n->attr[n->nattrs++] =
        (attribute){.name = "pads",
                    .type = ATTR_TYPE_INTS,
                    .count = 4,
                    .i = {(int64_t)top, (int64_t)left, (int64_t)bottom, (int64_t)right}};
}

static void put_node(rs_pb *pb, const onnx_node *n)
{
    rs_pb_message(pb, GRAPH_NODE, node_body, n);
}

/* A node of the layer `n` that reads its first input and gives its output. */
static onnx_node start(const export *e, const rs_node *n, const char *op)
{
    onnx_node o = {.op = op, .name = {{n->name}}, .output = value_name(e, n->dst)};
    add_input(&o, value_name(e, n->src[0]));
    return o;
}

/* A node of its own before `main`, which then reads what it gives. */
static onnx_node before(onnx_node *main, const char *op, const char *suffix)
{
    const text name = {{main->name.part[0], suffix}};
    onnx_node o = {.op = op, .name = name, .output = name};
    add_input(&o, main->input[0]);
    main->input[0] = o.output;
    return o;
}

static void put_conv(rs_pb *pb, const export *e, const rs_node *n)
{
    const rs_conv2d_attr *a = n->attr;
    onnx_node o = start(e, n, "Conv");
    for (int i = 0; i < n->nparam; i++)
        add_input(&o, param_name(e, n->param[i]));
    add_int(&o, "group", a->groups ? a->groups : 1);
    add_pair(&o, "kernel_shape", a->kernel_h, a->kernel_w);
    add_pads(&o, a->pad_top, a->pad_left, a->pad_bottom, a->pad_right);
    add_pair(&o, "strides", a->stride_h, a->stride_w);
    put_node(pb, &o);
}

static void put_batchnorm(rs_pb *pb, const export *e, const rs_node *n)
{
    const rs_batchnorm_attr *a = n->attr;
    onnx_node o = start(e, n, "BatchNormalization");
    for (int i = 0; i < 2; i++)
        add_input(&o, param_name(e, n->param[i]));
    for (int i = 0; i < 2; i++)
        add_input(&o, param_name(e, n->state[i]));
    o.attr[o.nattrs++] = (attribute){.name = "epsilon", .type = ATTR_TYPE_FLOAT, .f = a->eps};
    put_node(pb, &o);
}

static void put_dense(rs_pb *pb, const export *e, const rs_node *n)
{
    onnx_node o = start(e, n, "Gemm");
    if (e->g->value[n->src[0]].shape.ndim == 4) {
        onnx_node flat = before(&o, "Flatten", "_flat");
        add_int(&flat, "axis", 1);
        put_node(pb, &flat);
    }
    for (int i = 0; i < n->nparam; i++)
        add_input(&o, param_name(e, n->param[i]));
    add_int(&o, "transB", 1);
    put_node(pb, &o);
}

static text pads_name(const char *node)
{
    return (text){{node, ".pads"}};
}

/* Zeros around what `main` reads; how many is the initialiser "<name>.pads". */
static void put_pad(rs_pb *pb, onnx_node *main)
{
    onnx_node pad = before(main, "Pad", "_pad");
    add_input(&pad, pads_name(main->name.part[0]));
    put_node(pb, &pad);
}

static void put_pool(rs_pb *pb, const export *e, const rs_node *n)
{
    const rs_pool_attr *a = n->attr;
    const bool max = n->op == &rs_op_maxpool;
    if (a->global) {
        onnx_node flat = start(e, n, "Flatten"), mean = before(&flat, "GlobalAveragePool", "_mean");
        put_node(pb, &mean);
        add_int(&flat, "axis", 1);
        put_node(pb, &flat);
        return;
    }
    onnx_node o = start(e, n, max ? "MaxPool" : "AveragePool");
    if (a->zero_pad)
        put_pad(pb, &o);
    else
        add_pads(&o, a->pad_top, a->pad_left, a->pad_bottom, a->pad_right);
    add_pair(&o, "kernel_shape", a->kernel_h, a->kernel_w);
    add_pair(&o, "strides", a->stride_h, a->stride_w);
    if (!max)
        add_int(&o, "count_include_pad", a->count_pad);
    put_node(pb, &o);
}

/* Every stride-th pixel is a pooling over single pixels. */
static void put_shortcut(rs_pb *pb, const export *e, const rs_node *n)
{
    const rs_shortcut_attr *a = n->attr;
    onnx_node pad = start(e, n, "Pad"), pick = before(&pad, "MaxPool", "_pixels");
    add_pair(&pick, "kernel_shape", 1, 1);
    add_pair(&pick, "strides", a->stride, a->stride);
    put_node(pb, &pick);
    add_input(&pad, pads_name(n->name));
    put_node(pb, &pad);
}

static void put_relu(rs_pb *pb, const export *e, const rs_node *n)
{
    onnx_node o = start(e, n, "Relu");
    put_node(pb, &o);
}

static void put_add(rs_pb *pb, const export *e, const rs_node *n)
{
    onnx_node o = start(e, n, "Add");
    add_input(&o, value_name(e, n->src[1]));
    put_node(pb, &o);
}

static const struct {
    const rs_op *op;
    void (*put)(rs_pb *pb, const export *e, const rs_node *n); /* NULL: nothing in inference */
} writers[] = {{&rs_op_conv2d, put_conv},  {&rs_op_batchnorm, put_batchnorm},
               {&rs_op_dense, put_dense},  {&rs_op_relu, put_relu},
               {&rs_op_add, put_add},      {&rs_op_maxpool, put_pool},
               {&rs_op_avgpool, put_pool}, {&rs_op_shortcut, put_shortcut},
               {&rs_op_dropout, NULL},     {&rs_op_softmax_xent, NULL},
               {&rs_op_sigmoid_bce, NULL}, {&rs_op_distillation, NULL}};

static rescl_status check_node(const rs_node *n)
{
    rescl_status st = RESCL_OK;
    bool known = false;
    for (size_t i = 0; i < RS_COUNT(writers); i++)
        known = known || writers[i].op == n->op;
    RS_FAIL_IF(!known, RESCL_ERR_UNSUPPORTED, "ONNX: layer '%s' (%s) has no counterpart", n->name,
               n->op->layer);
    if (n->op == &rs_op_maxpool || n->op == &rs_op_avgpool) {
        const rs_pool_attr *a = n->attr;
        RS_FAIL_IF(a->ceil_mode, RESCL_ERR_UNSUPPORTED,
                   "ONNX: layer '%s' rounds its size up, which operator set 13 does otherwise",
                   n->name);
    }
out:
    return st;
}

/* ---- tensors ----------------------------------------------------------------------------- */

typedef struct tensor {
    text name;
    size_t ndim, dim[4];
    int type;
    const void *data;
    size_t bytes;
} tensor;

static void tensor_body(rs_pb *pb, const void *about)
{
    const tensor *t = about;
    for (size_t i = 0; i < t->ndim; i++)
        rs_pb_int(pb, TENSOR_DIMS, (int64_t)t->dim[i]);
    rs_pb_int(pb, TENSOR_TYPE, t->type);
    put_text(pb, TENSOR_NAME, t->name);
    rs_pb_bytes(pb, TENSOR_RAW, t->bytes);
    rs_pb_raw(pb, t->data, t->bytes);
}

static void put_param(rs_pb *pb, const export *e, size_t index)
{
    const rs_param *p = &e->g->param[index];
    const rs_shape *s = &p->spec.shape;
    tensor t = {.name = param_name(e, (int)index),
                .type = TYPE_FLOAT,
                .data = e->w->data[index],
                .bytes = e->w->elems[index] * sizeof(float)};
    t.ndim = (size_t)s->ndim;
    rs_layout_dims_to_kcrs(t.ndim, s->dim, t.dim);
    if (rs_layout_differs(t.ndim)) {
        const rs_shape filter = rs_filter_shape(e->g, index);
        if (pb->file)
            rs_layout_to_kcrs((size_t)filter.ndim, filter.dim, e->w->data[index], e->scratch);
        t.data = e->scratch;
    }
    rs_pb_message(pb, GRAPH_INITIALIZER, tensor_body, &t);
}

/* The pads of a Pad node, NCHW: all axes' begins, then all their ends. */
static void put_pads(rs_pb *pb, const rs_graph *g, const rs_node *n)
{
    int64_t pads[8] = {0};
    tensor t = {.name = pads_name(n->name),
                .ndim = 1,
                .dim = {8},
                .type = TYPE_INT64,
                .data = pads,
                .bytes = sizeof pads};
    if (n->op == &rs_op_shortcut) {
        const size_t lack = g->value[n->dst].shape.dim[3] - g->value[n->src[0]].shape.dim[3];
        pads[1] = (int64_t)(lack / 2), pads[5] = (int64_t)(lack - lack / 2);
    } else {
        const rs_pool_attr *a = n->attr;
        pads[2] = (int64_t)a->pad_top, pads[3] = (int64_t)a->pad_left;
        pads[6] = (int64_t)a->pad_bottom, pads[7] = (int64_t)a->pad_right;
    }
    rs_pb_message(pb, GRAPH_INITIALIZER, tensor_body, &t);
}

/* ---- the graph --------------------------------------------------------------------------- */

typedef struct value_info {
    const char *name;
    size_t ndim, dim[3]; /* after the batch */
} value_info;

static void batch_body(rs_pb *pb, const void *about)
{
    (void)about;
    rs_pb_text(pb, DIM_PARAM, "N");
}

static void dim_body(rs_pb *pb, const void *about)
{
    const size_t *dim = about;
    rs_pb_int(pb, DIM_VALUE, (int64_t)*dim);
}

static void shape_body(rs_pb *pb, const void *about)
{
    const value_info *v = about;
    rs_pb_message(pb, SHAPE_DIM, batch_body, NULL);
    for (size_t i = 0; i < v->ndim; i++)
        rs_pb_message(pb, SHAPE_DIM, dim_body, &v->dim[i]);
}

static void tensor_type_body(rs_pb *pb, const void *about)
{
    rs_pb_int(pb, TENSOR_ELEM, TYPE_FLOAT);
    rs_pb_message(pb, TENSOR_SHAPE, shape_body, about);
}

static void type_body(rs_pb *pb, const void *about)
{
    rs_pb_message(pb, TYPE_TENSOR, tensor_type_body, about);
}

static void value_body(rs_pb *pb, const void *about)
{
    const value_info *v = about;
    rs_pb_text(pb, VALUE_NAME, v->name);
    rs_pb_message(pb, VALUE_TYPE, type_body, about);
}

static void graph_body(rs_pb *pb, const void *about)
{
    const export *e = about;
    const rs_graph *g = e->g;
    const size_t *in = g->value[g->input].shape.dim;
    const value_info input = {.name = "input", .ndim = 3, .dim = {in[3], in[1], in[2]}};
    const value_info output = {.name = "logits", .ndim = 1, .dim = {e->about->classes}};

    for (size_t i = 0; i < g->nnodes; i++)
        for (size_t k = 0; k < RS_COUNT(writers); k++)
            if (writers[k].op == g->node[i].op && writers[k].put)
                writers[k].put(pb, e, &g->node[i]);
    rs_pb_text(pb, GRAPH_NAME, e->about->name);
    for (size_t i = 0; i < g->nparams; i++)
        put_param(pb, e, i);
    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_pool_attr *pool = g->node[i].attr;
        if (g->node[i].op == &rs_op_shortcut || (g->node[i].op == &rs_op_maxpool && pool->zero_pad))
            put_pads(pb, g, &g->node[i]);
    }
    rs_pb_message(pb, GRAPH_INPUT, value_body, &input);
    rs_pb_message(pb, GRAPH_OUTPUT, value_body, &output);
}

/* ---- the model --------------------------------------------------------------------------- */

/* Of one channel: the luma of ITU-R 601, and the mean of what three channels have. */
static const char *grey_text(const rs_ckpt_model *about, char buffer[256])
{
    char number[2][RS_F64_CHARS];
    switch (about->preprocess) {
    case RESCL_PREPROCESS_NORMALIZE:
        rs_format_f64(about->normalize.mean[0], number[0]);
        rs_format_f64(about->normalize.std[0], number[1]);
        snprintf(buffer, 256, "grey, 0 to 1, minus %s, divided by %s", number[0], number[1]);
        return buffer;
    case RESCL_PREPROCESS_CAFFE:
        return "grey, 0 to 255, minus 114.799333";
    case RESCL_PREPROCESS_TORCH:
        return "grey, 0 to 1, minus 0.449, divided by 0.226";
    default:
        return "grey, 0 to 1";
    }
}

/* Of four channels: the fourth has the mean of what the three have, if it is not said. */
static const char *rgba_text(const rs_ckpt_model *about, char buffer[256])
{
    const double *mean = about->normalize.mean, *std = about->normalize.std;
    char number[2 * RS_PIXEL_CHANNELS][RS_F64_CHARS];
    switch (about->preprocess) {
    case RESCL_PREPROCESS_NORMALIZE:
        for (size_t c = 0; c < RS_PIXEL_CHANNELS; c++) {
            rs_format_f64(mean[c], number[c]);
            rs_format_f64(std[c], number[RS_PIXEL_CHANNELS + c]);
        }
        snprintf(buffer, 256, "RGBA, 0 to 1, minus %s, %s, %s, %s, divided by %s, %s, %s, %s",
                 number[0], number[1], number[2], number[3], number[4], number[5], number[6],
                 number[7]);
        return buffer;
    case RESCL_PREPROCESS_CAFFE:
        return "BGRA, 0 to 255, minus 103.939, 116.779, 123.68, 114.799333";
    case RESCL_PREPROCESS_TORCH:
        return "RGBA, 0 to 1, minus 0.485, 0.456, 0.406, 0.449, divided by 0.229, 0.224, 0.225, "
               "0.226";
    default:
        return "RGBA, 0 to 1";
    }
}

static const char *preprocess_text(const rs_ckpt_model *about, char buffer[256])
{
    const double *mean = about->normalize.mean, *std = about->normalize.std;
    char number[6][RS_F64_CHARS];
    if (about->channels == 1)
        return grey_text(about, buffer);
    if (about->channels == 4)
        return rgba_text(about, buffer);
    switch (about->preprocess) {
    case RESCL_PREPROCESS_NORMALIZE:
        for (size_t c = 0; c < 3; c++) {
            rs_format_f64(mean[c], number[c]);
            rs_format_f64(std[c], number[3 + c]);
        }
        snprintf(buffer, 256, "RGB, 0 to 1, minus %s, %s, %s, divided by %s, %s, %s", number[0],
                 number[1], number[2], number[3], number[4], number[5]);
        return buffer;
    case RESCL_PREPROCESS_CAFFE:
        return "BGR, 0 to 255, minus 103.939, 116.779, 123.68";
    case RESCL_PREPROCESS_TORCH:
        return "RGB, 0 to 1, minus 0.485, 0.456, 0.406, divided by 0.229, 0.224, 0.225";
    default:
        return "RGB, 0 to 1";
    }
}

static void opset_body(rs_pb *pb, const void *about)
{
    (void)about;
    rs_pb_int(pb, OPSET_VERSION, OPSET);
}

static void meta_body(rs_pb *pb, const void *about)
{
    const char *const *pair = about;
    rs_pb_text(pb, META_KEY, pair[0]);
    rs_pb_text(pb, META_VALUE, pair[1]);
}

static void put_model(rs_pb *pb, const export *e)
{
    const rescl_resize *resize = &e->about->resize;
    char size[32], side[32], input[256];
    const char *const meta[][2] = {
        {"model", e->about->name},
        {"preprocess", rescl_preprocess_name(e->about->preprocess)},
        {"preprocess_input", preprocess_text(e->about, input)},
        {"image_size", size},
        {"resize_size", side},
        {"interpolation", rescl_interpolation_name(resize->interpolation)},
        {"classes", e->classes}};
    snprintf(size, sizeof size, "%zu", e->about->image_size);
    snprintf(side, sizeof side, "%zu",
             resize->resize_size ? resize->resize_size : e->about->image_size);
    rs_pb_int(pb, MODEL_IR_VERSION, IR_VERSION);
    rs_pb_text(pb, MODEL_PRODUCER, "rescl");
    rs_pb_message(pb, MODEL_GRAPH, graph_body, e);
    rs_pb_message(pb, MODEL_OPSET, opset_body, NULL);
    for (size_t i = 0; i < RS_COUNT(meta); i++)
        rs_pb_message(pb, MODEL_META, meta_body, meta[i]);
}

static rescl_status list_classes(const rs_ckpt_model *about, char **out)
{
    rescl_status st = RESCL_OK;
    json_t *list = NULL;
    RS_OOM(list = json_array());
    for (size_t i = 0; i < about->classes; i++) {
        RS_FAIL_IF(!rs_is_utf8(about->class_name[i]), RESCL_ERR_ARG,
                   "the name of class %zu is not UTF-8: '%.80s'", i, about->class_name[i]);
        RS_FAIL_IF(json_array_append_new(list, json_string(about->class_name[i])) != 0,
                   RESCL_ERR_MEMORY, "out of host memory");
    }
    RS_TRY(rs_json_dump(list, JSON_COMPACT, out));
out:
    json_decref(list);
    return st;
}

rescl_status rs_onnx_write(const char *path, const rs_graph *g, const rs_weights *w,
                           const rs_ckpt_model *about)
{
    rescl_status st = RESCL_OK;
    rs_atomic_file file = {.fd = -1};
    rs_pb count = {0}, pb = {.file = &file};
    export e = {.g = g, .w = w, .about = about};
    char *classes = NULL;
    size_t most = 1;

    for (size_t i = 0; i < g->nnodes; i++)
        RS_TRY(check_node(&g->node[i]));
    for (size_t i = 0; i < w->count; i++)
        most = w->elems[i] > most ? w->elems[i] : most;
    RS_OOM(e.scratch = calloc(most, sizeof *e.scratch));
    RS_TRY(list_classes(about, &classes));
    e.classes = classes;
    put_model(&count, &e);
    RS_FAIL_IF(count.bytes > MOST_BYTES, RESCL_ERR_ARG,
               "%s: would have %llu bytes; a protocol buffer has at most 2 GiB", path,
               (unsigned long long)count.bytes);
    RS_TRY(rs_atomic_open(&file, path));
    put_model(&pb, &e);
    RS_TRY(rs_pb_flush(&pb));
    RS_TRY(rs_atomic_commit(&file));
out:
    rs_atomic_abort(&file);
    free(e.scratch);
    free(classes);
    return st;
}
