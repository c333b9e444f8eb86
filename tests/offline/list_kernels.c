/* Lists the programs that rescl builds for a GPU which need not be here:
 *
 *     list_kernels nv:sm_90
 *
 * prints for each the stem of its file and the options of its plan: those of every model's layers, and
 * of what `rescl tune` may choose for them. The tests' device stands in for the GPU, with the limits
 * and cores that `targets` describes. scripts/offline-gpu-check compiles them. */
#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "fixtures.h"
#include "net.h"
#include "netmodel.h"
#include "optim.h"
#include "spread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As its driver describes the device. */
static const struct target {
    const char *name, *architecture, *units, *subgroup, *group, *local;
} targets[] = {{"nv:sm_75", "sm_75", "40", "32", "1024", "49152"},
               {"nv:sm_90", "sm_90", "132", "32", "1024", "49152"},
               {"amd:gfx90a", "gfx90a", "104", "64", "256", "65536"},
               {"amd:gfx942", "gfx942", "304", "64", "256", "65536"},
               {"amd:gfx1030", "gfx1030", "36", "32", "256", "65536"},
               {"amd:gfx1100", "gfx1100", "48", "32", "256", "65536"},
               {"intel:acm-g10", "xe_12.55", "32", "8", "1024", "65536"},
               {"intel:pvc", "xe_12.60", "128", "16", "1024", "131072"}};

typedef struct program {
    const char *file;
    char options[192];
} program;

/* Those of models are found; these are built elsewhere, with options that no plan has. */
static const program others[] = {{"fold", ""}, {"peak", ""}, {"trial", "-DWG=64 -DBLOCK=4096"}};

static void must(rescl_status st)
{
    if (st == RESCL_OK)
        return;
    fprintf(stderr, "list_kernels: %s\n", rescl_last_error()->message);
    exit(1);
}

static program *programs;
static size_t count, cap;

static void add(const char *file, const char *options)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(programs[i].file, file) == 0 && strcmp(programs[i].options, options) == 0)
            return;
    must(rs_array_reserve(&programs, &cap, count + 1, sizeof *programs));
    programs[count].file = file;
    snprintf(programs[count].options, sizeof programs[count].options, "%s", options);
    printf("%s%s%s\n", file, options[0] ? " " : "", options);
    count++;
}

static void add_plan(const rs_plan *plan)
{
    for (int i = 0; i < plan->nkernels; i++)
        add(plan->kernel[i].file, plan->kernel[i].options);
}

/* The plans of all values of the tunables from `i` on. */
static void add_choices(const rs_plan *like, rs_choice *choice, int i)
{
    const rs_tunable *t = choice->impl->tunables;
    if (!t || i == RS_PLAN_TUNABLES || !t[i].name) {
        rs_plan plan;
        must(rs_plan_make(&plan, &like->problem, like->pass, like->dev, choice));
        add_plan(&plan);
        return;
    }
    choice->tune[i] = 0;
    add_choices(like, choice, i + 1);
    for (int k = 0; t[i].passes & 1u << like->pass && k < RS_TUNABLE_VALUES && t[i].tried[k]; k++) {
        choice->tune[i] = t[i].tried[k];
        add_choices(like, choice, i + 1);
    }
    choice->tune[i] = 0;
}

static void add_tuned(const rs_plan *plan)
{
    const rs_caps *caps = rs_device_caps(plan->dev);
    const rs_problem *p = &plan->problem;
    for (int i = 0; p->op->key && p->op->impls[i]; i++) {
        rs_choice choice = {.impl = p->op->impls[i]};
        if ((choice.impl->prefers == 0 || choice.impl->prefers & 1u << caps->type) &&
            !rs_impl_refuses(choice.impl, p, plan->pass, caps))
            add_choices(plan, &choice, 0);
    }
}

static void add_net(rescl_device *dev, const rs_graph *g, size_t batch, rs_mode mode)
{
    rs_net *net = NULL;
    must(rs_net_outline(dev, g, batch, mode, &net));
    for (size_t i = 0; i < rs_net_nodes(net); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(net, i, (rs_pass)pass);
            if (plan) {
                add_plan(plan);
                add_tuned(plan);
            }
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
        add_net(dev, m->graph, batch[i], RS_MODE_TRAIN);
        add_net(dev, m->graph, batch[i], RS_MODE_EVAL);
        add_layers(dev, m->graph, batch[i], true);
    }
    rescl_model_destroy(m);
}

static bool stand_in(const char *name)
{
    for (size_t i = 0; i < RS_COUNT(targets); i++)
        if (strcmp(targets[i].name, name) == 0) {
            const struct target *t = &targets[i];
            return setenv("RESCL_DEVICE_CLASS", "gpu", 1) == 0 &&
                   setenv("RESCL_FLOAT_WIDTH", "1", 1) == 0 &&
                   setenv("RESCL_ARCHITECTURE", t->architecture, 1) == 0 &&
                   setenv("RESCL_COMPUTE_UNITS", t->units, 1) == 0 &&
                   setenv("RESCL_SUBGROUP", t->subgroup, 1) == 0 &&
                   setenv("RESCL_MAX_GROUP", t->group, 1) == 0 &&
                   setenv("RESCL_MAX_LOCAL", t->local, 1) == 0 &&
                   setenv("RESCL_TUNE", "off", 1) == 0 && unsetenv("RESCL_IMPL") == 0;
        }
    return false;
}

int main(int argc, char **argv)
{
    if (argc != 2 || !stand_in(argv[1])) {
        fprintf(stderr, "usage: list_kernels TARGET, one of");
        for (size_t i = 0; i < RS_COUNT(targets); i++)
            fprintf(stderr, " %s", targets[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    rescl_runtime *runtime = NULL;
    rescl_device *dev = NULL;
    must(rescl_runtime_create(&runtime));
    must(rescl_device_open(runtime, rs_test_selector(runtime), 0, &dev));
    const rs_caps *caps = rs_device_caps(dev);
    for (size_t i = 0; i < RS_COUNT(others); i++)
        add(others[i].file, others[i].options);
    for (size_t i = 0; rs_optims()[i]; i++)
        add(rs_optims()[i]->file, rs_spread_over(caps, false, RS_OPTIM_GRAIN, 1, RS_OPTIM_GRAIN,
                                                 rs_aligned(caps, RS_OPTIM_GRAIN))
                                      .options);
    for (const char *const *name = rescl_model_names(); *name; name++)
        add_model(dev, *name);
    rescl_device_close(dev);
    rescl_runtime_destroy(runtime);
    free(programs);
    return 0;
}
