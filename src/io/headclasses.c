#include "headclasses.h"

#include "error.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

/* A class and its place in the list of all. */
typedef struct place {
    const char *name;
    size_t index;
} place;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const place *)a)->name, ((const place *)b)->name);
}

static place *sorted(const char *const *name, size_t count)
{
    place *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = (place){name[i], i};
    if (list)
        qsort(list, count, sizeof *list, by_name);
    return list;
}

/* Names that occur twice do not tell which of the two is meant: then the order has to be the same. */
static rescl_status compare(const char *const *theirs, const char *const *ours, size_t count,
                            rs_head *out)
{
    rescl_status st = RESCL_OK;
    place *a = NULL, *b = NULL;
    size_t same = 0;
    bool once = true;
    while (same < count && strcmp(theirs[same], ours[same]) == 0)
        same++;
    out->match = RESCL_HEAD_SAME;
    if (same == count)
        goto out;
    RS_OOM(a = sorted(theirs, count));
    RS_OOM(b = sorted(ours, count));
    RS_OOM(out->from = calloc(count, sizeof *out->from));
    for (size_t i = 0; once && i < count; i++) {
        once =
            strcmp(a[i].name, b[i].name) == 0 && (i == 0 || strcmp(a[i].name, a[i - 1].name) != 0);
        out->from[b[i].index] = a[i].index;
    }
    out->match = once ? RESCL_HEAD_REORDERED : RESCL_HEAD_OTHER;
out:
    free(a);
    free(b);
    return st;
}

/* "'ant', 'bee', ..." */
static rescl_status append_names(rs_str *text, const char *const *name, size_t count)
{
    enum { SHOWN = 4 };
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < count && i < SHOWN; i++)
        RS_TRY(rs_str_appendf(text, "%s'%.40s'", i ? ", " : "", name[i]));
    if (count > SHOWN)
        RS_TRY(rs_str_append(text, ", ..."));
out:
    return st;
}

static const rs_node *last_layer(const rs_graph *g)
{
    return &g->node[g->value[g->output].producer];
}

/* The parameters of the last layer start anew. */
static void make_new(const rs_graph *g, rs_matching *m)
{
    const rs_node *n = last_layer(g);
    for (int i = 0; i < n->nparam; i++) {
        rs_match *own = &m->item[n->param[i]];
        if (own->state != RS_MATCHED)
            continue;
        m->item[m->count++] =
            (rs_match){.state = RS_UNEXPECTED, .param = -1, .tensor = own->tensor};
        *own = (rs_match){.state = RS_MISSING, .param = n->param[i], .tensor = SIZE_MAX};
        m->of[RS_MATCHED]--;
        m->of[RS_MISSING]++;
        m->of[RS_UNEXPECTED]++;
    }
}

static bool is_exact(rescl_load_mode mode)
{
    return mode == RESCL_LOAD_STRICT || mode == RESCL_LOAD_COMPLETE;
}

rescl_status rs_head_settle(const rs_wfile *f, const rescl_model *model, rescl_load_mode mode,
                            rs_matching *m, rs_head *out)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_about *a = rs_wfile_describe(f);
    const char *const *ours = (const char *const *)model->class_name;
    if (m->item[last_layer(model->graph)->param[0]].state != RS_MATCHED)
        goto out;
    out->match = RESCL_HEAD_UNNAMED;
    if (!a->model || a->model->classes != model->classes ||
        rs_are_numbers(a->model->class_name, a->model->classes) ||
        (is_exact(mode) && rs_are_numbers(ours, model->classes)))
        goto out;
    RS_TRY(compare(a->model->class_name, ours, model->classes, out));
    if (out->match == RESCL_HEAD_OTHER && !is_exact(mode))
        make_new(model->graph, m);
out:
    return st;
}

rescl_status rs_head_check(const rs_wfile *f, const rescl_model *model, rescl_load_mode mode,
                           const rs_head *h)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_about *a = rs_wfile_describe(f);
    rs_str text = {0};
    if (h->match != RESCL_HEAD_OTHER || !is_exact(mode))
        goto out;
    RS_TRY(append_names(&text, a->model->class_name, model->classes));
    RS_TRY(rs_str_append(&text, ", those of the model "));
    RS_TRY(append_names(&text, (const char *const *)model->class_name, model->classes));
    RS_FAIL(RESCL_ERR_ARG, "%s: its classes are %s", a->path, text.text);
out:
    rs_str_fini(&text);
    return st;
}

rescl_status rs_head_reorder(const rs_head *h, const rs_graph *g, rs_weights *w)
{
    rescl_status st = RESCL_OK;
    const rs_node *n = last_layer(g);
    float *row = NULL;
    if (h->match != RESCL_HEAD_REORDERED)
        goto out;
    for (int i = 0; i < n->nparam; i++) { /* (in, out) and (out) */
        const rs_shape *s = &g->param[n->param[i]].spec.shape;
        const size_t classes = s->dim[s->ndim - 1], rows = w->elems[n->param[i]] / classes;
        free(row);
        RS_OOM(row = malloc(classes * sizeof *row));
        for (size_t r = 0; r < rows; r++) {
            float *values = w->data[n->param[i]] + r * classes;
            memcpy(row, values, classes * sizeof *row);
            for (size_t c = 0; c < classes; c++)
                values[c] = row[h->from[c]];
        }
    }
out:
    free(row);
    return st;
}

void rs_head_fini(rs_head *h)
{
    free(h->from);
    *h = (rs_head){0};
}
