/* Lists the programs that rescl builds for a GPU which need not be here:
 *
 *     list_kernels nv:sm_90 [resnet50 [bf16]]
 *
 * prints for each the stem of its file and the options of its plan: those of every model's layers, of a
 * step by binary cross-entropy and a teacher, of ResNet-50's in TF32 and bfloat16, and of the trials of the device's
 * engines; then, with "tried" behind, what an untuned device never takes, but `rescl tune` tries first for
 * that step in float. Or those of one model's untuned training step. scripts/offline-gpu-check compiles
 * them. */
#include "alloc.h"
#include "caps.h"
#include "choice.h"
#include "error.h"
#include "net.h"
#include "netmodel.h"
#include "optim.h"
#include "spread.h"
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct program {
    const char *file;
    char options[192];
} program;

/* Those of models are found; these are built elsewhere, with options that no plan has. */
static const program others[] = {{"fold", ""},
                                 {"normalize", "-DSPREAD=1 -DWG=128"},
                                 {"peak", "-DALIGNED"},
                                 {"trial", "-DWG=64 -DBLOCK=4096"}};

static program *programs;
static size_t count, cap;
static bool tried; /* what is added now is only tried */

static void add(const char *file, const char *options)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(programs[i].file, file) == 0 && strcmp(programs[i].options, options) == 0)
            return;
    must(rs_array_reserve(&programs, &cap, count + 1, sizeof *programs));
    programs[count].file = file;
    snprintf(programs[count].options, sizeof programs[count].options, "%s", options);
    printf("%s%s%s%s\n", file, options[0] ? " " : "", options, tried ? " tried" : "");
    count++;
}

static void add_plan(const rs_plan *plan)
{
    for (int i = 0; i < plan->nkernels; i++)
        add(plan->kernel[i].file, plan->kernel[i].options);
}

/* What the implementation chooses itself, and with each number of its own set to each value that is
 * tried first. */
static void add_choices(const rs_plan *like, rs_choice *choice)
{
    const rs_tunable *t = choice->impl->tunables;
    rs_plan plan;
    must(rs_plan_make(&plan, &like->problem, like->pass, like->dev, choice));
    add_plan(&plan);
    for (int i = 0; t && i < RS_PLAN_TUNABLES && t[i].name; i++) {
        for (int k = 0; k < RS_TUNABLE_VALUES && t[i].tried[k]; k++) {
            choice->tune[i] = t[i].tried[k];
            must(rs_plan_make(&plan, &like->problem, like->pass, like->dev, choice));
            add_plan(&plan);
        }
        choice->tune[i] = 0;
    }
}

static void add_tuned(const rs_plan *plan)
{
    const rs_caps *caps = rs_device_caps(plan->dev);
    const rs_problem *p = &plan->problem;
    for (int i = 0; p->op->key && p->op->impls[i]; i++) {
        rs_choice choice = {.impl = p->op->impls[i]};
        if ((choice.impl->prefers == 0 || choice.impl->prefers & 1u << caps->type) &&
            !rs_impl_refuses(choice.impl, p, plan->pass, caps))
            add_choices(plan, &choice);
    }
}

static void add_net(rescl_device *dev, const rs_graph *g, size_t batch, rs_mode mode,
                    rescl_precision precision)
{
    rs_net *net = NULL;
    must(rs_net_outline(dev, g, batch, mode, precision, &net));
    for (size_t i = 0; i < rs_net_nodes(net); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(net, i, (rs_pass)pass);
            if (plan && tried)
                add_tuned(plan);
            else if (plan)
                add_plan(plan);
        }
    rs_net_destroy(net);
}

/* Each layer by itself: what a network fuses away where it can. */
static void add_layers(rescl_device *dev, const rs_graph *g, size_t batch, bool training)
{
    for (size_t i = 0; i < g->nnodes; i++) {
        rs_problem p;
        rs_plan plan;
        must(rs_graph_problem(g, i, batch, training, &p));
        for (int pass = 0; pass < (training ? RS_PASS_COUNT : 1); pass++)
            if (rs_op_has_pass(p.op, (rs_pass)pass)) {
                must(rs_choice_plan(dev, &p, (rs_pass)pass, NULL, &plan));
                add_plan(&plan);
            }
    }
}

