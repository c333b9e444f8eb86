/* What the layers and tensors of residual networks are called by the libraries that people's
 * weights come from, by rule: from stage, block and unit to a name and back.
 *
 *   torchvision  conv1 bn1 layer1.0.conv1 layer1.0.bn1 layer1.0.downsample.0 (.1) fc
 *                .weight .bias .running_mean .running_var; timm has the same
 *   keras        conv1_conv conv1_bn conv2_block1_1_conv conv2_block1_1_bn conv2_block1_0_conv
 *                predictions (keras.applications since 2019; probs in its files of that year)
 *   keras1       conv1 bn_conv1 res2a_branch2a bn2a_branch2a res2a_branch1 fc1000 (before; beyond
 *                26 blocks Caffe's res4b35_branch2a)
 *                kernel:0 bias:0 gamma:0 beta:0 moving_mean:0 moving_variance:0; Keras 1: _W _b
 *                _running_mean _running_std
 *
 * rescl's own models have torchvision's or keras1's names, so a parameter of a model and a tensor
 * of a file are matched by what both names mean. */
#ifndef RS_LAYERNAME_H
#define RS_LAYERNAME_H

#include <stdbool.h>
#include <stddef.h>

typedef enum rs_naming {
    RS_NAMING_RESCL = 0, /* rescl's own, or of no library that is known */
    RS_NAMING_TORCHVISION,
    RS_NAMING_KERAS,
    RS_NAMING_KERAS1,
    RS_NAMINGS
} rs_naming;

/* "rescl", "torchvision", "keras", "keras1" */
const char *rs_naming_name(rs_naming naming);
bool rs_naming_parse(const char *name, rs_naming *out); /* knows "timm" too */

/* The epsilon of the library's own batch normalisation, which its weights are meant for; 0 where
 * the name does not say. */
double rs_naming_bn_eps(rs_naming naming);

typedef enum rs_layer_kind { RS_LAYER_CONV, RS_LAYER_BN, RS_LAYER_DENSE } rs_layer_kind;

/* Which layer of a residual network. */
typedef struct rs_layer_place {
    rs_layer_kind kind; /* RS_LAYER_DENSE is the last one, with nothing else to tell */
    bool stem;          /* the first convolution and its normalisation */
    unsigned stage;     /* from 0 */
    unsigned block;     /* within the stage, from 0 */
    unsigned unit;      /* 1, 2, 3 on the main branch; 0: of the shortcut */
} rs_layer_place;

typedef enum rs_role {
    RS_ROLE_WEIGHT, /* kernel; a normalisation's gamma */
    RS_ROLE_BIAS,   /* bias; beta */
    RS_ROLE_RUNNING_MEAN,
    RS_ROLE_RUNNING_VAR,
    RS_ROLE_COUNTER, /* torch's num_batches_tracked, which nothing uses */
} rs_role;

/* What a tensor is. */
typedef struct rs_tensor_place {
    rs_layer_place layer;
    rs_role role;
} rs_tensor_place;

/* The layer that `name` means, of any naming; `naming` (may be NULL) is set when only one naming has
 * the name, else left alone. False when it is of none. */
bool rs_layer_parse(const char *name, rs_layer_place *out, rs_naming *naming);

/* The same for a tensor: "layer.role" (torchvision, rescl) or "layer/role:0" (Keras). A leading
 * "module." (torch's DataParallel) is passed over. */
bool rs_tensor_parse(const char *name, rs_tensor_place *out, rs_naming *naming);

bool rs_tensor_same(const rs_tensor_place *a, const rs_tensor_place *b);

/* The layer's name in a naming other than RS_NAMING_RESCL; `classes` is part of keras1's fc1000. */
void rs_layer_format(const rs_layer_place *place, rs_naming naming, size_t classes, char out[64]);

/* "weight" or "kernel" or "gamma" ... */
const char *rs_role_format(const rs_tensor_place *place, rs_naming naming);

#endif
