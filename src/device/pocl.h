/* What PoCL needs of the machine, seen to before it is loaded: it ends the process or hides its device
 * where that is missing, and does not say why. */
#ifndef RS_POCL_H
#define RS_POCL_H

#include <rescl/status.h>
#include <stdbool.h>

/* Called before OpenCL. Nothing happens unless an ICD file names PoCL. Where its cache folder cannot be
 * written, or lies where others may put programs (/tmp, without a home), and POCL_CACHE_DIR does not
 * ask for it, the variable is set: to a folder of rescl's own cache, else to a temporary one that is
 * removed at exit, with a warning. RESCL_ERR_DEVICE when PoCL would end the process, as it does without
 * /sys. */
rescl_status rs_pocl_prepare(void) RESCL_CHECK;

/* Why PoCL can compile nothing, or "". */
const char *rs_pocl_fault(void);

#endif
