/* rescl bench scaling: training steps on one device, two, and so on. */
#ifndef CLI_BENCH_SCALING_H
#define CLI_BENCH_SCALING_H

#include "session.h"

/* Exit code. */
int cli_bench_scaling(const cli_args *args, const cli_session *session);

#endif
