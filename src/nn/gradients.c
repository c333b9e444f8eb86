#include "gradients.h"

#include "arena.h"
#include "error.h"
#include "net_internal.h"

rescl_status rs_store_prepare_sum(rs_store *s)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    RS_TRY(rs_arena_kernel(s->dev, RS_ARENA_ADD, &s->add));
    RS_TRY(rs_store_make_arenas(s, &s->trainable, s->sum));
out:
    return st;
}

void rs_store_drop_sum(rs_store *s)
{
    for (size_t a = 0; a < RS_MAX_ARENAS; a++)
        rs_buffer_release(s->sum[a]);
}

rescl_status rs_store_add_up(rs_store *s, bool first, bool last)
{
    rescl_status st = RESCL_OK;

    if (first && last)
        goto out;
    RS_FAIL_IF(!s->add, RESCL_ERR_ARG, "these gradients were not made to be added up");
    rs_profile_label(s->dev, "accumulate gradients");
    for (size_t a = 0; a < s->trainable.arenas; a++) {
        const size_t bytes = s->trainable.arena_bytes[a];
        rs_buffer *to = last ? s->grad[a] : s->sum[a], *from = last ? s->sum[a] : s->grad[a];
        if (first)
            RS_TRY(rs_copy(s->dev, from, 0, to, 0, bytes));
        else
            RS_TRY(rs_arena_enqueue(s->dev, s->add, to, from, bytes / sizeof(float), 1.0));
    }
out:
    return st;
}

rescl_status rs_store_upload_sum(rs_store *s, const rs_weights *w)
{
    return rs_store_put(s, s->sum, NULL, w);
}

rescl_status rs_store_download_sum(rs_store *s, rs_weights *w)
{
    return rs_store_take(s, s->sum, NULL, w);
}

rescl_status rs_store_prepare_clip(rs_store *s, double norm, double value)
{
    rescl_status st = RESCL_OK;
    size_t count[RS_MAX_ARENAS];

    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    for (size_t a = 0; a < s->trainable.arenas; a++)
        count[a] = s->trainable.arena_bytes[a] / sizeof(float);
    RS_TRY(rs_clip_create(s->dev, norm, value, count, s->trainable.arenas, &s->clip));
out:
    return st;
}

rescl_status rs_store_clip(rs_store *s)
{
    rescl_status st = RESCL_OK;

    if (!s->clip)
        goto out;
    rs_profile_label(s->dev, "clip gradients");
    RS_TRY(rs_clip_enqueue(s->clip, s->grad));
out:
    return st;
}
