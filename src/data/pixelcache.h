/* Images of datasets that stay in memory once they are decoded. */
#ifndef RS_PIXELCACHE_H
#define RS_PIXELCACHE_H

#include <rescl/data.h>

typedef struct rs_pixel_cache rs_pixel_cache;

/* Made by rescl_dataset_cache, whose sets share what there is room for. */
void rs_pixel_cache_destroy(rs_pixel_cache *c);

/* From any thread. A copy of what was kept, for the caller to free; *found is false where nothing was. */
rescl_status rs_pixel_cache_get(rs_pixel_cache *c, size_t index, rescl_image *image, int32_t *label,
                                bool *found) RESCL_CHECK;
/* Keeps a copy, if memory for it is to be had. */
void rs_pixel_cache_put(rs_pixel_cache *c, size_t index, const rescl_image *image, int32_t label);

#endif
