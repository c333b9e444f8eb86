/* Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition"
 * (CVPR 2016), and their kin: Xie et al., "Aggregated Residual Transformations for Deep Neural
 * Networks" (CVPR 2017); Zagoruyko, Komodakis, "Wide Residual Networks" (BMVC 2016).
 *
 * One builder; what differs between the published variants is a spec:
 *   v1    the paper's and Keras': stride 2 on the first 1x1 of a bottleneck
 *   v1.5  torchvision's: stride 2 on its 3x3
 * Blocks of two 3x3 have their stride on the first in both; there the forms differ in biases,
 * epsilon and padding alone. */
#include "attr.h"
#include "error.h"
#include "netmodel.h"

#include <stdarg.h>
#include <stdio.h>

typedef enum head { HEAD_AVGPOOL2_FLATTEN, HEAD_GLOBAL_AVGPOOL } head;
/* Of a block that changes the size of its map: option B of the paper, or A, without parameters. */
typedef enum shortcut_kind { SHORTCUT_PROJECT, SHORTCUT_PAD } shortcut_kind;

typedef struct resnet_spec {
    rs_naming names; /* whose names rescl's own are */
    head head;
    shortcut_kind shortcut;
    bool bottleneck;    /* 1x1, 3x3, 1x1; else two 3x3 */
    bool stride_on_3x3; /* of a bottleneck: v1.5 */
    bool conv_bias;
    bool small_stem; /* 3x3/1 without pooling, for small images; else 7x7/2 and a 3x3/2 pool */
    size_t pool_pad; /* of the stem's pool */
    size_t stem_width;
    size_t stages;
    size_t width[4], blocks[4]; /* of a stage: channels before its expansion; blocks */
    /* The 3x3 of a bottleneck has width * base_width / 64 channels for each of its groups; 0: the
     * plain one's 64 and 1. torchvision's width_per_group and groups. */
    size_t base_width, groups;
    float bn_eps, bn_momentum;
    rs_init_scheme conv_scheme, dense_scheme;
} resnet_spec;

/* The state of building: after a failure every call passes its argument through. */
typedef struct builder {
    rs_graph *g;
    const resnet_spec *spec;
    rescl_status st;
    rs_value unit[4][2]; /* what the units of the block give, by index and part */
    double stochastic_depth;
    size_t blocks, built; /* of the network */
} builder;

enum { LETTERS = 26 }; /* blocks of a stage that keras1 can tell apart by a letter */

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

/* Padding keeps the size of the map, but for the stride. */
static rs_value conv(builder *b, label name, rs_value x, size_t filters, size_t kernel,
                     size_t stride, size_t groups)
{
    const size_t pad = kernel / 2;
    const rs_conv2d_attr attr = {.filters = filters,
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride_h = stride,
                                 .stride_w = stride,
                                 .pad_top = pad,
                                 .pad_bottom = pad,
                                 .pad_left = pad,
                                 .pad_right = pad,
                                 .groups = groups,
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
                               .zero_pad =
                                   op == &rs_op_maxpool && b->spec->names != RS_NAMING_TORCHVISION,
                               .global = global};
    return add_layer(b, name, op, &attr, sizeof attr, b->spec->conv_scheme, &x, 1);
}

/* ---- names -------------------------------------------------------------------------------
 *
 *   torchvision  conv1 bn1 layer1.0.conv1 layer1.0.bn1 layer1.0.downsample.0 (.1) fc
 *   keras        conv1_conv conv1_bn conv2_block1_1_conv conv2_block1_1_bn conv2_block1_0_conv
 *                predictions; probs in its files of 2019
 *   keras1       conv1 bn_conv1 res2a_branch2a bn2a_branch2a res2a_branch1 fc1000; as Caffe, which
 *                counts b1, b2, ... after a where letters end (res4b35_branch2a)
 */

/* The layers that a network has once. */
static const struct {
    const char *conv, *bn, *relu, *pool;
} stem_names[RS_NAMINGS] = {
    [RS_NAMING_TORCHVISION] = {"conv1", "bn1", "relu", "maxpool"},
    [RS_NAMING_KERAS] = {"conv1_conv", "conv1_bn", "conv1_relu", "pool1_pool"},
    [RS_NAMING_KERAS1] = {"conv1", "bn_conv1", "activation", "pool1"},
};

