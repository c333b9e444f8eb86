/* Each contender of the proof is a network planned by a tuning table of its own. Both share the
 * parameters and the memory for activations, so that what fits once fits here. */
#include "tune_step.h"

#include "alloc.h"
#include "attr.h"
#include "error.h"
#include "gains.h"
#include "modelstep.h"
#include "normalize.h"
#include "rounds.h"
#include "trial.h"
#include "tune_problem.h"
#include "tunefile.h"
#include "tuning.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS   9 /* of steps at least */
#define PROVEN  "; proven"
#define NO_GAIN "; no gain in the step: "

/* ---- notes ------------------------------------------------------------------------------- */

void rs_tune_note_write(const rs_tune_note *n, char text[RS_TUNE_NOTE])
{
    if (n->is_default)
        snprintf(text, RS_TUNE_NOTE, "%.4g ms: %s", n->best_ms, n->untuned);
    else if (isnan(n->default_ms))
        snprintf(text, RS_TUNE_NOTE, "%.4g ms; %s: %s", n->best_ms, n->failed ? "failed" : "wrong",
                 n->untuned);
    else
        snprintf(text, RS_TUNE_NOTE, "%.4g ms; %.4g ms: %s", n->best_ms, n->default_ms, n->untuned);
}

/* Reads "1.2 ms; 1.4 ms: untuned" of a choice that is put to the proof. Not of one whose default cannot
 * serve, nor of one that somebody wrote by hand: these stay. `text` is cut behind `untuned`. */
static bool read_note(char *text, rs_tune_note *out)
{
    static const char first[] = " ms; ", second[] = " ms: ";
    char *at = NULL;

    out->best_ms = strtod(text, &at);
    if (at == text || strncmp(at, first, sizeof first - 1) != 0)
        return false;
    const char *number = at + sizeof first - 1;
    out->default_ms = strtod(number, &at);
    if (at == number || strncmp(at, second, sizeof second - 1) != 0)
        return false;
    at += sizeof second - 1;
    out->untuned = at;
    at[strcspn(at, ";")] = '\0';
    return true;
}

/* ---- contenders -------------------------------------------------------------------------- */

/* A choice that is put to the proof. */
typedef struct member {
    char key[RS_TUNE_KEY], choice[RS_CHOICE], note[RS_TUNE_NOTE];
    rs_tune_note measured; /* its text is in `note` */
    double promise;
} member;

typedef struct prover {
    const rs_tune_proof_job *job;
    member *member;
    size_t count, open; /* open: not proven before */
    size_t known;       /* problems of the list that have a choice, be it the default */
    rescl_model *model;
    rs_store *store;
    rs_net *net[2];
    rs_workspace *workspace;
    rs_loss_scale scale; /* of fp16 */
    int32_t *targets;    /* of softmax_xent */
    float *losses;
    uint64_t steps;
} prover;

/* What is planned from now on: as the file says, but for the members, of which only those that are `in`
 * are chosen. */
static rescl_status use_choices(const prover *v, const bool *in)
{
    rescl_status st = RESCL_OK;
    const rs_tune_proof_job *job = v->job;
    rs_tune_table t = {0};

    for (size_t i = 0; i < job->list->count; i++) {
        const char *key = job->list->item[i].key, *choice = rs_tune_table_get(job->table, key);
        if (choice)
            RS_TRY(rs_tune_table_set(&t, key, choice, NULL));
    }
    for (size_t i = 0; i < v->count; i++)
        if (!in[i])
            RS_TRY(rs_tune_table_set(&t, v->member[i].key, RS_CHOICE_DEFAULT, NULL));
    RS_TRY(rs_tuning_use(job->dev, &t));
out:
    rs_tune_table_fini(&t);
    return st;
}

