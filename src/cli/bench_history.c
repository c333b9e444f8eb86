#include "bench_history.h"

#include "alloc.h"
#include "cli.h"
#include "dirs.h"
#include "output.h"
#include "run_folder.h"
#include "text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME 120 /* bytes of a folder's name before its number */

/* On the heap; NULL after a message. */
static char *find_root(void)
{
    const char *own = getenv("RESCL_HISTORY_DIR"), *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (own && *own)
        return cli_format("%s", own);
    if (data && *data == '/')
        return cli_format("%s/rescl/history", data);
    if (home && *home)
        return cli_format("%s/.local/share/rescl/history", home);
    cli_error("--history: neither RESCL_HISTORY_DIR, XDG_DATA_HOME nor HOME is set; set "
              "RESCL_HISTORY_DIR "
              "to a folder");
    return NULL;
}

/* "pthread-skylake-3.1-1a2b3c4d": letters, digits and dots of the names, and a number (FNV-1a) that differs
 * where only others do. */
static void name_device(const rescl_device_info *d, char out[NAME + 16])
{
    char text[sizeof d->name + sizeof d->platform_name + sizeof d->driver];
    uint32_t number = 2166136261u;
    size_t n = 0;
    snprintf(text, sizeof text, "%s %s %s", d->name, d->platform_name, d->driver);
    for (const char *c = text; *c; c++) {
        const bool kept = isalnum((unsigned char)*c) || (*c == '.' && n > 0);
        number = (number ^ (unsigned char)*c) * 16777619u;
        if (n < NAME && (kept || (n > 0 && out[n - 1] != '-')))
            out[n++] = kept ? *c : '-';
    }
    snprintf(out + n, 16, "%s%08x", n > 0 && out[n - 1] != '-' ? "-" : "", number);
}

char *cli_history_file(const rescl_device_info *device)
{
    char name[NAME + 16], when[32] = "";
    const time_t now = time(NULL);
    struct tm utc;
    char *root = find_root(), *folder = NULL, *path = NULL;
    name_device(device, name);
    if (gmtime_r(&now, &utc))
        strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc);
    if (root)
        folder = cli_format("%s/%s", root, name);
    if (folder && cli_make_folders(folder))
        path = cli_format("%s/%s-%ld.jsonl", folder, when, (long)getpid());
    free(root);
    free(folder);
    return path;
}

/* ---- listing ----------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder that end with `end`, sorted. False after a message. */
static bool list_names(const char *folder, const char *end, char ***out, size_t *count)
{
    DIR *dir = opendir(folder);
    size_t room = 0;
    bool good = true;
    *out = NULL;
    *count = 0;
    if (!dir) {
        cli_error("%s: %s; 'rescl bench ... --history' keeps rows there", folder, strerror(errno));
        return false;
    }
    for (struct dirent *e; good && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || !rs_ends_with(e->d_name, end))
            continue;
        char *name = strdup(e->d_name);
        good = name && rs_array_grow(out, &room, *count + 1, sizeof **out);
        if (good)
            (*out)[(*count)++] = name;
        else
            free(name);
    }
    closedir(dir);
    if (!good)
        cli_short_of_memory();
    if (*count)
        qsort(*out, *count, sizeof **out, by_name);
    return good;
}

static bool is_meant(const char *name, char *const *word, size_t words)
{
    for (size_t i = 0; i < words; i++)
        if (strstr(name, word[i]))
            return true;
    return words == 0;
}

/* What else lies there is nobody's history. */
static bool is_folder(const char *root, const char *name)
{
    char *path = cli_format("%s/%s", root, name);
    const bool is = path && rs_path_is_dir(path);
    free(path);
    return is;
}

static bool add_device(const char *root, const char *name, cli_history_device *d)
{
    char *folder = cli_format("%s/%s", root, name);
    bool good = folder && (d->name = cli_format("%s", name)) != NULL &&
                list_names(folder, ".jsonl", &d->path, &d->runs);
    for (size_t i = 0; good && i < d->runs; i++) {
        char *path = cli_format("%s/%s", folder, d->path[i]);
        good = path != NULL;
        if (good) {
            free(d->path[i]);
            d->path[i] = path;
        }
    }
    free(folder);
    return good;
}

int cli_history_list(char *const *word, size_t words, cli_history *out)
{
    char *root = find_root(), **name = NULL;
    size_t names = 0;
    int code = root ? CLI_OK : CLI_USAGE;
    *out = (cli_history){0};
    if (code == CLI_OK && !list_names(root, "", &name, &names))
        code = CLI_FILE;
    if (code == CLI_OK && !(out->device = calloc(names + 1, sizeof *out->device))) {
        cli_short_of_memory();
        code = CLI_FAILURE;
    }
    for (size_t i = 0; i < names && code == CLI_OK; i++)
        if (is_meant(name[i], word, words) && is_folder(root, name[i]) &&
            !add_device(root, name[i], &out->device[out->devices++]))
            code = CLI_FILE;
    if (code == CLI_OK && out->devices == 0) {
        cli_error(
            "%s: found no device%s%s, expected one that 'rescl bench ... --history' was run on",
            root, words ? " whose name holds " : "", words ? word[0] : "");
        code = CLI_FILE;
    }
    for (size_t i = 0; i < names; i++)
        free(name[i]);
    free(name);
    free(root);
    return code;
}

void cli_history_fini(cli_history *h)
{
    for (size_t i = 0; i < h->devices; i++) {
        for (size_t k = 0; k < h->device[i].runs; k++)
            free(h->device[i].path[k]);
        free(h->device[i].path);
        free(h->device[i].name);
    }
    free(h->device);
    *h = (cli_history){0};
}
