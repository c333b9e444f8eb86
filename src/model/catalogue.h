/* The layers of all models by the names that libraries give them: tells whose names a file has that
 * does not say which model it is of. */
#ifndef RS_CATALOGUE_H
#define RS_CATALOGUE_H

#include "naming.h"
#include "netmodel.h"

typedef struct rs_catalogue {
    rescl_model **model; /* graphs only */
    size_t models;
    rs_name_index index;
} rs_catalogue;

rescl_status rs_catalogue_init(rs_catalogue *c) RESCL_CHECK;
void rs_catalogue_fini(rs_catalogue *c);

#endif
