/* Which layers training leaves alone. */
#include "alloc.h"
#include "error.h"
#include "netmodel.h"
#include "str.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "stem", "stage1", ..., "head": what a layer's part is called. */
static const char *part_name(int part, char text[24])
{
    if (part == RS_PART_STEM)
        return "stem";
    if (part == RS_PART_HEAD)
        return "head";
    snprintf(text, 24, "stage%d", part);
    return text;
}

static bool matches(const rs_node *n, const char *pattern)
{
    char text[24];
    if (n->nparam == 0)
        return false;
    if (strcmp(pattern, "body") == 0)
        return n->part != RS_PART_HEAD;
    return strcmp(pattern, part_name(n->part, text)) == 0 || fnmatch(pattern, n->name, 0) == 0;
}

static bool has_part(const rs_graph *g, int part)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].part == part && g->node[i].nparam > 0)
            return true;
    return false;
}

/* The error of a pattern that matches nothing, with the nearest of all that would. */
static rescl_status refuse_pattern(const rescl_model *m, const char *pattern)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = m->graph;
    int stages = 0;
    char numbered[64] = "";
    const char **names = NULL;
    char(*text)[24] = NULL;
    size_t count = 0;

    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].nparam > 0 && g->node[i].part > stages)
            stages = g->node[i].part;
    if (stages > 0)
        snprintf(numbered, sizeof numbered, "stage1 to stage%d, ", stages);
    RS_OOM(names = calloc((size_t)stages + g->nnodes + 4, sizeof *names));
    RS_OOM(text = calloc((size_t)stages + 2, sizeof *text));
    names[count++] = "body";
    for (int part = RS_PART_HEAD; part <= stages; part++)
        if (has_part(g, part))
            names[count++] = part_name(part, text[part - RS_PART_HEAD]);
    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].nparam > 0)
            names[count++] = g->node[i].name;
    const char *near = rs_nearest(pattern, names);
    RS_FAIL(RESCL_ERR_ARG,
            "freeze: '%s' matches no layer of %s that has parameters%s%s%s; expected body, "
            "%s%s%sor a pattern such as 'res2*' over the names of layers that "
            "'rescl summary' shows",
            pattern, m->name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
            has_part(g, RS_PART_HEAD) ? "head, " : "", has_part(g, RS_PART_STEM) ? "stem, " : "",
            numbered);
out:
    free(names);
    free(text);
    return st;
}

/* Marks in `frozen` the nodes that one pattern matches. */
static rescl_status mark(const rescl_model *m, const char *pattern, bool *frozen)
{
    rescl_status st = RESCL_OK;
    bool any = false;
    for (size_t i = 0; i < m->graph->nnodes; i++)
        if (matches(&m->graph->node[i], pattern))
            any = frozen[i] = true;
    if (!any)
        RS_TRY(refuse_pattern(m, pattern));
out:
    return st;
}

static bool all_frozen(const rs_graph *g, const bool *frozen)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].nparam > 0 && !frozen[i])
            return false;
    return true;
}

rescl_status rescl_model_freeze(rescl_model *m, const char *patterns, bool norm_eval)
{
    rescl_status st = RESCL_OK;
    rs_graph *g = m->graph;
    bool *frozen = NULL;
    char *kept = NULL, *list = NULL, *rest = NULL;

    RS_OOM(frozen = calloc(g->nnodes, sizeof *frozen));
    if (patterns && *patterns) {
        RS_OOM(kept = rs_strf("%s", patterns));
        RS_OOM(list = rs_strf("%s", patterns));
        for (char *p = strtok_r(list, ", ", &rest); p; p = strtok_r(NULL, ", ", &rest))
            RS_TRY(mark(m, p, frozen));
    }
    RS_FAIL_IF(all_frozen(g, frozen), RESCL_ERR_ARG, "freeze: '%s' leaves no layer of %s to train",
               patterns ? patterns : "", m->name);
    for (size_t i = 0; i < g->nnodes; i++)
        rs_graph_set_trained(g, i, !frozen[i], !frozen[i] && !norm_eval);
    free(m->frozen);
    m->frozen = kept;
    m->norm_eval = norm_eval;
    kept = NULL;
out:
    free(frozen);
    free(kept);
    free(list);
    return st;
}
