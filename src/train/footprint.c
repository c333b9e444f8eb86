/* What a network will take of a device's memory: planned, neither compiled nor allocated. */
#include "error.h"
#include "trainer.h"

static rescl_status plan_net(rescl_device *dev, const rs_graph *g, size_t batch, rs_mode mode,
                             rescl_precision precision, bool recompute, uint64_t *bytes)
{
    rescl_status st = RESCL_OK;
    rs_net *net = NULL;

    RS_TRY(rs_net_outline(dev, g, batch, mode, precision, &net));
    if (recompute)
        RS_TRY(rs_net_recompute(net));
    RS_TRY(rs_net_lay_out(net));
    *bytes = rs_net_bytes(net);
out:
    rs_net_destroy(net);
    return st;
}

/* Its parameters, and what it takes of activations beyond those of the student, whose place it shares. */
static rescl_status add_teacher(rescl_device *dev, const rs_teacher_plan *teacher, size_t batch,
                                rescl_precision precision, rescl_memory *all)
{
    rescl_status st = RESCL_OK;
    uint64_t activations = 0;

    RS_TRY(rs_teacher_bytes(dev, teacher, batch, &all->teacher));
    RS_TRY(plan_net(dev, teacher->graph, batch, RS_MODE_EVAL, precision, false, &activations));
    if (activations > all->activations)
        all->teacher += activations - all->activations;
out:
    return st;
}

rescl_status rs_memory_needed(rescl_device *device, const rescl_model *m, size_t batch_size,
                              const rescl_train_options *training, const rs_teacher_plan *teacher,
                              rescl_memory *out)
{
    rescl_status st = RESCL_OK;
    rescl_memory all = {0};
    rescl_train_options o = {0};
    rescl_precision precision = m->precision;
    rs_graph view = *m->graph;
    rs_optim_hyper hyper;
    uint64_t trained = 0;

    RS_FAIL_IF(batch_size == 0, RESCL_ERR_ARG, "a batch size of 0");
    for (size_t i = 0; i < m->graph->nparams; i++) {
        const rs_param *p = &m->graph->param[i];
        const uint64_t bytes = rs_shape_count(&p->spec.shape) * sizeof(float);
        all.parameters += bytes;
        trained += p->trainable ? bytes : 0;
    }
    if (training) {
        RS_TRY(rs_train_options_copy(training, &o));
        RS_TRY(rescl_precision_find(o.precision, &precision));
        RS_TRY(rs_choose_optimiser(&o, &hyper));
        all.gradients = o.grad_accum_steps > 1 ? 2 * trained : trained;
        all.optimiser = trained * (uint64_t)rs_optim_states(&hyper);
        if (o.model_ema)
            all.optimiser += all.parameters;
    }
    rs_graph_set_distillation(&view, teacher ? &teacher->loss : NULL);
    RS_TRY(plan_net(device, &view, batch_size, training ? RS_MODE_TRAIN : RS_MODE_EVAL, precision,
                    training && o.recompute, &all.activations));
    if (teacher)
        RS_TRY(add_teacher(device, teacher, batch_size, precision, &all));
    *out = all;
out:
    rs_train_options_fini(&o);
    return st;
}

rescl_status rescl_memory_needed(rescl_device *device, const rescl_model *m, size_t batch_size,
                                 const rescl_train_options *training, rescl_memory *out)
{
    rescl_status st = RESCL_OK;
    rescl_train_options o = {0};
    rs_distil distil = {0};

    if (training) {
        RS_TRY(rs_train_options_copy(training, &o));
        RS_TRY(rs_distil_init(&o, m, &distil));
    }
    RS_TRY(rs_memory_needed(device, m, batch_size, training, rs_distil_plan(&distil), out));
out:
    rs_distil_fini(&distil);
    rs_train_options_fini(&o);
    return st;
}