static void add_model(rescl_device *dev, const char *name)
{
    static const size_t batch[] = {1, 32, 256};
    rescl_model *m = NULL;
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = name, .classes = 1000, .hidden = 10, .dropout = 0.5};
    must(rs_model_build(&o, &m));
    for (size_t i = 0; i < RS_COUNT(batch); i++) {
        add_net(dev, m->graph, batch[i], RS_MODE_TRAIN, RESCL_PRECISION_FP32);
        add_net(dev, m->graph, batch[i], RS_MODE_EVAL, RESCL_PRECISION_FP32);
        add_layers(dev, m->graph, batch[i], true);
    }
    rescl_model_destroy(m);
}

/* What multiplies two small matrices before an engine is used: src/device/engine.c. */
static void add_engines(const rs_caps *caps)
{
    static const struct {
        rs_engine engine;
        const char *options[2];
    } engines[] = {
#define RS_ENGINE(name, gate, options, more) {RS_ENGINE_##name, {options, more}},
#include "engines.def"
#undef RS_ENGINE
    };
    for (size_t i = 0; i < RS_COUNT(engines); i++)
        for (int k = 0; k < 2 && rs_has_engine(caps, engines[i].engine); k++) {
            char options[128], width[32] = "";
            if (caps->sets_subgroup)
                snprintf(width, sizeof width, " -DSUBGROUP=%u", caps->subgroup);
            snprintf(options, sizeof options, "%s%s", engines[i].options[k], width);
            if (engines[i].options[k][0])
                add("engine", options);
        }
}

static void add_step(rescl_device *dev, const char *name, rescl_loss loss,
                     rescl_precision precision)
{
    static const rs_distillation_attr teacher = {.alpha = 0.5f, .tau = 1};
    rescl_model *m = NULL;
    must(rs_model_build(&(rescl_model_options){.struct_size = sizeof(rescl_model_options),
                                               .name = name,
                                               .classes = 1000,
                                               .loss = loss},
                        &m));
    rs_graph_set_distillation(m->graph, loss == RESCL_LOSS_BCE ? &teacher : NULL);
    add_net(dev, m->graph, 256, RS_MODE_TRAIN, precision);
    rescl_model_destroy(m);
}

int main(int argc, char **argv)
{
    rescl_precision precision = RESCL_PRECISION_FP32;
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: list_kernels TARGET [MODEL [PRECISION]]\n");
        return 2;
    }
    rescl_device *dev = standin_open(argv[1]);
    const rs_caps *caps = rs_device_caps(dev);
    for (size_t i = 0; i < RS_COUNT(others); i++)
        add(others[i].file, others[i].options);
    char options[RS_OPTIM_OPTIONS];
    const rs_spread flat =
        rs_spread_over(caps, NULL, false, RS_OPTIM_GRAIN, 1, RS_OPTIM_GRAIN, RS_OPTIM_GRAIN);
    for (size_t i = 0; rs_optims()[i]; i++)
        add(rs_optims()[i]->file, rs_optim_options(dev, rs_optims()[i], options));
    add("unscale", flat.options);
    add("arena", flat.options);
    add("clip", rs_pieces_options(dev, options));
    if (argc == 4)
        must(rescl_precision_find(argv[3], &precision));
    if (argc == 2) {
        add_engines(caps);
        for (const char *const *name = rescl_model_names(); *name; name++)
            add_model(dev, *name);
        add_step(dev, "resnet8", RESCL_LOSS_BCE, RESCL_PRECISION_FP32);
        add_step(dev, "resnet50", RESCL_LOSS_CROSS_ENTROPY, RESCL_PRECISION_TF32);
        add_step(dev, "resnet50", RESCL_LOSS_CROSS_ENTROPY, RESCL_PRECISION_BF16);
        tried = true;
    }
    add_step(dev, argc > 2 ? argv[2] : "resnet50", RESCL_LOSS_CROSS_ENTROPY, precision);
    standin_close();
    free(programs);
    return 0;
}
