/* The types of a network's values. */
#include "error.h"
#include "half.h"
#include "net.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [RESCL_PRECISION_FP32] = "fp32",
    [RESCL_PRECISION_TF32] = "tf32",
    [RESCL_PRECISION_BF16] = "bf16",
    [RESCL_PRECISION_FP16] = "fp16",
    NULL,
};

const char *const *rs_precision_names(void)
{
    return names;
}

const char *rescl_precision_name(rescl_precision precision)
{
    return (size_t)precision < RS_COUNT(names) ? names[precision] : NULL;
}

rescl_status rescl_precision_find(const char *name, rescl_precision *out)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    if (!names[i])
        RS_TRY(rs_no_such_name("precision", name, names));
    *out = (rescl_precision)i;
out:
    return st;
}

rescl_status rs_precision_take(const char *name, rescl_precision *out)
{
    return rescl_precision_find(name ? name : names[RESCL_PRECISION_FP32], out);
}

rs_dtype rs_precision_storage(rescl_precision precision)
{
    return precision == RESCL_PRECISION_BF16   ? RS_BF16
           : precision == RESCL_PRECISION_FP16 ? RS_F16
                                               : RS_F32;
}

/* Whether a node hands the type of what it reads on to what it makes, and the other way round. Average
 * pooling may write f32 of 16 bits: there a network's head begins. */
static bool is_wide(const rs_graph *g, const rs_node *n)
{
    bool wide = n->op == &rs_op_dense || n->dst == g->loss;

    for (int k = 0; k < n->nsrc; k++)
        wide = wide || g->value[n->src[k]].type == RS_F32;
    return wide || (n->op != &rs_op_avgpool && g->value[n->dst].type == RS_F32);
}

/* Makes a value f32 that is not; integers stay. Whether it did. */
static bool widen(rs_graph *g, rs_value v)
{
    rs_value_info *info = &g->value[v];
    const bool narrow = rs_dtype_is_float(info->type) && info->type != RS_F32;

    if (narrow)
        info->type = RS_F32;
    return narrow;
}

void rs_graph_set_precision(rs_graph *g, rescl_precision precision)
{
    const rs_dtype narrow = rs_precision_storage(precision);
    bool changed = narrow != RS_F32;

    g->math = precision == RESCL_PRECISION_TF32 ? RS_MATH_TF32 : RS_MATH_F32;
    for (size_t v = 0; v < g->nvalues; v++)
        if (rs_dtype_is_float(g->value[v].type))
            g->value[v].type = narrow;
    while (changed) { /* from dense layers and the loss to all that has to be f32 with them */
        changed = false;
        for (size_t i = g->nnodes; i-- > 0;) {
            const rs_node *n = &g->node[i];
            if (!is_wide(g, n))
                continue;
            changed = widen(g, n->dst) || changed;
            for (int k = 0; k < n->nsrc; k++)
                changed = widen(g, n->src[k]) || changed;
        }
    }
}

rescl_status rs_tensor_read(rescl_device *dev, const rs_tensor *t, size_t first, size_t count,
                            float *out)
{
    rescl_status st = RESCL_OK;
    const size_t each = rs_dtype_bytes(t->dtype);
    uint16_t *narrow = NULL;

    if (t->dtype == RS_F32) {
        RS_TRY(rs_read(dev, t->buf, first * each, out, count * each));
        goto out;
    }
    RS_OOM(narrow = malloc(count * each));
    RS_TRY(rs_read(dev, t->buf, first * each, narrow, count * each));
    for (size_t i = 0; i < count; i++)
        out[i] = t->dtype == RS_BF16 ? rs_float_of_bf16(narrow[i]) : rs_float_of_f16(narrow[i]);
out:
    free(narrow);
    return st;
}
