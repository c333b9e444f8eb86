/* Whether all that a pass wrote is finite, for nets that look after each (rs_net_check_numerics). */
#ifndef RS_NONFINITE_H
#define RS_NONFINITE_H

#include "net.h"

/* "device 0:0, its name (driver its version),". Returns text. */
#define RS_DEVICE_TEXT 320
const char *rs_device_text(const rescl_device *dev, char text[RS_DEVICE_TEXT]);
/* "NaN", "infinity" or "-infinity". */
const char *rs_nonfinite_name(double value);

/* What a pass adds to, as it was before. */
typedef struct rs_kept {
    void *diff_src[RS_OP_SRC];
    size_t bytes[RS_OP_SRC];
} rs_kept;

/* Before the pass. `out` is {0}, and to be given to rs_kept_fini also after a failure. */
rescl_status rs_numerics_keep(rs_net *n, size_t node, rs_pass pass, rs_kept *out) RESCL_CHECK;
/* Behind it: waits, and looks at all that it wrote. RESCL_ERR_DEVICE or RESCL_ERR_NUMERIC names the first
 * number that is not finite, and what made it, after doing it again on the device and on the host. Where
 * gradients of a scaled loss overflow, that is no error: *overflow, later passes are not to be looked at. */
rescl_status rs_numerics_check(rs_net *n, size_t node, rs_pass pass, const rs_step *step,
                               const rs_kept *kept, bool *overflow) RESCL_CHECK;
/* The same of the net's input, which no layer made. */
rescl_status rs_numerics_check_input(rs_net *n) RESCL_CHECK;
void rs_kept_fini(rs_kept *k);

#endif
