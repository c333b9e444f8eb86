/* An update of the parameters after which each number is looked at. */
#include "error.h"
#include "net_internal.h"
#include "nonfinite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TAME 1e15 /* products of two such numbers do not overflow */

/* The parameters, and the optimiser's state arrays. */
typedef struct snapshot {
    rs_weights value, state[RS_OPTIM_STATES];
} snapshot;

static rescl_status take(rs_store *s, snapshot *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_weights_create(s->graph, &out->value));
    RS_TRY(rs_store_download(s, &out->value));
    for (int i = 0; i < s->nstates; i++) {
        RS_TRY(rs_weights_create(s->graph, &out->state[i]));
        RS_TRY(rs_store_download_state(s, i, &out->state[i]));
    }
out:
    return st;
}

static void drop(snapshot *s)
{
    rs_weights_fini(&s->value);
    for (int i = 0; i < RS_OPTIM_STATES; i++)
        rs_weights_fini(&s->state[i]);
}

/* Number `k` of parameter `i`: array -1 is the parameter, others the optimiser's. */
typedef struct number {
    size_t i, k;
    int array;
    double value;
} number;

static bool find(const rs_store *s, const snapshot *after, number *out)
{
    for (size_t i = 0; i < s->graph->nparams; i++)
        for (int a = -1; a < s->nstates && s->graph->param[i].trainable; a++) {
            const rs_weights *w = a < 0 ? &after->value : &after->state[a];
            for (size_t k = 0; k < w->elems[i]; k++)
                if (!isfinite(w->data[i][k])) {
                    *out = (number){i, k, a, (double)w->data[i][k]};
                    return true;
                }
        }
    return false;
}

/* What the host makes of the parameter of `bad`, from number `from` on: `count` numbers, of which it writes the
 * one that is bad. *tame: none of what goes into it is so large that it may overflow. */
static rescl_status compute(const rs_optim_hyper *h, const snapshot *before,
                            const rs_weights *grads, const number *bad, const rs_update *u,
                            double *want, bool *tame)
{
    rescl_status st = RESCL_OK;
    const bool whole = h->def->reference_tensor != NULL;
    const size_t from = whole ? 0 : bad->k, count = whole ? grads->elems[bad->i] : 1;
    const int states = rs_optim_states(h);
    double *memory = NULL, *array[2 + RS_OPTIM_STATES] = {NULL};

    RS_OOM(memory = calloc(count, RS_COUNT(array) * sizeof *memory));
    *tame = true;
    for (int a = 0; a < 2 + states; a++) {
        const rs_weights *w = a == 0 ? &before->value : a == 1 ? grads : &before->state[a - 2];
        array[a] = memory + (size_t)a * count;
        for (size_t k = 0; k < count; k++) {
            array[a][k] = (double)w->data[bad->i][from + k];
            *tame = *tame && fabs(array[a][k]) < TAME;
        }
    }
    rs_optim_reference(h, array[0], array[1], &array[2], count, u);
    *want = array[bad->array < 0 ? 0 : 2 + bad->array][bad->k - from];
out:
    free(memory);
    return st;
}

static rescl_status judge(rs_store *s, const snapshot *before, const number *bad,
                          const rs_rates *rates, uint64_t step)
{
    rescl_status st = RESCL_OK;
    const rs_optim_hyper *h = rs_optim_hyper_of(s->optim);
    const char *name = s->graph->param[bad->i].name;
    const int group = s->group[s->block[bad->i].arena];
    const rs_update u = rs_rates_of(rates, group, step);
    rs_weights grads = {0};
    char device[RS_DEVICE_TEXT], what[512];
    double want = 0.0;
    bool tame = true;

    RS_TRY(rs_weights_create(s->graph, &grads));
    RS_TRY(rs_store_download_grads(s, &grads));
    RS_TRY(compute(h, before, &grads, bad, &u, &want, &tame));
    snprintf(what, sizeof what, "update of %s by %s gives %s at element %zu of its %s", name,
             h->def->name, rs_nonfinite_name(bad->value), bad->k,
             bad->array < 0 ? "values" : rs_optim_state_name(h, bad->array));
    RS_FAIL_IF(tame && fabs(want) < TAME, RESCL_ERR_DEVICE,
               "%s computes wrong numbers: its %s where the host gets %g; choose another device "
               "(--device) or another version of its driver",
               rs_device_text(s->dev, device), what, want);
    RS_FAIL(
        RESCL_ERR_NUMERIC,
        "%s: the host gets %g, from the value %g, the gradient %g and the learning rate %g; the "
        "device is not to blame; a smaller learning rate may help",
        what, want, (double)before->value.data[bad->i][bad->k], (double)grads.data[bad->i][bad->k],
        u.lr);
out:
    rs_weights_fini(&grads);
    return st;
}

rescl_status rs_store_update_checked(rs_store *s, const rs_rates *rates, uint64_t step)
{
    rescl_status st = RESCL_OK;
    snapshot before = {0}, after = {0};
    number bad;

    RS_TRY(take(s, &before));
    RS_TRY(rs_store_update(s, rates, step));
    RS_TRY(take(s, &after));
    if (find(s, &after, &bad))
        RS_TRY(judge(s, &before, &bad, rates, step));
out:
    drop(&before);
    drop(&after);
    return st;
}
