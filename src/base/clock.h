/* Monotonic time. */
#ifndef RS_CLOCK_H
#define RS_CLOCK_H

#include <stdint.h>

uint64_t rs_clock_ns(void);

static inline double rs_clock_seconds(void)
{
    return (double)rs_clock_ns() * 1e-9;
}

#endif
