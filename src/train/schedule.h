/* Learning-rate schedules, with torchvision's reference flags and torch.optim.lr_scheduler's
 * formulas. Pure. */
#ifndef RS_SCHEDULE_H
#define RS_SCHEDULE_H

#include <rescl/status.h>
#include <stddef.h>

typedef enum rs_schedule_kind {
    RS_SCHEDULE_CONSTANT = 0,
    RS_SCHEDULE_STEP,       /* lr * gamma ^ floor(epoch / step_size) */
    RS_SCHEDULE_COSINE,     /* min + (lr - min) * (1 + cos(pi * epoch / epochs)) / 2 */
    RS_SCHEDULE_EXPONENTIAL /* lr * gamma ^ epoch */
} rs_schedule_kind;

typedef struct rs_schedule {
    rs_schedule_kind kind;
    double lr, lr_min, gamma;
    size_t epochs, step_size;
    size_t
        warmup_epochs; /* linear from warmup_decay * lr to lr; the main schedule starts after it */
    double warmup_decay;
} rs_schedule;

/* NULL-terminated. */
const char *const *rs_schedule_names(void);

/* By name: "constant", "steplr", "cosineannealinglr", "exponentiallr". */
rescl_status rs_schedule_parse(const char *name, rs_schedule_kind *out) RESCL_CHECK;

/* Rate of an epoch (from 0). */
double rs_schedule_lr(const rs_schedule *s, size_t epoch);

#endif
