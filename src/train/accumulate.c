/* Updates by the gradients of several batches. */
#include "dataset.h"
#include "trainer.h"

/* Nothing of it is kept in checkpoints: it follows from the batches that are done. */
rs_update_place rs_trainer_place(const rescl_trainer *t, size_t n)
{
    const rs_ckpt_progress *p = &t->progress;
    const size_t many = t->options.grad_accum_steps, batches = rs_loader_batches(t->train_loader);
    const size_t batch = p->batch < batches ? (size_t)p->batch : batches - 1;
    const size_t first = batch / many * many;
    const size_t end = batches - first > many ? first + many : batches;
    size_t tail = 0, images;

    (void)rescl_train_batches(t->model, t->train_set->count, t->options.batch_size, &tail);
    images = (end - first) * t->options.batch_size;
    if (end == batches)
        images = images - t->options.batch_size + tail;
    const size_t updates = (batches - 1) / many + 1;
    return (rs_update_place){.part = {.share = many > 1 ? (double)n / (double)images : 1.0,
                                      .first = batch == first,
                                      .last = batch + 1 == end},
                             .update = batch / many,
                             .updates = updates,
                             .step =
                                 many > 1 ? p->epoch * updates + batch / many + 1 : p->step + 1};
}

bool rs_trainer_half_done(const rescl_trainer *t)
{
    const uint64_t batch = t->progress.batch;
    return batch % t->options.grad_accum_steps != 0 && batch < rs_loader_batches(t->train_loader);
}
