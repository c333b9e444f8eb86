/* Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition"
 * (CVPR 2016).
 *
 * One builder; what differs between the published variants is a spec:
 *   v1    the paper's and Keras': stride 2 on the first 1x1 of a bottleneck
 *   v1.5  torchvision's: stride 2 on its 3x3
 * Keras-style layer names are those of keras-applications' first generation (res2a_branch2a),
 * torch-style ones are torchvision's (layer1.0.conv1). */
#include "attr.h"
#include "error.h"
#include "netmodel.h"

#include <stdarg.h>
#include <stdio.h>

typedef enum naming { NAMES_KERAS, NAMES_TORCH } naming;
typedef enum head { HEAD_AVGPOOL2_FLATTEN, HEAD_GLOBAL_AVGPOOL } head;

typedef struct resnet_spec {
    naming names;
    head head;
    bool bottleneck;    /* 1x1, 3x3, 1x1; else two 3x3 */
    bool stride_on_3x3; /* of a bottleneck: v1.5 */
    bool conv_bias;
    bool small_stem; /* 3x3/1 without pooling, for small pictures; else 7x7/2 and a 3x3/2 pool */
    size_t pool_pad; /* of the stem's pool */
    size_t stem_width;
    size_t stages;
    size_t width[4], blocks[4]; /* of a stage: channels of its 3x3; blocks */
    float bn_eps, bn_momentum;
    rs_init_scheme conv_scheme, dense_scheme;
} resnet_spec;

/* The state of building: after a failure every call passes its argument through. */
typedef struct builder {
    rs_graph *g;
    const resnet_spec *spec;
    rescl_status st;
} builder;

typedef struct label {
    char text[64];
} label;

static label labelf(const char *fmt, ...) RESCL_PRINTF(1, 2);
static label labelf(const char *fmt, ...)
{
    label l;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l.text, sizeof l.text, fmt, ap);
    va_end(ap);
    return l;
}

static rs_value add_layer(builder *b, label name, const rs_op *op, const void *attr, size_t bytes,
                          rs_init_scheme scheme, const rs_value *src, int nsrc)
{
    rs_value dst = src[0];
    if (b->st == RESCL_OK)
        b->st = rs_graph_add(b->g, name.text, op, attr, bytes, scheme, src, nsrc, &dst);
    return dst;
}

static rs_value conv(builder *b, label name, rs_value x, size_t filters, size_t kernel,
                     size_t stride, size_t pad)
{
    const rs_conv2d_attr attr = {.filters = filters,
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride_h = stride,
                                 .stride_w = stride,
                                 .pad_top = pad,
                                 .pad_bottom = pad,
                                 .pad_left = pad,
                                 .pad_right = pad,
                                 .bias = b->spec->conv_bias};
    return add_layer(b, name, &rs_op_conv2d, &attr, sizeof attr, b->spec->conv_scheme, &x, 1);
}

static rs_value batchnorm(builder *b, label name, rs_value x)
{
    const rs_batchnorm_attr attr = {
        .eps = b->spec->bn_eps, .momentum = b->spec->bn_momentum, .unbiased_running = true};
    return add_layer(b, name, &rs_op_batchnorm, &attr, sizeof attr, b->spec->conv_scheme, &x, 1);
}

static rs_value relu(builder *b, label name, rs_value x)
{
    return add_layer(b, name, &rs_op_relu, NULL, 0, b->spec->conv_scheme, &x, 1);
}

static rs_value add(builder *b, label name, rs_value x, rs_value y)
{
    const rs_value src[2] = {x, y};
    return add_layer(b, name, &rs_op_add, NULL, 0, b->spec->conv_scheme, src, 2);
}

static rs_value pool(builder *b, label name, const rs_op *op, rs_value x, size_t kernel,
                     size_t stride, size_t pad, bool global)
{
    const rs_pool_attr attr = {.kernel_h = kernel,
                               .kernel_w = kernel,
                               .stride_h = stride,
                               .stride_w = stride,
                               .pad_top = pad,
                               .pad_bottom = pad,
                               .pad_left = pad,
                               .pad_right = pad,
                               .zero_pad = op == &rs_op_maxpool && b->spec->names == NAMES_KERAS,
                               .global = global};
    return add_layer(b, name, op, &attr, sizeof attr, b->spec->conv_scheme, &x, 1);
}

