#include "naming.h"

#include "alloc.h"
#include "error.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

static const rs_naming_info namings[RS_NAMINGS] = {
    [RS_NAMING_RESCL] = {.name = "rescl"},
    [RS_NAMING_TORCHVISION] = {.name = "torchvision",
                               .also = "timm",
                               .bn_eps = 1e-5,
                               .preprocess = RESCL_PREPROCESS_TORCH,
                               .kcrs = true},
    [RS_NAMING_KERAS] = {.name = "keras",
                         .bn_eps = 1.001e-5, /* keras.applications.resnet.stack_fn */
                         .preprocess = RESCL_PREPROCESS_CAFFE,
                         .keras = true},
    [RS_NAMING_KERAS1] = {.name = "keras1",
                          .bn_eps = 1e-3, /* the default of BatchNormalization */
                          .preprocess = RESCL_PREPROCESS_CAFFE,
                          .keras = true},
};

const rs_naming_info *rs_naming_get(rs_naming naming)
{
    return naming < RS_NAMINGS ? &namings[naming] : NULL;
}

bool rs_naming_parse(const char *name, rs_naming *out)
{
    for (size_t i = 0; i < RS_NAMINGS; i++)
        if (strcmp(name, namings[i].name) == 0 ||
            (namings[i].also && strcmp(name, namings[i].also) == 0)) {
            *out = (rs_naming)i;
            return true;
        }
    return false;
}

/* ---- roles ------------------------------------------------------------------------------- */

/* rescl's and torch's words, and those of Keras: of a normalisation, of other layers, and Keras 1's,
 * which calls the variance std. */
static const struct {
    const char *own, *norm, *other, *first;
} roles[] = {
    {"weight", "gamma", "kernel", "W"},
    {"bias", "beta", "bias", "b"},
    {"running_mean", "moving_mean", NULL, "running_mean"},
    {"running_var", "moving_variance", NULL, "running_std"},
};

const char *rs_role_name(const rs_node *node, const rs_param *p, rs_naming naming)
{
    for (size_t i = 0; namings[naming].keras && i < RS_COUNT(roles); i++)
        if (strcmp(roles[i].own, p->spec.role) == 0) /* a normalisation alone has running values */
            return node->nstate > 0 ? roles[i].norm : roles[i].other;
    return p->spec.role;
}

static bool is_word(const char *word, const char *text, size_t len)
{
    return word && strlen(word) == len && memcmp(word, text, len) == 0;
}

/* Of torch's batch normalisation; of thop, which leaves its counts in the modules. */
static const char *const counters[] = {"num_batches_tracked", "total_ops", "total_params"};

static bool parse_role(const char *text, size_t len, rs_tensor_name *out)
{
    out->role = NULL;
    out->counter = false;
    for (size_t i = 0; i < RS_COUNT(counters); i++)
        out->counter = out->counter || is_word(counters[i], text, len);
    for (size_t i = 0; i < RS_COUNT(roles); i++)
        if (is_word(roles[i].own, text, len) || is_word(roles[i].norm, text, len) ||
            is_word(roles[i].other, text, len) || is_word(roles[i].first, text, len))
            out->role = roles[i].own;
    return out->role || out->counter;
}

bool rs_tensor_name_parse(const char *name, rs_tensor_name *out)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');
    if (!slash) {
        if (!dot)
            return false;
        out->layer = name;
        out->len = (size_t)(dot - name);
        return parse_role(dot + 1, strlen(dot + 1), out);
    }
    const char *role = slash + 1;
    size_t len = strcspn(role, ":");
    for (out->layer = slash; out->layer > name && out->layer[-1] != '/'; out->layer--)
        ;
    out->len = (size_t)(slash - out->layer);
    if (len > out->len + 1 && memcmp(role, out->layer, out->len) == 0 && role[out->len] == '_') {
        role += out->len + 1;
        len -= out->len + 1;
    }
    return parse_role(role, len, out);
}

/* ---- layers ------------------------------------------------------------------------------ */

const char *rs_layer_name(const rs_graph *g, size_t node, rs_naming naming)
{
    if (naming == RS_NAMING_RESCL)
        return g->node[node].name;
    for (size_t i = 0; i < g->naliases; i++)
        if (g->alias[i].naming == naming && (size_t)g->alias[i].node == node)
            return g->alias[i].name;
    return NULL;
}

static rescl_status add_entry(rs_name_index *x, const rs_graph *g, const char *layer,
                              rs_naming naming, int node)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&x->entry, &x->cap, x->count + 1, sizeof *x->entry));
    x->entry[x->count++] = (rs_name_entry){layer, naming, node, g->node[node].dst == g->output};
out:
    return st;
}

rescl_status rs_name_index_add(rs_name_index *x, const rs_graph *g)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].nparam > 0)
            RS_TRY(add_entry(x, g, g->node[i].name, RS_NAMING_RESCL, (int)i));
    for (size_t i = 0; i < g->naliases; i++)
        RS_TRY(add_entry(x, g, g->alias[i].name, g->alias[i].naming, g->alias[i].node));
out:
    return st;
}

static int by_name(const void *a, const void *b)
{
    const rs_name_entry *x = a, *y = b;
    return x->naming != y->naming ? (int)x->naming - (int)y->naming : strcmp(x->layer, y->layer);
}

void rs_name_index_sort(rs_name_index *x)
{
    if (x->count > 0)
        qsort(x->entry, x->count, sizeof *x->entry, by_name);
}

void rs_name_index_fini(rs_name_index *x)
{
    free(x->entry);
    *x = (rs_name_index){0};
}

static const rs_name_entry *find_exactly(const rs_name_index *x, rs_naming naming, const char *text)
{
    const rs_name_entry key = {.layer = text, .naming = naming};
    return x->count > 0 ? bsearch(&key, x->entry, x->count, sizeof *x->entry, by_name) : NULL;
}

const rs_name_entry *rs_name_index_find(const rs_name_index *x, rs_naming naming, const char *layer,
                                        size_t len)
{
    enum { LONGEST = 256, MOST_DIGITS = 7 };
    char text[LONGEST];
    size_t digits = 0;
    if (len >= sizeof text)
        return NULL;
    memcpy(text, layer, len);
    text[len] = '\0';
    const rs_name_entry *found = find_exactly(x, naming, text);
    while (digits < len && text[len - digits - 1] >= '0' && text[len - digits - 1] <= '9')
        digits++;
    if (found || digits == 0 || digits > MOST_DIGITS)
        return found;
    text[len - digits] = '#';
    text[len - digits + 1] = '\0';
    return find_exactly(x, naming, text);
}
