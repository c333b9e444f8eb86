/* `rescl bench step`: where the time of a step goes, kernel by kernel. */
#ifndef CLI_BENCH_STEP_H
#define CLI_BENCH_STEP_H

#include "options.h"

#include <rescl/bench.h>

/* Measures on a device opened with RESCL_DEVICE_PROFILE, and prints. Exit code. */
int cli_bench_step(const cli_args *args, rescl_device *device);

#endif