/* ---- names ------------------------------------------------------------------------------- */

/* Which block: stage from 0, index within the stage from 0. */
typedef struct place {
    size_t stage, index;
} place;

/* Which of a unit's two layers; the values are torchvision's indices within a shortcut. */
typedef enum part { PART_CONV = 0, PART_BN = 1 } part;

/* A layer of unit `i` (from 1) of a block's main branch, or 0 for its shortcut. */
static label unit_name(const builder *b, place at, int i, part p)
{
    const char *keras = p == PART_CONV ? "res" : "bn", *torch = p == PART_CONV ? "conv" : "bn";
    if (b->spec->names == NAMES_KERAS && i == 0)
        return labelf("%s%zu%c_branch1", keras, at.stage + 2, (char)('a' + at.index));
    if (b->spec->names == NAMES_KERAS)
        return labelf("%s%zu%c_branch2%c", keras, at.stage + 2, (char)('a' + at.index),
                      (char)('a' + i - 1));
    if (i == 0)
        return labelf("layer%zu.%zu.downsample.%d", at.stage + 1, at.index, (int)p);
    return labelf("layer%zu.%zu.%s%d", at.stage + 1, at.index, torch, i);
}

/* Layers without parameters: "relu1", "add", "relu". */
static label plain_name(const builder *b, place at, const char *what)
{
    if (b->spec->names == NAMES_KERAS)
        return labelf("res%zu%c_%s", at.stage + 2, (char)('a' + at.index), what);
    return labelf("layer%zu.%zu.%s", at.stage + 1, at.index, what);
}

/* ---- parts ------------------------------------------------------------------------------- */

static rs_value stem(builder *b, rs_value x)
{
    const resnet_spec *s = b->spec;
    const bool keras = s->names == NAMES_KERAS;
    x = s->small_stem ? conv(b, labelf("conv1"), x, s->stem_width, 3, 1, 1)
                      : conv(b, labelf("conv1"), x, s->stem_width, 7, 2, 3);
    x = batchnorm(b, labelf(keras ? "bn_conv1" : "bn1"), x);
    x = relu(b, labelf(keras ? "activation" : "relu"), x);
    if (!s->small_stem)
        x = pool(b, labelf(keras ? "pool1" : "maxpool"), &rs_op_maxpool, x, 3, 2, s->pool_pad,
                 false);
    return x;
}

/* Convolution, normalisation and, but for the last of a branch, relu. */
static rs_value unit(builder *b, place at, int i, rs_value x, size_t filters, size_t kernel,
                     size_t stride, bool last)
{
    x = conv(b, unit_name(b, at, i, PART_CONV), x, filters, kernel, stride, kernel / 2);
    x = batchnorm(b, unit_name(b, at, i, PART_BN), x);
    return last ? x : relu(b, plain_name(b, at, i == 1 ? "relu1" : "relu2"), x);
}

static rs_value block(builder *b, place at, rs_value x, size_t width, size_t stride, bool project)
{
    const bool deep = b->spec->bottleneck;
    const size_t out = deep ? 4 * width : width;
    const size_t s1 = b->spec->stride_on_3x3 ? 1 : stride, s3 = b->spec->stride_on_3x3 ? stride : 1;
    rs_value main = x, shortcut = x;
    if (deep) {
        main = unit(b, at, 1, main, width, 1, s1, false);
        main = unit(b, at, 2, main, width, 3, s3, false);
        main = unit(b, at, 3, main, out, 1, 1, true);
    } else {
        main = unit(b, at, 1, main, width, 3, stride, false);
        main = unit(b, at, 2, main, out, 3, 1, true);
    }
    if (project)
        shortcut = unit(b, at, 0, x, out, 1, stride, true);
    return relu(b, plain_name(b, at, "relu"), add(b, plain_name(b, at, "add"), main, shortcut));
}

