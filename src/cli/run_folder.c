#include "run_folder.h"

#include "cli.h"
#include "config.h"
#include "dirs.h"
#include "output.h"
#include "text.h"
#include "textfile.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *cli_format(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = rs_vstrf(fmt, args);
    va_end(args);
    if (!text)
        cli_short_of_memory();
    return text;
}

char *cli_run_of(const char *flag, const char *run)
{
    char *path = cli_format("%s", run);
    if (!path)
        return NULL;
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    if (rs_path_is_dir(path))
        return path;
    /* RUN/weights/last.safetensors, or weights/last.safetensors inside of the folder. */
    char *slash = strrchr(path, '/');
    if (access(path, F_OK) != 0) {
        cli_error("%s: %s: %s", flag, path, strerror(errno));
    } else if (slash && slash - path >= 7 && strncmp(slash - 7, "weights", 7) == 0 &&
               (slash - path == 7 || slash[-8] == '/')) {
        if (slash - path <= 8)
            snprintf(path, 2, ".");
        else
            slash[-8] = '\0';
        return path;
    } else {
        cli_error("%s: found %s, expected a run folder or its weights/last.safetensors", flag,
                  path);
    }
    free(path);
    return NULL;
}

int cli_run_read_args(cli_args *args, const char *flag, const char *run)
{
    char *folder = cli_run_of(flag, run);
    if (!folder)
        return CLI_FILE;
    char *path = cli_format("%s/args.ini", folder);
    int code = path ? cli_config_read(args, path, ORIGIN_RUN) : CLI_FAILURE;
    free(path);
    free(folder);
    return code;
}

bool cli_make_folders(const char *path)
{
    const bool good = rs_make_folders(path);
    if (!good)
        cli_error("%s: cannot create the folder: %s", path, strerror(errno));
    return good;
}

/* The last part of a path without its slashes; `len` is its length. */
static const char *last_part(const char *path, size_t *len)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *len = end - start;
    return path + start;
}

/* "signs" of "data/signs/", "train" of "x/train.h5", the folder's own name of "." and "..". Control
 * characters become '_'. NULL after a message. */
static char *data_stem(const char *path)
{
    enum { LONGEST = 100 };
    size_t len;
    const char *part = last_part(path, &len);
    char *whole = NULL;
    if ((len == 1 && part[0] == '.') || (len == 2 && strncmp(part, "..", 2) == 0))
        whole = realpath(path, NULL);
    if (whole)
        part = last_part(whole, &len);
    const char *dot = len ? memchr(part, '.', len) : NULL;
    if (dot && dot != part)
        len = (size_t)(dot - part);
    while (len > LONGEST || (len > 0 && (part[len] & 0xc0) == 0x80))
        len--; /* not within a character of UTF-8 */
    char *stem = len ? cli_format("%.*s", (int)len, part) : cli_format("data");
    for (char *p = stem; p && rs_has_control(stem) && *p; p++)
        *p = (unsigned char)*p < 0x20 || (*p & 0x80) || *p == 0x7f ? '_' : *p;
    free(whole);
    return stem;
}

bool cli_run_check(const cli_args *args)
{
    const char *name = cli_str(args, OPT_name);
    if (!cli_require(args, OPT_output_dir))
        return false;
    if (name && (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
                 rs_has_control(name))) {
        cli_usage_error("--name: found '%s', expected the plain name of a folder in --output-dir",
                        name);
        return false;
    }
    return true;
}

char *cli_run_create(const cli_args *args)
{
    enum { MOST_RUNS = 100000 };
    const char *parent = cli_str(args, OPT_output_dir);
    const char *given = cli_str(args, OPT_name);
    char *stem = given ? NULL : data_stem(cli_str(args, OPT_data_path));
    char *name = given  ? cli_format("%s", given)
                 : stem ? cli_format("%s-%s", cli_str(args, OPT_model), stem)
                        : NULL;
    char *path = NULL;
    if (name && cli_make_folders(parent)) {
        for (int i = 1; i < MOST_RUNS; i++) {
            path = i == 1 ? cli_format("%s/%s", parent, name)
                          : cli_format("%s/%s-%d", parent, name, i);
            if (!path || mkdir(path, 0777) == 0)
                break;
            const bool taken = errno == EEXIST;
            if (!taken)
                cli_error("%s: cannot create the run's folder: %s; --output-dir gives it another "
                          "place",
                          path, strerror(errno));
            free(path);
            path = NULL;
            if (!taken)
                break;
        }
    }
    free(stem);
    free(name);
    return path;
}

cli_run_row cli_run_last_row(const char *folder)
{
    char *path = cli_format("%s/results.csv", folder);
    const char *why;
    FILE *f = path ? rs_text_open(path, 0, &why) : NULL;
    char line[512];
    cli_run_row last = {NAN, NAN, NAN, NAN};
    while (f && fgets(line, sizeof line, f)) {
        cli_run_row row = {NAN, NAN, NAN, NAN};
        /* The head has no numbers, and an epoch without evaluation two. */
        if (sscanf(line, "%*u,%*f,%lf,%lf,%lf,%lf", &row.train_loss, &row.train_top1,
                   &row.eval_loss, &row.eval_top1) >= 2)
            last = row;
    }
    if (f)
        fclose(f);
    free(path);
    return last;
}

char *cli_weights_of(const char *flag, const char *weights)
{
    if (!rs_path_is_dir(weights))
        return cli_format("%s", weights);
    /* Of a run; then of others, as Hugging Face's libraries call them. */
    static const char *const names[] = {
        "weights/best.safetensors", "weights/last.safetensors",     "model.safetensors",
        "pytorch_model.bin",        "model.safetensors.index.json", "pytorch_model.bin.index.json",
        "saved_model.pb",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = cli_format("%s/%s", weights, names[i]);
        if (!path || access(path, F_OK) == 0)
            return path;
        free(path);
    }
    cli_error("%s: %s holds no weights/best.safetensors of a run, no model.safetensors and no "
              "model.safetensors.index.json",
              flag, weights);
    return NULL;
}

char *cli_shell_quote(const char *word)
{
    char *quoted = rs_shell_quote(word);
    if (!quoted)
        cli_short_of_memory();
    return quoted;
}
