/* Images mirrored in place. */
#ifndef RS_FLIP_H
#define RS_FLIP_H

#include <rescl/data.h>

void rs_image_mirror(rescl_image *image);      /* left and right change places */
void rs_image_upside_down(rescl_image *image); /* top and bottom do */

#endif
