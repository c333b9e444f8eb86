#include "supportproof.h"

#include "attr.h"
#include "error.h"
#include "fold.h"
#include "guarded.h"
#include "half.h"
#include "normalize.h"
#include "proof.h"
#include "rng.h"
#include "unscale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what they share ------------------------------------------------------------------------- */

/* An array in double that has its copy on the device as f32. */
typedef struct array {
    const char *name;
    size_t count;
    double *want; /* what it has to hold in the end */
    rs_guarded on_device;
} array;

static rescl_status array_init(rescl_device *dev, const char *name, size_t count, array *out)
{
    rescl_status st = RESCL_OK;
    out->name = name;
    out->count = count;
    RS_OOM(out->want = calloc(count, sizeof *out->want));
    RS_TRY(rs_guarded_init(dev, count * sizeof(float), &out->on_device));
out:
    return st;
}

/* Draws numbers that f32 holds. */
static rescl_status array_draw(rescl_device *dev, array *a, rs_rng *rng, double lo, double hi)
{
    for (size_t i = 0; i < a->count; i++)
        a->want[i] = rs_rounded(RS_F32, rs_rng_range(rng, lo, hi));
    return rs_guarded_write(dev, &a->on_device, RS_F32, a->want, a->count);
}

/* `terms` as of rs_tolerance; 0: the same bits. */
static rescl_status array_check(rescl_device *dev, const array *a, size_t terms, double scale)
{
    rescl_status st = RESCL_OK;
    double *got = NULL;

    RS_OOM(got = calloc(a->count, sizeof *got));
    RS_TRY(rs_guarded_check(dev, &a->on_device, a->name));
    RS_TRY(rs_guarded_read(dev, &a->on_device, RS_F32, got, a->count));
    RS_FAIL_IF(terms == 0 && memcmp(got, a->want, a->count * sizeof *got) != 0, RESCL_ERR_NUMERIC,
               "%s: an input was changed", a->name);
    if (terms > 0)
        RS_TRY(rs_expect_close(a->name, RS_F32, terms, scale, a->want, got, a->count));
out:
    free(got);
    return st;
}

static void array_fini(array *a)
{
    rs_guarded_fini(&a->on_device);
    free(a->want);
}

/* ---- optimiser ------------------------------------------------------------------------------- */

enum { PARAM = 0, GRAD = 1, STATE = 2, UPDATED = STATE + RS_OPTIM_STATES };

/* `count` numbers as tensors: a small one, one of some pieces where there is room, and the rest. */
enum { TENSORS = 3 };
static size_t divide(size_t count, rs_tensor_span spans[TENSORS])
{
    const size_t size[] = {16, 2 * RS_PIECE + 48};
    size_t n = 0, done = 0;
    for (size_t i = 0; i < RS_COUNT(size); i++)
        if (done + size[i] < count) {
            spans[n++] = (rs_tensor_span){done, size[i]};
            done += size[i];
        }
    spans[n++] = (rs_tensor_span){done, count - done};
    return n;
}

static void reference(const rs_optim_hyper *h, const array *a, const rs_tensor_span *spans,
                      size_t tensors, const rs_update *u)
{
    for (size_t t = 0; t < tensors; t++) {
        const size_t at = spans[t].offset;
        double *state[RS_OPTIM_STATES] = {NULL};
        for (int i = 0; i < rs_optim_states(h); i++)
            state[i] = a[STATE + i].want + at;
        rs_optim_reference(h, a[PARAM].want + at, a[GRAD].want + at, state, spans[t].count, u);
    }
}

/* Of either sign and not near 0: g / |g|, as some optimisers have it, would magnify what rounding leaves of
 * a gradient and its weight decay. */
static rescl_status draw_gradients(rescl_device *dev, array *a, rs_rng *rng)
{
    for (size_t i = 0; i < a->count; i++) {
        const double g = rs_rng_range(rng, -0.75, 0.75);
        a->want[i] = rs_rounded(RS_F32, g < 0 ? g - 0.25 : g + 0.25);
    }
    return rs_guarded_write(dev, &a->on_device, RS_F32, a->want, a->count);
}

