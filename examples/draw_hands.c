/* Draws hands from a built-in data set into PNG files, a folder for each class:
 *
 *     draw_hands FOLDER [COUNT [SEED [SIZE [SET]]]]      24 hands of 64 x 64 pixels unless told
 *
 * SET is handsigns, which counts fingers, or handsigns10, which says which ones are raised.
 *
 * FOLDER/<class>/<number>.png is what `rescl train --data-path FOLDER` reads, and each file is an
 * image for `rescl predict`. Shows how a C program uses the data part of rescl. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int complain(const char *what)
{
    fprintf(stderr, "draw_hands: %s: %s\n", what, rescl_last_error()->message);
    return 1;
}

static int make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    fprintf(stderr, "draw_hands: %s: %s\n", path, strerror(errno));
    return 1;
}

static int draw(const rescl_dataset *hands, size_t index, const char *folder)
{
    rescl_image image = {0};
    int32_t label;
    if (rescl_dataset_get(hands, index, &image, &label) != RESCL_OK)
        return complain("drawing");

    char path[4096];
    const char *name = rescl_dataset_class_name(hands, (size_t)label);
    int failed = snprintf(path, sizeof path - 32, "%s/%s", folder, name) >= (int)sizeof path - 32;
    if (failed)
        fprintf(stderr, "draw_hands: %s: the name is too long\n", folder);
    failed = failed || make_folder(path);
    if (!failed) {
        snprintf(path + strlen(path), 32, "/%04zu.png", index);
        if (rescl_image_write(path, &image) != RESCL_OK)
            failed = complain("writing");
    }
    rescl_image_free(&image);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 6) {
        fprintf(stderr, "usage: draw_hands FOLDER [COUNT [SEED [SIZE [SET]]]]\n");
        return 2;
    }
    rescl_data_options options = {
        .struct_size = sizeof options,
        .path = argc > 5 ? argv[5] : "handsigns",
        .split = "test",
        .samples = argc > 2 ? strtoul(argv[2], NULL, 10) : 24,
        .seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 0,
        .image_size = argc > 4 ? strtoul(argv[4], NULL, 10) : 64,
    };
    rescl_dataset *hands = NULL;
    if (rescl_dataset_open(&options, &hands) != RESCL_OK)
        return complain("opening the set");

    int failed = make_folder(argv[1]);
    for (size_t i = 0; i < rescl_dataset_count(hands) && !failed; i++)
        failed = draw(hands, i, argv[1]);
    rescl_dataset_close(hands);
    return failed;
}