static label dense_name(rs_naming n, size_t classes)
{
    switch (n) {
    case RS_NAMING_TORCHVISION:
        return labelf("fc");
    case RS_NAMING_KERAS:
        return labelf("predictions");
    default:
        return labelf("fc%zu", classes);
    }
}

/* Which block: stage from 0, index within the stage from 0. */
typedef struct place {
    size_t stage, index;
} place;

/* Which of a unit's two layers; the values are torchvision's indices within a shortcut. */
typedef enum part { PART_CONV = 0, PART_BN = 1 } part;

static label keras1_name(place at, int i, part p, bool lettered)
{
    const char *kind = p == PART_CONV ? "res" : "bn";
    const label block = lettered ? labelf("%c", (char)('a' + at.index)) : labelf("b%zu", at.index);
    if (i == 0)
        return labelf("%s%zu%s_branch1", kind, at.stage + 2, block.text);
    return labelf("%s%zu%s_branch2%c", kind, at.stage + 2, block.text, (char)('a' + i - 1));
}

/* A layer of unit `i` (from 1) of a block's main branch, or 0 for its shortcut. */
static label unit_name(rs_naming n, place at, int i, part p)
{
    const char *kind = p == PART_CONV ? "conv" : "bn";
    switch (n) {
    case RS_NAMING_TORCHVISION:
        if (i == 0)
            return labelf("layer%zu.%zu.downsample.%d", at.stage + 1, at.index, (int)p);
        return labelf("layer%zu.%zu.%s%d", at.stage + 1, at.index, kind, i);
    case RS_NAMING_KERAS:
        return labelf("conv%zu_block%zu_%d_%s", at.stage + 2, at.index + 1, i, kind);
    default:
        return keras1_name(at, i, p, at.index < LETTERS);
    }
}

static void alias(builder *b, rs_value x, rs_naming n, label name)
{
    if (b->st == RESCL_OK)
        b->st = rs_graph_alias(b->g, x, n, name.text);
}

static void alias_unit(builder *b, rs_naming n, place at, int i, part p)
{
    alias(b, b->unit[i][p], n, unit_name(n, at, i, p));
    if (n == RS_NAMING_KERAS1 && at.index > 0 && at.index < LETTERS)
        alias(b, b->unit[i][p], n, keras1_name(at, i, p, false));
}

/* Tells the graph what each library calls the units of a block, in the library's order. Keras sorts
 * layers by their distance from the end, so that the shortcut's stand beside those of a bottleneck's
 * last unit: before them since 2019, after them until then. */
static void alias_block(builder *b, place at, int units, bool projects)
{
    for (rs_naming n = RS_NAMING_TORCHVISION; n < RS_NAMINGS; n++) {
        const bool beside = projects && units == 3 && n != RS_NAMING_TORCHVISION;
        for (int i = 1; i <= units; i++)
            for (part p = PART_CONV; p <= PART_BN; p++) {
                if (beside && i == units && n == RS_NAMING_KERAS)
                    alias_unit(b, n, at, 0, p);
                alias_unit(b, n, at, i, p);
                if (beside && i == units && n == RS_NAMING_KERAS1)
                    alias_unit(b, n, at, 0, p);
            }
        for (part p = PART_CONV; projects && !beside && p <= PART_BN; p++)
            alias_unit(b, n, at, 0, p);
    }
}

/* The relu of unit `i`, or 0 for the one that ends the block. */
static label relu_name(const builder *b, place at, int i)
{
    char digit[8] = "";
    if (b->spec->names == RS_NAMING_KERAS && i == 0)
        return labelf("conv%zu_block%zu_out", at.stage + 2, at.index + 1);
    if (b->spec->names == RS_NAMING_KERAS)
        return labelf("conv%zu_block%zu_%d_relu", at.stage + 2, at.index + 1, i);
    if (i > 0)
        snprintf(digit, sizeof digit, "%d", i);
    if (b->spec->names == RS_NAMING_TORCHVISION)
        return labelf("layer%zu.%zu.relu%s", at.stage + 1, at.index, digit);
    return labelf("res%zu%c_relu%s", at.stage + 2, (char)('a' + at.index), digit);
}

/* "add", and "shortcut" where it has no parameters. */
static label plain_name(const builder *b, place at, const char *what)
{
    switch (b->spec->names) {
    case RS_NAMING_TORCHVISION:
        return labelf("layer%zu.%zu.%s", at.stage + 1, at.index, what);
    case RS_NAMING_KERAS:
        return labelf("conv%zu_block%zu_%s", at.stage + 2, at.index + 1, what);
    default:
        return labelf("res%zu%c_%s", at.stage + 2, (char)('a' + at.index), what);
    }
}

