#include "preprocess.h"

#include "cli.h"
#include "output.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* "R,G,B", or one number for all that there are. */
static bool parse_channels(const cli_args *args, cli_opt id, size_t channels, double out[4])
{
    const char *text = cli_str(args, id), *p = text;
    size_t count = 0;
    bool good = true;
    while (good && count < 4) {
        char number[64];
        const size_t len = strcspn(p, ",");
        good = len > 0 && len < sizeof number;
        if (good) {
            memcpy(number, p, len);
            number[len] = '\0';
            good = rs_parse_f64(number, &out[count]) &&
                   rs_in_range_f64(id == OPT_std ? "(0,1]" : "[0,1]", out[count]);
            count++;
        }
        p += len;
        if (!*p)
            break;
        p++;
    }
    if (!good || *p || (count != 1 && count != channels)) {
        cli_usage_error("--%s: found '%s', expected %s from 0 to 1, of x / 255",
                        cli_opt_get(id)->name, text,
                        channels == 1   ? "the number of the one channel,"
                        : channels == 4 ? "R,G,B,A: numbers"
                                        : "R,G,B: numbers");
        return false;
    }
    for (; count < (channels == 3 ? 3 : 4); count++)
        out[count] = out[0];
    return true;
}

/* What is not given is what the preprocessing has anyway. */
static int set_channels(const cli_args *args, rescl_model *model)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    rescl_normalize n = info.normalize;
    const bool mean = cli_str(args, OPT_mean), std = cli_str(args, OPT_std);
    if (info.preprocess == RESCL_PREPROCESS_CAFFE && !(mean && std)) {
        cli_usage_error("--%s: the preprocessing is caffe, which has no std; give --mean and --std",
                        mean ? "mean" : "std");
        return CLI_USAGE;
    }
    if ((mean && !parse_channels(args, OPT_mean, info.channels, n.mean)) ||
        (std && !parse_channels(args, OPT_std, info.channels, n.std)))
        return CLI_USAGE;
    const rescl_status st = rescl_model_set_normalize(model, &n);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

int cli_preprocess_set(const cli_args *args, rescl_model *model)
{
    const char *name = cli_choice(args, OPT_preprocess), *known;
    for (int i = 0; (known = rescl_preprocess_name((rescl_preprocess)i)) != NULL; i++)
        if (name && strcmp(name, known) == 0)
            rescl_model_set_preprocess(model, (rescl_preprocess)i);
    if (!cli_str(args, OPT_mean) && !cli_str(args, OPT_std))
        return CLI_OK;
    if (name && strcmp(name, "caffe") == 0) {
        cli_usage_error("--preprocess caffe does not go with --mean and --std");
        return CLI_USAGE;
    }
    return set_channels(args, model);
}

const char *cli_preprocess_text(rescl_preprocess p, const rescl_normalize *n, size_t channels,
                                char buffer[256])
{
    const double *const of[] = {n->mean, n->std};
    static const char *const before[] = {" (mean ", ", std "};
    if (p != RESCL_PREPROCESS_NORMALIZE)
        return rescl_preprocess_name(p);
    size_t used = (size_t)snprintf(buffer, 256, "%s", rescl_preprocess_name(p));
    for (size_t i = 0; i < 2; i++)
        for (size_t c = 0; c < (channels ? channels : 3); c++) {
            char number[RS_F64_CHARS];
            rs_format_f64(of[i][c], number);
            used +=
                (size_t)snprintf(buffer + used, 256 - used, "%s%s", c ? "," : before[i], number);
        }
    snprintf(buffer + used, 256 - used, ")");
    return buffer;
}

void cli_preprocess_note(const cli_args *args, const rescl_weights *weights,
                         const rescl_model *model)
{
    rescl_weights_info file = {0};
    rescl_model_info info;
    char text[256];
    rescl_model_get_info(model, &info);
    const char *how = cli_preprocess_text(info.preprocess, &info.normalize, info.channels, text);
    if (weights)
        rescl_weights_get_info(weights, &file);
    if (cli_str(args, OPT_mean) || cli_str(args, OPT_std))
        cli_note("inputs  %s: by --mean and --std", how);
    else if (cli_choice(args, OPT_preprocess))
        cli_note("inputs  %s: by --preprocess", how);
    else if (file.says_preprocess)
        cli_note("inputs  %s: as the weights say", how);
    else if (file.has_preprocess)
        cli_note(
            "inputs  %s: assumed, as weights with names of %s usually take it; the file does "
            "not say, so give --preprocess, or --mean and --std, if they were trained otherwise",
            how, file.names);
    else
        cli_note("inputs  %s: usual for %s%s", how, info.name,
                 weights
                     ? "; the weights do not say, so give --preprocess, or --mean and --std, if "
                       "they were trained otherwise"
                     : "");
}

static json_t *channels_json(const double value[4], size_t channels)
{
    json_t *list = json_array();
    for (size_t c = 0; c < (channels ? channels : 3); c++)
        cli_json_append(list, cli_json_real(value[c]));
    return list;
}

void cli_preprocess_json(json_t *object, rescl_preprocess p, const rescl_normalize *n,
                         size_t channels)
{
    cli_json_set(object, "preprocess", json_string(rescl_preprocess_name(p)));
    if (p == RESCL_PREPROCESS_NORMALIZE) {
        cli_json_set(object, "mean", channels_json(n->mean, channels));
        cli_json_set(object, "std", channels_json(n->std, channels));
    }
}
