/* The moving average of the weights, by the rule of torchvision's reference training
 * (references/classification/train.py): its decay is such that it does not depend on batch size and epochs, it
 * is updated after an epoch's first step and each model_ema_steps-th from there, and in the epochs of the
 * warm-up, and at the first update behind them, it is a copy. The running statistics are averaged, too. */
#include "error.h"
#include "trainer.h"

#include <math.h>

static double gain_of(const rescl_train_options *o)
{
    const double images = (double)o->batch_size * (double)o->grad_accum_steps;
    return fmin(
        (1.0 - o->model_ema_decay) * images * (double)o->model_ema_steps / (double)o->epochs, 1.0);
}

rescl_status rs_trainer_update_average(rescl_trainer *t, const rs_update_place *place)
{
    const rescl_train_options *o = &t->options;
    const uint64_t epoch = t->progress.epoch;

    if (!o->model_ema || place->update % o->model_ema_steps != 0)
        return RESCL_OK;
    const bool first = epoch == o->lr_warmup_epochs && place->update == 0;
    const bool warming = epoch < o->lr_warmup_epochs || place->step <= o->lr_warmup_steps;
    return rs_team_update_average(t->team, first || warming ? 1.0 : gain_of(o));
}

bool rs_trainer_averaged(const rescl_trainer *t)
{
    return t->average.count > 0 && (t->ran || t->resume_path);
}

rescl_status rs_trainer_evaluate(rescl_trainer *t, rs_evaluation *e, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    const bool averaged = rs_trainer_averaged(t);
    bool swapped = false;

    if (averaged) {
        st = rs_team_swap_average(t->team);
        swapped = st == RESCL_OK;
        RS_TRY(rs_team_agree(t->team, st, NULL, NULL));
    }
    RS_TRY(rs_team_take_first(t->team, averaged ? &t->average : &t->model->weights));
    RS_TRY(rs_evaluate(e, out));
    RS_TRY(rs_team_tell(t->team, out, sizeof *out));
out:
    if (swapped) {
        const rescl_error why = *rescl_last_error();
        const rescl_status back = rs_team_swap_average(t->team);
        if (st == RESCL_OK)
            return back;
        rs_error_restore(&why);
    }
    return st;
}

const rs_weights *rs_trainer_result(const rescl_trainer *t)
{
    return t->average.count ? &t->average : &t->model->weights;
}