/* ---- parts ------------------------------------------------------------------------------- */

static rs_value stem(builder *b, rs_value x)
{
    const resnet_spec *s = b->spec;
    const size_t kernel = s->small_stem ? 3 : 7, stride = s->small_stem ? 1 : 2;
    const rs_value conv1 =
        conv(b, labelf("%s", stem_names[s->names].conv), x, s->stem_width, kernel, stride, 1);
    x = batchnorm(b, labelf("%s", stem_names[s->names].bn), conv1);
    for (rs_naming n = RS_NAMING_TORCHVISION; n < RS_NAMINGS; n++) {
        alias(b, conv1, n, labelf("%s", stem_names[n].conv));
        alias(b, x, n, labelf("%s", stem_names[n].bn));
    }
    x = relu(b, labelf("%s", stem_names[s->names].relu), x);
    if (!s->small_stem)
        x = pool(b, labelf("%s", stem_names[s->names].pool), &rs_op_maxpool, x, 3, 2, s->pool_pad,
                 false);
    return x;
}

/* What a unit's convolution is. */
typedef struct filter {
    size_t count, kernel, stride, groups;
} filter;

/* Convolution and normalisation. */
static rs_value unit(builder *b, place at, int i, rs_value x, filter f)
{
    const rs_naming n = b->spec->names;
    x = conv(b, unit_name(n, at, i, PART_CONV), x, f.count, f.kernel, f.stride, f.groups);
    b->unit[i][PART_CONV] = x;
    x = batchnorm(b, unit_name(n, at, i, PART_BN), x);
    b->unit[i][PART_BN] = x;
    return x;
}

/* The units of a block's main branch, relus between them. */
static rs_value main_branch(builder *b, place at, rs_value x, const filter *f, int units)
{
    for (int i = 1; i <= units; i++) {
        x = unit(b, at, i, x, f[i - 1]);
        if (i < units)
            x = relu(b, relu_name(b, at, i), x);
    }
    return x;
}

static rs_value pad_shortcut(builder *b, place at, rs_value x, size_t channels, size_t stride)
{
    const rs_shortcut_attr attr = {.stride = stride, .channels = channels};
    return add_layer(b, plain_name(b, at, "shortcut"), &rs_op_shortcut, &attr, sizeof attr,
                     b->spec->conv_scheme, &x, 1);
}

/* The branch of the block that is being built, which an image passes over with a likelihood that grows from 0
 * in the first block to that of the options in the last: the linear rule of Huang et al., "Deep Networks
 * with Stochastic Depth" (ECCV 2016), as timm has it for residual networks. */
static rs_value drop_path(builder *b, place at, rs_value x)
{
    const size_t last = b->blocks > 1 ? b->blocks - 1 : 1;
    const double rate = b->stochastic_depth * (double)b->built / (double)last;
    const rs_dropout_attr drop = {.rate = (float)rate, .stream = 2 + b->built, .rows = true};
    if (rate > 0.0)
        x = add_layer(b, plain_name(b, at, "drop_path"), &rs_op_dropout, &drop, sizeof drop,
                      b->spec->conv_scheme, &x, 1);
    b->built++;
    return x;
}

static rs_value block(builder *b, place at, rs_value x, size_t stride, bool resize)
{
    const resnet_spec *s = b->spec;
    const size_t width = s->width[at.stage], groups = s->groups ? s->groups : 1;
    const size_t inner = s->base_width ? width * s->base_width / 64 * groups : width;
    const size_t out = s->bottleneck ? 4 * width : width;
    const size_t s1 = s->stride_on_3x3 ? 1 : stride, s3 = s->stride_on_3x3 ? stride : 1;
    const filter basic[] = {{width, 3, stride, 1}, {width, 3, 1, 1}};
    const filter deep[] = {{inner, 1, s1, 1}, {inner, 3, s3, groups}, {out, 1, 1, 1}};
    rs_value main, shortcut = x;
    /* Before the main branch, so that its last normalisation can take the addition (fusion.c). */
    if (resize && s->shortcut == SHORTCUT_PAD)
        shortcut = pad_shortcut(b, at, x, out, stride);
    main = s->bottleneck ? main_branch(b, at, x, deep, 3) : main_branch(b, at, x, basic, 2);
    main = drop_path(b, at, main);
    if (resize && s->shortcut == SHORTCUT_PROJECT)
        shortcut = unit(b, at, 0, x, (filter){out, 1, stride, 1});
    alias_block(b, at, s->bottleneck ? 3 : 2, resize && s->shortcut == SHORTCUT_PROJECT);
    return relu(b, relu_name(b, at, 0), add(b, plain_name(b, at, "add"), main, shortcut));
}

