/* What the tests of image formats share: files of tests/data/images, each of which has its pixels, as
 * another program reads them, beside it in a PNG of the same name. */
#ifndef IMAGECASES_H
#define IMAGECASES_H

/* Wants the pixels of a file and these notices, bits of rescl_image_notice, and that a look at its header
 * says the same of its size and `kind`. */
void expect_image(const char *name, const char *kind, unsigned notices);

/* Of a file of 8300x8200 equal pixels: a quarter of its width and height, all of them `rgb`, and the notice
 * that it was made smaller; or, by max_pixels, an error. */
void expect_smaller(const void *data, size_t bytes, const uint8_t rgb[3]);
void expect_case_smaller(const char *name, const uint8_t rgb[3]);

/* Of a file of more than 90 pixels: refused by a max_pixels of 90, with `word` in the message. */
void expect_limit(const char *name, const char *word);

/* Of each beginning of the file: an error, or the same image with RESCL_IMAGE_END_DAMAGED. */
void expect_cuts(const char *name);

/* Of the file with some bytes changed at random, many times: an image or an error. */
void change_bytes(const char *name);

/* Wants that a file of these bytes is refused, with `word` in the message. */
void expect_refused(const void *data, size_t bytes, const char *word);

/* The file on the heap. */
uint8_t *read_case(const char *name, size_t *bytes);

#endif
