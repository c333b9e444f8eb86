/* The OpenCL C files of cl/, which the build embeds (cmake/RsEmbed.cmake). */
#ifndef RS_EMBEDDED_H
#define RS_EMBEDDED_H

/* The text of a file by its name, such as "conv2d.cl" or "common.clh"; static; NULL if there is no
 * such file. */
const char *rs_embedded_source(const char *file_name);

#endif
