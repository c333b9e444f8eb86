#include "worklist.h"

#include "alloc.h"
#include "error.h"
#include "str.h"
#include "tuning.h"

#include <stdlib.h>
#include <string.h>

void rs_worklist_fini(rs_worklist *w)
{
    free(w->item);
    rs_net_destroy(w->outline);
    *w = (rs_worklist){0};
}

rescl_status rs_worklist_add(rs_worklist *w, const rs_problem *p, rs_pass pass)
{
    rescl_status st = RESCL_OK;
    rs_work work = {.problem = *p, .pass = pass, .count = 1};

    if (!p->op->key)
        goto out;
    RS_FAIL_IF(!rs_tuning_key(p, pass, work.key), RESCL_ERR_UNSUPPORTED,
               "%s %s: the numbers of the problem are too long for a key of %d bytes", p->op->name,
               rs_pass_name(pass), RS_TUNE_KEY);
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->item[i].key, work.key) == 0) {
            w->item[i].count++;
            goto out;
        }
    RS_TRY(rs_array_reserve(&w->item, &w->cap, w->count + 1, sizeof *w->item));
    w->item[w->count++] = work;
out:
    return st;
}

rescl_status rs_worklist_add_layer(rs_worklist *w, const rs_problem *p, bool want_diff)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_worklist_add(w, p, RS_FWD));
    if (p->training && want_diff)
        RS_TRY(rs_worklist_add(w, p, RS_BWD_DATA));
    if (p->training)
        RS_TRY(rs_worklist_add(w, p, RS_BWD_PARAMS));
out:
    return st;
}

rescl_status rs_worklist_add_graph(rs_worklist *w, const rs_graph *g, size_t batch, bool training)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_node *node = &g->node[i];
        rs_problem p;
        if (!node->op->key)
            continue;
        RS_TRY(rs_graph_problem(g, i, batch, training, &p));
        RS_TRY(rs_worklist_add_layer(w, &p, g->value[node->src[0]].producer >= 0));
    }
out:
    return st;
}

rescl_status rs_worklist_add_network(rs_worklist *w, rescl_device *dev, const rs_graph *g,
                                     size_t batch, bool training, rescl_precision precision)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_net_outline(dev, g, batch, training ? RS_MODE_TRAIN : RS_MODE_EVAL, precision,
                          &w->outline));
    for (size_t i = 0; i < rs_net_nodes(w->outline); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(w->outline, i, (rs_pass)pass);
            if (plan)
                RS_TRY(rs_worklist_add(w, &plan->problem, plan->pass));
        }
out:
    return st;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

rescl_status rs_worklist_check_impl(const char *name, const char *also)
{
    rescl_status st = RESCL_OK;
    const char **names = NULL;
    size_t count = 0, cap = 0;
    const rs_op *op;

    RS_TRY(rs_array_reserve(&names, &cap, 2, sizeof *names));
    if (also)
        names[count++] = also;
    for (size_t i = 0; (op = rs_op_at(i)) != NULL; i++)
        for (size_t k = 0; op->key && op->impls[k]; k++) {
            RS_TRY(rs_array_reserve(&names, &cap, count + 2, sizeof *names));
            if (!is_among(op->impls[k]->name, names, count))
                names[count++] = op->impls[k]->name;
        }
    names[count] = NULL;
    if (!is_among(name, names, count))
        RS_TRY(rs_no_such_name("implementation", name, names));
out:
    free(names);
    return st;
}
