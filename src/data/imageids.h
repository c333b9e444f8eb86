/* Files of images by the names that tables give them without an ending: "ISIC_0015719" is ISIC_0015719.jpg. */
#ifndef RS_IMAGEIDS_H
#define RS_IMAGEIDS_H

#include <rescl/status.h>
#include <stddef.h>

/* Folders that were looked into, each once. {0} is empty. */
typedef struct rs_image_ids {
    struct rs_image_id_folder *at; /* by name */
    size_t count, cap;
    size_t missing; /* names without an ending, of which nothing was found */
} rs_image_ids;

/* The file in `folder` that `name` stands for, on the heap: that of this very name or, where it has none of an
 * image's endings and there is no such file, the one image whose name is that before its ending. A name may
 * lead into folders below, or be a whole path. What is not found is joined as it is, for whoever reads it to
 * say so. RESCL_ERR_FORMAT where two images have that name. */
rescl_status rs_image_ids_path(rs_image_ids *ids, const char *folder, const char *name, char **out)
    RESCL_CHECK;
void rs_image_ids_fini(rs_image_ids *ids);

#endif