static rs_value top(builder *b, rs_value x, const rescl_model_options *o)
{
    const bool keras = b->spec->names == NAMES_KERAS;
    const rs_dense_attr dense = {.units = o->classes, .bias = true};
    const rs_dense_attr hidden = {.units = o->hidden, .bias = true};
    const label name = keras ? labelf("fc%zu", o->classes) : labelf("fc");
    if (b->spec->head == HEAD_GLOBAL_AVGPOOL)
        x = pool(b, labelf("avgpool"), &rs_op_avgpool, x, 0, 0, 0, true);
    else
        x = pool(b, labelf("avg_pool"), &rs_op_avgpool, x, 2, 2, 0, false);
    if (o->hidden > 0) {
        x = add_layer(b, labelf("hidden"), &rs_op_dense, &hidden, sizeof hidden,
                      b->spec->dense_scheme, &x, 1);
        x = relu(b, labelf("hidden_relu"), x);
    }
    if (o->dropout > 0.0) {
        const rs_dropout_attr drop = {.rate = (float)o->dropout, .stream = 1};
        x = add_layer(b, labelf("dropout"), &rs_op_dropout, &drop, sizeof drop,
                      b->spec->dense_scheme, &x, 1);
    }
    return add_layer(b, name, &rs_op_dense, &dense, sizeof dense, b->spec->dense_scheme, &x, 1);
}

static rescl_status build_resnet(rs_graph *g, const void *spec, const rescl_model_options *o,
                                 rs_value *logits)
{
    const resnet_spec *s = spec;
    builder b = {g, s, RESCL_OK};
    rs_value x = stem(&b, g->input);
    for (size_t stage = 0; stage < s->stages; stage++) {
        g->part = (int)stage + 1;
        for (size_t i = 0; i < s->blocks[stage]; i++) {
            const size_t stride = stage > 0 && i == 0 ? 2 : 1;
            const bool project = i == 0 && (stage > 0 || s->bottleneck);
            x = block(&b, (place){stage, i}, x, s->width[stage], stride, project);
        }
    }
    g->part = RS_PART_HEAD;
    *logits = top(&b, x, o);
    return b.st;
}

/* ---- the models -------------------------------------------------------------------------- */

#define RESNET50_KERAS                                                                             \
    .names = NAMES_KERAS, .bottleneck = true, .conv_bias = true, .stem_width = 64, .stages = 4,    \
    .width = {64, 128, 256, 512}, .blocks = {3, 4, 6, 3}, .bn_eps = 1e-3f, .bn_momentum = 0.99f,   \
    .conv_scheme = RS_SCHEME_GLOROT_UNIFORM, .dense_scheme = RS_SCHEME_GLOROT_UNIFORM

static const resnet_spec resnet50_signs = {
    RESNET50_KERAS,
    .head = HEAD_AVGPOOL2_FLATTEN,
};
static const resnet_spec resnet50_keras = {
    RESNET50_KERAS,
    .head = HEAD_GLOBAL_AVGPOOL,
    .pool_pad = 1,
};

#define TORCH_COMMON                                                                               \
    .names = NAMES_TORCH, .head = HEAD_GLOBAL_AVGPOOL, .bn_eps = 1e-5f, .bn_momentum = 0.9f,       \
    .conv_scheme = RS_SCHEME_HE_NORMAL_FAN_OUT, .dense_scheme = RS_SCHEME_LINEAR_UNIFORM

static const resnet_spec resnet50 = {
    TORCH_COMMON,     .bottleneck = true, .stride_on_3x3 = true,        .pool_pad = 1,
    .stem_width = 64, .stages = 4,        .width = {64, 128, 256, 512}, .blocks = {3, 4, 6, 3},
};
static const resnet_spec resnet8 = {
    TORCH_COMMON, .small_stem = true,    .stem_width = 16,
    .stages = 3,  .width = {16, 32, 64}, .blocks = {1, 1, 1},
};

const rs_model_def rs_family_resnet[] = {
    {"resnet50_signs",
     "ResNet-50 v1 as the SIGNS course codes it in Keras (64x64, average pool 2x2)", 6, 64,
     RESCL_PREPROCESS_UNIT, build_resnet, &resnet50_signs},
    {"resnet50_keras", "ResNet-50 v1 as Keras' library model, global average pooling", 1000, 224,
     RESCL_PREPROCESS_CAFFE, build_resnet, &resnet50_keras},
    {"resnet50", "ResNet-50 v1.5 as torchvision's", 1000, 224, RESCL_PREPROCESS_TORCH, build_resnet,
     &resnet50},
    {"resnet8", "a small residual network of basic blocks (CIFAR form) for tests and first steps",
     10, 32, RESCL_PREPROCESS_UNIT, build_resnet, &resnet8},
    {0},
};
