#include "layername.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    double bn_eps;
} namings[RS_NAMINGS] = {
    [RS_NAMING_RESCL] = {"rescl", 0.0},
    [RS_NAMING_TORCHVISION] = {"torchvision", 1e-5},
    [RS_NAMING_KERAS] = {"keras", 1.001e-5}, /* keras.applications.resnet.stack_fn */
    [RS_NAMING_KERAS1] = {"keras1", 1e-3},   /* the default of BatchNormalization */
};

const char *rs_naming_name(rs_naming naming)
{
    return namings[naming].name;
}

bool rs_naming_parse(const char *name, rs_naming *out)
{
    if (strcmp(name, "timm") == 0)
        name = namings[RS_NAMING_TORCHVISION].name;
    for (int i = 0; i < RS_NAMINGS; i++)
        if (strcmp(name, namings[i].name) == 0) {
            *out = (rs_naming)i;
            return true;
        }
    return false;
}

double rs_naming_bn_eps(rs_naming naming)
{
    return namings[naming].bn_eps;
}

/* ---- reading names ----------------------------------------------------------------------- */

/* A name that is being read from left to right; once a part is missing, all that follow are. */
typedef struct cursor {
    const char *at; /* NULL: it did not go on as wanted */
} cursor;

static bool skip(cursor *c, const char *text)
{
    const size_t n = strlen(text);
    const bool there = c->at && strncmp(c->at, text, n) == 0;
    if (there)
        c->at += n;
    return there;
}

static void want(cursor *c, const char *text)
{
    if (!skip(c, text))
        c->at = NULL;
}

/* At most four digits, without a leading zero unless it is the number. */
static unsigned number(cursor *c)
{
    unsigned value = 0, digits = 0;
    const char *p = c->at;
    for (; p && *p >= '0' && *p <= '9' && digits < 4; p++, digits++)
        value = 10 * value + (unsigned)(*p - '0');
    if (digits == 0 || (digits > 1 && *c->at == '0') || (*p >= '0' && *p <= '9'))
        p = NULL;
    c->at = p;
    return value;
}

static unsigned number_from(cursor *c, unsigned first)
{
    const unsigned value = number(c);
    if (c->at && value < first)
        c->at = NULL;
    return value - first;
}

static bool ended(const cursor *c)
{
    return c->at && *c->at == '\0';
}

/* layer1.0.conv1, layer1.0.bn1, layer1.0.downsample.0 */
static bool parse_torchvision(const char *name, rs_layer_place *p)
{
    cursor c = {name};
    want(&c, "layer");
    p->stage = number_from(&c, 1);
    want(&c, ".");
    p->block = number(&c);
    want(&c, ".");
    if (skip(&c, "downsample.")) {
        const unsigned which = number(&c);
        p->kind = which == 0 ? RS_LAYER_CONV : RS_LAYER_BN;
        return ended(&c) && which <= 1;
    }
    p->kind = skip(&c, "bn") ? RS_LAYER_BN : RS_LAYER_CONV;
    if (p->kind == RS_LAYER_CONV)
        want(&c, "conv");
    p->unit = number(&c);
    return ended(&c) && p->unit >= 1;
}

/* conv2_block1_0_conv, conv2_block1_3_bn */
static bool parse_keras(const char *name, rs_layer_place *p)
{
    cursor c = {name};
    want(&c, "conv");
    p->stage = number_from(&c, 2);
    want(&c, "_block");
    p->block = number_from(&c, 1);
    want(&c, "_");
    p->unit = number(&c);
    p->kind = skip(&c, "_bn") ? RS_LAYER_BN : RS_LAYER_CONV;
    if (p->kind == RS_LAYER_CONV)
        want(&c, "_conv");
    return ended(&c);
}

/* res2a_branch2a, bn2a_branch1; blocks a, b, c, ... or a, b1, b2, ... */
static bool parse_keras1(const char *name, rs_layer_place *p)
{
    cursor c = {name};
    p->kind = skip(&c, "bn") ? RS_LAYER_BN : RS_LAYER_CONV;
    if (p->kind == RS_LAYER_CONV)
        want(&c, "res");
    p->stage = number_from(&c, 2);
    if (!c.at || *c.at < 'a' || *c.at > 'z')
        return false;
    p->block = (unsigned)(*c.at++ - 'a');
    if (p->block == 1 && *c.at >= '0' && *c.at <= '9')
        p->block = number_from(&c, 1) + 1;
    want(&c, "_branch");
    if (skip(&c, "1"))
        return ended(&c);
    want(&c, "2");
    if (!c.at || *c.at < 'a' || *c.at > 'z')
        return false;
    p->unit = (unsigned)(*c.at++ - 'a') + 1;
    return ended(&c);
}