rescl_status rs_prove_optimiser(rescl_device *dev, const rs_optim_hyper *h, double lr,
                                double weight_decay, size_t count)
{
    rescl_status st = RESCL_OK;
    enum { STEPS = 5 };
    const int states = rs_optim_states(h);
    array a[UPDATED] = {{0}};
    rs_buffer *state[RS_OPTIM_STATES] = {NULL};
    rs_tensor_span spans[TENSORS];
    const size_t tensors = divide(count, spans);
    rs_tensor_sums sums = {0};
    rs_optim *o = NULL;
    rs_rng rng;

    rs_rng_init(&rng, 11, count);
    RS_TRY(rs_optim_create(dev, h, &o));
    RS_TRY(rs_tensor_sums_init(dev, spans, tensors, &sums));
    for (int i = 0; i < STATE + states; i++)
        RS_TRY(array_init(dev,
                          i == PARAM  ? "parameters"
                          : i == GRAD ? "gradients"
                                      : rs_optim_state_name(h, i - STATE),
                          count, &a[i]));
    RS_TRY(array_draw(dev, &a[PARAM], &rng, -1, 1));
    for (int i = 0; i < states; i++) {
        RS_TRY(rs_guarded_write(dev, &a[STATE + i].on_device, RS_F32, a[STATE + i].want, count));
        state[i] = a[STATE + i].on_device.view;
    }
    for (uint64_t step = 1; step <= STEPS; step++) {
        const rs_update u = {.lr = lr, .weight_decay = weight_decay, .step = step};
        RS_TRY(draw_gradients(dev, &a[GRAD], &rng));
        RS_TRY(rs_optim_enqueue(o, a[PARAM].on_device.view, a[GRAD].on_device.view, state, count,
                                &sums, &u));
        reference(h, a, spans, tensors, &u);
    }
    for (int i = 0; i < STATE + states; i++)
        RS_TRY(array_check(dev, &a[i], i == GRAD ? 0 : STEPS, 1e-3));
out:
    for (int i = 0; i < UPDATED; i++)
        array_fini(&a[i]);
    rs_tensor_sums_fini(&sums);
    rs_optim_destroy(o);
    return st;
}

static rescl_status prove_optimiser(rescl_device *dev, const rs_check *c)
{
    rescl_status st = RESCL_OK;
    const rs_optim_def *def = NULL;

    RS_TRY(rs_optim_find(c->choice, &def));
    const rs_optim_hyper h = rs_optim_default(def);
    RS_TRY(rs_prove_optimiser(dev, &h, 1e-2, c->number ? 0.1 : 0, c->number ? 100016 : 272));
out:
    return st;
}

/* ---- fold ------------------------------------------------------------------------------------ */

rescl_status rs_prove_fold(rescl_device *dev, bool with_bias)
{
    rescl_status st = RESCL_OK;
    enum { ROWS = 27, CHANNELS = 37 };
    enum { WEIGHT, BIAS, GAMMA, BETA, MEAN, VAR, FOLDED_WEIGHT, FOLDED_BIAS, ARRAYS };
    static const char *const name[ARRAYS] = {"weight", "bias", "gamma",         "beta",
                                             "mean",   "var",  "folded weight", "folded bias"};
    array a[ARRAYS] = {{0}};
    rs_kernel *kernel = NULL;
    rs_rng rng;
    rs_fold f = {.rows = ROWS, .channels = CHANNELS, .eps = 1e-3f};

    rs_rng_init(&rng, 1, 2);
    for (int i = 0; i < ARRAYS; i++) {
        const bool weight = i == WEIGHT || i == FOLDED_WEIGHT;
        RS_TRY(array_init(dev, name[i], weight ? ROWS * CHANNELS : CHANNELS, &a[i]));
        if (i < FOLDED_WEIGHT)
            RS_TRY(array_draw(dev, &a[i], &rng, i == VAR ? 0.1 : -2.0, 2.0));
    }
    for (size_t q = 0; q < CHANNELS; q++) {
        const double scale = a[GAMMA].want[q] / sqrt(a[VAR].want[q] + (double)f.eps);
        for (size_t i = q; i < ROWS * CHANNELS; i += CHANNELS)
            a[FOLDED_WEIGHT].want[i] = a[WEIGHT].want[i] * scale;
        a[FOLDED_BIAS].want[q] =
            ((with_bias ? a[BIAS].want[q] : 0.0) - a[MEAN].want[q]) * scale + a[BETA].want[q];
    }
    f.weight = a[WEIGHT].on_device.view;
    f.bias = with_bias ? a[BIAS].on_device.view : NULL;
    f.gamma = a[GAMMA].on_device.view;
    f.beta = a[BETA].on_device.view;
    f.mean = a[MEAN].on_device.view;
    f.var = a[VAR].on_device.view;
    f.folded_weight = a[FOLDED_WEIGHT].on_device.view;
    f.folded_bias = a[FOLDED_BIAS].on_device.view;
    RS_TRY(rs_fold_kernel(dev, &kernel));
    RS_TRY(rs_fold_enqueue(dev, kernel, &f));
    for (int i = 0; i < ARRAYS; i++)
        RS_TRY(array_check(dev, &a[i], i < FOLDED_WEIGHT ? 0 : 4, 0));
out:
    for (int i = 0; i < ARRAYS; i++)
        array_fini(&a[i]);
    return st;
}

