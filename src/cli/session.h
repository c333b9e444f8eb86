/* What several verbs open: a device, a part of a dataset, weights. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "options.h"

#include <rescl/rescl.h>

enum { CLI_TEAM_MOST = 64 };

typedef struct cli_session {
    rescl_runtime *runtime;
    rescl_device *device;              /* the first of these */
    rescl_device *team[CLI_TEAM_MOST]; /* one, but for the two below */
    size_t members;
} cli_session;

/* Opens --device with rescl_device_flags. Exit code; a message was printed if it is not CLI_OK. */
int cli_session_open(const cli_args *args, unsigned flags, cli_session *s);
/* Opens all devices that --device of another verb than train lists. */
int cli_session_open_all(const cli_args *args, cli_session *s);
/* The same in train, for one of several processes: where these share the machine, each opens one of the devices. */
int cli_session_open_rank(const cli_args *args, const rescl_ranks_info *rank, cli_session *s);
void cli_session_close(cli_session *s);

/* "0:0 name (platform)"; `buffer` has room for any. */
const char *cli_device_text(const rescl_device_info *info, char buffer[320]);

/* A note that says which tuning the device's plans take, if there is one. */
void cli_tuning_note(rescl_device *device);

/* Sets the members that say how data is read: struct_size, path, format, limits. */
void cli_data_options(const cli_args *args, rescl_data_options *options);
/* Opens --data-path, of --format, with what else the options say; cli_data_options sets the rest. */
rescl_status cli_data_open(const cli_args *args, rescl_data_options *options, rescl_dataset **out);

/* Loads --weights, of the --model where they do not say it. Exit code; `path` is the file that was
 * meant, to be freed. */
int cli_weights_load(const cli_args *args, rescl_model **model, char **path);

/* The value of --precision. */
rescl_precision cli_precision(const cli_args *args);
/* A note of it, unless it is fp32. */
void cli_precision_note(rescl_precision precision);

/* Takes a --val-resize-size other than 0 and an --interpolation other than NULL. Exit code. */
int cli_fit_set(size_t side, const char *interpolation, rescl_model *model);

/* Makes the --channels that the weights are made for, 0: not known, its value where it is not given. Exit
 * code. */
int cli_channels_take(const cli_args *args, size_t said);
/* "grey", "four channels", ... */
const char *cli_channels_text(size_t channels);
/* The same of --bit-depth. */
int cli_bit_depth_take(const cli_args *args, size_t said);
/* Both of a model, without a word. */
int cli_form_take(const cli_args *args, const rescl_model_info *info);
/* ", grey", ", 16 bits", ...: what is not usual of a model's images. */
const char *cli_form_text(const rescl_model_info *info);
/* Makes the --sample-bits that the weights were trained with, 0: not known, its value where it is not
 * given, and says what it is. Exit code. */
int cli_sample_bits_take(const cli_args *args, size_t said);

/* How much of the network weights have to hold, by --strict: the whole of it, or all but the head. */
rescl_load_mode cli_load_mode(const cli_args *args, bool whole);

/* Prints why weights were not loaded, and what would take them; exit code. `report` is that of loading:
 * NULL when it did not come to what the mode refuses. */
int cli_weights_fail(rescl_status st, rescl_load_mode mode, const rescl_match_list *report);

/* Notes how the names and shapes of a file were understood, where that is not plain. */
void cli_weights_note(const rescl_weights *weights, const rescl_match_list *report);

/* Loads the file `path` whole or all but the last layer, nothing else in it (with --no-strict: whatever
 * it holds beside that), as --model, --size, --class-index, --val-resize-size and --interpolation say;
 * notes say which size and fit are used and why. Exit code. */
int cli_weights_read(const cli_args *args, const char *path, bool top, rescl_model **model);

#endif
