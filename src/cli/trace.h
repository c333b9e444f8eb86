/* A profile's time line as a file for Perfetto (ui.perfetto.dev) and chrome://tracing. */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <rescl/profile.h>

/* Writes the trace event format, whole or not at all; `what` names the process in it. Exit code. */
int cli_trace_write(const rescl_profile *p, const char *what, const char *device, const char *path);

#endif
