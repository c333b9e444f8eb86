#include "filtershape.h"

rs_shape rs_filter_shape(const rs_graph *g, size_t param)
{
    const rs_param *p = &g->param[param];
    const rs_shape *own = &p->spec.shape;
    const rs_shape *in = &g->value[g->node[p->node].src[0]].shape;
    if (own->ndim == 2 && in->ndim == 4)
        return rs_shape_4(in->dim[1], in->dim[2], in->dim[3], own->dim[1]);
    return *own;
}