/* The layers outside of the stages; RS_NAMINGS where more than one naming has the name. */
static const struct {
    const char *name;
    rs_layer_kind kind;
    rs_naming naming;
} ends[] = {
    {"conv1", RS_LAYER_CONV, RS_NAMINGS},
    {"bn1", RS_LAYER_BN, RS_NAMING_TORCHVISION},
    {"conv1_conv", RS_LAYER_CONV, RS_NAMING_KERAS},
    {"conv1_bn", RS_LAYER_BN, RS_NAMING_KERAS},
    {"bn_conv1", RS_LAYER_BN, RS_NAMING_KERAS1},
    {"fc", RS_LAYER_DENSE, RS_NAMING_TORCHVISION},
    {"predictions", RS_LAYER_DENSE, RS_NAMING_KERAS},
    {"probs", RS_LAYER_DENSE, RS_NAMING_KERAS},
};

static bool parse_end(const char *name, rs_layer_place *p, rs_naming *naming)
{
    cursor c = {name};
    *naming = RS_NAMINGS;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(name, ends[i].name) == 0) {
            *p = (rs_layer_place){.kind = ends[i].kind, .stem = ends[i].kind != RS_LAYER_DENSE};
            *naming = ends[i].naming;
            return true;
        }
    want(&c, "fc"); /* fc1000: with the number of classes */
    const size_t digits = c.at ? strspn(c.at, "0123456789") : 0;
    if (digits == 0 || digits > 7 || c.at[digits] != '\0')
        return false;
    *p = (rs_layer_place){.kind = RS_LAYER_DENSE};
    *naming = RS_NAMING_KERAS1;
    return true;
}

bool rs_layer_parse(const char *name, rs_layer_place *out, rs_naming *naming)
{
    static const struct {
        rs_naming naming;
        bool (*parse)(const char *, rs_layer_place *);
    } rules[] = {{RS_NAMING_TORCHVISION, parse_torchvision},
                 {RS_NAMING_KERAS, parse_keras},
                 {RS_NAMING_KERAS1, parse_keras1}};
    rs_naming found;
    bool known = parse_end(name, out, &found);
    for (size_t i = 0; !known && i < sizeof rules / sizeof *rules; i++) {
        *out = (rs_layer_place){0};
        found = rules[i].naming;
        known = rules[i].parse(name, out);
    }
    if (known && naming && found != RS_NAMINGS)
        *naming = found;
    return known;
}

static const struct {
    const char *name;
    rs_role role;
} roles[] = {
    {"weight", RS_ROLE_WEIGHT},
    {"bias", RS_ROLE_BIAS},
    {"running_mean", RS_ROLE_RUNNING_MEAN},
    {"running_var", RS_ROLE_RUNNING_VAR},
    {"num_batches_tracked", RS_ROLE_COUNTER},
    {"kernel", RS_ROLE_WEIGHT},
    {"gamma", RS_ROLE_WEIGHT},
    {"beta", RS_ROLE_BIAS},
    {"moving_mean", RS_ROLE_RUNNING_MEAN},
    {"moving_variance", RS_ROLE_RUNNING_VAR},
    {"W", RS_ROLE_WEIGHT},
    {"b", RS_ROLE_BIAS},
    {"running_std", RS_ROLE_RUNNING_VAR}, /* Keras 1's name for it, which is the variance */
};

static bool parse_role(const char *text, size_t len, rs_role *out)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strlen(roles[i].name) == len && memcmp(roles[i].name, text, len) == 0) {
            *out = roles[i].role;
            return true;
        }
    return false;
}

/* Keras' ".../layer/role:0" or, Keras 1's, ".../layer/layer_role:0": the layer is what stands before
 * the last slash. */