static rs_value top(builder *b, rs_value x, const rescl_model_options *o)
{
    const rs_dense_attr dense = {.units = o->classes, .bias = true};
    const rs_dense_attr hidden = {.units = o->hidden, .bias = true};
    if (b->spec->head == HEAD_GLOBAL_AVGPOOL)
        x = pool(b, labelf(b->spec->names == RS_NAMING_KERAS ? "avg_pool" : "avgpool"),
                 &rs_op_avgpool, x, 0, 0, 0, true);
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
    x = add_layer(b, dense_name(b->spec->names, o->classes), &rs_op_dense, &dense, sizeof dense,
                  b->spec->dense_scheme, &x, 1);
    for (rs_naming n = RS_NAMING_TORCHVISION; n < RS_NAMINGS; n++)
        alias(b, x, n, dense_name(n, o->classes));
    alias(b, x, RS_NAMING_KERAS, labelf("probs"));
    alias(b, x, RS_NAMING_KERAS1, labelf("fc#"));
    return x;
}

static rescl_status build_resnet(rs_graph *g, const void *spec, const rescl_model_options *o,
                                 rs_value *logits)
{
    const resnet_spec *s = spec;
    builder b = {.g = g, .spec = s, .stochastic_depth = o->stochastic_depth};
    for (size_t stage = 0; stage < s->stages; stage++)
        b.blocks += s->blocks[stage];
    rs_value x = stem(&b, g->input);
    for (size_t stage = 0; stage < s->stages; stage++) {
        g->part = (int)stage + 1;
        for (size_t i = 0; i < s->blocks[stage]; i++) {
            const size_t stride = stage > 0 && i == 0 ? 2 : 1;
            const bool resize = i == 0 && (stage > 0 || s->bottleneck);
            x = block(&b, (place){stage, i}, x, stride, resize);
        }
    }
    g->part = RS_PART_HEAD;
    *logits = top(&b, x, o);
    return b.st;
}

/* ---- the models -------------------------------------------------------------------------- */

#define IMAGENET .stem_width = 64, .stages = 4, .width = {64, 128, 256, 512}
#define CIFAR    .small_stem = true, .stem_width = 16, .stages = 3, .width = {16, 32, 64}

#define TORCH                                                                                      \
    .names = RS_NAMING_TORCHVISION, .head = HEAD_GLOBAL_AVGPOOL, .pool_pad = 1, .bn_eps = 1e-5f,   \
    .bn_momentum = 0.9f, .conv_scheme = RS_SCHEME_HE_NORMAL_FAN_OUT,                               \
    .dense_scheme = RS_SCHEME_LINEAR_UNIFORM
#define TORCH_DEEP TORCH, IMAGENET, .bottleneck = true, .stride_on_3x3 = true

/* Keras' ResNet50 was published with other names and another epsilon at first; its ImageNet weights
 * are of that time. */
#define KERAS_ANY                                                                                  \
    IMAGENET, .conv_bias = true, .bn_momentum = 0.99f, .conv_scheme = RS_SCHEME_GLOROT_UNIFORM,    \
              .dense_scheme = RS_SCHEME_GLOROT_UNIFORM
#define KERAS                                                                                      \
    KERAS_ANY, .names = RS_NAMING_KERAS, .head = HEAD_GLOBAL_AVGPOOL, .pool_pad = 1,               \
               .bn_eps = 1.001e-5f
#define KERAS_DEEP KERAS, .bottleneck = true
#define KERAS_50                                                                                   \
    KERAS_ANY, .names = RS_NAMING_KERAS1, .bn_eps = 1e-3f, .bottleneck = true,                     \
               .blocks = {3, 4, 6, 3}

/* Lines of the list: usual number of classes and size, the images' preparation, the libraries that
 * have the model too. */
#define LINE(name, about, classes, size, preprocess, libraries, ...)                               \
    {                                                                                              \
        name, about, classes, size, preprocess, build_resnet, &(const resnet_spec){__VA_ARGS__},   \
            libraries                                                                              \
    }
