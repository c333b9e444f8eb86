#include "groups.h"

#include "error.h"
#include "text.h"

#include <string.h>

/* The groups of the body and the head, each as often as there are kinds. */
enum { OTHER, NORM, BIAS, KINDS };
_Static_assert(2 * KINDS <= RS_MAX_GROUPS, "there is a group for each kind of either part");

static int group_of(int part, int kind)
{
    return part + 2 * kind;
}

/* Below 0: that of all. */
static double decay_of(const rescl_train_options *o, int kind)
{
    const double own = kind == NORM   ? o->norm_weight_decay
                       : kind == BIAS ? o->bias_weight_decay
                                      : -1.0;
    return own < 0.0 ? o->weight_decay : own;
}

static int kind_of(const rs_graph *g, const rs_param *p, const rescl_train_options *o)
{
    if (o->bias_weight_decay >= 0.0 && rs_ends_with(p->name, ".bias"))
        return BIAS;
    return o->norm_weight_decay >= 0.0 && g->node[p->node].op == &rs_op_batchnorm ? NORM : OTHER;
}

static rescl_status check_decay(const char *name, double decay)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(decay < 0.0 && (decay > -1.0 || decay < -1.0), RESCL_ERR_ARG,
               "%s: found %g, expected at least 0, or -1 for that of weight_decay", name, decay);
out:
    return st;
}

rescl_status rs_groups_assign(rs_graph *g, const rescl_train_options *o)
{
    rescl_status st = RESCL_OK;

    RS_TRY(check_decay("norm_weight_decay", o->norm_weight_decay));
    RS_TRY(check_decay("bias_weight_decay", o->bias_weight_decay));
    for (size_t i = 0; i < g->nparams; i++) {
        const rs_param *p = &g->param[i];
        const int part = rs_graph_in_head(g, i) ? RS_GROUP_HEAD : RS_GROUP_BODY;
        const int kind = p->trainable ? kind_of(g, p, o) : OTHER;
        RS_TRY(rs_graph_set_group(g, i, group_of(part, kind)));
    }
out:
    return st;
}

bool rs_groups_decay(const rescl_train_options *o)
{
    bool any = false;
    for (int kind = 0; kind < KINDS; kind++)
        any = any || decay_of(o, kind) > 0.0;
    return any;
}

rs_rates rs_groups_rates(const rescl_train_options *o, double lr_head, double lr_body,
                         double momentum)
{
    rs_rates r = rs_rates_uniform(lr_body, o->weight_decay);

    for (int kind = 0; kind < KINDS; kind++) {
        r.group[group_of(RS_GROUP_HEAD, kind)].lr = lr_head;
        r.group[group_of(RS_GROUP_HEAD, kind)].weight_decay = decay_of(o, kind);
        r.group[group_of(RS_GROUP_BODY, kind)].weight_decay = decay_of(o, kind);
    }
    r.momentum = momentum;
    return r;
}
