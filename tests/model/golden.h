/* The golden files of tests/golden, and the weights and batches that they were made from.
 *
 * tests/golden/make_golden.py describes the files; docs/verification.md how they are compared. */
#ifndef RS_GOLDEN_H
#define RS_GOLDEN_H

#include "net.h"
#include "netmodel.h"
#include "safetensors.h"

typedef struct golden {
    rs_st_file *file;
    rescl_model *model; /* with the weights of the script */
    size_t batch, size, classes;
    float *pixels; /* NHWC */
    int32_t *labels;
} golden;

/* Reads <model>.safetensors, builds the model, and fills the first batch. */
void golden_open(const char *model, golden *g);
void golden_close(golden *g);
/* Fills pixels and labels with the batch of a training step, from 0. */
void golden_batch(golden *g, uint64_t step);

/* The whole of a tensor of `count` f64 or f32 numbers, as doubles on the heap. */
double *golden_numbers(const rs_st_file *f, const char *name, size_t *count);

/* How far `data` is from the record "<kind>.<name>". */
typedef struct golden_distance {
    double norm;     /* L2 norm of the recorded tensor */
    double by_norm;  /* |norm of data - norm| */
    double by_value; /* L2 distance over the samples */
    double samples;  /* L2 norm of the samples */
} golden_distance;

golden_distance golden_compare(const golden *g, const char *kind, const char *name,
                               const float *data, size_t count);

/* Fails the test unless both distances are within `tolerance`, relative to their norms. */
void golden_check(const golden *g, const char *kind, const char *name, const float *data,
                  size_t count, double tolerance);

/* Whether a parameter is the bias of a convolution before a batch normalisation: its gradient is 0
 * in exact arithmetic, since the normalisation takes the mean away. */
bool golden_is_idle_bias(const rs_graph *g, size_t param);

/* Float32 keeps the activations and gradients of most networks within 1e-5 of float64's, so that
 * this leaves room for another order of the sums and for nothing else. */
#define GOLDEN_TOLERANCE 1e-4

/* Holds a model against its golden file on the test's device: memory, activations, loss, gradients
 * and one update, in training; memory and loss in evaluation. */
void golden_check_model(const char *model, double tolerance);

/* The same as a cmocka test, whose initial state is the model's name. */
void golden_is_as_in_pytorch(void **state);
#define GOLDEN_TEST(model)                                                                         \
    {                                                                                              \
        .name = model " is as in PyTorch", .test_func = golden_is_as_in_pytorch,                   \
        .initial_state = (void *)(uintptr_t)(model)                                                \
    }

/* max |a - b| over `count`. */
double golden_largest_gap(const double *a, const double *b, size_t count);

#endif
