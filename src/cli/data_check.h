/* Looking at the images of a dataset before the work begins. */
#ifndef CLI_DATA_CHECK_H
#define CLI_DATA_CHECK_H

#include "options.h"

#include <rescl/rescl.h>

/* Leaves out the images that cannot be read, and says how many and which: up to `shown` of them; the
 * number of the others is added to *hidden (NULL: not wanted). With strict_data they are an error, and all are listed. NULL as
 * a set is legal. Returns an exit code, after a message. */
int cli_data_check(rescl_dataset *set, size_t shown, size_t *hidden);

/* As --cache says of the sets that training reads, which may be NULL, in each of so many processes on this machine.
 * Exit code, after a message. */
int cli_data_cache(const cli_args *args, size_t processes, rescl_dataset *train,
                   rescl_dataset *eval);

/* After the error of a check that failed, which names the first: all others. */
void cli_data_list_bad(const rescl_dataset *set);

#endif
