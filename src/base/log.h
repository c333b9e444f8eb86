/* Messages to the user's log callback, and RESCL_VERBOSE. */
#ifndef RS_LOG_H
#define RS_LOG_H

#include <rescl/status.h>
#include <stdbool.h>

void rs_log(rescl_log_level level, const char *fmt, ...) RESCL_PRINTF(2, 3);

/* True when the comma-separated RESCL_VERBOSE names `topic` ("dispatch", "build", "plan",
 * "cache") or "all". Read from the environment once. */
bool rs_verbose(const char *topic);

#endif
