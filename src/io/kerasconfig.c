#include "kerasconfig.h"

#include "alloc.h"
#include "error.h"
#include "jsonload.h"
#include "str.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 10000
#define MAX_DEPTH  16
#define MAX_WINDOW 65535

/* ---- names of groups ----------------------------------------------------------------------- */

/* Keras' to_snake_case of a class: "BatchNormalization" is batch_normalization, "Conv2D" conv2d.
 * Heap. */
static char *snake_case(const char *class_name)
{
    const char *registered = strrchr(class_name, '>'); /* "package>Class" */
    const char *c = registered ? registered + 1 : class_name;
    const size_t len = strlen(c);
    char *out = malloc(2 * len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < len; i++) {
        const unsigned char here = (unsigned char)c[i], next = (unsigned char)c[i + 1];
        if (!isalnum(here) && here != '_')
            continue;
        if (i > 0 && isupper(here) && (islower(next) || islower((unsigned char)c[i - 1])))
            out[n++] = '_';
        out[n++] = (char)tolower(here);
    }
    if (out)
        out[n] = '\0';
    return out;
}

/* Groups of the layers of one model, which are counted by class: conv2d, conv2d_1, ... */
typedef struct counters {
    struct {
        char *base;
        size_t used;
    } * item;
    size_t count, cap;
} counters;

static rescl_status next_group(counters *k, const char *class_name, const char *parent, char **out)
{
    rescl_status st = RESCL_OK;
    char *base = NULL;
    size_t i = 0;
    RS_OOM(base = snake_case(class_name));
    while (i < k->count && strcmp(k->item[i].base, base) != 0)
        i++;
    if (i == k->count) {
        RS_TRY(rs_array_reserve(&k->item, &k->cap, k->count + 1, sizeof *k->item));
        k->item[k->count].base = base;
        k->item[k->count++].used = 0;
        base = NULL;
    }
    const size_t used = k->item[i].used++;
    *out = used == 0 ? rs_strf("%slayers/%s", parent, k->item[i].base)
                     : rs_strf("%slayers/%s_%zu", parent, k->item[i].base, used);
    RS_OOM(*out);
out:
    free(base);
    return st;
}

static void counters_fini(counters *k)
{
    for (size_t i = 0; i < k->count; i++)
        free(k->item[i].base);
    free(k->item);
}

/* ---- layers -------------------------------------------------------------------------------- */

/* The text of a key, or of a key of the object there: Keras 3 writes objects for some values. */
static const char *text_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (json_is_object(v))
        v = json_object_get(v, "class_name");
    return json_string_value(v);
}

/* The list of the layers of a model, or NULL for a layer that is none. Keras 1 and 2.0 give the list
 * itself as the config of a Sequential. */
static const json_t *layers_of(const json_t *config)
{
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    return json_is_array(layers) ? layers : NULL;
}

/* (batch, size, size, channels) */
static size_t square_of(const json_t *shape)
{
    const json_int_t h = json_integer_value(json_array_get(shape, 1)),
                     w = json_integer_value(json_array_get(shape, 2));
    return json_array_size(shape) == 4 && h == w && h > 0 ? (size_t)h : 0;
}

/* What a layer applies to each value. A ReLU may be limited or leak: then it is another function. */
static const char *activation_of(const char *class_name, const json_t *config)
{
    static const char *const slopes[] = {"negative_slope", "alpha", "threshold"};
    if (strcmp(class_name, "Softmax") == 0)
        return "softmax";
    if (strcmp(class_name, "ReLU") != 0)
        return text_of(config, "activation");
    if (json_is_number(json_object_get(config, "max_value")))
        return NULL;
    for (size_t i = 0; i < RS_COUNT(slopes); i++) {
        const double slope = json_number_value(json_object_get(config, slopes[i]));
        if (slope > 0.0 || slope < 0.0)
            return NULL;
    }
    return "relu";
}

/* Two numbers, or one for both; false, and 1, where the key has none. */
static bool pair_of(const json_t *v, size_t out[2])
{
    out[0] = out[1] = 1;
    for (size_t i = 0; i < 2; i++) {
        const json_int_t one = json_integer_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (one < 1 || one > MAX_WINDOW)
            return false;
        out[i] = (size_t)one;
    }
    return true;
}

