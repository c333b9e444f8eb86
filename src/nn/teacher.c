#include "teacher.h"

#include "error.h"
#include "normalize.h"

#include <stdlib.h>

static size_t classes_of(const rs_graph *g)
{
    return g->value[g->output].shape.dim[1];
}

static rescl_status create_buffers(rs_teacher *t, const rs_teacher_plan *plan, size_t largest)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_buffer_create(t->dev, largest * classes_of(plan->graph) * sizeof(float), &t->logits));
    RS_TRY(rs_buffer_create(t->dev, RS_TABLE_BYTES, &t->table));
    RS_TRY(rs_buffer_create(t->dev, RS_TABLE_BYTES, &t->students));
    RS_TRY(rs_write(t->dev, t->table, 0, plan->table, RS_TABLE_BYTES));
out:
    return st;
}

rescl_status rs_teacher_create(rescl_device *dev, const rs_teacher_plan *plan, const size_t *batch,
                               size_t count, rescl_precision precision, rs_teacher **out)
{
    rescl_status st = RESCL_OK;
    rs_teacher *t = NULL;
    size_t largest = 1;

    RS_OOM(t = calloc(1, sizeof *t));
    t->dev = dev;
    RS_TRY(rs_store_create(dev, plan->graph, NULL, &t->store));
    for (size_t i = 0; i < count && t->nets < RS_TEACHER_NETS; i++) {
        if (batch[i] == 0)
            continue;
        RS_TRY(rs_net_plan(t->store, plan->graph, batch[i], RS_MODE_EVAL, precision,
                           &t->net[t->nets]));
        t->nets++;
        largest = batch[i] > largest ? batch[i] : largest;
    }
    RS_TRY(create_buffers(t, plan, largest));
    RS_TRY(rs_store_upload(t->store, plan->weights));
    *out = t, t = NULL;
out:
    if (st != RESCL_OK)
        rs_error_prefix("the teacher");
    rs_teacher_destroy(t);
    return st;
}

void rs_teacher_destroy(rs_teacher *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < RS_TEACHER_NETS; i++)
        rs_net_destroy(t->net[i]);
    rs_store_destroy(t->store);
    rs_buffer_release(t->logits);
    rs_buffer_release(t->table);
    rs_buffer_release(t->students);
    free(t);
}

rescl_status rs_teacher_bytes(rescl_device *dev, const rs_teacher_plan *plan, size_t batch,
                              uint64_t *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_store_bytes(dev, plan->graph, NULL, false, false, out));
    *out +=
        (uint64_t)batch * classes_of(plan->graph) * sizeof(float) + 2 * (uint64_t)RS_TABLE_BYTES;
out:
    return st;
}

static rs_net *net_of(const rs_teacher *t, size_t n)
{
    for (size_t i = 0; i < t->nets; i++)
        if (rs_net_batch(t->net[i]) == n)
            return t->net[i];
    return NULL;
}

rescl_status rs_teacher_run(rs_teacher *t, size_t n, rs_kernel *normalize, rs_buffer *block)
{
    rescl_status st = RESCL_OK;
    rs_net *net = net_of(t, n);

    RS_FAIL_IF(!net, RESCL_ERR_ARG, "%zu images were not planned for", n);
    const rs_tensor input = rs_net_input(net), labels = rs_net_labels(net);
    const rs_tensor logits = rs_net_logits(net);
    RS_TRY(rs_copy(t->dev, block, 0, t->students, 0, RS_TABLE_BYTES));
    RS_TRY(rs_copy(t->dev, t->table, 0, block, 0, RS_TABLE_BYTES));
    rs_profile_label(t->dev, "normalize fwd teacher");
    RS_TRY(rs_normalize_enqueue(t->dev, normalize, block, &input, &labels));
    RS_TRY(rs_copy(t->dev, t->students, 0, block, 0, RS_TABLE_BYTES));
    RS_TRY(rs_net_forward(net, 0, 0));
    RS_TRY(rs_copy(t->dev, logits.buf, 0, t->logits, 0, rs_buffer_bytes(logits.buf)));
out:
    if (st != RESCL_OK)
        rs_error_prefix("the teacher");
    return st;
}

rescl_status rs_teacher_give(rs_teacher *t, const rs_tensor *logits)
{
    return rs_copy(t->dev, t->logits, 0, logits->buf, 0, rs_buffer_bytes(logits->buf));
}
