/* What `bench --history` keeps: a folder for each device and driver, with a file of JSON lines for each
 * run, named by its time. Below $RESCL_HISTORY_DIR, else $XDG_DATA_HOME/rescl/history, else
 * ~/.local/share/rescl/history. */
#ifndef CLI_BENCH_HISTORY_H
#define CLI_BENCH_HISTORY_H

#include <rescl/device.h>
#include <stddef.h>

/* The file of a run that ends now, on the heap, in its folder, which is made. NULL after a message. */
char *cli_history_file(const rescl_device_info *device);

/* The runs of a device, oldest first. */
typedef struct cli_history_device {
    char *name;  /* of its folder */
    char **path; /* `runs` files */
    size_t runs;
} cli_history_device;

typedef struct cli_history {
    cli_history_device *device; /* by name */
    size_t devices;
} cli_history;

/* All devices whose folder's name holds one of the words; without words: all. Exit code, after a message: CLI_FILE where there is nothing. */
int cli_history_list(char *const *word, size_t words, cli_history *out);
void cli_history_fini(cli_history *h);

#endif
