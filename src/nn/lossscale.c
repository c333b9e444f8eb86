#include "lossscale.h"

#include "error.h"
#include "net_internal.h"
#include "unscale.h"

bool rs_loss_scale_next(rs_loss_scale *s, bool finite)
{
    if (!finite && s->scale <= RS_LOSS_SCALE_LEAST)
        return false;
    if (!finite) {
        s->scale /= 2;
        s->good = 0;
        s->skipped++;
    } else if (++s->good == RS_LOSS_SCALE_STEPS) {
        s->scale = s->scale < RS_LOSS_SCALE_MOST ? s->scale * 2 : s->scale;
        s->good = 0;
    }
    return true;
}

rescl_status rs_store_prepare_unscale(rs_store *s)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    RS_TRY(rs_unscale_kernel(s->dev, &s->unscale));
    RS_TRY(rs_buffer_create(s->dev, sizeof(uint32_t), &s->overflow));
out:
    return st;
}

rescl_status rs_store_unscale(rs_store *s, double scale)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_fill_zero(s->dev, s->overflow, 0, sizeof(uint32_t)));
    for (size_t a = 0; a < s->trainable.arenas; a++) {
        const size_t count = s->trainable.arena_bytes[a] / sizeof(float);
        rs_profile_label(s->dev, "unscale gradients");
        RS_TRY(rs_unscale_enqueue(s->dev, s->unscale, s->grad[a], s->overflow, count, scale));
    }
    RS_TRY(rs_flush(s->dev));
out:
    return st;
}

rescl_status rs_store_judge(rs_store *s, rs_loss_scale *scale, bool *good)
{
    rescl_status st = RESCL_OK;
    uint32_t overflow = 0;

    RS_TRY(rs_read(s->dev, s->overflow, 0, &overflow, sizeof overflow));
    *good = overflow == 0;
    RS_FAIL_IF(!rs_loss_scale_next(scale, *good), RESCL_ERR_NUMERIC,
               "gradients are not finite at a loss scale of %g, the least", scale->scale);
out:
    return st;
}