/* ((above, below), (left, right)), (rows, columns), or one number. */
static void padding_of(const json_t *v, size_t out[4])
{
    for (size_t i = 0; i < 4; i++) {
        const json_t *side = json_is_array(v) ? json_array_get(v, i / 2) : v;
        const json_int_t one =
            json_integer_value(json_is_array(side) ? json_array_get(side, i % 2) : side);
        out[i] = one > 0 && one <= MAX_WINDOW ? (size_t)one : 0;
    }
}

static bool is_text(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/* What a layer does with its window; Keras 1 had other words. */
static void take_window(rs_keras_layer *l, const json_t *config)
{
    const json_t *groups = json_object_get(config, "groups");
    if (!pair_of(json_object_get(config, "kernel_size"), l->kernel) &&
        !pair_of(json_object_get(config, "pool_size"), l->kernel)) {
        const json_int_t rows = json_integer_value(json_object_get(config, "nb_row")),
                         columns = json_integer_value(json_object_get(config, "nb_col"));
        l->kernel[0] = rows > 0 && rows <= MAX_WINDOW ? (size_t)rows : 1;
        l->kernel[1] = columns > 0 && columns <= MAX_WINDOW ? (size_t)columns : 1;
    }
    if (!pair_of(json_object_get(config, "strides"), l->stride) &&
        !pair_of(json_object_get(config, "subsample"), l->stride) &&
        json_object_get(config, "pool_size"))
        memcpy(l->stride, l->kernel, sizeof l->stride);
    (void)pair_of(json_object_get(config, "dilation_rate"), l->dilation);
    l->groups = json_integer_value(groups) > 0 ? (size_t)json_integer_value(groups) : 1;
    padding_of(json_object_get(config, "padding"), l->pad);
    l->same = is_text(text_of(config, "padding"), "same") ||
              is_text(text_of(config, "border_mode"), "same");
}

static rescl_status add_layer(rs_keras_config *c, const char *class_name, const json_t *config,
                              char **path)
{
    rescl_status st = RESCL_OK;
    const char *name = text_of(config, "name"), *activation = activation_of(class_name, config);
    const json_t *shape = json_object_get(config, "batch_input_shape");
    rs_keras_layer *l;
    RS_TRY(rs_array_reserve(&c->layer, &c->cap, c->count + 1, sizeof *c->layer));
    l = &c->layer[c->count];
    *l = (rs_keras_layer){.path = *path};
    *path = NULL;
    c->count++;
    RS_OOM(l->name = rs_strf("%s", name ? name : ""));
    RS_OOM(l->class_name = rs_strf("%s", class_name));
    if (activation)
        RS_OOM(l->activation = rs_strf("%s", activation));
    if (strcmp(class_name, "BatchNormalization") == 0)
        l->epsilon = json_number_value(json_object_get(config, "epsilon"));
    if (strcmp(class_name, "Rescaling") == 0) {
        l->scale = json_number_value(json_object_get(config, "scale"));
        l->offset = json_number_value(json_object_get(config, "offset"));
    }
    take_window(l, config);
    l->sums = strcmp(class_name, "Add") == 0 ||
              (strcmp(class_name, "Merge") == 0 && is_text(text_of(config, "mode"), "sum"));
    if (c->image_size == 0)
        c->image_size = square_of(shape ? shape : json_object_get(config, "batch_shape"));
out:
    return st;
}

/* ---- who reads whom ------------------------------------------------------------------------ */

/* Some of what is named: the first two, and how many. */
typedef struct reads {
    int from[2];
    size_t count;
} reads;

/* The layers of one model by name, in a list. */
typedef struct scope {
    struct {
        const char *name;
        int gives;
    } * item;
    size_t count, cap;
    int given, last; /* what the model reads; what the layer before gives */
    bool follows;    /* each layer reads the one before: a Sequential */
} scope;

static void add_read(reads *r, int from)
{
    if (r->count < 2)
        r->from[r->count] = from;
    r->count++;
}

static int find_in(const scope *s, const char *name)
{
    for (size_t i = s->count; i-- > 0;)
        if (strcmp(s->item[i].name, name) == 0)
            return s->item[i].gives;
    return RS_KERAS_UNKNOWN;
}

/* Collects what stands for a tensor: [name, call, index, ...], in Keras 3 in an object. */
static void collect_reads(const scope *s, const json_t *v, int depth, reads *r)
{
    const char *key;
    json_t *one;
    size_t i;
    if (depth > MAX_DEPTH)
        return;
    if (json_is_array(v) && json_is_string(json_array_get(v, 0)) &&
        json_is_integer(json_array_get(v, 1)) && json_is_integer(json_array_get(v, 2))) {
        add_read(r, find_in(s, json_string_value(json_array_get(v, 0))));
        collect_reads(s, json_array_get(v, 3), depth + 1, r);
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, one) collect_reads(s, one, depth + 1, r);
    } else if (is_text(json_string_value(json_object_get(v, "class_name")), "__keras_tensor__")) {
        const json_t *config = json_object_get(v, "config");
        collect_reads(s, json_object_get(config, "keras_history"), depth + 1, r);
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)v, key, one) collect_reads(s, one, depth + 1, r);
    }
}

