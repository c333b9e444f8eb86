/**
 * @file lrfind.h
 * Finding a learning rate: the range test of Smith, "Cyclical Learning Rates for Training Neural Networks"
 * (WACV 2017), as fastai's lr_find does it.
 */
#ifndef RESCL_LRFIND_H
#define RESCL_LRFIND_H

#include <rescl/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rescl_lr_find_options {
    size_t struct_size; /**< see rescl/status.h */
    double start,
        end; /**< rates of the first and the last step; between them they grow by a factor */
    size_t steps;
    double smoothing; /**< weight of what was, in the moving average of the losses: [0, 1) */
    double
        divergence; /**< it ends where the average is above so many times its least; 0: it does not */
} rescl_lr_find_options;

RESCL_API void rescl_lr_find_options_init(rescl_lr_find_options *out, size_t struct_size);
static inline void rescl_lr_find_options_default(rescl_lr_find_options *out)
{
    rescl_lr_find_options_init(out, sizeof *out);
}

/** A step: the mean loss of its batch, and the average so far, by whose number of steps it is corrected. */
typedef struct rescl_lr_point {
    double lr, loss, smoothed;
} rescl_lr_point;

/** After each step, in the calling thread; false stops. */
typedef bool (*rescl_lr_find_fn)(const rescl_lr_point *point, size_t step, size_t steps,
                                 void *user);

typedef struct rescl_lr_curve rescl_lr_curve;

/**
 * Trains by `options` (of which the schedule, epochs, evaluation and files do not count) with growing rates:
 * the body's keeps its proportion to the head's. The model's weights are as before in the end. A loss that
 * is not finite ends it, and is no failure. `fn` may be NULL. RESCL_ERR_INTERRUPTED where it stopped.
 */
RESCL_API rescl_status rescl_lr_find(rescl_device *device, rescl_model *model,
                                     const rescl_dataset *train_set,
                                     const rescl_train_options *options,
                                     const rescl_lr_find_options *find, rescl_lr_find_fn fn,
                                     void *user, rescl_lr_curve **out) RESCL_CHECK;
/** A curve of points that are known, ordered by rate: copied. `steps`: that were meant to be, `count` at least. */
RESCL_API rescl_status rescl_lr_curve_create(const rescl_lr_point *points, size_t count,
                                             size_t steps, rescl_lr_curve **out) RESCL_CHECK;
RESCL_API void rescl_lr_curve_destroy(rescl_lr_curve *curve);
RESCL_API size_t rescl_lr_curve_count(const rescl_lr_curve *curve);
RESCL_API const rescl_lr_point *rescl_lr_curve_points(const rescl_lr_curve *curve);

/** How a rate is chosen by the averages, without those of the first tenth of the steps and the last five. */
typedef enum rescl_lr_rule {
    RESCL_LR_VALLEY = 0, /**< half way down the longest run of falling averages */
    RESCL_LR_STEEP,      /**< where the average falls the most for the logarithm of the rate */
    RESCL_LR_MINIMUM     /**< a tenth of the rate of the least average */
} rescl_lr_rule;
#define RESCL_LR_RULES 3
RESCL_API const char *
rescl_lr_rule_name(rescl_lr_rule rule); /**< "valley", ...; NULL past the end */

/** RESCL_ERR_NUMERIC when there are too few points for a choice. */
RESCL_API rescl_status rescl_lr_curve_suggest(const rescl_lr_curve *curve, rescl_lr_rule rule,
                                              double *lr) RESCL_CHECK;
/** Writes a page with the curve and what the rules choose; `title` may be NULL. */
RESCL_API rescl_status rescl_lr_curve_write(const rescl_lr_curve *curve, const char *title,
                                            const char *path) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
