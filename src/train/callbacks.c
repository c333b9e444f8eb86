/* Hands what happens to the caller's functions, which may stop the run. */
#include "optionvalue.h"
#include "watch.h"

void rescl_train_callbacks_init(rescl_train_callbacks *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_train_callbacks){0}, sizeof *out);
}

static rescl_status open_callbacks(const rs_run_info *run, void **self)
{
    *self = (void *)run->callbacks;
    return RESCL_OK;
}

static rescl_status tell_step(void *self, const rescl_step_event *e, bool *stop)
{
    const rescl_train_callbacks *c = self;

    if (c->on_step && !c->on_step(e, c->user))
        *stop = true;
    return RESCL_OK;
}

static rescl_status tell_epoch(void *self, const rescl_epoch_event *e, bool *stop)
{
    const rescl_train_callbacks *c = self;

    if (c->on_epoch && !c->on_epoch(e, c->user))
        *stop = true;
    return RESCL_OK;
}

const rs_watcher rs_watcher_callbacks = {
    .name = "callbacks", .open = open_callbacks, .step = tell_step, .saved = tell_epoch};
