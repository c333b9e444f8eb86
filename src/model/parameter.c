/* A model's parameters by name: their list, and their values on the host. */
#include "error.h"
#include "netmodel.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

size_t rescl_model_parameter_count(const rescl_model *m)
{
    return m->graph->nparams;
}

bool rescl_model_get_parameter_info(const rescl_model *m, size_t index, rescl_parameter_info *out)
{
    *out = (rescl_parameter_info){0};
    if (index >= m->graph->nparams)
        return false;
    const rs_param *p = &m->graph->param[index];
    *out = (rescl_parameter_info){.name = p->name,
                                  .ndim = (size_t)p->spec.shape.ndim,
                                  .count = rs_shape_count(&p->spec.shape),
                                  .trainable = p->trainable};
    for (size_t i = 0; i < out->ndim; i++)
        out->shape[i] = p->spec.shape.dim[i];
    return true;
}

static rescl_status no_parameter(const rescl_model *m, const char *name)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = m->graph;
    const char **names = NULL, *near;

    RS_OOM(names = calloc(g->nparams + 1, sizeof *names));
    for (size_t i = 0; i < g->nparams; i++)
        names[i] = g->param[i].name;
    near = rs_nearest(name, names);
    RS_FAIL(RESCL_ERR_NOT_FOUND,
            "%s has no parameter '%s'%s%s%s; rescl_model_get_parameter_info lists them", m->name,
            name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
out:
    free(names);
    return st;
}

rescl_status rs_model_find_parameter(const rescl_model *m, const char *name, const void *values,
                                     size_t count, size_t *index)
{
    rescl_status st = RESCL_OK;
    size_t expected;
    int i;

    RS_FAIL_IF(!name, RESCL_ERR_ARG, "no parameter is named: NULL was given");
    RS_FAIL_IF(!values, RESCL_ERR_ARG, "%s: there is no array of values: NULL was given", name);
    i = rs_graph_find_param(m->graph, name);
    if (i < 0)
        RS_TRY(no_parameter(m, name));
    expected = rs_shape_count(&m->graph->param[i].spec.shape);
    RS_FAIL_IF(count != expected, RESCL_ERR_SHAPE, "%s has %zu values, and the array %zu", name,
               expected, count);
    *index = (size_t)i;
out:
    return st;
}

rescl_status rescl_model_get_parameter(const rescl_model *m, const char *name, float *values,
                                       size_t count)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    RS_TRY(rs_model_find_parameter(m, name, values, count, &i));
    RS_TRY(rs_model_need_weights(m));
    memcpy(values, m->weights.data[i], count * sizeof *values);
out:
    return st;
}

rescl_status rescl_model_set_parameter(rescl_model *m, const char *name, const float *values,
                                       size_t count)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    RS_TRY(rs_model_find_parameter(m, name, values, count, &i));
    RS_TRY(rs_model_need_weights(m));
    memcpy(m->weights.data[i], values, count * sizeof *values);
out:
    return st;
}
