/* What a team has to do with those of other processes that train the same network. */
#include "error.h"
#include "team_internal.h"

#include <string.h>

bool rs_team_leads(const rs_team *t)
{
    const rescl_ranks *r = rs_team_ranks(t);
    return !r || r->index == 0;
}

rescl_status rs_team_tell(rs_team *t, void *data, size_t bytes)
{
    rescl_ranks *r = rs_team_ranks(t);
    return r ? r->def->broadcast(r, data, bytes) : RESCL_OK;
}

size_t rs_team_ranks_count(const rs_team *t, size_t *index)
{
    const rescl_ranks *r = rs_team_ranks(t);
    *index = r ? r->index : 0;
    return r ? r->count : 1;
}

rescl_status rs_team_gather(rs_team *t, void *data, const size_t *part)
{
    rescl_ranks *r = rs_team_ranks(t);
    return r ? r->def->gather(r, data, part) : RESCL_OK;
}

size_t rs_team_shares(const rs_team *t, size_t *out)
{
    if (!t->several)
        return 0;
    memcpy(out, t->several->division.weight, t->several->division.members * sizeof *out);
    return t->several->division.members;
}

rescl_status rs_team_speeds(rs_team *t, double *out)
{
    rescl_status st = RESCL_OK;
    const rs_several *s = t->several;
    size_t part[RS_TEAM_MOST], index;
    const size_t ranks = rs_team_ranks_count(t, &index);

    for (size_t i = 0; s && i < s->members; i++) {
        rs_team_pace pace;
        RS_TRY(rs_team_look(t, i, &pace));
        out[s->member[i].place] = pace.busy > 0.0 ? (double)pace.images / pace.busy : 0.0;
    }
    for (size_t q = 0; s && q < ranks; q++)
        part[q] = (s->begin[q + 1] - s->begin[q]) * sizeof *out;
    RS_TRY(rs_team_gather(t, out, part));
out:
    return st;
}

/* How many images of a batch of n each process has. */
static void images_of_ranks(const rs_team *t, size_t n, size_t *images)
{
    const rs_several *s = t->several;
    rs_leaves l;

    rs_divide(&s->division, n, &l);
    for (size_t q = 0; q < s->ranks.ranks->count; q++) {
        images[q] = 0;
        for (size_t m = s->begin[q]; m < s->begin[q + 1]; m++)
            for (size_t k = 0; k < l.member[m].count; k++)
                images[q] += l.leaf[l.member[m].first + k].count;
    }
}

void rs_team_part_of(const rs_team *t, size_t n, size_t *first, size_t *count)
{
    size_t images[RS_TEAM_MOST] = {0}, index;

    *first = 0;
    *count = n;
    if (rs_team_ranks_count(t, &index) == 1)
        return;
    images_of_ranks(t, n, images);
    for (size_t q = 0; q < index; q++)
        *first += images[q];
    *count = images[index];
}

void rs_team_works(rs_team *t, bool works)
{
    rescl_ranks *r = rs_team_ranks(t);
    if (r)
        atomic_store(&r->working, works);
}

/* Those of each rank follow each other. */
rescl_status rs_team_gather_rows(rs_team *t, void *rows, size_t bytes)
{
    size_t part[RS_TEAM_MOST] = {0};

    if (!rs_team_ranks(t))
        return RESCL_OK;
    images_of_ranks(t, t->several->step.batch.n, part);
    for (size_t q = 0; q < t->several->ranks.ranks->count; q++)
        part[q] *= bytes;
    return rs_team_gather(t, rows, part);
}

rescl_status rs_team_agree(rs_team *t, rescl_status own, bool *stop, bool *unread)
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = rs_team_ranks(t);
    enum { ASKED = 1, FAILED = 2, UNREAD = 4 };
    const rescl_error why = *rescl_last_error();
    const bool asked = stop && (*stop || own == RESCL_ERR_INTERRUPTED);
    const bool failed = own != RESCL_OK && !(stop && own == RESCL_ERR_INTERRUPTED);
    unsigned flags =
        (asked ? ASKED : 0u) | (failed ? FAILED : 0u) | (unread && *unread ? UNREAD : 0u);

    if (r)
        st = r->def->any(r, &flags);
    if (failed) {
        rs_error_restore(&why);
        return own;
    }
    RS_TRY(st);
    RS_FAIL_IF(flags & FAILED, RESCL_ERR_IO,
               "another process could not do its part, and says why; this one stopped with it");
    if (stop)
        *stop = (flags & ASKED) != 0;
    if (unread)
        *unread = (flags & UNREAD) != 0;
out:
    return st;
}

/* What is trained is the same already where all are alike. */
rescl_status rs_team_take_first(rs_team *t, rs_weights *w)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = t->graph;

    if (!rs_team_ranks(t))
        goto out;
    st = rs_team_join(t);
    if (st == RESCL_OK)
        st = rs_store_download(t->replica->store, w);
    RS_TRY(rs_team_agree(t, st, NULL, NULL));
    for (size_t i = 0; i < w->count; i++)
        if (!t->several->alike || !g->param[i].trainable)
            RS_TRY(rs_team_tell(t, w->data[i], w->elems[i] * sizeof *w->data[i]));
    if (!rs_team_leads(t))
        st = rs_team_spoil(t, rs_store_upload(t->replica->store, w));
    RS_TRY(rs_team_agree(t, st, NULL, NULL));
out:
    return st;
}
