/* Text from files that a user names, which may also be pipes. Plain functions, which the program links
 * too. */
#ifndef RS_TEXTFILE_H
#define RS_TEXTFILE_H

#include <stdio.h>

#define RS_TEXT_WAIT 5000 /* milliseconds: who writes into a pipe has opened it by then */

/* Opens a file for reading. A named pipe is waited for `wait` milliseconds, unless somebody has opened it
 * to write. NULL with the reason in *why, which is static or strerror's. */
FILE *rs_text_open(const char *path, int wait, const char **why);

#endif
