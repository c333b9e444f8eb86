/* What the replicas of a team hold: parameters, the optimiser's state, sums of gradients, the moving average. */
#include "average.h"
#include "error.h"
#include "gradients.h"
#include "team_internal.h"

/* An array of the optimiser's state, or with -1 the weights, from the host to a replica. */
typedef struct upload {
    int state;
    const rs_weights *w;
} upload;

static rescl_status upload_replica(rs_replica *r, const void *arg)
{
    const upload *u = arg;
    return u->state < 0 ? rs_store_upload(r->store, u->w)
                        : rs_store_upload_state(r->store, u->state, u->w);
}

static rescl_status download(rs_team *t, int state, rs_weights *w)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    RS_TRY(rs_team_end_wait(t, state < 0 ? rs_store_download(t->replica->store, w)
                                         : rs_store_download_state(t->replica->store, state, w)));
out:
    return st;
}

/* One array of the first replica to all others. */
static rescl_status level(rs_team *t, int state, rs_weights *w)
{
    rescl_status st = RESCL_OK;
    const upload u = {state, w};

    RS_TRY(download(t, state, w));
    for (size_t i = 0; i < w->count; i++)
        RS_TRY(rs_team_tell(t, w->data[i], w->elems[i] * sizeof *w->data[i]));
    RS_TRY(rs_team_spoil(t, rs_team_each(t, upload_replica, &u)));
out:
    return st;
}

rescl_status rs_team_level(rs_team *t, rs_weights *w, rs_weights *state)
{
    rescl_status st = RESCL_OK;

    if (!t->several || t->several->alike)
        goto out;
    RS_TRY(level(t, -1, w));
    for (int i = 0; i < rs_team_states(t); i++)
        RS_TRY(level(t, i, &state[i]));
out:
    return st;
}

rescl_status rs_team_download(rs_team *t, rs_weights *w)
{
    return download(t, -1, w);
}

rescl_status rs_team_read_param(rs_team *t, size_t index, bool gradient, float *values)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    RS_TRY(rs_team_end_wait(t, rs_store_read_param(t->replica->store, index, gradient, values)));
out:
    return st;
}

typedef struct param {
    size_t index;
    bool gradient;
    const float *values;
} param;

static rescl_status write_replica(rs_replica *r, const void *arg)
{
    const param *p = arg;
    return rs_store_write_param(r->store, p->index, p->gradient, p->values);
}

rescl_status rs_team_write_param(rs_team *t, size_t index, bool gradient, const float *values)
{
    rescl_status st = RESCL_OK;
    const param p = {index, gradient, values};

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    RS_TRY(rs_team_end_wait(t, rs_team_each(t, write_replica, &p)));
out:
    return st;
}

int rs_team_states(const rs_team *t)
{
    return rs_store_states(t->replica->store);
}

rescl_status rs_team_upload_state(rs_team *t, int i, const rs_weights *w)
{
    const upload u = {i, w};
    return rs_team_each(t, upload_replica, &u);
}

rescl_status rs_team_download_state(rs_team *t, int i, rs_weights *w)
{
    return download(t, i, w);
}

static rescl_status upload_sum(rs_replica *r, const void *w)
{
    return rs_store_upload_sum(r->store, w);
}

rescl_status rs_team_upload_sum(rs_team *t, const rs_weights *w)
{
    return rs_team_each(t, upload_sum, w);
}

rescl_status rs_team_download_sum(rs_team *t, rs_weights *w)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    RS_TRY(rs_team_end_wait(t, rs_store_download_sum(t->replica->store, w)));
out:
    return st;
}

/* ---- the moving average ------------------------------------------------------------------ */

/* It is that of the process's first replica, which evaluates. */
rescl_status rs_team_update_average(rs_team *t, double gain)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    RS_TRY(rs_team_spoil(t, rs_store_update_average(t->replica->store, gain)));
    RS_TRY(rs_team_spoil(t, rs_flush(t->replica->dev)));
out:
    return st;
}

rescl_status rs_team_swap_average(rs_team *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    t->stepping = true;
    RS_TRY(rs_team_spoil(t, rs_store_swap_average(t->replica->store)));
out:
    return st;
}

rescl_status rs_team_upload_average(rs_team *t, const rs_weights *w)
{
    return rs_store_upload_average(t->replica->store, w);
}

rescl_status rs_team_download_average(rs_team *t, rs_weights *w)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    RS_TRY(rs_team_end_wait(t, rs_store_download_average(t->replica->store, w)));
out:
    return st;
}