static bool split_keras(const char **layer, size_t *layer_len, const char **role, size_t *len)
{
    const char *slash = strrchr(*layer, '/'), *from;
    if (!slash)
        return false;
    for (from = slash; from > *layer && from[-1] != '/'; from--)
        ;
    *layer = from;
    *layer_len = (size_t)(slash - from);
    *role = slash + 1;
    *len = strcspn(*role, ":");
    if (*len > *layer_len + 1 && memcmp(*role, from, *layer_len) == 0 &&
        (*role)[*layer_len] == '_') {
        *role += *layer_len + 1;
        *len -= *layer_len + 1;
    }
    return true;
}

bool rs_tensor_parse(const char *name, rs_tensor_place *out, rs_naming *naming)
{
    char layer[64] = "";
    size_t len, role_len;
    const char *role;
    if (strncmp(name, "module.", 7) == 0)
        name += 7;
    if (!split_keras(&name, &len, &role, &role_len)) {
        const char *dot = strrchr(name, '.');
        if (!dot)
            return false;
        len = (size_t)(dot - name);
        role = dot + 1;
        role_len = strlen(role);
    }
    if (len >= sizeof layer)
        return false;
    memcpy(layer, name, len);
    layer[len] = '\0';
    return parse_role(role, role_len, &out->role) && rs_layer_parse(layer, &out->layer, naming);
}

bool rs_tensor_same(const rs_tensor_place *a, const rs_tensor_place *b)
{
    return a->role == b->role && a->layer.kind == b->layer.kind && a->layer.stem == b->layer.stem &&
           a->layer.stage == b->layer.stage && a->layer.block == b->layer.block &&
           a->layer.unit == b->layer.unit;
}

/* ---- writing names ----------------------------------------------------------------------- */

static void format_end(const rs_layer_place *p, rs_naming naming, size_t classes, char out[64])
{
    static const char *const stem[RS_NAMINGS][2] = {
        [RS_NAMING_TORCHVISION] = {"conv1", "bn1"},
        [RS_NAMING_KERAS] = {"conv1_conv", "conv1_bn"},
        [RS_NAMING_KERAS1] = {"conv1", "bn_conv1"},
    };
    if (p->kind != RS_LAYER_DENSE)
        snprintf(out, 64, "%s", stem[naming][p->kind == RS_LAYER_BN]);
    else if (naming == RS_NAMING_KERAS1)
        snprintf(out, 64, "fc%zu", classes);
    else
        snprintf(out, 64, "%s", naming == RS_NAMING_KERAS ? "predictions" : "fc");
}

static void format_keras1(const rs_layer_place *p, char out[64])
{
    const char *kind = p->kind == RS_LAYER_BN ? "bn" : "res";
    char block[16], branch[4] = "1";
    if (p->block < 26)
        snprintf(block, sizeof block, "%c", (char)('a' + p->block));
    else
        snprintf(block, sizeof block, "b%u", p->block);
    if (p->unit > 0)
        snprintf(branch, sizeof branch, "2%c", (char)('a' + p->unit - 1));
    snprintf(out, 64, "%s%u%s_branch%s", kind, p->stage + 2, block, branch);
}

void rs_layer_format(const rs_layer_place *p, rs_naming naming, size_t classes, char out[64])
{
    const char *kind = p->kind == RS_LAYER_BN ? "bn" : "conv";
    if (p->stem || p->kind == RS_LAYER_DENSE)
        format_end(p, naming, classes, out);
    else if (naming == RS_NAMING_KERAS)
        snprintf(out, 64, "conv%u_block%u_%u_%s", p->stage + 2, p->block + 1, p->unit, kind);
    else if (naming == RS_NAMING_KERAS1)
        format_keras1(p, out);
    else if (p->unit == 0)
        snprintf(out, 64, "layer%u.%u.downsample.%d", p->stage + 1, p->block,
                 p->kind == RS_LAYER_BN);
    else
        snprintf(out, 64, "layer%u.%u.%s%u", p->stage + 1, p->block, kind, p->unit);
}

const char *rs_role_format(const rs_tensor_place *place, rs_naming naming)
{
    static const char *const torch[] = {"weight", "bias", "running_mean", "running_var"};
    static const char *const bn[] = {"gamma", "beta", "moving_mean", "moving_variance"};
    static const char *const other[] = {"kernel", "bias", "", ""};
    if (naming == RS_NAMING_TORCHVISION || naming == RS_NAMING_RESCL)
        return torch[place->role];
    return place->layer.kind == RS_LAYER_BN ? bn[place->role] : other[place->role];
}
