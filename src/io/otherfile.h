/* What a file that is given as weights, and is none that rescl reads, is instead. */
#ifndef RS_OTHERFILE_H
#define RS_OTHERFILE_H

#include <rescl/status.h>

/* Fails: says what the file is and the cure. RESCL_ERR_NOT_FOUND, RESCL_ERR_IO when it cannot be
 * read, RESCL_ERR_UNSUPPORTED when this build cannot read it, else RESCL_ERR_FORMAT. */
rescl_status rs_refuse_other_file(const char *path) RESCL_CHECK;

#endif
