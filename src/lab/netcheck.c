#include "netcheck.h"

#include "error.h"
#include "judge.h"
#include "trial.h"
#include "worklist.h"

#include <math.h>

#define TERMS ((size_t)1 << 19) /* of the drawn numbers of a problem: milliseconds */

static rescl_status check_work(rescl_device *dev, const rs_work *work, rs_netcheck *out)
{
    rescl_status st = RESCL_OK;
    rs_args args = {0};
    rs_trial trial = {0};
    rs_judge judge = {.terms = TERMS};
    rs_verdict verdict;
    char text[RS_VERDICT_TEXT];

    RS_TRY(rs_trial_args_make(dev, &work->problem, work->pass != RS_FWD, &args));
    RS_TRY(rs_trial_init(dev, &work->problem, work->pass, NULL, &trial));
    RS_TRY(rs_judge_init(dev, &work->problem, work->pass, &args, &judge));
    RS_TRY(rs_judge_reset(&judge));
    RS_TRY(rs_trial_run(&trial, &args, true, NULL));
    RS_TRY(rs_judge_result(&judge, trial.plan.choice.impl, &verdict));
    RS_FAIL_IF(!(verdict.share <= 1.0), RESCL_ERR_NUMERIC, "%s, %s: the result is wrong: %s",
               work->key, trial.plan.choice.impl->name, rs_verdict_text(&judge, &verdict, text));
    out->problems++;
    out->share = fmax(out->share, verdict.share);
out:
    rs_judge_fini(&judge);
    rs_trial_fini(&trial);
    rs_trial_args_release(&args);
    return st;
}

rescl_status rs_net_check(rescl_device *dev, const rs_graph *g, size_t batch, bool training,
                          rescl_precision precision, rs_netcheck *out)
{
    rescl_status st = RESCL_OK;
    rs_worklist list = {0};

    *out = (rs_netcheck){0};
    RS_TRY(rs_worklist_add_network(&list, dev, g, batch, training, precision));
    for (size_t i = 0; i < list.count; i++) {
        RS_TRY(check_work(dev, &list.item[i], out));
        rs_device_trim(dev);
    }
out:
    rs_worklist_fini(&list);
    return st;
}
