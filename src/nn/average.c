#include "average.h"

#include "arena.h"
#include "error.h"
#include "net_internal.h"

rescl_status rs_store_prepare_average(rs_store *s)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_arena_kernel(s->dev, RS_ARENA_AVERAGE, &s->to_average));
    RS_TRY(rs_arena_kernel(s->dev, RS_ARENA_SWAP, &s->swap));
    RS_TRY(rs_store_make_arenas(s, &s->trainable, s->average));
    RS_TRY(rs_store_make_arenas(s, &s->fixed, s->fixed_average));
out:
    return st;
}

void rs_store_drop_average(rs_store *s)
{
    for (size_t a = 0; a < RS_MAX_ARENAS; a++) {
        rs_buffer_release(s->average[a]);
        rs_buffer_release(s->fixed_average[a]);
    }
}

/* By a kernel for each arena of a layout, the average first; NULL copies the values into it. */
static rescl_status with_each(rs_store *s, rs_kernel *kernel, const rs_layout *layout,
                              rs_buffer *const *average, rs_buffer *const *value, double gain)
{
    rescl_status st = RESCL_OK;

    rs_profile_label(s->dev, "average parameters");
    for (size_t a = 0; a < layout->arenas; a++) {
        const size_t bytes = layout->arena_bytes[a];
        if (kernel)
            RS_TRY(rs_arena_enqueue(s->dev, kernel, average[a], value[a], bytes / sizeof(float),
                                    gain));
        else
            RS_TRY(rs_copy(s->dev, value[a], 0, average[a], 0, bytes));
    }
out:
    return st;
}

static rescl_status with_all(rs_store *s, rs_kernel *kernel, double gain)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(!s->swap, RESCL_ERR_ARG, "these parameters were made without a moving average");
    RS_TRY(with_each(s, kernel, &s->trainable, s->average, s->param, gain));
    RS_TRY(with_each(s, kernel, &s->fixed, s->fixed_average, s->fixed_value, gain));
out:
    return st;
}

rescl_status rs_store_update_average(rs_store *s, double gain)
{
    return with_all(s, gain < 1.0 ? s->to_average : NULL, gain);
}

rescl_status rs_store_swap_average(rs_store *s)
{
    s->version++;
    return with_all(s, s->swap, 1.0);
}

rescl_status rs_store_upload_average(rs_store *s, const rs_weights *w)
{
    return rs_store_put(s, s->average, s->fixed_average, w);
}

rescl_status rs_store_download_average(rs_store *s, rs_weights *w)
{
    return rs_store_take(s, s->average, s->fixed_average, w);
}
