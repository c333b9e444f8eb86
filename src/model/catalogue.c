#include "catalogue.h"

#include "error.h"

#include <stdlib.h>

rescl_status rs_catalogue_init(rs_catalogue *c)
{
    rescl_status st = RESCL_OK;
    const char *const *names = rescl_model_names();
    size_t count = 0;

    *c = (rs_catalogue){0};
    while (names[count])
        count++;
    RS_OOM(c->model = calloc(count + 1, sizeof *c->model));
    c->models = count;
    for (size_t i = 0; i < count; i++) {
        RS_TRY(rs_model_build(&(rescl_model_options){.name = names[i]}, &c->model[i]));
        RS_TRY(rs_name_index_add(&c->index, c->model[i]->graph));
    }
    rs_name_index_sort(&c->index);
out:
    if (st != RESCL_OK)
        rs_catalogue_fini(c);
    return st;
}

void rs_catalogue_fini(rs_catalogue *c)
{
    for (size_t i = 0; i < c->models; i++)
        rescl_model_destroy(c->model[i]);
    free(c->model);
    rs_name_index_fini(&c->index);
    *c = (rs_catalogue){0};
}