/* What a layer reads, and how often it is applied. */
static reads reads_of(const scope *s, const json_t *layer, bool input, size_t *calls)
{
    const json_t *nodes = json_object_get(layer, "inbound_nodes");
    reads r = {.from = {RS_KERAS_UNKNOWN, RS_KERAS_UNKNOWN}};
    *calls = 1;
    if (input) {
        add_read(&r, s->given);
    } else if (s->follows) {
        add_read(&r, s->last);
    } else {
        *calls = json_array_size(nodes);
        collect_reads(s, json_array_get(nodes, 0), 0, &r);
    }
    return r;
}

static rescl_status add_name(scope *s, const json_t *layer, int gives)
{
    rescl_status st = RESCL_OK;
    const char *name = text_of(layer, "name");
    if (!name)
        name = text_of(json_object_get(layer, "config"), "name");
    RS_TRY(rs_array_reserve(&s->item, &s->cap, s->count + 1, sizeof *s->item));
    s->item[s->count].name = name ? name : "";
    s->item[s->count++].gives = gives;
    s->last = gives;
out:
    return st;
}

/* Adds the layers of a model that reads `given`; *gives is what it gives, by the first two. */
static rescl_status add_layers(rs_keras_config *c, const json_t *model, const char *parent,
                               int depth, const char *file, int given, reads *gives)
{
    rescl_status st = RESCL_OK;
    const json_t *layers = layers_of(model), *outputs = json_object_get(model, "output_layers");
    scope s = {.given = given, .last = given, .follows = !outputs};
    counters known = {0};
    char *path = NULL, *inside = NULL;
    RS_FAIL_IF(depth > MAX_DEPTH, RESCL_ERR_FORMAT,
               "%s: its configuration nests models more than %d deep", file, MAX_DEPTH);
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i), *config = json_object_get(layer, "config");
        const char *class_name = text_of(layer, "class_name");
        RS_FAIL_IF(!class_name || c->count >= MAX_LAYERS, RESCL_ERR_FORMAT,
                   "%s: layer %zu of its configuration is none of Keras'", file, i);
        RS_TRY(next_group(&known, class_name, parent, &path));
        size_t calls;
        reads r = reads_of(&s, layer, strcmp(class_name, "InputLayer") == 0, &calls);
        int out;
        if (layers_of(config)) {
            reads inner = {0};
            RS_OOM(inside = rs_strf("%s/", path));
            RS_TRY(add_layers(c, config, inside, depth + 1, file,
                              r.count == 1 && calls == 1 ? r.from[0] : RS_KERAS_UNKNOWN, &inner));
            out = inner.count == 1 ? inner.from[0] : RS_KERAS_UNKNOWN;
            free(inside);
            inside = NULL;
        } else {
            RS_TRY(add_layer(c, class_name, config, &path));
            rs_keras_layer *l = &c->layer[c->count - 1];
            memcpy(l->input, r.from, sizeof l->input);
            l->inputs = r.count;
            l->calls = calls;
            out = (int)c->count - 1;
        }
        RS_TRY(add_name(&s, layer, out));
        free(path);
        path = NULL;
    }
    *gives = (reads){.from = {s.last, RS_KERAS_UNKNOWN}, .count = 1};
    if (outputs) {
        *gives = (reads){.from = {RS_KERAS_UNKNOWN, RS_KERAS_UNKNOWN}};
        collect_reads(&s, outputs, 0, gives);
    }