static rescl_status prove_fold(rescl_device *dev, const rs_check *c)
{
    return rs_prove_fold(dev, c->number == 0);
}

/* ---- normalize ------------------------------------------------------------------------------- */

/* A batch on the host. */
typedef struct batch {
    size_t n, values; /* of all images */
    rs_block_form form;
    uint8_t *pixels;
    int32_t *label, *target;
    rs_mixed *mixed;
    float table[RS_PIXEL_CHANNELS][256]; /* numbers that are not those of another byte or channel */
    void *block;
    size_t bytes;
} batch;

static rescl_status make_batch(batch *b, size_t n, const rs_block_form *form)
{
    rescl_status st = RESCL_OK;
    const size_t values = n * form->values;
    const size_t pixel_bytes = values * (rs_pixel_is_deep(form->bit_depth) ? 2 : 1);
    rs_rng r;

    *b = (batch){.n = n, .values = values, .form = *form, .bytes = rs_images_bytes(n, form)};
    RS_OOM(b->pixels = malloc(pixel_bytes));
    RS_OOM(b->label = malloc(n * sizeof *b->label));
    RS_OOM(b->target = malloc(n * RS_TARGET_WORDS * sizeof *b->target));
    RS_OOM(b->mixed = malloc(n * sizeof *b->mixed));
    RS_OOM(b->block = calloc(1, b->bytes));
    rs_rng_init(&r, b->values, 1);
    for (size_t i = 0; i < pixel_bytes; i++)
        b->pixels[i] = (uint8_t)rs_rng_below(&r, 256);
    for (size_t i = 0; i < n; i++)
        b->label[i] = (int32_t)rs_rng_below(&r, 1000);
    for (size_t i = 0; i < n; i++)
        b->mixed[i] = (rs_mixed){b->label[n - 1 - i], (int32_t)rs_rng_below(&r, RS_MIXED_ONE),
                                 rs_rng_uniform(&r)};
    for (size_t c = 0; c < RS_PIXEL_CHANNELS; c++)
        for (size_t v = 0; v < 256; v++)
            b->table[c][v] = rs_rng_normal(&r) + (float)c * 16.0f;
    rs_images_pack(
        &(rs_images){n, b->pixels, (const float(*)[256])b->table, b->label, b->mixed, NULL}, form,
        b->block);
    rs_targets_pack(b->label, b->mixed, n, b->target);
out:
    return st;
}

static void free_batch(batch *b)
{
    free(b->pixels);
    free(b->label);
    free(b->target);
    free(b->mixed);
    free(b->block);
}

static double value_of(const batch *b, size_t i)
{
    const float *table = b->table[i % b->form.channels];
    uint16_t sample;
    if (!rs_pixel_is_deep(b->form.bit_depth))
        return (double)table[b->pixels[i]];
    memcpy(&sample, b->pixels + 2 * i, sizeof sample);
    return (double)rs_deep_value(table, sample);
}

/* What became of the batch: numbers and targets to the bit. */
static rescl_status check_batch(rescl_device *dev, const batch *b, rs_dtype type,
                                const rs_guarded *input, const rs_guarded *targets)
{
    rescl_status st = RESCL_OK;
    const size_t words = b->n * RS_TARGET_WORDS;
    double *got = NULL;
    int32_t *got_target = NULL;

    RS_OOM(got = malloc(b->values * sizeof *got));
    RS_OOM(got_target = malloc(words * sizeof *got_target));
    RS_TRY(rs_guarded_check(dev, input, "input"));
    RS_TRY(rs_guarded_check(dev, targets, "targets"));
    RS_TRY(rs_guarded_read(dev, input, type, got, b->values));
    RS_TRY(rs_read(dev, targets->view, 0, got_target, words * sizeof *got_target));
    for (size_t i = 0; i < b->values; i++) {
        const double want = rs_rounded(type, value_of(b, i));
        RS_FAIL_IF(got[i] != want, RESCL_ERR_NUMERIC, "input: at %zu: %.9g, expected %.9g", i,
                   got[i], want);
    }
    for (size_t i = 0; i < words; i++)
        RS_FAIL_IF(got_target[i] != b->target[i], RESCL_ERR_NUMERIC,
                   "targets: at %zu: %d, expected %d", i, got_target[i], b->target[i]);
out:
    free(got);
    free(got_target);
    return st;
}

