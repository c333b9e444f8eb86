/* What is worth telling of a dataset's images that were read all the same (rescl_image_notice): the log
 * gets a line when a kind is first seen, and one at the end with how many there were. */
#ifndef RS_NOTICES_H
#define RS_NOTICES_H

#include <rescl/data.h>

typedef struct rs_notices rs_notices;

/* Path and split stand in messages and are copied. */
rescl_status rs_notices_create(const char *path, const char *split, rs_notices **out) RESCL_CHECK;
/* Counts the notices of image `index`, whose file is `name`, once however often it is read. From any
 * thread. */
void rs_notices_add(rs_notices *n, size_t index, const char *name, unsigned notices);
/* Logs the counts; NULL is legal. */
void rs_notices_close(rs_notices *n);

#endif
