/* Whose turn it is to decode an image that needs far more memory than what becomes of it: one at a time, however
 * many threads load. */
#ifndef RS_HEAVYTURN_H
#define RS_HEAVYTURN_H

#include "image.h"

/* More working memory than the largest image takes itself is for one thread at a time. */
#define RS_HEAVY_BYTES (3 * RS_MAX_PIXELS)

/* Waits for the turn, and gives it up. Not nested. */
void rs_heavy_turn_begin(void);
void rs_heavy_turn_end(void);

#endif