rescl_status rs_prove_normalize(rescl_device *dev, rs_dtype type, const char *choice, size_t n,
                                size_t height, size_t width)
{
    rescl_status st = RESCL_OK;
    rs_guarded block = {0}, on_input = {0}, on_targets = {0};
    rs_kernel *kernel = NULL;
    rs_block_form form = rs_normalize_form(choice);
    batch b;

    form.values = height * width * form.channels;
    RS_TRY(make_batch(&b, n, &form));
    RS_TRY(rs_guarded_init(dev, b.bytes, &block));
    RS_TRY(rs_guarded_init(dev, b.values * rs_dtype_bytes(type), &on_input));
    RS_TRY(rs_guarded_init(dev, n * RS_TARGET_WORDS * sizeof(int32_t), &on_targets));
    RS_TRY(rs_write(dev, block.view, 0, b.block, b.bytes));
    RS_TRY(rs_normalize_kernel(dev, type, choice, &kernel));
    const rs_tensor input = {rs_shape_4(n, height, width, form.channels), type, on_input.view};
    const rs_tensor targets = {rs_shape_2(n, RS_TARGET_WORDS), RS_I32, on_targets.view};
    RS_TRY(rs_normalize_enqueue(dev, kernel, block.view, &input, &targets));
    RS_TRY(rs_guarded_check(dev, &block, "block"));
    RS_TRY(check_batch(dev, &b, type, &on_input, &on_targets));
out:
    rs_guarded_fini(&block);
    rs_guarded_fini(&on_input);
    rs_guarded_fini(&on_targets);
    free_batch(&b);
    return st;
}

static rescl_status prove_normalize(rescl_device *dev, const rs_check *c)
{
    return c->number == 0 ? rs_prove_normalize(dev, c->how.src, c->choice, 2, 8, 8)
                          : rs_prove_normalize(dev, c->how.src, c->choice, 5, 13, 11);
}

/* ---- unscale --------------------------------------------------------------------------------- */

rescl_status rs_prove_unscale(rescl_device *dev, size_t count, bool infinite)
{
    rescl_status st = RESCL_OK;
    const double scale = 65536.0;
    rs_guarded overflow = {0};
    rs_kernel *kernel = NULL;
    array grad = {0};
    uint32_t found = 0;
    rs_rng rng;

    rs_rng_init(&rng, 3, count);
    RS_TRY(array_init(dev, "gradients", count, &grad));
    RS_TRY(array_draw(dev, &grad, &rng, -scale, scale));
    if (infinite) {
        grad.want[count / 2] = INFINITY;
        RS_TRY(rs_guarded_write(dev, &grad.on_device, RS_F32, grad.want, count));
    }
    RS_TRY(rs_guarded_init(dev, sizeof found, &overflow));
    RS_TRY(rs_write(dev, overflow.view, 0, &found, sizeof found));
    RS_TRY(rs_unscale_kernel(dev, &kernel));
    RS_TRY(rs_unscale_enqueue(dev, kernel, grad.on_device.view, overflow.view, count, scale));
    for (size_t i = 0; i < count; i++)
        grad.want[i] /= scale;
    RS_TRY(array_check(dev, &grad, 1, 0));
    RS_TRY(rs_guarded_check(dev, &overflow, "overflow"));
    RS_TRY(rs_read(dev, overflow.view, 0, &found, sizeof found));
    RS_FAIL_IF(found != (uint32_t)infinite, RESCL_ERR_NUMERIC, "overflow: %u, expected %d", found,
               infinite);
out:
    rs_guarded_fini(&overflow);
    array_fini(&grad);
    return st;
}

static rescl_status prove_unscale(rescl_device *dev, const rs_check *c)
{
    return rs_prove_unscale(dev, c->number == 1 ? 100016 : 272, c->number == 2);
}

/* ---- clip ------------------------------------------------------------------------------------ */