out:
    counters_fini(&known);
    free(s.item);
    free(path);
    free(inside);
    return st;
}

rescl_status rs_keras_config_parse(const char *json, const char *path, rs_keras_config *out)
{
    rescl_status st = RESCL_OK;
    rs_keras_config c = {0};
    json_error_t where;
    json_t *root = rs_json_load(json, strlen(json), 0, &where);
    const json_t *model = json_object_get(root, "config");
    reads gives = {0};
    RS_FAIL_IF(!root, rs_json_why(&where),
               "%s: its configuration is no JSON that can be read: %s in line %d", path, where.text,
               where.line);
    RS_FAIL_IF(!layers_of(model), RESCL_ERR_UNSUPPORTED,
               "%s: its configuration lists no layers; models of a class of one's own do not tell "
               "them, so build the model as functional or Sequential and save it again",
               path);
    RS_TRY(add_layers(&c, model, "", 0, path, RS_KERAS_GIVEN, &gives));
    c.output = gives.from[0];
    c.outputs = gives.count;
    *out = c;
    c = (rs_keras_config){0};
out:
    json_decref(root);
    rs_keras_config_fini(&c);
    return st;
}

void rs_keras_config_fini(rs_keras_config *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->layer[i].name);
        free(c->layer[i].class_name);
        free(c->layer[i].path);
        free(c->layer[i].activation);
    }
    free(c->layer);
    *c = (rs_keras_config){0};
}

const rs_keras_layer *rs_keras_config_find(const rs_keras_config *c, const char *path)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->layer[i].path, path) == 0)
            return &c->layer[i];
    return NULL;
}

double rs_keras_config_epsilon(const rs_keras_config *c)
{
    double all = 0.0;
    for (size_t i = 0; i < c->count; i++) {
        const double one = c->layer[i].epsilon;
        if (one > 0.0 && all > 0.0 && one != all)
            return 0.0;
        all = one > 0.0 ? one : all;
    }
    return all;
}

/* ---- what it computes ---------------------------------------------------------------------- */

static bool is_class(const rs_keras_layer *l, const char *class_name)
{
    return strcmp(l->class_name, class_name) == 0;
}

static bool has_relu(const rs_keras_layer *l)
{
    return l->activation && strcmp(l->activation, "relu") == 0;
}

const rs_keras_layer *rs_keras_config_head(const rs_keras_config *c, const rs_keras_layer **hidden)
{
    const rs_keras_layer *dense[2] = {NULL, NULL};
    size_t count = 0;
    *hidden = NULL;
    for (size_t i = 0; i < c->count; i++)
        if (is_class(&c->layer[i], "Dense"))
            dense[count++ % 2] = &c->layer[i];
    if (count != 2)
        return count == 1 ? dense[0] : NULL;
    if (!has_relu(dense[0]) && !has_relu(dense[0] + 1)) /* in the layer, or after it */
        return NULL;
    *hidden = dense[0];
    return dense[1];
}

/* (x / 255 - mean) / std is x * scale + offset; computed in double, 1 / 255 and 1 / 127.5 give round
 * numbers. */
static bool normalize_of(const rs_keras_layer *l, rescl_normalize *out)
{
    const double std = 1.0 / (l->scale * 255.0), mean = -l->offset * std;
    if (!is_class(l, "Rescaling") || !(std > 0.0 && std < 1.0 + 1e-9 && mean >= 0.0 && mean <= 1.0))
        return false;
    for (size_t c = 0; c < 3; c++) {
        out->std[c] = round(std * 1e9) / 1e9;
        out->mean[c] = round(mean * 1e9) / 1e9 + 0.0; /* no -0 */
    }
    return out->std[0] > 0.0;
}

