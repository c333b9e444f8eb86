/* What an image is mixed with: its other label, and the share of that one in units of 1 / RS_MIXED_ONE; and
 * what its loss counts, 1 as a rule. */
#ifndef RS_MIXED_H
#define RS_MIXED_H

#include <stdint.h>

#define RS_MIXED_ONE (1 << 24)

typedef struct rs_mixed {
    int32_t label, share;
    float weight;
} rs_mixed;

#endif