rescl_status rs_prove_clip(rescl_device *dev, double norm, double value, size_t count, bool huge)
{
    rescl_status st = RESCL_OK;
    const size_t counts[2] = {count, 48};
    array grad[2] = {{0}};
    rs_buffer *buffer[2] = {NULL};
    rs_clip *clip = NULL;
    double sum = 0;
    rs_rng rng;

    rs_rng_init(&rng, 5, count);
    for (int a = 0; a < 2; a++) {
        RS_TRY(array_init(dev, "gradients", counts[a], &grad[a]));
        RS_TRY(array_draw(dev, &grad[a], &rng, -1, 1));
        buffer[a] = grad[a].on_device.view;
    }
    if (huge) {
        grad[0].want[count / 2] = -1e6;
        RS_TRY(rs_guarded_write(dev, &grad[0].on_device, RS_F32, grad[0].want, count));
    }
    RS_TRY(rs_clip_create(dev, norm, value, counts, 2, &clip));
    RS_TRY(rs_clip_enqueue(clip, buffer));
    for (int a = 0; a < 2; a++)
        for (size_t i = 0; i < counts[a]; i++)
            sum += grad[a].want[i] * grad[a].want[i];
    const double factor = fmin(norm / (sqrt(sum) + 1e-6), 1);
    for (int a = 0; a < 2; a++) {
        for (size_t i = 0; i < counts[a]; i++)
            grad[a].want[i] =
                norm > 0 ? grad[a].want[i] * factor : fmax(-value, fmin(value, grad[a].want[i]));
        RS_TRY(array_check(dev, &grad[a], 64, 0));
    }
out:
    rs_clip_destroy(clip);
    for (int a = 0; a < 2; a++)
        array_fini(&grad[a]);
    return st;
}

static rescl_status prove_clip(rescl_device *dev, const rs_check *c)
{
    const bool norm = strcmp(c->choice, rs_clip_choice(1)) == 0;
    return rs_prove_clip(dev, norm ? 0.5 : 0, norm ? 0 : 0.5, c->number == 1 ? 100016 : 272,
                         c->number == 2);
}

/* ---- arena ----------------------------------------------------------------------------------- */

rescl_status rs_prove_arena(rescl_device *dev, rs_arena_op op, size_t count)
{
    rescl_status st = RESCL_OK;
    const double gain = 0.0625;
    array a = {0}, b = {0};
    rs_kernel *kernel = NULL;
    rs_rng rng;

    rs_rng_init(&rng, 7, count);
    RS_TRY(array_init(dev, "first", count, &a));
    RS_TRY(array_init(dev, "second", count, &b));
    RS_TRY(array_draw(dev, &a, &rng, -1, 1));
    RS_TRY(array_draw(dev, &b, &rng, -1, 1));
    RS_TRY(rs_arena_kernel(dev, op, &kernel));
    RS_TRY(rs_arena_enqueue(dev, kernel, a.on_device.view, b.on_device.view, count, gain));
    for (size_t i = 0; i < count; i++) {
        const double x = a.want[i], y = b.want[i];
        a.want[i] = op == RS_ARENA_ADD ? x + y : op == RS_ARENA_SWAP ? y : x + gain * (y - x);
        b.want[i] = op == RS_ARENA_SWAP ? x : y;
    }
    RS_TRY(array_check(dev, &a, op == RS_ARENA_SWAP ? 0 : 2, 0));
    RS_TRY(array_check(dev, &b, 0, 0));
out:
    array_fini(&a);
    array_fini(&b);
    return st;
}

static rescl_status prove_arena(rescl_device *dev, const rs_check *c)
{
    int op = 0;
    while (op + 1 < RS_ARENA_OPS && strcmp(c->choice, rs_arena_choice((rs_arena_op)op)) != 0)
        op++;
    return rs_prove_arena(dev, (rs_arena_op)op, c->number ? 100016 : 272);
}

/* ---- all of them ----------------------------------------------------------------------------- */

rescl_status rs_prove_support(rescl_device *dev, const rs_check *c)
{
    rescl_status st = RESCL_OK;
    const rs_support *const support[] = {
#define RS_SUPPORT(name) &rs_support_##name,
#include "supports.def"
#undef RS_SUPPORT
    };
    static rescl_status (*const prove[])(rescl_device * dev, const rs_check *c) = {
#define RS_SUPPORT(name) prove_##name,
#include "supports.def"
#undef RS_SUPPORT
    };
    for (size_t i = 0; i < RS_COUNT(support); i++)
        if (support[i] == c->support)
            RS_TRY(prove[i](dev, c));
out:
    return st;
}
