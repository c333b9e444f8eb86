/* The largest batch that fits a device's memory, by plans alone: what a run takes is known before it
 * begins, and is all but affine in the batch. */
#include "error.h"
#include "netmodel.h"
#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shares of the memory that a run may take: a driver keeps some for itself, and the system of a CPU some
 * for other programs and for files. */
#define DEVICE_SHARE 0.95
#define SYSTEM_SHARE 0.8
#define MOST         65536

typedef struct search {
    rescl_device *dev;
    const rescl_model *model;
    rs_team_plan plan; /* but for its batch */
    uint64_t room;
} search;

/* Memory that programs can get without swapping; UINT64_MAX: the system does not say. */
static uint64_t free_memory(void)
{
    uint64_t kib = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && kib == 0 && fgets(line, sizeof line, f))
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kib = strtoull(line + 13, NULL, 10);
    if (f)
        fclose(f);
    return kib ? kib * 1024 : UINT64_MAX;
}

static uint64_t room_of(const rescl_device *dev)
{
    const rescl_device_info *info = rescl_device_get_info(dev);
    rescl_device_stats held;
    double room = DEVICE_SHARE * (double)info->global_bytes;

    rescl_device_get_stats(dev, &held);
    room -= (double)held.bytes;
    if (info->type == RESCL_DEVICE_CPU)
        room = fmin(room, SYSTEM_SHARE * (double)free_memory());
    return room > 0.0 ? (uint64_t)room : 0;
}

/* UINT64_MAX where it cannot be planned at all. */
static uint64_t bytes_of(const search *s, size_t batch)
{
    rs_team_plan plan = s->plan;
    uint64_t bytes = 0;

    plan.batch = batch;
    return rs_team_bytes(s->dev, s->model->graph, &plan, &bytes) == RESCL_OK ? bytes : UINT64_MAX;
}

/* What batch sizes are multiples of: a sixteenth of them or less, so that little is given away. */
static size_t grain_of(size_t batch)
{
    return batch >= 128 ? 8 : batch >= 64 ? 4 : batch >= 32 ? 2 : 1;
}

/* From a batch `*least` that fits to the largest below `end` that does: by the line through two batches, and
 * every third time by halves, so that it ends whatever the plans are. */
static void widen(const search *s, size_t *least, uint64_t *bytes, size_t end)
{
    size_t low = *least;
    double slope = 0.0;

    for (int round = 1; end - low > grain_of(low); round++) {
        size_t next = low + (end - low) / 2;
        if (round == 1)
            next = low < end / 8 ? 4 * low : next;
        else if (round % 3 && slope > 0.0 &&
                 (double)(s->room - *bytes) / slope < (double)(end - low))
            next = low + (size_t)((double)(s->room - *bytes) / slope);
        next = next <= low ? low + 1 : next >= end ? end - 1 : next;
        const uint64_t takes = bytes_of(s, next);
        if (takes < UINT64_MAX && takes > *bytes)
            slope = (double)(takes - *bytes) / (double)(next - low);
        if (takes <= s->room) {
            low = next;
            *bytes = takes;
        } else {
            end = next;
        }
    }
    *least = low;
}

rescl_status rs_batch_size_fitting(rescl_device *device, const rescl_model *model,
                                   size_t train_images, size_t eval_images,
                                   const rescl_train_options *options,
                                   const rs_teacher_plan *teacher, rescl_batch_fit *out)
{
    rescl_status st = RESCL_OK;
    rescl_train_options o = {0};
    rs_optim_hyper hyper;
    search s = {.dev = device, .model = model};
    const size_t least = rs_least_batch(model);
    size_t batch = least;
    uint64_t bytes = 0;

    RS_FAIL_IF(train_images == 0, RESCL_ERR_ARG, "there are no images to train with");
    RS_TRY(rs_train_options_copy(options, &o));
    RS_TRY(rs_choose_optimiser(&o, &hyper));
    RS_FAIL_IF(o.shards > 1, RESCL_ERR_ARG,
               "the batch size that fits is not known with shards: give a number");
    s.plan = (rs_team_plan){.hyper = &hyper,
                            .train_images = train_images,
                            .eval_images = eval_images,
                            .train_least = least,
                            .check_numerics = o.check_numerics,
                            .accumulates = o.grad_accum_steps > 1,
                            .averages = o.model_ema,
                            .recompute = o.recompute,
                            .teacher = teacher};
    RS_TRY(rescl_precision_find(o.precision, &s.plan.precision));
    s.room = room_of(device);
    s.plan.batch = least;
    RS_TRY(rs_team_bytes(device, model->graph, &s.plan, &bytes));
    RS_FAIL_IF(
        bytes > s.room, RESCL_ERR_MEMORY,
        "a batch of %zu takes %.0f MiB, and %s has room for %.0f MiB: recompute, a precision of "
        "16 bits or a smaller image size needs less",
        least, (double)bytes / 1048576.0, rescl_device_get_info(device)->name,
        (double)s.room / 1048576.0);
    const size_t most = train_images < MOST ? train_images : MOST;
    const uint64_t all = least < most ? bytes_of(&s, most) : UINT64_MAX;
    if (all <= s.room) {
        batch = most;
        bytes = all;
    } else if (least < most) {
        widen(&s, &batch, &bytes, most);
    }
    const size_t round = batch - batch % grain_of(batch);
    const uint64_t takes = batch < train_images && round < batch ? bytes_of(&s, round) : UINT64_MAX;
    if (takes <= s.room) {
        batch = round;
        bytes = takes;
    }
    *out = (rescl_batch_fit){
        .batch_size = batch, .bytes = bytes, .room = s.room, .all = batch == train_images};
out:
    rs_train_options_fini(&o);
    return st;
}

rescl_status rescl_batch_size_fitting(rescl_device *device, const rescl_model *model,
                                      size_t train_images, size_t eval_images,
                                      const rescl_train_options *options, rescl_batch_fit *out)
{
    rescl_status st = RESCL_OK;
    rescl_train_options o = {0};
    rs_distil distil = {0};

    RS_TRY(rs_train_options_copy(options, &o));
    RS_TRY(rs_distil_init(&o, model, &distil));
    RS_TRY(rs_batch_size_fitting(device, model, train_images, eval_images, options,
                                 rs_distil_plan(&distil), out));
out:
    rs_distil_fini(&distil);
    rs_train_options_fini(&o);
    return st;
}
