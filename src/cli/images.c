#include "images.h"

#include "alloc.h"
#include "cli.h"
#include "dirs.h"
#include "output.h"
#include "text.h"
#include "textfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_BYTES = 65536 };

/* Takes the path, NULL when memory was short. Exit code. */
static int add(cli_images *list, char *path)
{
    if (!path || !rs_array_grow(&list->path, &list->room, list->count + 1, sizeof *list->path)) {
        cli_short_of_memory();
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

/* A folder that is being read, and those that it lies in: a link to one of them leads nowhere new.
 */
typedef struct place {
    const struct place *above;
    dev_t device;
    ino_t inode;
} place;

/* What a walk leaves out. */
typedef struct left_out {
    size_t folders, files;
} left_out;

static bool is_above(const place *here, const struct stat *info)
{
    for (; here; here = here->above)
        if (here->device == info->st_dev && here->inode == info->st_ino)
            return true;
    return false;
}

/* A folder that cannot be read is reported and stops nothing. Exit code: of what stops. */
static int walk(cli_images *list, const char *path, const place *above, left_out *out)
{
    struct stat info;
    DIR *dir = opendir(path);
    if (!dir || stat(path, &info) != 0) {
        cli_error("%s: %s", path, strerror(errno));
        list->code = CLI_FILE;
        if (dir)
            closedir(dir);
        return CLI_OK;
    }
    const place here = {above, info.st_dev, info.st_ino};
    int code = CLI_OK;
    for (struct dirent *e; code == CLI_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        char *inner = rs_path_join(path, e->d_name);
        const bool folder = inner && stat(inner, &info) == 0 && S_ISDIR(info.st_mode);
        if (!inner || (!folder && rescl_image_has_suffix(e->d_name))) {
            code = add(list, inner);
            continue;
        }
        if (!folder)
            out->files++;
        else if (!list->recursive)
            out->folders++;
        else if (!is_above(&here, &info))
            code = walk(list, inner, &here, out);
        free(inner);
    }
    closedir(dir);
    return code;
}

/* "; left out: 2 sub-folders (--recursive reads them), 3 other files"; "" if nothing was. */
static const char *left_out_text(const left_out *out, char text[160])
{
    char folders[64] = "", files[64] = "";
    snprintf(text, 160, "%s%s%s%s%s", out->folders || out->files ? "; left out: " : "",
             out->folders ? cli_count(out->folders, "sub-folder", folders) : "",
             out->folders ? " (--recursive reads them)" : "",
             out->folders && out->files ? ", " : "",
             out->files ? cli_count(out->files, "other file", files) : "");
    return text;
}

/* The images of a folder, by name. Exit code: of what stops. */
static int add_folder(cli_images *list, const char *folder)
{
    const size_t first = list->count;
    const int failed = list->code;
    left_out out = {0};
    char text[160], images[64];
    list->code = CLI_OK;
    int code = walk(list, folder, NULL, &out);
    const size_t found = list->count - first;
    left_out_text(&out, text);
    if (code == CLI_OK && found == 0 && list->code == CLI_OK) {
        cli_error("%s: found no image%s", folder, text);
        list->code = CLI_FILE;
    } else if (code == CLI_OK && *text) {
        cli_note("%s: %s%s", folder, cli_count(found, "image", images), text);
    }
    list->code = list->code == CLI_OK ? failed : list->code;
    if (found)
        qsort(list->path + first, found, sizeof *list->path, by_name);
    return code;
}

/* The images that a table names. Exit code: of what stops. */
static int add_table(cli_images *list, const char *file)
{
    char **path = NULL;
    size_t count = 0;
    const rescl_status st = rescl_table_read_paths(file, list->folder, &path, &count);
    int code = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    for (size_t i = 0; i < count; i++) {
        if (code == CLI_OK)
            code = add(list, path[i]);
        else
            free(path[i]);
    }
    list->tables += code == CLI_OK;
    free(path);
    return code;
}

static int add_path(cli_images *list, const char *path)
{
    if (rs_path_is_dir(path))
        return add_folder(list, path);
    if (rs_ends_with(path, ".csv") || rs_ends_with(path, ".tsv"))
        return add_table(list, path);
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
            const size_t before = len;
            text[len++] = (char)c;
            while (before < 4 && len < 4 && (c = getc(f)) != EOF)
                text[len++] = (char)c;
            const bool nul = !text[before];
            const char *wide = line == 1 ? rs_wide_encoding(text, len) : NULL;
            if (wide)
                cli_error("--files-from: %s: is %s, expected UTF-8", file, wide);
            else if (nul)
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
    const char *why = NULL;
    FILE *f = standard ? stdin : rs_text_open(file, RS_TEXT_WAIT, &why);
    int code = CLI_OK;
    char text[LINE_BYTES + 1];
    ssize_t len = 0;
    if (!f) {
        cli_error("--files-from: %s: %s", file, why);
        return CLI_FILE;
    }
    for (size_t line = 1; code == CLI_OK && (len = read_line(f, file, line, text)) >= 0; line++) {
        /* Lists that were joined have a mark at the start of each. */
        const size_t marked = rs_bom_bytes(text, (size_t)len);
        const size_t mark = line == 1 || access(text, F_OK) != 0 ? marked : 0;
        const char *wide = line == 1 ? rs_wide_encoding(text, (size_t)len) : NULL;
        if (wide) {
            cli_error("--files-from: %s: is %s, expected UTF-8", file, wide);
            code = CLI_FILE;
        } else if (strchr(text, '\r') && access(text + mark, F_OK) != 0) {
            cli_error(
                "--files-from: %s:%zu: found a carriage return within the line, expected lines "
                "that end with LF or CRLF",
                file, line);
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
    list->recursive = cli_bool(args, OPT_recursive);
    list->folder = cli_str(args, OPT_images);
    rescl_image_options_default(&list->options);
    list->options.max_pixels = cli_size(args, OPT_max_pixels);
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
    if (code == CLI_OK && list->folder && list->tables == 0) {
        cli_usage_error(
            "--images names the folder of a table's images, and there is no table (.csv, "
            ".tsv) among what is to be predicted");
        return CLI_USAGE;
    }
    if (code == CLI_OK && !list->count && list->code == CLI_OK) {
        cli_error("--files-from: %s: names no image", listed);
        code = CLI_FILE;
    }
    return code == CLI_OK && !list->count ? list->code : code;
}

void cli_images_free(cli_images *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->path[i]);
    free(list->path);
    free(list->standard);
    *list = (cli_images){0};
}

/* The bytes are the list's in any case. */
int cli_images_read_stdin(cli_images *list)
{
    if (!list->reads_stdin)
        return CLI_OK;
    for (size_t room = 0; !feof(stdin) && !ferror(stdin);) {
        if (list->bytes > RESCL_IMAGE_MAX_BYTES) {
            cli_error("standard input: more than the 512 MiB that an image may have");
            return CLI_FILE;
        }
        if (list->bytes == room) {
            room = room ? 2 * room : (size_t)1 << 16;
            char *grown = realloc(list->standard, room);
            if (!grown) {
                cli_short_of_memory();
                return CLI_FAILURE;
            }
            list->standard = grown;
        }
        list->bytes += fread(list->standard + list->bytes, 1, room - list->bytes, stdin);
    }
    if (ferror(stdin)) {
        cli_error("standard input: %s", strerror(errno));
        return CLI_FILE;
    }
    return CLI_OK;
}

static rescl_status read_as(const cli_images *list, size_t index, const rescl_image_options *how,
                            rescl_image *out, unsigned *notices)
{
    const char *path = list->path[index];
    if (list->reads_stdin && strcmp(path, "-") == 0)
        return rescl_image_decode_with(list->standard, list->bytes, "standard input", how, out,
                                       notices);
    return rescl_image_read_with(path, how, out, notices);
}

rescl_status cli_images_read(const cli_images *list, size_t index, rescl_image *out,
                             unsigned *notices)
{
    return read_as(list, index, &list->options, out, notices);
}

rescl_status cli_images_read_shown(const cli_images *list, size_t index, rescl_image *out)
{
    rescl_image_options how = list->options;
    how.channels = 3;
    how.bit_depth = 8;
    return read_as(list, index, &how, out, NULL);
}