/* Compiles what a network needs, plan by plan: that may take minutes, and is to end when it should. */
static rescl_status compile(const prover *v, rs_mode mode)
{
    rescl_status st = RESCL_OK;
    const rescl_tune_options *o = v->job->o;
    rs_net *outline = NULL;

    RS_TRY(
        rs_net_outline(v->job->dev, v->model->graph, o->batch, mode, v->job->precision, &outline));
    for (size_t i = 0; i < rs_net_nodes(outline); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *made = rs_net_plan_at(outline, i, (rs_pass)pass);
            if (!made)
                continue;
            rs_plan plan = *made;
            RS_TRY(rs_tune_may_go_on(o, v->job->deadline));
            RS_TRY(rs_plan_build(&plan));
        }
out:
    rs_net_destroy(outline);
    return st;
}

static void drop_nets(prover *v)
{
    rs_workspace_destroy(v->workspace);
    v->workspace = NULL;
    for (size_t i = 0; i < RS_COUNT(v->net); i++) {
        rs_net_destroy(v->net[i]);
        v->net[i] = NULL;
    }
}

/* Which of both lies in the shared memory changes with each turn, so the input is made anew. */
static rescl_status fill_input(const prover *v, const rs_net *net)
{
    rescl_status st = RESCL_OK;
    const rs_tensor input = rs_net_input(net), targets = rs_net_labels(net);

    RS_TRY(rs_trial_fill(v->job->dev, &input, 0));
    RS_TRY(rs_write(v->job->dev, targets.buf, 0, v->targets,
                    v->job->o->batch * RS_TARGET_WORDS * sizeof *v->targets));
out:
    return st;
}

static rescl_status whole_step(prover *v, rs_net *net)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_net_forward(net, 0, v->steps));
    if (v->job->o->train)
        RS_TRY(rs_train_step(v->store, net, v->job->precision, &v->scale, v->steps));
    RS_TRY(rs_finish(v->job->dev));
    v->steps++;
out:
    return st;
}

/* Inference rearranges its parameters when another network ran before; that is not part of its steps. */
static rescl_status run(void *user, size_t contender, double *ms)
{
    rescl_status st = RESCL_OK;
    prover *v = user;
    rs_net *net = v->net[contender];

    RS_TRY(rs_tune_may_go_on(v->job->o, 0.0));
    RS_TRY(fill_input(v, net));
    if (!v->job->o->train) {
        RS_TRY(whole_step(v, net));
        RS_TRY(fill_input(v, net));
    }
    RS_TRY(rs_finish(v->job->dev));
    const double begin = rs_rounds_clock();
    RS_TRY(whole_step(v, net));
    *ms = (rs_rounds_clock() - begin) * 1e3;
out:
    return st;
}

/* Wrong numbers say nothing of a step's time. */
static rescl_status check_losses(const prover *v, size_t contender)
{
    rescl_status st = RESCL_OK;
    const size_t batch = v->job->o->batch;
    const rs_tensor losses = rs_net_losses(v->net[contender]);

    RS_TRY(rs_tensor_read(v->job->dev, &losses, 0, batch, v->losses));
    for (size_t i = 0; i < batch; i++)
        RS_FAIL_IF(
            !isfinite(v->losses[i]), RESCL_ERR_NUMERIC,
            "the loss of a whole step %s the measured choices is not finite; 'rescl bench op' "
            "shows whose results are wrong on this device",
            contender ? "with" : "without");
out:
    return st;
}

static rescl_status ready(void *user, const bool *const with[2])
{
    rescl_status st = RESCL_OK;
    prover *v = user;
    const rs_mode mode = v->job->o->train ? RS_MODE_TRAIN : RS_MODE_EVAL;
    double ms;

    drop_nets(v);
    for (size_t i = 0; i < RS_COUNT(v->net); i++) {
        RS_TRY(use_choices(v, with[i]));
        RS_TRY(compile(v, mode));
        RS_TRY(rs_net_plan(v->store, v->model->graph, v->job->o->batch, mode, v->job->precision,
                           &v->net[i]));
    }
    RS_TRY(rs_workspace_create(v->job->dev, v->net, RS_COUNT(v->net), &v->workspace));
    for (size_t i = 0; i < RS_COUNT(v->net); i++) { /* drivers compile at the first launch */
        RS_TRY(rs_tune_may_go_on(v->job->o, v->job->deadline));
        RS_TRY(run(v, i, &ms));
        RS_TRY(check_losses(v, i));
    }
out:
    return st;
}