/* Behind a convolution, a Rescaling is part of the network. */
bool rs_keras_config_normalize(const rs_keras_config *c, rescl_normalize *out)
{
    const rs_keras_layer *only = NULL;
    bool inside = false, before = false;
    size_t found = 0;
    for (size_t i = 0; i < c->count; i++) {
        const rs_keras_layer *l = &c->layer[i];
        inside = inside || is_class(l, "Conv2D") || is_class(l, "Convolution2D");
        if (!is_class(l, "Rescaling"))
            continue;
        only = l;
        before = !inside;
        found++;
    }
    return found == 1 && before && normalize_of(only, out);
}

/* Classes whose layers rescl's models have, or that do nothing in inference. */
static const char *const usual[] = {"InputLayer",
                                    "ZeroPadding2D",
                                    "Conv2D",
                                    "Convolution2D",
                                    "BatchNormalization",
                                    "Activation",
                                    "ReLU",
                                    "Add",
                                    "Merge",
                                    "MaxPooling2D",
                                    "AveragePooling2D",
                                    "GlobalAveragePooling2D",
                                    "Flatten",
                                    "Dense",
                                    "Softmax",
                                    "Dropout",
                                    "SpatialDropout2D",
                                    "GaussianDropout",
                                    "GaussianNoise",
                                    "ActivityRegularization",
                                    "RandomFlip",
                                    "RandomRotation",
                                    "RandomZoom",
                                    "RandomTranslation",
                                    "Rescaling",
                                    "RandomContrast",
                                    "RandomBrightness",
                                    "RandomCrop",
                                    NULL};

static bool is_usual(const rs_keras_layer *l)
{
    size_t i = 0;
    while (usual[i] && !is_class(l, usual[i]))
        i++;
    return usual[i] != NULL;
}

/* Whether a layer applies another function than a ReLU. The last one turns logits into probabilities,
 * or leaves that to who reads it; a network without its last layers ends in features. */
static bool is_odd(const rs_keras_config *c, const rs_keras_layer *l)
{
    const bool last = l == &c->layer[c->count - 1];
    bool whole = false;
    if (is_class(l, "ReLU") && !l->activation)
        return true;
    for (size_t i = 0; i < c->count; i++)
        whole = whole || is_class(&c->layer[i], "Dense");
    if (!l->activation || strcmp(l->activation, "linear") == 0)
        return false;
    if (last && strcmp(l->activation, "softmax") == 0)
        return false;
    return !has_relu(l) || (last && whole);
}

rescl_status rs_keras_config_unlike(const rs_keras_config *c, char **out)
{
    rescl_status st = RESCL_OK;
    const rs_keras_layer *first = NULL;
    rescl_normalize normalize;
    *out = NULL;
    for (size_t i = 0; i < c->count && !*out; i++) {
        const rs_keras_layer *l = &c->layer[i];
        if (is_class(l, "Rescaling") && !rs_keras_config_normalize(c, &normalize))
            RS_OOM(*out = rs_strf("its layer '%.80s' gives x * %g + %g", l->name, l->scale,
                                  l->offset));
        else if (!is_usual(l))
            RS_OOM(*out = rs_strf("its layer '%.80s' is a %.80s", l->name, l->class_name));
        else if (is_odd(c, l))
            RS_OOM(*out =
                       rs_strf("its layer '%.80s' applies %.80s", l->name,
                               l->activation ? l->activation : "a ReLU that is limited or leaks"));
        else if (first && l->epsilon > 0.0 && l->epsilon != first->epsilon)
            RS_OOM(*out =
                       rs_strf("its normalisations '%.80s' and '%.80s' have epsilons of %g and %g",
                               first->name, l->name, first->epsilon, l->epsilon));
        first = !first && l->epsilon > 0.0 ? l : first;
    }
out:
    return st;
}
