/* `rescl bench op`: the operations of a model, implementation beside implementation; `rescl bench
 * product`: a plain matrix product likewise. */
#ifndef CLI_BENCH_OPS_H
#define CLI_BENCH_OPS_H

#include "options.h"

#include <rescl/bench.h>

/* The options of one measurement. */
rescl_bench_options cli_bench_options(const cli_args *args, const char *model, size_t size,
                                      size_t batch);
/* Whether the results are JSON. */
bool cli_bench_json(const cli_args *args);

/* Measure and print. Exit code. */
int cli_bench_ops(const cli_args *args, rescl_device *device);
int cli_bench_products(const cli_args *args, rescl_device *device);

#endif
