#include "images.h"

#include "alloc.h"
#include "cli.h"
#include "dirs.h"
#include "output.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 65536 };

/* Takes the path, NULL when memory was short. Exit code. */
static int add(cli_images *list, char *path)
{
    if (!path || !rs_array_grow(&list->path, &list->room, list->count + 1, sizeof *list->path)) {
        cli_error("out of memory");
        free(path);
        return CLI_FAILURE;
    }
    list->path[list->count++] = path;
    return CLI_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The images of a folder, by name. */
static int add_folder(cli_images *list, const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        cli_error("%s: %s", folder, strerror(errno));
        return CLI_FILE;
    }
    size_t first = list->count;
    int code = CLI_OK;
    for (struct dirent *e; code == CLI_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.' && rescl_image_has_suffix(e->d_name))
            code = add(list, rs_path_join(folder, e->d_name));
    }
    closedir(dir);
    if (code == CLI_OK && list->count == first) {
        cli_error("%s: found no image, expected *.png, *.jpg or *.jpeg", folder);
        return CLI_FILE;
    }
    if (list->count > first)
        qsort(list->path + first, list->count - first, sizeof *list->path, by_name);
    return code;
}

static int add_path(cli_images *list, const char *path)
{
    if (rs_path_is_dir(path))
        return add_folder(list, path);
    return add(list, strdup(path));
}

/* The line that begins at byte `read` of the list, without its end; more than a path may have is an
 * error. -1 at the end, -2 after a message. */
static ssize_t read_line(FILE *f, const char *file, size_t line, char *text)
{
    size_t len = 0;
    int c;
    while ((c = getc(f)) != EOF && c != '\n') {
        if (len == LINE_BYTES || c == '\0') {
            const char *wide = line == 1 ? rs_wide_encoding(text, len) : NULL;
            if (wide)
                cli_error("--files-from: %s: is %s, expected UTF-8", file, wide);
            else if (c == '\0')
                cli_error("--files-from: %s:%zu: found a NUL byte, expected one path a line", file,
                          line);
            else
                cli_error("--files-from: %s:%zu: found a line of more than %d bytes, expected one "
                          "path a line",
                          file, line, LINE_BYTES);
            return -2;
        }
        text[len++] = (char)c;
    }
    if (c == EOF && len == 0)
        return -1;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    text[len] = '\0';
    return (ssize_t)len;
}

/* One path a line, whose ends may be LF or CRLF; blank lines and a byte order mark are skipped. */
static int add_listed(cli_images *list, const char *file)
{
    bool standard = strcmp(file, "-") == 0;
    FILE *f = standard ? stdin : fopen(file, "r");
    int code = CLI_OK;
    char text[LINE_BYTES + 1];
    ssize_t len = 0;
    if (!f) {
        cli_error("--files-from: %s: %s", file, strerror(errno));
        return CLI_FILE;
    }
    for (size_t line = 1; code == CLI_OK && (len = read_line(f, file, line, text)) >= 0; line++) {
        const size_t mark = line == 1 ? rs_bom_bytes(text, (size_t)len) : 0;
        const char *wide = line == 1 ? rs_wide_encoding(text, (size_t)len) : NULL;
        if (wide) {
            cli_error("--files-from: %s: is %s, expected UTF-8", file, wide);
            code = CLI_FILE;
        } else if (text[mark]) {
            code = add_path(list, text + mark);
        }
    }
    if (ferror(f))
        cli_error("--files-from: %s: %s", file, strerror(errno));
    if (ferror(f) || len == -2)
        code = CLI_FILE;
    if (!standard)
        fclose(f);
    return code;
}

int cli_images_find(const cli_args *args, cli_images *list)
{
    const char *listed = cli_str(args, OPT_files_from);
    bool stdin_taken = listed && strcmp(listed, "-") == 0;
    if (!args->operands && !listed) {
        cli_usage_error(
            "expected images or folders, or '-': rescl predict --weights FILE photo.jpg");
        return CLI_USAGE;
    }
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && i < args->operands; i++) {
        if (strcmp(args->operand[i], "-") != 0) {
            code = add_path(list, args->operand[i]);
            continue;
        }
        if (stdin_taken) {
            cli_usage_error("standard input ('-') can be read only once");
            return CLI_USAGE;
        }
        stdin_taken = list->reads_stdin = true;
        code = add(list, strdup("-"));
    }
    if (code == CLI_OK && listed)
        code = add_listed(list, listed);
    if (code == CLI_OK && !list->count) {
        cli_error("--files-from: %s: names no image", listed);
        code = CLI_FILE;
    }
    return code;
}

void cli_images_free(cli_images *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->path[i]);
    free(list->path);
    *list = (cli_images){0};
}

/* All of standard input into *data, which is the caller's in any case. Exit code. */
static int read_stdin(char **data, size_t *bytes)
{
    for (size_t room = 0; !feof(stdin) && !ferror(stdin);) {
        if (*bytes > RESCL_IMAGE_MAX_BYTES) {
            cli_error("standard input: more than the 512 MiB that an image may have");
            return CLI_FILE;
        }
        if (*bytes == room) {
            room = room ? 2 * room : (size_t)1 << 16;
            char *grown = realloc(*data, room);
            if (!grown) {
                cli_error("out of memory");
                return CLI_FAILURE;
            }
            *data = grown;
        }
        *bytes += fread(*data + *bytes, 1, room - *bytes, stdin);
    }
    if (ferror(stdin)) {
        cli_error("standard input: %s", strerror(errno));
        return CLI_FILE;
    }
    return CLI_OK;
}

int cli_images_read(const cli_images *list, size_t index, rescl_image *out)
{
    const char *path = list->path[index];
    char *data = NULL;
    size_t bytes = 0;
    int code = CLI_OK;
    rescl_status st = RESCL_OK;
    if (!list->reads_stdin || strcmp(path, "-") != 0)
        st = rescl_image_read(path, out);
    else if ((code = read_stdin(&data, &bytes)) == CLI_OK)
        st = rescl_image_decode(data, bytes, "standard input", out);
    free(data);
    if (st != RESCL_OK)
        code = cli_fail(st, false);
    /* A format that this build cannot read is no matter of the device. */
    return code == CLI_DEVICE ? CLI_FILE : code;
}
