#include "outfile.h"

#include "cli.h"
#include "dirs.h"
#include "output.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool cli_outfile_name(const cli_args *args, cli_opt id, const char **path)
{
    static const char *const forms[] = {"text", "md", "csv", "json", "jsonl"};
    *path = cli_str(args, id);
    for (size_t i = 0; *path && i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(*path, forms[i]) == 0) {
            cli_usage_error("--output names a file; for the form of the results: --output-format "
                            "%s (for a file of that name: --output ./%s)",
                            *path, *path);
            return false;
        }
    }
    return true;
}

/* Whether the path is something that cannot be replaced, such as /dev/stdout or a FIFO. */
static bool is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Also /dev/stdout and the like, which are links that no file must take the place of. */
static bool is_stdout(const char *path)
{
    struct stat there, own;
    return strcmp(path, "-") == 0 ||
           (stat(path, &there) == 0 && fstat(STDOUT_FILENO, &own) == 0 && same_file(&there, &own));
}

bool cli_outfile_is_input(const char *path, const char *input)
{
    struct stat to, from;
    if (!path || stat(path, &to) != 0 || stat(input, &from) != 0 || !S_ISREG(to.st_mode) ||
        !same_file(&to, &from))
        return false;
    cli_usage_error("%s is read as well, and would be lost; give another name", path);
    return true;
}

static int fail(const char *path)
{
    cli_error("%s: %s", path, strerror(errno));
    return CLI_FILE;
}

int cli_outfile_check(const char *path)
{
    if (!path)
        return CLI_OK;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? rs_strf("%.*s", (int)(slash - path + 1), path) : rs_strf(".");
    int code = CLI_OK;
    if (!folder) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    if (rs_path_is_dir(path)) {
        errno = EISDIR;
        code = fail(path);
    } else if (!is_special(path) && access(folder, W_OK | X_OK) != 0) {
        code = fail(path);
    }
    free(folder);
    return code;
}

int cli_outfile_open(cli_outfile *o, const char *path)
{
    *o = (cli_outfile){.f = stdout};
    if (!path || is_stdout(path))
        return CLI_OK;
    o->f = NULL;
    o->path = path;
    const int code = cli_outfile_check(path);
    if (code != CLI_OK)
        return code;
    o->f = open_memstream(&o->text, &o->bytes);
    if (o->f)
        return CLI_OK;
    cli_short_of_memory();
    return CLI_FAILURE;
}

static bool write_all(FILE *f, const char *text, size_t bytes)
{
    const bool good = fwrite(text, 1, bytes, f) == bytes && fflush(f) == 0 &&
                      (fsync(fileno(f)) == 0 || errno == EINVAL || errno == EROFS);
    const int why = errno;
    const bool closed = fclose(f) == 0;
    if (!good)
        errno = why;
    return good && closed;
}

/* Beside the file, which a link may lead to, and then over it. */
static int replace(const char *name, const char *text, size_t bytes)
{
    char *found = realpath(name, NULL);
    const char *path = found ? found : name;
    char *temp = rs_strf("%s.tmp-%ld", path, (long)getpid());
    if (!temp) {
        free(found);
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    FILE *f = fopen(temp, "wbx");
    int code = CLI_OK;
    if (!f || !write_all(f, text, bytes) || rename(temp, path) != 0) {
        code = fail(path);
        if (f)
            unlink(temp);
    }
    free(found);
    free(temp);
    return code;
}

int cli_outfile_close(cli_outfile *o, bool keep)
{
    int code = CLI_OK;
    const bool whole = !o->path || !o->f || !ferror(o->f);
    if (o->path && o->f && (fclose(o->f) != 0 || !whole)) {
        cli_short_of_memory();
        code = CLI_FAILURE;
    } else if (o->path && o->f && keep && is_special(o->path)) {
        FILE *f = fopen(o->path, "wb");
        if (!f || !write_all(f, o->text, o->bytes))
            code = fail(o->path);
    } else if (o->path && o->f && keep) {
        code = replace(o->path, o->text, o->bytes);
    }
    free(o->text);
    *o = (cli_outfile){0};
    return code;
}
