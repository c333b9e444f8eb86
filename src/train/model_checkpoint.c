/* weights/epoch<N>.safetensors of the run folder: the weights of each save_period-th epoch, as
 * keras.callbacks.ModelCheckpoint keeps them where its file's name has the epoch. What it does with
 * save_best_only is weights/best.safetensors, and with a number of batches, save_freq. */
#include "error.h"
#include "path.h"
#include "str.h"
#include "watch.h"

#include <stdlib.h>

static rescl_status open_checkpoint(const rs_run_info *run, void **self)
{
    if (run->folder && run->train_set && run->options->save_period > 0)
        *self = (void *)run;
    return RESCL_OK;
}

/* Before the checkpoint that says that the epoch is done: who comes here again writes the same. An epoch
 * that max_steps cuts short has no weights yet. */
static rescl_status save_epoch(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    const rs_run_info *run = self;
    char *path = NULL;

    (void)stop;
    if (e->partial || (e->epoch + 1) % run->options->save_period != 0)
        goto out;
    RS_OOM(path = rs_strf("%s/weights/epoch%zu.safetensors", run->folder, e->epoch + 1));
    RS_TRY(rs_run_save_weights(run, path));
out:
    free(path);
    return st;
}

const rs_watcher rs_watcher_model_checkpoint = {
    .name = "model_checkpoint", .open = open_checkpoint, .epoch = save_epoch};