#define TORCH_LINE(name, about, ...)                                                               \
    LINE(name, about " as torchvision's", 1000, 224, RESCL_PREPROCESS_TORCH,                       \
         1u << RS_NAMING_TORCHVISION, __VA_ARGS__)
#define KERAS_LINE(name, about, libraries, ...)                                                    \
    LINE(name, about, 1000, 224, RESCL_PREPROCESS_CAFFE, libraries, __VA_ARGS__)
#define CIFAR_LINE(depth, per_stage)                                                               \
    LINE("resnet" #depth,                                                                          \
         "ResNet-" #depth " for CIFAR: 3 stages of basic blocks, shortcuts without parameters",    \
         10, 32, RESCL_PREPROCESS_UNIT, 0, TORCH, CIFAR, .shortcut = SHORTCUT_PAD,                 \
         .blocks = {per_stage, per_stage, per_stage})

const rs_model_def rs_family_resnet[] = {
    LINE("resnet50_signs",
         "ResNet-50 v1 as the SIGNS course codes it in Keras (64x64, average pool 2x2)", 6, 64,
         RESCL_PREPROCESS_UNIT, 0, KERAS_50, .head = HEAD_AVGPOOL2_FLATTEN),

    TORCH_LINE("resnet18", "ResNet-18", TORCH, IMAGENET, .blocks = {2, 2, 2, 2}),
    TORCH_LINE("resnet34", "ResNet-34", TORCH, IMAGENET, .blocks = {3, 4, 6, 3}),
    TORCH_LINE("resnet50", "ResNet-50 v1.5", TORCH_DEEP, .blocks = {3, 4, 6, 3}),
    TORCH_LINE("resnet101", "ResNet-101 v1.5", TORCH_DEEP, .blocks = {3, 4, 23, 3}),
    TORCH_LINE("resnet152", "ResNet-152 v1.5", TORCH_DEEP, .blocks = {3, 8, 36, 3}),
    TORCH_LINE("wide_resnet50_2", "Wide ResNet-50-2", TORCH_DEEP, .blocks = {3, 4, 6, 3},
               .base_width = 128),
    TORCH_LINE("wide_resnet101_2", "Wide ResNet-101-2", TORCH_DEEP, .blocks = {3, 4, 23, 3},
               .base_width = 128),
    TORCH_LINE("resnext50_32x4d", "ResNeXt-50 32x4d", TORCH_DEEP, .blocks = {3, 4, 6, 3},
               .groups = 32, .base_width = 4),
    TORCH_LINE("resnext101_32x8d", "ResNeXt-101 32x8d", TORCH_DEEP, .blocks = {3, 4, 23, 3},
               .groups = 32, .base_width = 8),
    TORCH_LINE("resnext101_64x4d", "ResNeXt-101 64x4d", TORCH_DEEP, .blocks = {3, 4, 23, 3},
               .groups = 64, .base_width = 4),

    KERAS_LINE("resnet18_keras", "ResNet-18 v1 in the form of Keras' library models", 0, KERAS,
               .blocks = {2, 2, 2, 2}),
    KERAS_LINE("resnet34_keras", "ResNet-34 v1 in the form of Keras' library models", 0, KERAS,
               .blocks = {3, 4, 6, 3}),
    KERAS_LINE("resnet50_keras", "ResNet-50 v1 as Keras' library model, global average pooling",
               1u << RS_NAMING_KERAS | 1u << RS_NAMING_KERAS1, KERAS_50,
               .head = HEAD_GLOBAL_AVGPOOL, .pool_pad = 1),
    KERAS_LINE("resnet101_keras", "ResNet-101 v1 as Keras' library model", 1u << RS_NAMING_KERAS,
               KERAS_DEEP, .blocks = {3, 4, 23, 3}),
    KERAS_LINE("resnet152_keras", "ResNet-152 v1 as Keras' library model", 1u << RS_NAMING_KERAS,
               KERAS_DEEP, .blocks = {3, 8, 36, 3}),

    LINE("resnet8",
         "a small residual network of basic blocks (CIFAR form) for tests and first steps", 10, 32,
         RESCL_PREPROCESS_UNIT, 0, TORCH, CIFAR, .blocks = {1, 1, 1}),
    CIFAR_LINE(20, 3),
    CIFAR_LINE(32, 5),
    CIFAR_LINE(44, 7),
    CIFAR_LINE(56, 9),
    CIFAR_LINE(110, 18),
    {0},
};