static rescl_status open_network(prover *v)
{
    rescl_status st = RESCL_OK;
    const rescl_tune_options *o = v->job->o;
    const rescl_model_options about = {.struct_size = sizeof about,
                                       .name = o->model,
                                       .classes = o->classes,
                                       .image_size = o->size};
    const rs_optim_def *optimiser = NULL;
    rs_optim_hyper hyper;

    RS_TRY(rs_optim_find("sgd", &optimiser));
    hyper = rs_optim_default(optimiser);
    RS_TRY(rescl_model_create(&about, &v->model));
    RS_OOM(v->targets = calloc(o->batch, RS_TARGET_WORDS * sizeof *v->targets));
    RS_OOM(v->losses = calloc(o->batch, sizeof *v->losses));
    for (size_t i = 0; i < o->batch; i++) {
        const int32_t label = (int32_t)(i % v->model->classes);
        rs_targets_pack(&label, NULL, 1, v->targets + i * RS_TARGET_WORDS);
    }
    RS_TRY(rs_store_create(v->job->dev, v->model->graph, o->train ? &hyper : NULL, &v->store));
    v->scale.scale = RS_LOSS_SCALE_FIRST;
    if (o->train && v->job->precision == RESCL_PRECISION_FP16)
        RS_TRY(rs_store_prepare_unscale(v->store));
    RS_TRY(rs_store_upload(v->store, &v->model->weights));
out:
    return st;
}

static void close_network(prover *v)
{
    const rescl_error why = *rescl_last_error();

    if (v->store)
        (void)!rs_finish(v->job->dev); /* what is under way reads what is freed here */
    drop_nets(v);
    rs_store_destroy(v->store);
    rescl_model_destroy(v->model);
    free(v->targets);
    free(v->losses);
    rs_error_restore(&why);
}

/* ---- the proof --------------------------------------------------------------------------- */

static int by_promise(const void *a, const void *b)
{
    const member *x = a, *y = b;
    return x->promise < y->promise ? 1 : x->promise > y->promise ? -1 : strcmp(x->key, y->key);
}

static const char *note_of(const rs_tune_table *t, const char *key)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->entry[i].key, key) == 0)
            return t->entry[i].note;
    return "";
}

/* Members of the proof: choices other than defaults whose defaults can serve. */
static rescl_status collect(prover *v)
{
    rescl_status st = RESCL_OK;
    const rs_worklist *list = v->job->list;

    RS_OOM(v->member = calloc(list->count + 1, sizeof *v->member));
    for (size_t i = 0; i < list->count; i++) {
        const char *choice = rs_tune_table_get(v->job->table, list->item[i].key);
        member *m = &v->member[v->count];
        v->known += choice != NULL;
        if (!choice || strcmp(choice, RS_CHOICE_DEFAULT) == 0)
            continue;
        const char *note = note_of(v->job->table, list->item[i].key);
        snprintf(m->key, sizeof m->key, "%s", list->item[i].key);
        snprintf(m->choice, sizeof m->choice, "%s", choice);
        snprintf(m->note, sizeof m->note, "%s", note);
        if (!read_note(m->note, &m->measured))
            continue;
        m->promise = (double)list->item[i].count * (m->measured.default_ms - m->measured.best_ms);
        v->open += !strstr(note, PROVEN);
        v->count++;
    }
    qsort(v->member, v->count, sizeof *v->member, by_promise);
    /* Sorting moved them, and the notes with them. */
    for (size_t i = 0; i < v->count; i++)
        (void)read_note(v->member[i].note, &v->member[i].measured);
out:
    return st;
}

/* Writes what was decided of a member. */
static rescl_status keep_verdict(const prover *v, const member *m, rs_gains_state state)
{
    const rs_tune_proof_job *job = v->job;
    const bool drop = state == RS_GAINS_DROPPED;
    rs_tune_note measured = m->measured;
    char note[RS_TUNE_NOTE], text[2 * RS_TUNE_NOTE];

    measured.is_default = drop;
    if (drop)
        measured.best_ms = measured.default_ms;
    rs_tune_note_write(&measured, note);
    snprintf(text, sizeof text, "%s%s%s", note, drop ? NO_GAIN : PROVEN, drop ? m->choice : "");
    return rs_tune_table_update(job->table, job->path, rescl_device_get_info(job->dev), m->key,
                                drop ? RS_CHOICE_DEFAULT : m->choice, text);
}

/* What ended the proof early and is no failure of the whole call. */
static bool is_told(const rs_tune_proof_job *job, const rescl_error *why)
{
    return why->status == RESCL_ERR_INTERRUPTED
               ? rs_tune_may_go_on(job->o, 0.0) == RESCL_OK
               : why->status == RESCL_ERR_MEMORY && why->sys_errno != ENOMEM;
}

static rescl_status take_verdicts(const prover *v, const rs_gains *p, rescl_tune_choice *drop,
                                  rescl_tune_proof *out)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < v->count; i++) {
        const member *m = &v->member[i];
        const rs_gains_state state = p->item[i].state;
        if (state == RS_GAINS_OPEN) {
            out->open++;
            continue;
        }
        RS_TRY(keep_verdict(v, m, state));
        if (state == RS_GAINS_KEPT)
            out->kept++;
        else
            drop[out->dropped++] = (rescl_tune_choice){m->key, m->choice};
    }
    if (p->gain.share.count > 0) {
        out->pairs = p->gain.share.count;
        out->untuned_ms = p->gain.without_ms;
        out->tuned_ms = p->gain.with_ms;
        out->gain = p->gain.share.median;
        out->gain_low = p->gain.share.low;
        out->gain_high = p->gain.share.high;
    }
out:
    return st;
}

static rescl_status measure(prover *v, rs_gains *p)
{
    rescl_status st = RESCL_OK;

    rs_device_trim(v->job->dev);
    RS_TRY(open_network(v));
    RS_TRY(rs_gains_find(p));
out:
    close_network(v);
    return st;
}

/* Where RESCL_IMPL says how things are done, choices are not heeded. */
static bool is_overridden(void)
{
    const char *forced = getenv("RESCL_IMPL");
    return forced && *forced;
}

rescl_status rs_tune_prove(const rs_tune_proof_job *job)
{
    rescl_status st = RESCL_OK;
    prover v = {.job = job};
    rs_gains p = {.pairs = job->o->repeats > PAIRS ? job->o->repeats : PAIRS,
                  .min_seconds = job->o->min_seconds,
                  .deadline = job->deadline,
                  .ready = ready,
                  .run = run,
                  .user = &v};
    rescl_tune_choice *drop = NULL;
    rescl_tune_proof out = {.untuned_ms = NAN,
                            .tuned_ms = NAN,
                            .gain = NAN,
                            .gain_low = NAN,
                            .gain_high = NAN,
                            .reason = ""};
    rescl_error why = {0};

    RS_TRY(collect(&v));
    RS_OOM(p.item = calloc(v.count + 1, sizeof *p.item));
    RS_OOM(drop = calloc(v.count + 1, sizeof *drop));
    for (size_t i = 0; i < v.count; i++)
        p.item[i].promise = v.member[i].promise;
    out.choices = p.count = v.count;
    out.before = v.count > 0 && v.open == 0;
    if (out.before) {
        out.kept = v.count;
    } else if (is_overridden()) {
        out.open = v.count;
        out.reason = "RESCL_IMPL overrides what was chosen";
    } else if (v.known == 0) {
        out.reason = "nothing was measured";
    } else if (v.count > 0) {
        st = measure(&v, &p);
        why = *rescl_last_error();
        const rescl_status kept = take_verdicts(&v, &p, drop, &out);
        out.reason = st != RESCL_OK ? why.message : "";
        if (st == RESCL_OK || is_told(job, &why))
            RS_TRY(kept);
    }
    out.drop = drop;
    if (job->o->proved)
        job->o->proved(&out, job->user);
    if (st != RESCL_OK) {
        rs_error_restore(&why);
        rs_error_prefix("%zu of %zu choices in %s are not proven in whole steps", out.open, v.count,
                        job->path);
    }
out:
    free(v.member);
    free(p.item);
    free(drop);
    return st;
}
